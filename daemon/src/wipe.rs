//! A heap that forgets: every block is overwritten when it is freed. `Secret` wipes itself; this is for the copies that
//! libraries make on the way (a decoded query, a parser's string, a TLS buffer) and never think of again.
//!
//! One of three files with `unsafe` (`keeper/fd.rs` and `secret/arena.rs` are the others): an allocator cannot be written without it. It adds a
//! wipe to the system's allocator and nothing else. `realloc` is left to its default, which allocates, copies and frees
//! by the methods below: the system's own might move a block and leave the old bytes behind.
#![allow(unsafe_code, reason = "an allocator cannot be written without it")]

use std::alloc::{GlobalAlloc, Layout, System};

/// The system's allocator, wiping what it frees.
pub struct Wiping;

// SAFETY: every call is handed to the system's allocator as it came; `dealloc` writes only inside the block that the
// caller gives up, while it is still theirs.
unsafe impl GlobalAlloc for Wiping {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `alloc_zeroed`, which is the same.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block is `layout.size()` bytes long and nobody else's until the system has it back.
        unsafe {
            wipe(block, layout.size());
            System.dealloc(block, layout);
        }
    }
}

/// Overwrites `length` bytes so that no optimiser leaves it out for being dead before a free.
///
/// # Safety
/// `start` is valid for writes of `length` bytes.
unsafe fn wipe(start: *mut u8, length: usize) {
    // SAFETY: as above. The empty assembly may read the block as far as the compiler knows, so the zeros must be there.
    unsafe {
        start.write_bytes(0, length);
        std::arch::asm!("/* {0} */", in(reg) start, options(nostack, preserves_flags));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wiped_block_is_zero() {
        let mut block = *b"refresh-token";
        // SAFETY: the block is this long.
        unsafe { wipe(block.as_mut_ptr(), block.len()) };
        assert_eq!(block, [0; 13]);
    }

    #[test]
    fn a_block_that_grows_keeps_its_bytes() {
        let small = Layout::from_size_align(4, 8).expect("a layout");
        let large = Layout::from_size_align(4096, 8).expect("a layout");
        // SAFETY: each block is freed once, with the layout it has, and only its own bytes are touched.
        unsafe {
            let block = Wiping.alloc(small);
            block.copy_from(b"abcd".as_ptr(), 4);
            let block = Wiping.realloc(block, small, large.size());
            assert_eq!(std::slice::from_raw_parts(block, 4), b"abcd");
            Wiping.dealloc(block, large);
        }
    }
}
