// SPDX-License-Identifier: MIT OR Apache-2.0
//! Boxes on the firmware's allocator: who is dropped when, how often, and what without memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod common;

use std::cell::{Cell, RefCell};

use common::alloc::{self, failing, live};
use common::{Balance, border};
use micropython_ssl::error::Error;
use micropython_ssl::mem::{Array, Box, Shared};

/// Writes its name into a diary when dropped.
struct Noted<'diary>(&'static str, &'diary RefCell<Vec<&'static str>>);

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        // A destructor may take long, or want an atomic section itself.
        assert_eq!(border::atomic_depth(), 0);
        self.1.borrow_mut().push(self.0);
    }
}

#[test]
fn a_box_drops_its_value_then_its_memory() {
    let _balance = Balance::start();
    let diary = RefCell::new(Vec::new());
    let mut noted = Box::new(|| (Noted("first", &diary), Noted("second", &diary), 7_u64)).unwrap();
    noted.2 += 1;
    assert_eq!(noted.2, 8);
    assert_eq!(live().blocks, 1);
    drop(noted);
    assert_eq!(live().blocks, 0);
    assert_eq!(*diary.borrow(), ["first", "second"]);
}

#[test]
fn a_raw_box_belongs_to_whoever_has_the_pointer() {
    let _balance = Balance::start();
    let diary = RefCell::new(Vec::new());
    let raw = Box::new(|| Noted("value", &diary)).unwrap().into_raw();
    assert_eq!((live().blocks, diary.borrow().len()), (1, 0));
    #[allow(unsafe_code)]
    // SAFETY: from into_raw, once; then NULL.
    let (back, none) = unsafe { (Box::from_raw(raw), Box::<u8>::from_raw(std::ptr::null_mut())) };
    assert!(back.is_some_and(|back| back.0 == "value") && none.is_none());
    assert_eq!(*diary.borrow(), ["value"]);
}

#[test]
fn values_of_every_size_and_alignment() {
    #[derive(Clone, Copy, PartialEq, Debug)]
    #[repr(align(16))]
    struct Wide([u8; 33]);

    let _balance = Balance::start();
    let (unit, wide) = (Box::new(|| ()).unwrap(), Box::new(|| Wide([9; 33])).unwrap());
    assert_eq!((*unit, *wide), ((), Wide([9; 33])));
    assert_eq!(std::ptr::from_ref(&*wide).addr() % 16, 0);
    // Even nothing has an address of its own.
    assert_eq!(live().blocks, 2);
}

#[test]
fn without_memory_nothing_is_made() {
    let _balance = Balance::start();
    let calls = Cell::new(0);
    let count = || calls.set(calls.get() + 1);
    assert!(matches!(failing(0, false, || Box::new(count)), (Err(Error::NoMemory), true)));
    assert!(matches!(failing(0, false, || Array::new(3, 0_u8)), (Err(Error::NoMemory), true)));
    let shared = failing(0, false, || Shared::new(count, |()| Err(Error::Raised)));
    assert!(matches!(shared, (Err(Error::NoMemory), true)));
    assert_eq!(calls.get(), 0);
    assert!(Box::new(count).is_ok());
    assert_eq!(calls.get(), 1);
}

#[test]
fn arrays() {
    let _balance = Balance::start();
    for len in [0, 1, 2, 1000] {
        let mut array = Array::new(len, 0xabcd_u16).unwrap();
        assert_eq!(&*array, vec![0xabcd; len]);
        if let Some(last) = array.last_mut() {
            *last = 1;
        }
        assert_eq!(array.iter().filter(|&&value| value == 1).count(), len.min(1));
        assert!(live().bytes >= len * 2 && live().blocks == 1);
    }
    // Products that overflow, and one that no machine has.
    for len in [usize::MAX, usize::MAX / 8 + 1, isize::MAX as usize / 8] {
        assert!(matches!(Array::new(len, 0_u64), Err(Error::NoMemory)), "{len}");
    }
}

#[test]
fn the_last_owner_drops_what_is_shared() {
    // Which owner goes first does not matter.
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [1, 0, 2]] {
        let _balance = Balance::start();
        let diary = RefCell::new(Vec::new());
        let first = Shared::new(|| Noted("shared", &diary), |_| Ok(())).unwrap();
        let second = first.clone();
        let third = second.clone();
        assert_eq!(live().blocks, 1, "owners share one block");
        assert!([&first, &second, &third].iter().all(|owner| owner.0 == "shared"));
        let mut owners = [Some(first), Some(second), Some(third)];
        for (i, owner) in order.into_iter().enumerate() {
            assert_eq!((live().blocks, diary.borrow().len()), (1, 0), "{i} owners are gone");
            owners[owner] = None;
        }
        assert_eq!((live().blocks, &*diary.borrow()), (0, &vec!["shared"]));
    }
}

#[test]
fn what_cannot_be_completed_is_dropped() {
    let _balance = Balance::start();
    let diary = RefCell::new(Vec::new());
    let result = Shared::new(|| Noted("half made", &diary), |_| Err(Error::Errno(5)));
    assert!(matches!(result, Err(Error::Errno(5))));
    assert_eq!(*diary.borrow(), ["half made"]);
}

#[test]
fn what_is_shared_may_share() {
    let _balance = Balance::start();
    let diary = RefCell::new(Vec::new());
    let inner = Shared::new(|| Noted("inner", &diary), |_| Ok(())).unwrap();
    let outer = {
        let inner = inner.clone();
        Shared::new(|| (Noted("outer", &diary), inner), |_| Ok(())).unwrap()
    };
    drop(inner);
    assert!(diary.borrow().is_empty());
    drop(outer);
    assert_eq!(*diary.borrow(), ["outer", "inner"]);
}

#[test]
fn a_value_is_completed_where_it_stays() {
    let _balance = Balance::start();
    let mut seen = std::ptr::null();
    let shared = Shared::new(
        || 1_u64,
        |value| {
            seen = std::ptr::from_mut(value).cast_const();
            *value = 2;
            Ok(())
        },
    )
    .unwrap();
    assert_eq!((std::ptr::from_ref(&*shared), *shared), (seen, 2));
}

#[test]
fn the_allocator_of_these_tests_notices_what_is_left() {
    let before = alloc::made();
    let kept = Box::new(|| 1_u8).unwrap();
    let lost = Cell::new(std::ptr::null_mut());
    let missed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _balance = Balance::start();
        lost.set(Box::new(|| [0_u8; 100]).unwrap().into_raw());
    }));
    assert!(missed.is_err());
    assert_eq!((alloc::made() - before, live().bytes), (2, 101));
    #[allow(unsafe_code)]
    // SAFETY: from into_raw, once.
    drop(unsafe { Box::from_raw(lost.get()) });
    drop(kept);
}
