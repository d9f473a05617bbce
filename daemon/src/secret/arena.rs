//! A small piece of memory for keys and opened tokens: it is locked, so that it never reaches a swap partition, left out
//! of core dumps, empty in a forked child, and a block is zeroed when it is given back.
//!
//! One of three files with `unsafe` (`wipe.rs` and `keeper/fd.rs` are the others): the compiler cannot know that a mapping
//! stays. Where the kernel does not let us lock this much, less is tried; where it locks nothing, the rest still holds;
//! where all blocks are taken, there is none, and the secret lies on the heap, which is wiped as well. `mlockall` would
//! make every later mapping fail that the limit does not cover, and `memfd_secret` keeps a machine from hibernating.
#![allow(unsafe_code, reason = "see the head of this file")]

use std::ffi::c_void;
use std::ops::Range;
use std::ptr::{NonNull, null_mut};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, MlockFlags, ProtFlags, madvise, mlock_with, mmap_anonymous};
use zeroize::Zeroize;

/// Bytes, tried in turn. The usual limit (RLIMIT_MEMLOCK) is 8 MiB for everything that a process locks, on older systems 64 KiB.
const SIZES: [usize; 2] = [1 << 20, 32 << 10];

/// Blocks begin at multiples of this.
const GRAIN: usize = 64;

static ARENA: LazyLock<Option<Arena>> = LazyLock::new(|| Arena::new().ok());

/// Where in the process's memory it lies, for whoever asks the kernel what it made of it. `None` when there is none.
pub fn place() -> Option<Range<usize>> {
    let arena = ARENA.as_ref()?;
    let start = arena.start.addr().get();
    Some(start..start + arena.size)
}

/// A block of it, zeroed when dropped.
pub(super) struct Block {
    of: &'static Arena,
    at: usize,
    length: usize,
}

impl Block {
    /// A block of zeros; `None` when there is no room for it.
    pub(super) fn new(length: usize) -> Option<Self> {
        let of = ARENA.as_ref()?;
        Some(Self { at: of.take(length)?, of, length })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: the block lies inside the mapping, which is never unmapped, holds initialised bytes (the kernel's zeros
        // or ours), and is this value's alone until it is dropped.
        unsafe { std::slice::from_raw_parts(self.of.start.add(self.at).as_ptr(), self.length) }
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and `self` is borrowed by nobody else.
        unsafe { std::slice::from_raw_parts_mut(self.of.start.add(self.at).as_ptr(), self.length) }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.bytes_mut().zeroize();
        self.of.give_back(self.at, self.length);
    }
}

struct Arena {
    start: NonNull<u8>,
    size: usize,
    /// What nobody has, in order, with something between any two.
    free: Mutex<Vec<Range<usize>>>,
}

// SAFETY: the mapping belongs to the process, not to a thread, and every piece of it to one block at a time.
unsafe impl Send for Arena {}
// SAFETY: as above; the list of free pieces is behind a lock.
unsafe impl Sync for Arena {}

impl Arena {
    fn new() -> Result<Self, Errno> {
        let (start, size) =
            SIZES.into_iter().find_map(|size| locked(size).ok()).map_or_else(|| unlocked(SIZES[0]), Ok)?;
        Ok(Self { start, size, free: Mutex::new(std::iter::once(0..size).collect()) })
    }

    fn take(&self, length: usize) -> Option<usize> {
        let wanted = grains(length)?;
        let mut free = self.free();
        let gap = free.iter().position(|gap| gap.len() >= wanted)?;
        let at = free[gap].start;
        free[gap].start += wanted;
        if free[gap].is_empty() {
            free.remove(gap);
        }
        Some(at)
    }

    fn give_back(&self, at: usize, length: usize) {
        let Some(taken) = grains(length) else { return };
        let mut free = self.free();
        let after = free.partition_point(|gap| gap.start < at);
        free.insert(after, at..at + taken);
        if free.get(after + 1).is_some_and(|next| next.start == at + taken) {
            free[after].end = free.remove(after + 1).end;
        }
        if after > 0 && free[after - 1].end == at {
            free[after - 1].end = free.remove(after).end;
        }
    }

    fn free(&self) -> MutexGuard<'_, Vec<Range<usize>>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn grains(length: usize) -> Option<usize> {
    length.max(1).checked_next_multiple_of(GRAIN)
}

fn locked(size: usize) -> Result<(NonNull<u8>, usize), Errno> {
    let (start, size) = unlocked(size)?;
    // SAFETY: the mapping was just made and nobody has a piece of it; locking changes no byte. A page is locked when it is
    // first used: what stays empty costs no memory.
    match unsafe { mlock_with(start.as_ptr().cast(), size, MlockFlags::ONFAULT) } {
        Ok(()) => Ok((start, size)),
        Err(errno) => {
            // SAFETY: nobody has a piece of it.
            unsafe { rustix::mm::munmap(start.as_ptr().cast(), size) }?;
            Err(errno)
        }
    }
}

fn unlocked(size: usize) -> Result<(NonNull<u8>, usize), Errno> {
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new mapping at a place of the kernel's choice touches nothing that exists.
    let start: *mut c_void = unsafe { mmap_anonymous(null_mut(), size, access, MapFlags::PRIVATE) }?;
    for advice in [Advice::LinuxDontDump, Advice::LinuxWipeOnFork] {
        // SAFETY: neither changes a byte in this process. A kernel that knows one of them not does without.
        let _ = unsafe { madvise(start, size, advice) };
    }
    Ok((NonNull::new(start.cast()).ok_or(Errno::NOMEM)?, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_zeroed_when_it_is_given_back() {
        let arena = Box::leak(Box::new(Arena::new().expect("memory")));
        let at = arena.take(9).expect("room");
        let mut block = Block { of: arena, at, length: 9 };
        block.bytes_mut().copy_from_slice(b"vault key");
        drop(block);
        let again = arena.take(9).expect("room");
        assert_eq!(again, at, "the first gap is used");
        assert_eq!(Block { of: arena, at: again, length: 9 }.bytes(), [0; 9]);
    }

    #[test]
    fn what_was_given_back_in_any_order_is_whole_again() {
        let arena = Arena::new().expect("memory");
        let (lengths, whole) = ([1, 64, 65, 4096, 0, 700], 0..arena.size);
        for order in [[0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0], [0, 2, 4, 1, 3, 5], [3, 0, 5, 2, 1, 4]] {
            let places = lengths.map(|length| arena.take(length).expect("room"));
            assert_eq!(places, [0, 64, 128, 256, 4352, 4416]);
            for which in order {
                arena.give_back(places[which], lengths[which]);
            }
            assert_eq!(arena.free().as_slice(), std::slice::from_ref(&whole));
        }
    }

    #[test]
    fn without_room_there_is_no_block() {
        let arena = Arena::new().expect("memory");
        assert_eq!(arena.take(arena.size + 1), None);
        assert_eq!(arena.take(usize::MAX), None);
        assert_eq!(arena.take(arena.size), Some(0));
        assert_eq!(arena.take(0), None);
    }
}
