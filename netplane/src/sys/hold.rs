//! Another process, held by a descriptor: signalled, seen to end, and never mistaken for somebody
//! who got its number later.

use std::io;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal, setsid};

/// What may be done to a process that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nudge {
    /// It ends at once.
    Kill,
    /// It does nothing more until it is told to go on.
    Stop,
    /// It goes on.
    Continue,
}

/// A process that is held.
#[derive(Debug)]
pub struct Held(OwnedFd);

impl Held {
    /// Holds the process of this number that began at `started`, as [`started`] tells it.
    ///
    /// **Errors**: there is none; `NotFound` also where another one has the number now.
    ///
    /// **Source**: `pidfd_open(2)`, Linux 5.3.
    pub fn of(process: u32, started_at: u64) -> io::Result<Held> {
        let number = i32::try_from(process).ok().and_then(Pid::from_raw);
        let number = number.ok_or(io::ErrorKind::InvalidInput)?;
        let held = Held(pidfd_open(number, PidfdFlags::empty())?);
        // Whoever has the number now is the one that is held, for it has not been given away since.
        match started(process)? == started_at {
            true => Ok(held),
            false => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Sends it a signal.
    ///
    /// **Errors**: it has ended, or it is another user's.
    ///
    /// **Source**: `pidfd_send_signal(2)`.
    pub fn nudge(&self, how: Nudge) -> io::Result<()> {
        let signal = match how {
            Nudge::Kill => Signal::KILL,
            Nudge::Stop => Signal::STOP,
            Nudge::Continue => Signal::CONT,
        };
        Ok(pidfd_send_signal(&self.0, signal)?)
    }

    /// Whether it has ended, reaped or not.
    ///
    /// **Errors**: the kernel has no memory left.
    pub fn has_ended(&self) -> io::Result<bool> {
        let mut ends = [PollFd::new(&self.0, PollFlags::IN)];
        let at_once = Timespec::default();
        Ok(poll(&mut ends, Some(&at_once))? > 0)
    }
}

/// When a process began, in the kernel's ticks since boot: with its number that is its name.
///
/// **Errors**: there is none.
///
/// **Source**: `proc_pid_stat(5)`, field 22.
pub fn started(process: u32) -> io::Result<u64> {
    let fields = fields(process)?;
    let start = fields.split_ascii_whitespace().nth(19);
    let start = start.and_then(|start| start.parse().ok());
    start.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Whether a process does nothing because it was told to stop.
///
/// **Errors**: there is none.
///
/// **Source**: `proc_pid_stat(5)`, field 3.
pub fn is_stopped(process: u32) -> io::Result<bool> {
    Ok(fields(process)?.trim_start().starts_with('T'))
}

/// The fields from the third on: the second is a name, which may have blanks and brackets.
fn fields(process: u32) -> io::Result<String> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let end = text.rfind(')').ok_or(io::ErrorKind::InvalidData)?;
    Ok(text.get(end + 1..).unwrap_or_default().to_owned())
}

/// Leaves the session of whoever started this process: what ends that one does not end this.
///
/// **Errors**: it leads a group already.
pub fn own_session() -> io::Result<()> {
    setsid()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};
    use std::time::{Duration, Instant};

    use super::*;

    fn sleeper() -> Child {
        let mut command = Command::new("sleep");
        command.arg("60").stdout(Stdio::null());
        command.spawn().expect("every system has it")
    }

    fn until(what: &str, mut is: impl FnMut() -> bool) {
        let end = Instant::now() + Duration::from_secs(10);
        while !is() {
            assert!(Instant::now() < end, "never came true: {what}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    #[test]
    fn a_process_is_stopped_goes_on_and_ends() {
        let mut child = sleeper();
        let number = child.id();
        let held = Held::of(number, started(number).expect("it runs")).expect("it runs");
        held.nudge(Nudge::Stop).expect("it is ours");
        until("it stops", || is_stopped(number).expect("it runs"));
        assert!(!held.has_ended().expect("a descriptor"));
        held.nudge(Nudge::Continue).expect("it is ours");
        until("it goes on", || !is_stopped(number).expect("it runs"));
        held.nudge(Nudge::Kill).expect("it is ours");
        until("it ends", || held.has_ended().expect("a descriptor"));
        child.wait().expect("our child");
        assert!(held.nudge(Nudge::Continue).is_err(), "nobody else is meant");
        assert!(held.has_ended().expect("a descriptor"), "for ever");
    }

    #[test]
    fn who_got_the_number_later_is_not_held() {
        let mut child = sleeper();
        let number = child.id();
        let before = started(number).expect("it runs") + 1;
        let error = Held::of(number, before).expect_err("another one");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        child.kill().expect("our child");
        child.wait().expect("our child");
    }
}
