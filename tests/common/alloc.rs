// SPDX-License-Identifier: MIT OR Apache-2.0
//! An allocator that counts what each thread has, fails where it is told to, and looks for a
//! secret in what is given back.
//!
//! The test harness gives each test a thread, so tests do not see each other.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ffi::c_void;

/// What is allocated and not freed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Live {
    pub blocks: usize,
    pub bytes: usize,
}

#[derive(Clone, Copy)]
enum Plan {
    Succeed,
    /// Fails the allocation that this many go before, and those behind it if `on`.
    Fail {
        after: usize,
        on: bool,
    },
    /// Fails that one, and one that so many go before behind it.
    FailTwice {
        after: usize,
        then: usize,
    },
}

struct State {
    live: Cell<Live>,
    peak: Cell<usize>,
    made: Cell<usize>,
    failed: Cell<usize>,
    refusals: Cell<u32>,
    plan: Cell<Plan>,
    watch: RefCell<Option<Watch>>,
    newest: Cell<usize>,
}

/// A secret, and where it might be.
struct Watch {
    secret: Vec<u8>,
    /// Each block allocated since, and how long it is.
    blocks: BTreeMap<usize, usize>,
    /// How many blocks were given back with the secret in them.
    spilled: usize,
}

impl Watch {
    /// Whether the block at `start` has the secret in it.
    fn is_in(&self, start: usize, bytes: usize) -> bool {
        // SAFETY: a block of the allocator's, not freed yet, and initialised from the beginning.
        let block = unsafe { std::slice::from_raw_parts(start as *const u8, bytes) };
        block.windows(self.secret.len()).any(|window| window == self.secret)
    }
}

thread_local! {
    static STATE: State = const {
        State {
            live: Cell::new(Live { blocks: 0, bytes: 0 }),
            peak: Cell::new(0),
            made: Cell::new(0),
            failed: Cell::new(0),
            refusals: Cell::new(0),
            plan: Cell::new(Plan::Succeed),
            watch: RefCell::new(None),
            newest: Cell::new(0),
        }
    };
}

/// What this thread has now.
pub fn live() -> Live {
    STATE.with(|state| state.live.get())
}

/// How many allocations this thread has asked for, ever.
pub fn made() -> usize {
    STATE.with(|state| state.made.get())
}

/// The most bytes this thread had at once since the last call.
pub fn take_peak() -> usize {
    STATE.with(|state| state.peak.replace(state.live.get().bytes))
}

fn plan(plan: Plan) {
    STATE.with(|state| {
        state.plan.set(plan);
        state.failed.set(0);
    });
}

/// Runs `body` with its `n`th allocation failing (the first is 0), and if `on` all behind it.
/// Also says whether it came to that.
pub fn failing<T>(n: usize, on: bool, body: impl FnOnce() -> T) -> (T, bool) {
    plan(Plan::Fail { after: n, on });
    let result = body();
    let failed = STATE.with(|state| state.failed.get());
    plan(Plan::Succeed);
    (result, failed > 0)
}

/// The same with the `n`th failing, and one with `m` between the two.
pub fn failing_twice<T>(n: usize, m: usize, body: impl FnOnce() -> T) -> (T, usize) {
    plan(Plan::FailTwice { after: n, then: m });
    let result = body();
    let failed = STATE.with(|state| state.failed.get());
    plan(Plan::Succeed);
    (result, failed)
}

/// From now on looks for `secret` in this thread's new blocks.
pub fn watch(secret: &[u8]) {
    let watch = Watch { secret: secret.to_vec(), blocks: BTreeMap::new(), spilled: 0 };
    STATE.with(|state| state.watch.replace(Some(watch)));
}

/// How many blocks hold the secret now.
pub fn holding() -> usize {
    STATE.with(|state| {
        let watch = state.watch.borrow();
        let watch = watch.as_ref().expect("a secret is watched");
        watch.blocks.iter().filter(|(start, bytes)| watch.is_in(**start, **bytes)).count()
    })
}

/// How many blocks held the secret when they were given back.
pub fn spilled() -> usize {
    STATE.with(|state| state.watch.borrow().as_ref().expect("a secret is watched").spilled)
}

/// What is in the block that this thread allocated last; it must not be freed yet.
pub fn newest() -> Vec<u8> {
    let block = STATE.with(|state| state.newest.get()) as *const Header;
    // SAFETY: a block of the allocator's, by this function's contract, behind its header, and
    // initialised from the beginning.
    unsafe {
        let header = block.sub(1);
        assert_eq!((*header).seal, SEAL, "freed");
        std::slice::from_raw_parts(block.cast(), (*header).bytes).to_vec()
    }
}

/// Asserts at its end that all that was allocated since its start is freed.
pub struct Balance(Live);

impl Balance {
    pub fn start() -> Self {
        Self(live())
    }
}

impl Drop for Balance {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(live(), self.0, "allocations are left over");
        }
    }
}

/// In front of each block, so that a block freed twice or never allocated is noticed.
#[repr(C, align(16))]
struct Header {
    bytes: usize,
    seal: usize,
}

const HEADER: usize = size_of::<Header>();
const SEAL: usize = 0x5ea1_ab1e;

/// Behind each block, so that a write beyond its end is noticed; for Mbed TLS does not look
/// where the buffers end that it is given (`mbedtls/records.rs`).
const GUARD: [u8; 64] = [0xa5; 64];

fn layout(bytes: usize) -> Option<Layout> {
    Layout::from_size_align(bytes.checked_add(HEADER + GUARD.len())?, align_of::<Header>()).ok()
}

#[unsafe(no_mangle)]
extern "C" fn mpglue_refusals() -> u32 {
    STATE.with(|state| state.refusals.get())
}

impl State {
    fn refuses(&self) -> bool {
        match self.plan.get() {
            Plan::Succeed => false,
            Plan::Fail { after: 0, on } => {
                self.failed.set(self.failed.get() + 1);
                if !on {
                    self.plan.set(Plan::Succeed);
                }
                true
            }
            Plan::Fail { after, on } => {
                self.plan.set(Plan::Fail { after: after - 1, on });
                false
            }
            Plan::FailTwice { after: 0, then } => {
                self.failed.set(self.failed.get() + 1);
                self.plan.set(Plan::Fail { after: then, on: false });
                true
            }
            Plan::FailTwice { after, then } => {
                self.plan.set(Plan::FailTwice { after: after - 1, then });
                false
            }
        }
    }
}

#[unsafe(no_mangle)]
extern "C" fn mpglue_calloc(n: usize, size: usize) -> *mut c_void {
    STATE.with(|state| {
        state.made.set(state.made.get() + 1);
        let bytes = n.checked_mul(size);
        let Some((bytes, layout)) = bytes.and_then(|bytes| Some((bytes, layout(bytes)?))) else {
            return std::ptr::null_mut();
        };
        if state.refuses() {
            state.refusals.set(state.refusals.get() + 1);
            return std::ptr::null_mut();
        }
        let live = state.live.get();
        state.live.set(Live { blocks: live.blocks + 1, bytes: live.bytes + bytes });
        state.peak.set(state.peak.get().max(live.bytes + bytes));
        // SAFETY: the layout is at least a header long, and aligned for one.
        unsafe {
            let header = alloc_zeroed(layout).cast::<Header>();
            assert!(!header.is_null(), "the machine is out of memory");
            header.write(Header { bytes, seal: SEAL });
            let block = header.add(1);
            block.cast::<[u8; GUARD.len()]>().byte_add(bytes).write_unaligned(GUARD);
            state.newest.set(block as usize);
            if let Some(watch) = state.watch.borrow_mut().as_mut() {
                watch.blocks.insert(block as usize, bytes);
            }
            block.cast()
        }
    })
}

#[unsafe(no_mangle)]
extern "C" fn mpglue_free(block: *mut c_void) {
    if block.is_null() {
        return;
    }
    // SAFETY: the block comes from mpglue_calloc, which the seal makes sure of as far as it can.
    unsafe {
        let header = block.cast::<Header>().sub(1);
        assert_eq!((*header).seal, SEAL, "freed twice, or not from mpglue_calloc");
        (*header).seal = 0;
        let bytes = (*header).bytes;
        let guard = block.cast::<[u8; GUARD.len()]>().byte_add(bytes).read_unaligned();
        if guard != GUARD && !std::thread::panicking() {
            // A panic may not leave this function.
            eprintln!("a block of {bytes} bytes was written to beyond its end");
            std::process::abort();
        }
        STATE.with(|state| {
            let live = state.live.get();
            state.live.set(Live { blocks: live.blocks - 1, bytes: live.bytes - bytes });
            if let Some(watch) = state.watch.borrow_mut().as_mut() {
                watch.blocks.remove(&(block as usize));
                watch.spilled += usize::from(watch.is_in(block as usize, bytes));
            }
        });
        dealloc(header.cast(), layout(bytes).expect("it was allocated with it"));
    }
}
