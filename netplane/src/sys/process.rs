//! Ending other processes, whole groups of them, and learning that one ended.
#![expect(unsafe_code, reason = "std has no pidfd and no signals")]

use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The end of a process, as it can be waited for without reaping it: until it is reaped, nobody
/// else gets its number.
#[derive(Debug)]
pub struct Exit(AsyncFd<OwnedFd>);

impl Exit {
    /// The end of a child that is not reaped yet; within a runtime.
    ///
    /// **Errors**: there is no such process, or no descriptor left.
    ///
    /// **Source**: `pidfd_open(2)`, Linux 5.3; the descriptor is closed on exec.
    pub fn of(process: u32) -> io::Result<Exit> {
        // SAFETY: the call takes two numbers and gives back one; no memory is involved.
        let answer = unsafe { libc::syscall(libc::SYS_pidfd_open, process, 0) };
        let fd = RawFd::try_from(answer).map_err(io::Error::other)?;
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just opened this descriptor for us, and nobody else knows it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        // SAFETY: an owned descriptor stays open and the same for as long as it is owned.
        let registered = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
        Ok(Exit(registered?))
    }

    /// Returns once the process has ended, then and ever after.
    ///
    /// **Errors**: the runtime is going down.
    pub async fn seen(&self) -> io::Result<()> {
        self.0.readable().await?.retain_ready();
        Ok(())
    }
}

/// Kills every process of a group; one that is empty already is no error.
///
/// The caller has not reaped the group's leader yet: its number cannot be anybody else's.
///
/// **Errors**: not allowed (`CAP_KILL`, where the group runs as another user).
pub fn kill_group(leader: u32) -> io::Result<()> {
    // 0 and 1 would mean our own group and everybody.
    let group = libc::pid_t::try_from(leader).unwrap_or(0);
    if group <= 1 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: no memory is involved; the group is that of a child of ours that is not reaped.
    match unsafe { libc::killpg(group, libc::SIGKILL) } {
        0 => Ok(()),
        _ => match io::Error::last_os_error() {
            gone if gone.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            error => Err(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn nobody_else_is_killed() {
        assert!(kill_group(0).is_err());
        assert!(kill_group(1).is_err());
        assert!(kill_group(u32::MAX).is_err());
    }

    #[tokio::test]
    async fn a_process_that_is_gone_cannot_be_watched() {
        let mut child = Command::new("true")
            .stdout(Stdio::null())
            .spawn()
            .expect("every system has it");
        let number = child.id();
        child.wait().expect("our child");
        assert!(Exit::of(number).is_err());
    }
}
