//! Processes of a lab: started with a log file, ended by their process id.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::wait;

/// How long a process may take to end by itself before it is killed: a node hands over first, and
/// waits ten seconds for work in flight.
const TERMINATE_WITHIN: Duration = Duration::from_secs(20);

/// How much of each log a failed test shows: enough for what came last, short enough to read.
const LOG_LINES_SHOWN: usize = 60;

/// A running process; dropped, it is killed.
#[derive(Debug)]
pub struct Process {
    name: String,
    log: PathBuf,
    child: Child,
}

impl Process {
    pub(super) fn spawn(name: &str, mut command: Command, log: &Path) -> Result<Process> {
        let file = File::options().create(true).append(true).open(log);
        let file = file.with_context(|| format!("open {}", log.display()))?;
        let twin = file.try_clone().context("share the log")?;
        command.stdin(Stdio::null()).stdout(file).stderr(twin);
        let child = command.spawn().with_context(|| format!("start {name}"))?;
        Ok(Process {
            name: name.to_owned(),
            log: log.to_path_buf(),
            child,
        })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Whether it is still there; one that ended and waits to be reaped is not (`proc(5)`, stat).
    pub fn is_running(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap_or_default();
        let state = stat
            .rsplit_once(") ")
            .and_then(|(_, rest)| rest.chars().next());
        state.is_some_and(|state| state != 'Z' && state != 'X')
    }

    /// Sends it a signal.
    ///
    /// **Errors**: it has ended already.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(Pid::from_child(&self.child), signal)
            .with_context(|| format!("signal {}", self.name))
    }

    /// Ends it at once, as a power cut would, and waits until it is gone.
    pub fn kill(&mut self) {
        // It may have ended by itself: that is what was wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Stops its every thread (`SIGSTOP`), as a hypervisor pauses a machine.
    ///
    /// **Errors**: it has ended already.
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on.
    ///
    /// **Errors**: it has ended already.
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Asks it to end and waits for that.
    ///
    /// **Errors**: it does not end within twenty seconds; it is killed then.
    pub fn terminate(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        let child = &mut self.child;
        let ended = wait::until("a process ends on SIGTERM", TERMINATE_WITHIN, || {
            child.try_wait().ok().flatten()
        });
        if ended.is_err() {
            self.kill();
        }
        ended.with_context(|| self.name.clone())
    }

    /// Memory it holds.
    ///
    /// **Units**: bytes (`VmRSS` of `proc(5)`).
    ///
    /// **Errors**: it has ended.
    pub fn resident_bytes(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.id());
        let status = fs::read_to_string(&path).with_context(|| path.clone())?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kib.map(|kib| kib * 1024)
            .with_context(|| format!("no VmRSS in {path}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs a command to its end and returns what it said.
///
/// **Errors**: it cannot be started, or ends with anything but 0.
pub fn run(command: &mut Command) -> Result<String> {
    let shown = format!("{command:?}");
    let ended = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| shown.clone())?;
    if !ended.status.success() {
        bail!(
            "{shown}: {}: {}",
            ended.status,
            String::from_utf8_lossy(&ended.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&ended.stdout).into_owned())
}

/// Kills processes by id, so that none has time to notice the end of another: a daemon of several
/// processes would say good-bye to the network (keepalived's child does when its parent dies).
pub(super) fn kill_all(ids: &[i32]) {
    for signal in [Signal::STOP, Signal::KILL] {
        signal_all(ids, signal);
    }
}

/// Sends a signal to processes by id.
pub(super) fn signal_all(ids: &[i32], signal: Signal) {
    for pid in ids.iter().filter_map(|id| Pid::from_raw(*id)) {
        // Gone already is as good as killed, or stopped.
        let _ = kill_process(pid, signal);
    }
}

/// Prints the end of every log of a lab, for whoever reads why a test failed.
#[expect(
    clippy::print_stderr,
    reason = "a failed test has no other way to show its logs"
)]
pub(super) fn show_logs(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|kind| kind != "log") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let tail = &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..];
        eprintln!("---- end of {}\n{}", path.display(), tail.join("\n"));
    }
}
