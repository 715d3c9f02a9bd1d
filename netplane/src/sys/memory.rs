//! Memory: kept where a disk would be waited for, given back where nobody needs it any more.

use std::io;

/// Keeps in memory whatever this process has touched and will touch, so that nothing waits for a
/// disk. What is never touched is never brought in: a thread's stack costs what it uses.
///
/// **Errors**: not allowed (`CAP_IPC_LOCK`, `LimitMEMLOCK=`); a machine that swaps may lose leases.
pub fn lock_memory() -> io::Result<()> {
    let flags = libc::MCL_CURRENT | libc::MCL_FUTURE | libc::MCL_ONFAULT;
    // SAFETY: the call changes how pages are kept, not what is in them.
    match unsafe { libc::mlockall(flags) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Gives what was freed back to the kernel: glibc keeps it, in each thread's arena, for buffers to
/// come. Whoever frees or allocates in an arena waits until that one is done: some milliseconds.
///
/// Memory is unlocked meanwhile, and locked again: from locked pages the kernel takes nothing back
/// (`madvise(2)`: `EINVAL`), and glibc does not say so.
///
/// **Errors**: those of [`lock_memory`], where it could not be locked again (or never was).
pub fn give_back_memory() -> io::Result<()> {
    // SAFETY: as above.
    unsafe { libc::munlockall() };
    // Another libc gives back by itself, or has no such call.
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes its own locks, and only pages that hold nothing.
    unsafe {
        libc::malloc_trim(0)
    };
    lock_memory()
}
