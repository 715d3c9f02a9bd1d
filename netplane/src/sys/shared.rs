//! Words of memory that the kernel's programs and this process both read and write.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

/// The values of an array map, mapped into this process.
#[derive(Debug)]
pub struct SharedWords {
    first: NonNull<AtomicU64>,
    count: usize,
}

impl SharedWords {
    /// Maps the first `count` words of a map that was made for it (`BPF_F_MMAPABLE`).
    ///
    /// **Errors**: the map is smaller, or no memory is left.
    pub(super) fn map(fd: BorrowedFd<'_>, count: usize) -> io::Result<SharedWords> {
        let bytes = count * size_of::<AtomicU64>();
        // SAFETY: a new mapping at a place of the kernel's choice; it takes none of ours away.
        let at = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                fd.as_raw_fd(),
                0,
            )
        };
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let first = NonNull::new(at.cast()).ok_or_else(|| io::Error::other("mapped at 0"))?;
        Ok(SharedWords { first, count })
    }
}

impl AsRef<[AtomicU64]> for SharedWords {
    fn as_ref(&self) -> &[AtomicU64] {
        // SAFETY: `count` words from `first` on are mapped until `self` is dropped, aligned to a
        // page; whoever else writes them, the kernel included, does so in whole aligned words.
        unsafe { std::slice::from_raw_parts(self.first.as_ptr(), self.count) }
    }
}

impl Drop for SharedWords {
    fn drop(&mut self) {
        let bytes = self.count * size_of::<AtomicU64>();
        // SAFETY: exactly what `map` mapped, and nobody can refer to it any more.
        unsafe { libc::munmap(self.first.as_ptr().cast(), bytes) };
    }
}

// SAFETY: the mapping belongs to the process, not to a thread, and is only read and written by
// atomic operations.
unsafe impl Send for SharedWords {}
// SAFETY: as above.
unsafe impl Sync for SharedWords {}
