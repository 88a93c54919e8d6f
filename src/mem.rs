// SPDX-License-Identifier: MIT OR Apache-2.0
//! Boxes on the firmware's allocator. Every allocation can fail; none panics.
//!
//! Values are made in place: Mbed TLS's objects are large for a microcontroller's
//! stack and must not move once set up.

use core::any::TypeId;
use core::cell::Cell;
use core::ffi::c_void;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use crate::error::{Error, Result};
use crate::micropython_sys::{atomically, mpglue_calloc, mpglue_free};

/// Memory for `n` values of `T`, zeroed.
fn allocate<T>(n: usize) -> Result<NonNull<T>> {
    // SAFETY: mpglue_calloc checks the product for overflow and returns NULL or
    // zeroed memory aligned for any object; it does not raise.
    let memory = unsafe { mpglue_calloc(n, size_of::<T>().max(1)) };
    NonNull::new(memory.cast()).ok_or(Error::NoMemory)
}

/// Copies as many bytes as both have.
pub(crate) fn copy(to: &mut [u8], from: &[u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

/// Where `part` begins in `data`. (`windows` is asked for the length of `part`, and would panic where
/// that is 0.)
pub(crate) fn find(data: &[u8], part: &[u8]) -> Option<usize> {
    (0..data.len()).find(|at| data.get(*at..).is_some_and(|rest| rest.starts_with(part)))
}

/// Moves what is behind the first `n` values to the front.
pub(crate) fn close_gap<T: Copy>(values: &mut [T], n: usize) {
    let cells = Cell::from_mut(values).as_slice_of_cells();
    for (to, from) in cells.iter().zip(cells.iter().skip(n)) {
        to.set(from.get());
    }
}

/// One value, owned.
pub struct Box<T> {
    memory: NonNull<T>,
    owns: PhantomData<T>,
}

impl<T> Box<T> {
    /// The value that `make` makes, made in the box where the compiler can.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`]; `make` is not called then.
    pub fn new(make: impl FnOnce() -> T) -> Result<Self> {
        let memory = allocate(1)?;
        // SAFETY: the memory is fresh and fit for a T.
        unsafe { memory.write(make()) };
        Ok(Self { memory, owns: PhantomData })
    }

    /// Gives the value away; [`Box::from_raw`] takes it back.
    #[must_use]
    pub fn into_raw(self) -> *mut T {
        let value = self.memory.as_ptr();
        core::mem::forget(self);
        value
    }

    /// Takes back what [`Box::into_raw`] gave; `None` for NULL.
    ///
    /// # Safety
    ///
    /// `value` is NULL or comes from `into_raw`, once.
    #[must_use]
    pub unsafe fn from_raw(value: *mut T) -> Option<Self> {
        NonNull::new(value).map(|memory| Self { memory, owns: PhantomData })
    }
}

impl<T> Deref for Box<T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the box owns an initialised value.
        unsafe { self.memory.as_ref() }
    }
}

impl<T> DerefMut for Box<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the box owns an initialised value, borrowed mutably here.
        unsafe { self.memory.as_mut() }
    }
}

impl<T> Drop for Box<T> {
    fn drop(&mut self) {
        // SAFETY: the value is initialised and never used again; its memory came
        // from mpglue_calloc.
        unsafe {
            self.memory.as_ptr().drop_in_place();
            mpglue_free(self.memory.as_ptr().cast());
        }
    }
}

/// A fixed number of values, owned.
pub struct Array<T> {
    first: NonNull<T>,
    len: usize,
    owns: PhantomData<T>,
}

impl<T> Array<T> {
    /// As many values as said, each made by `make` of its index.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`]; `make` is not called then.
    pub fn from_fn(len: usize, mut make: impl FnMut(usize) -> T) -> Result<Self> {
        let mut array = Self { first: allocate(len.max(1))?, len: 0, owns: PhantomData };
        for i in 0..len {
            // SAFETY: `first` starts memory for at least `len` values.
            unsafe { array.first.add(i).write(make(i)) };
            array.len = i.saturating_add(1);
        }
        Ok(array)
    }
}

impl<T: Copy> Array<T> {
    /// `len` copies of `value`.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`].
    pub fn new(len: usize, value: T) -> Result<Self> {
        Self::from_fn(len, |_| value)
    }

    /// A copy of `values`.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`].
    pub fn copy_of(values: &[T]) -> Result<Self> {
        let first: NonNull<T> = allocate(values.len().max(1))?;
        // SAFETY: `first` starts fresh memory for as many values.
        unsafe { first.copy_from_nonoverlapping(NonNull::from(values).cast(), values.len()) };
        Ok(Self { first, len: values.len(), owns: PhantomData })
    }

    /// Gives the memory away, to who frees it with `mpglue_free`.
    #[cfg(bundles)]
    pub fn into_raw(self) -> *mut T {
        core::mem::ManuallyDrop::new(self).first.as_ptr()
    }
}

impl<T> Deref for Array<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        // SAFETY: `first` starts `len` initialised values that the array owns.
        unsafe { core::slice::from_raw_parts(self.first.as_ptr(), self.len) }
    }
}

impl<T> DerefMut for Array<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: `first` starts `len` initialised values, borrowed mutably here.
        unsafe { core::slice::from_raw_parts_mut(self.first.as_ptr(), self.len) }
    }
}

impl<T> Drop for Array<T> {
    fn drop(&mut self) {
        // SAFETY: the values are initialised and never used again; their memory came from
        // mpglue_calloc.
        unsafe {
            core::ptr::from_mut::<[T]>(self).drop_in_place();
            mpglue_free(self.first.as_ptr().cast());
        }
    }
}

/// A slice of what C points to, where NULL is allowed if there is nothing there: a slice of Rust's
/// is never made of NULL, however long.
///
/// # Safety
///
/// If `len` is not 0, `first` starts as many initialised values, which live, and are not changed
/// by anybody, as long as `'a`.
#[must_use]
pub unsafe fn slice<'a, T>(first: *const T, len: usize) -> &'a [T] {
    // SAFETY: by this function's contract.
    if len == 0 { &[] } else { unsafe { core::slice::from_raw_parts(first, len) } }
}

/// As [`slice`], to be written to.
///
/// # Safety
///
/// As [`slice`]; nobody else looks at them meanwhile.
#[must_use]
pub unsafe fn slice_mut<'a, T>(first: *mut T, len: usize) -> &'a mut [T] {
    // SAFETY: by this function's contract.
    if len == 0 { &mut [] } else { unsafe { core::slice::from_raw_parts_mut(first, len) } }
}

struct Counted<T> {
    owners: Cell<usize>,
    value: T,
}

/// One value with several owners: what a socket keeps of its context, however
/// the collector orders their finalisers.
///
/// The count is kept with other threads and interrupts shut out, because small
/// cores have no atomic addition.
pub struct Shared<T> {
    counted: NonNull<Counted<T>>,
    owns: PhantomData<Counted<T>>,
}

impl<T> Shared<T> {
    /// The value that `make` makes and `init` completes, where it will stay.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`], or what `init` fails with; the value is dropped then.
    pub fn new(make: impl FnOnce() -> T, init: impl FnOnce(&mut T) -> Result<()>) -> Result<Self> {
        let mut counted = Box::new(|| Counted { owners: Cell::new(1), value: make() })?;
        init(&mut counted.value)?;
        // SAFETY: into_raw is never NULL; the box's ownership passes to this handle.
        let counted = unsafe { NonNull::new_unchecked(counted.into_raw()) };
        Ok(Self { counted, owns: PhantomData })
    }

    /// Gives this handle away; [`Shared::from_raw`] takes it back.
    #[must_use]
    pub fn into_raw(self) -> *mut c_void {
        let counted = self.counted.as_ptr();
        core::mem::forget(self);
        counted.cast()
    }

    /// Takes back what [`Shared::into_raw`] gave; `None` for NULL.
    ///
    /// # Safety
    ///
    /// `shared` is NULL or comes from `into_raw` of the same type, once.
    #[must_use]
    pub unsafe fn from_raw(shared: *mut c_void) -> Option<Self> {
        NonNull::new(shared.cast()).map(|counted| Self { counted, owns: PhantomData })
    }

    fn count(&self, change: impl FnOnce(usize) -> usize) -> usize {
        // SAFETY: the value lives while this handle does.
        let owners = unsafe { &self.counted.as_ref().owners };
        atomically(|| {
            owners.set(change(owners.get()));
            owners.get()
        })
    }
}

impl<T: 'static> Shared<T> {
    /// As a handle that does not name the type.
    #[must_use]
    pub fn erase(self) -> Erased {
        Erased { kind: TypeId::of::<T>(), shared: self.into_raw(), free: free::<T> }
    }
}

/// A [`Shared`] whose type those know who give and take it.
pub struct Erased {
    kind: TypeId,
    shared: *mut c_void,
    free: fn(*mut c_void),
}

fn free<T>(shared: *mut c_void) {
    // SAFETY: comes from `Shared::<T>::erase`, which pairs the two, and is not used again.
    drop(unsafe { Shared::<T>::from_raw(shared) });
}

impl Erased {
    /// The handle that it was; `None` if its type is another.
    #[must_use]
    pub fn take<T: 'static>(mut self) -> Option<Shared<T>> {
        if self.kind != TypeId::of::<T>() {
            return None;
        }
        let shared = core::mem::replace(&mut self.shared, core::ptr::null_mut());
        // SAFETY: comes from `Shared::<T>::erase`, as the type says, and is not used again.
        unsafe { Shared::from_raw(shared) }
    }
}

impl Drop for Erased {
    fn drop(&mut self) {
        (self.free)(self.shared);
    }
}

impl<T: PartialEq> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        self.count(|owners| owners.saturating_add(1));
        Self { counted: self.counted, owns: PhantomData }
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the value lives while this handle does, and is never borrowed
        // mutably once shared.
        unsafe { &self.counted.as_ref().value }
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        if self.count(|owners| owners.saturating_sub(1)) == 0 {
            // SAFETY: the last owner takes the value back as the box it was.
            drop(unsafe { Box::from_raw(self.counted.as_ptr()) });
        }
    }
}
