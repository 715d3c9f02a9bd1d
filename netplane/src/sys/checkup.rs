//! What `farmux doctor` asks of the kernel: BPF, the wall clock, room on a disk.
#![expect(
    unsafe_code,
    reason = "bpf, adjtimex and statvfs have no safe form in std"
)]

use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The beginning of `union bpf_attr` for `BPF_MAP_CREATE` (`linux/bpf.h`); the rest is zero.
#[repr(C)]
struct MapCreate {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
}

const BPF_MAP_CREATE: libc::c_int = 0;
const BPF_MAP_TYPE_ARRAY: u32 = 2;

/// Makes a map of one entry and gives it back: whether this process may use BPF.
///
/// **Errors**: `PermissionDenied` without `CAP_BPF`; `Unsupported` without BPF in the kernel.
pub fn try_bpf() -> io::Result<()> {
    let attributes = MapCreate {
        map_type: BPF_MAP_TYPE_ARRAY,
        key_size: 4,
        value_size: 8,
        max_entries: 1,
    };
    // SAFETY: the kernel reads as many bytes as it is told of a live local, and takes the rest of
    // its union for zero.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_MAP_CREATE,
            &raw const attributes,
            size_of::<MapCreate>(),
        )
    };
    let fd = RawFd::try_from(answer).map_err(io::Error::other)?;
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just opened this descriptor for us, and nobody else knows it.
    drop(unsafe { OwnedFd::from_raw_fd(fd) });
    Ok(())
}

/// Whether somebody disciplines the wall clock; `None`: the kernel does not say.
///
/// **Source**: `adjtimex(2)`: `STA_UNSYNC`.
pub fn clock_is_synchronised() -> Option<bool> {
    let mut times = MaybeUninit::<libc::timex>::zeroed();
    // SAFETY: zeroed is a valid timex (plain numbers) with modes = 0, which changes nothing; the
    // call fills it in.
    let answer = unsafe { libc::adjtimex(times.as_mut_ptr()) };
    if answer < 0 {
        return None;
    }
    // SAFETY: it was zeroed, and filled in by the call.
    let status = unsafe { times.assume_init() }.status;
    Some(status & libc::STA_UNSYNC == 0)
}

/// How much an ordinary user may still write on the disk of a folder.
///
/// **Errors**: those of the system.
pub fn free_bytes(folder: &Path) -> io::Result<u64> {
    let path = CString::new(folder.as_os_str().as_bytes())?;
    let mut room = MaybeUninit::<libc::statvfs>::zeroed();
    // SAFETY: the path ends with a NUL and lives as long as the call, which fills in a live local.
    let failed = unsafe { libc::statvfs(path.as_ptr(), room.as_mut_ptr()) };
    if failed != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was zeroed, which is a valid statvfs, and filled in by the call.
    let room = unsafe { room.assume_init() };
    Ok(room.f_bavail.saturating_mul(room.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_says_something() {
        assert!(free_bytes(Path::new("/")).expect("there is a root") > 0);
        assert!(free_bytes(Path::new("/nowhere/at/all")).is_err());
        // Root may, others may not, and some kernels cannot; anything else is our slip.
        let refused = |error: io::Error| {
            let code = error.raw_os_error();
            assert!(matches!(code, Some(libc::EPERM | libc::ENOSYS)), "{error}");
        };
        if clock_is_synchronised().is_none() {
            refused(io::Error::last_os_error());
        }
        if let Err(error) = try_bpf() {
            refused(error);
        }
    }
}
