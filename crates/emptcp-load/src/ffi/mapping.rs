//! Maps in our memory.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
    ptr::{self, NonNull},
    sync::atomic::{AtomicU64, Ordering},
};

/// An array map in our memory, in words of 64 bits. Others may write while we read.
#[derive(Debug)]
struct Mapping {
    words: NonNull<AtomicU64>,
    count: usize,
}

// SAFETY: memory that several processes share is only accessed by atomic operations, from any thread.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `count` words of a mmapable array.
    fn new(map: BorrowedFd<'_>, count: usize, protection: libc::c_int) -> io::Result<Self> {
        // SAFETY: a new shared mapping at an address of the kernel's choice.
        let address = unsafe {
            libc::mmap(
                ptr::null_mut(),
                count * size_of::<u64>(),
                protection,
                libc::MAP_SHARED,
                map.as_raw_fd(),
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        NonNull::new(address.cast())
            .map(|words| Self { words, count })
            .ok_or_else(|| io::Error::other("mapped at zero"))
    }

    fn words(&self) -> &[AtomicU64] {
        // SAFETY: the mapping is page-aligned, has `count` words and lives as long as `self`. If it is read-only,
        // nothing stores to it; a load of 64 bits needs no right to write.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr(), self.count) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the address and length are those of `new`.
        unsafe { libc::munmap(self.words.as_ptr().cast(), self.count * size_of::<u64>()) };
    }
}

/// One word that programs read and user space changes, mapped into memory.
#[derive(Debug)]
pub struct Control(Mapping);

impl Control {
    /// Maps a mmapable array of one entry of 64 bits.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn map(map: BorrowedFd<'_>) -> io::Result<Self> {
        Mapping::new(map, 1, libc::PROT_READ | libc::PROT_WRITE).map(Self)
    }

    /// The current value of the word.
    pub fn load(&self) -> u64 {
        self.0.words()[0].load(Ordering::Acquire)
    }

    /// Stores a new value, which all programs see from then on.
    pub fn store(&self, word: u64) {
        self.0.words()[0].store(word, Ordering::Release);
    }
}

/// An array that programs write, mapped into memory to be read.
#[derive(Debug)]
pub struct Shared(Mapping);

impl Shared {
    /// Maps the first `count` words of a mmapable array.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn map(map: BorrowedFd<'_>, count: usize) -> io::Result<Self> {
        Mapping::new(map, count, libc::PROT_READ).map(Self)
    }

    /// Its words; load them only.
    pub fn words(&self) -> &[AtomicU64] {
        self.0.words()
    }
}
