//! This daemon killed or stopped by a guard: a process of its own session, started and heard of
//! before anything happens, that ends it when this one cannot.
//!
//! ```text
//!   fail ─start─▶ guard ─r─▶ it is there, and holds this process
//!     └─ 100 ms, for the answer to get out ─ g, token ─▶ SIGKILL, or SIGSTOP and s
//!                                                 timer: starts this daemon again, or SIGCONT
//!   dismiss ─u─▶ the same at once, or nothing where nothing happened yet
//! ```
//!
//! Right before the word is given it is asked once more whether the failure is still wanted, under
//! the lock that `dismiss` takes too: an undo that comes while the guard starts keeps it from
//! happening.
//!
//! Where a supervisor starts this daemon again, that is the undo of a kill, and the guard only
//! kills: systemd ends what is left of a unit whose main process was killed, the guard with it
//! (`KillMode=control-group`), and then restarts the unit. A daemon that is stopped is alive for
//! systemd, and so is its guard. The first process of a container can be neither killed nor stopped
//! from within, and says so; where its first process is an init that starts nothing again, the
//! container ends with the daemon, and the guard with it, so that a kill is refused.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use farmux_netplane::sys;
use tokio::io::AsyncReadExt as _;
use tokio::process::{ChildStdout, Command};
use tokio::time::timeout;

use super::{CALLED_OFF, Place, Wanted, mark};
use crate::drill::RunId;
use crate::rehearsal::Tether;
use crate::rehearsal::guard::{DONE, GO, HERE, UNDO};
use crate::rehearsal::tether::TOKEN_BYTES;

pub(super) use crate::rehearsal::guard::End;

/// Who ends it for a process that cannot.
#[derive(Debug, Default)]
pub(super) struct Guard(Mutex<Option<File>>);

impl Guard {
    /// Has this process killed or stopped, if that is still `wanted`; returns when it goes on.
    ///
    /// **Errors**: in words; nothing has happened.
    pub(super) async fn fail(
        &self,
        place: &Place,
        run: RunId,
        end: End,
        timer: Duration,
        tether: Option<Tether>,
        wanted: Wanted<'_>,
    ) -> Result<(), String> {
        if std::process::id() == 1 {
            return Err(FIRST_PROCESS.to_owned());
        }
        if end == End::Killed && Around::look().ends_with_us() {
            return Err(ENDS_WITH_US.to_owned());
        }
        let mut said = self.start(place, end, timer, tether)?;
        hear(&mut said, HERE, STARTS_WITHIN).await?;
        tokio::time::sleep(ANSWERED_WITHIN).await;
        // Should the guard be killed, too, the kernel has this process go on.
        let rouser = (end == End::Stopped).then(|| sys::Rouser::after(timer + ROUSED_AFTER));
        let _rouser = rouser
            .transpose()
            .map_err(|error| format!("no timer: {error}"))?;
        self.go(place, run, tether, wanted)?;
        match hear(&mut said, DONE, DONE_WITHIN).await {
            Ok(()) => Ok(()),
            // This process has slept: what it waited for came while its own clock stood still.
            Err(_) => hear(&mut said, DONE, DONE_WITHIN).await,
        }
    }

    /// Gives the word, if it is still wanted; whoever calls it off later finds the guard, and the
    /// process after this one the mark.
    fn go(
        &self,
        place: &Place,
        run: RunId,
        tether: Option<Tether>,
        wanted: Wanted<'_>,
    ) -> Result<(), String> {
        mark::set(place, run)?;
        let token = tether.map_or([0; TOKEN_BYTES], |tether| tether.token.0);
        let words = [&[GO], token.as_slice()].concat();
        let mut guard = self.lock();
        let told = match wanted() {
            true => tell(&mut guard, &words).map_err(|error| format!("the guard is gone: {error}")),
            false => Err(CALLED_OFF.to_owned()),
        };
        if told.is_err() {
            mark::clear(place);
        }
        told
    }

    /// Has the guard end what it did, or go without having done anything.
    pub(super) fn dismiss(&self) {
        let mut guard = self.lock();
        // One that has done its work is gone.
        let _ = tell(&mut guard, &[UNDO]);
        *guard = None;
    }

    fn start(
        &self,
        place: &Place,
        end: End,
        timer: Duration,
        tether: Option<Tether>,
    ) -> Result<ChildStdout, String> {
        let wrong = |error: std::io::Error| format!("the guard does not start: {error}");
        let program = still_there(std::env::current_exe().map_err(wrong)?)?;
        let me = std::process::id();
        let mut command = Command::new(&program);
        command
            .arg("drill-guard")
            .arg("--daemon")
            .arg(me.to_string())
            .arg("--started")
            .arg(sys::started(me).map_err(wrong)?.to_string())
            .arg("--end")
            .arg(end.word())
            .arg("--timer-ms")
            .arg(timer.as_millis().to_string())
            .arg("--admin")
            .arg(&place.socket);
        if let Some(tether) = tether {
            command.arg("--tether-port").arg(tether.port.to_string());
        }
        if is_supervised() {
            command.arg("--supervised");
        }
        // What it may have to start again, as it was started.
        command
            .arg("--")
            .arg(&program)
            .args(std::env::args_os().skip(1));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(wrong)?;
        let ears = child.stdin.take().ok_or("the guard has no ears")?;
        let ears = ears.into_owned_fd().map_err(wrong)?;
        *self.lock() = Some(File::from(ears));
        child
            .stdout
            .take()
            .ok_or_else(|| "the guard has no mouth".to_owned())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<File>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A few bytes fit into the pipe.
fn tell(guard: &mut Option<File>, words: &[u8]) -> std::io::Result<()> {
    match guard {
        Some(guard) => guard.write_all(words),
        None => Err(std::io::ErrorKind::NotFound.into()),
    }
}

async fn hear(said: &mut ChildStdout, word: u8, within: Duration) -> Result<(), String> {
    match timeout(within, said.read_u8()).await {
        Ok(Ok(heard)) if heard == word => Ok(()),
        Ok(Ok(heard)) => Err(format!("the guard said {heard}, not {word}")),
        Ok(Err(error)) => Err(format!("the guard ended: {error}")),
        Err(_) => Err("the guard says nothing".to_owned()),
    }
}

/// Whether somebody starts this daemon again when it is killed. A shell in a systemd session has an
/// invocation, too, but no first process for a parent.
fn is_supervised() -> bool {
    let has = |name: &str| std::env::var_os(name).is_some();
    has("NOTIFY_SOCKET") || (has("INVOCATION_ID") && std::os::unix::process::parent_id() == 1)
}

/// What is around this process, as far as it says whether anything is left when it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Around {
    /// The first process started this one.
    child_of_first: bool,
    /// It sees a part of the machine's processes only, as in a container.
    contained: bool,
    /// The first process is systemd.
    systemd: bool,
}

impl Around {
    fn look() -> Around {
        let processes = std::fs::metadata("/proc/self/ns/pid").map(|of| of.ino());
        Around {
            child_of_first: std::os::unix::process::parent_id() == 1,
            contained: processes.is_ok_and(|number| number != MACHINE),
            systemd: std::path::Path::new("/run/systemd/system").exists(),
        }
    }

    /// PURE. Whether the first process is an init that ends when this one does, and the kernel then
    /// kills the guard and all else.
    fn ends_with_us(self) -> bool {
        self.child_of_first && self.contained && !self.systemd
    }
}

/// What an upgrade has replaced is called `PATH (deleted)`.
///
/// **Source**: `proc_pid_exe(5)`.
fn still_there(program: PathBuf) -> Result<PathBuf, String> {
    match program.exists() {
        true => Ok(program),
        false => Err(REPLACED.to_owned()),
    }
}

/// The number of the namespace of all processes of a machine.
///
/// **Source**: Linux, `include/uapi/linux/nsfs.h`: `PID_NS_INIT_INO`; `sd_booted(3)` for the folder
/// of systemd.
const MACHINE: u64 = 0xEFFF_FFFC;

/// Why a kill is refused, and what can be done.
const ENDS_WITH_US: &str = "farmux is all that its container's init runs: the container would end \
                            with it, and nobody in it start it again: rehearse owner-pause, or \
                            run farmux under a supervisor (systemd, s6, runit)";

/// Why no guard can be started after an upgrade, and what can be done.
const REPLACED: &str = "the program of this daemon was replaced since it started: restart farmux \
                        on this node, then rehearse what runs";

/// **Source**: `kill(2)`: only signals that the first process has handlers for reach it.
const FIRST_PROCESS: &str = "farmux is the first process of its container, which nobody in it can \
                             kill or stop: run it under an init (docker run --init)";

/// For the answer that it is being done to get out before this node is silent: ten times what one
/// takes.
pub(super) const ANSWERED_WITHIN: Duration = Duration::from_millis(100);

/// The guard's own timer is first, wherever the guard lives.
const ROUSED_AFTER: Duration = Duration::from_secs(1);

/// A program of a few MiB that is in memory already.
const STARTS_WITHIN: Duration = Duration::from_secs(2);

/// A signal takes microseconds.
const DONE_WITHIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::fd::OwnedFd;

    use super::*;
    use crate::rehearsal::tether::Token;

    #[test]
    fn nobody_is_killed_with_whom_all_ends() {
        let around = |child_of_first, contained, systemd| {
            let around = Around {
                child_of_first,
                contained,
                systemd,
            };
            around.ends_with_us()
        };
        assert!(around(true, true, false), "docker run --init");
        assert!(!around(false, true, false), "s6, runit or a shell between");
        assert!(!around(true, true, true), "systemd in a container");
        assert!(
            !around(true, false, false),
            "a machine outlives its daemons"
        );
        assert!(!around(false, false, true));
    }

    #[test]
    fn a_program_that_was_replaced_starts_no_guard() {
        let folder = tempfile::tempdir().expect("a folder is to be had");
        let program = folder.path().join("farmux");
        std::fs::write(&program, "").expect("it is written");
        assert_eq!(still_there(program.clone()), Ok(program));
        let gone = folder.path().join("farmux (deleted)");
        assert_eq!(still_there(gone), Err(REPLACED.to_owned()));
    }

    #[test]
    fn what_is_not_wanted_any_more_is_not_done() {
        let folder = tempfile::tempdir().expect("a folder is to be had");
        let place = Place::of_test(folder.path());
        let run = RunId(7);
        let said = |deeds: &dyn Fn(&Guard)| {
            let (mut mouth, ears) = std::io::pipe().expect("a pipe");
            let guard = Guard(Mutex::new(Some(File::from(OwnedFd::from(ears)))));
            deeds(&guard);
            drop(guard);
            let mut said = Vec::new();
            mouth.read_to_end(&mut said).expect("a pipe");
            said
        };
        let tether = Tether {
            port: 9,
            token: Token([7; TOKEN_BYTES]),
        };
        let go = said(&|guard| {
            guard
                .go(&place, run, Some(tether), &|| true)
                .expect("wanted")
        });
        assert_eq!(go, [&[GO], [7; TOKEN_BYTES].as_slice()].concat());
        assert_eq!(mark::former(&place), Some(run), "for the next process");
        let off = said(&|guard| {
            let went = guard.go(&place, run, None, &|| false);
            assert_eq!(went, Err(CALLED_OFF.to_owned()));
        });
        assert_eq!(
            off, [0; 0],
            "an undo, a lock or an end in the log came first"
        );
        assert_eq!(mark::former(&place), None, "nothing has happened");
        let dismissed = said(&|guard| {
            guard.dismiss();
            let went = guard.go(&place, run, None, &|| true);
            assert!(went.is_err(), "nobody is there");
        });
        assert_eq!(dismissed, [UNDO]);
    }
}
