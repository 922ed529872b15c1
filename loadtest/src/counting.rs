//! Counts what this program takes of the heap, thread by thread.
#![expect(unsafe_code, reason = "an allocator can't be written without; this one only counts")]

use loadtest::forward::Allocated;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    // Constant and without a destructor, so that it needs no allocation itself.
    static ALLOCATED: Cell<Allocated> =
        const { Cell::new(Allocated { allocations: 0, live_bytes: 0 }) };
}

/// The system's allocator, counting.
pub(crate) struct Counting;

/// What the calling thread has had so far.
pub(crate) fn allocated() -> Allocated {
    ALLOCATED.get()
}

fn note(allocations: u64, bytes: i64) {
    // A thread that is ending may have no count any more; nobody asks it.
    let _ = ALLOCATED.try_with(|allocated| {
        let before = allocated.get();
        allocated.set(Allocated {
            allocations: before.allocations + allocations,
            live_bytes: before.live_bytes + bytes,
        });
    });
}

const fn signed(bytes: usize) -> i64 {
    // An allocation is never longer than isize::MAX.
    bytes.cast_signed() as i64
}

// SAFETY: every call goes to the system's allocator unchanged; counting takes no memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(1, signed(layout.size()));
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note(0, -signed(layout.size()));
        // SAFETY: the caller's promise is the same.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(1, signed(layout.size()));
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(1, signed(size) - signed(layout.size()));
        // SAFETY: the caller's promise is the same.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
