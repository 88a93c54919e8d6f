// SPDX-License-Identifier: MIT OR Apache-2.0
//! Numbers in order of preference, with the 0 behind them that Mbed TLS ends a list by.

use core::ops::Deref;

use crate::error::{Error, Result};
use crate::mem::{Array, Shared};

/// Such numbers: of cipher suites, of groups.
pub struct List<T: Copy + Default>(Array<T>);

impl<T: Copy + Default + PartialEq> List<T> {
    /// Up to `n` of them, as `fill` writes them to where there are zeros now.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`], or what `fill` fails with.
    pub fn new(n: usize, fill: impl FnOnce(&mut [T]) -> Result<()>) -> Result<Shared<Self>> {
        let mut numbers = Array::new(n.checked_add(1).ok_or(Error::NoMemory)?, T::default())?;
        if let Some((_end, numbers)) = numbers.split_last_mut() {
            fill(numbers)?;
        }
        Shared::new(|| Self(numbers), |_| Ok(()))
    }

    /// The first number, which a 0 follows behind the last.
    pub(super) fn as_ptr(&self) -> *const T {
        self.0.as_ptr()
    }
}

impl<T: Copy + Default> Deref for List<T> {
    type Target = [T];
    /// The numbers; there may be zeros behind them.
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Copy + Default + PartialEq> PartialEq for List<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}
