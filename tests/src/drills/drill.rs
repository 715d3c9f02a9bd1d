//! One run of a drill: the command line as a child, and what it writes, line by line.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use farmux_node::api::types::{DrillEvent, DrillPhase, DrillRun};
use rustix::process::{Pid, Signal, kill_process};

use crate::lab::node::{Node, binary};

/// A run that is followed.
#[derive(Debug)]
pub(super) struct Drill {
    child: Child,
    lines: Receiver<String>,
    over: Option<DrillRun>,
    run: Option<u64>,
    seen: Vec<String>,
}

/// How it ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// The exit code of the command line.
    pub(super) exit: Option<i32>,
    /// What it came to, if it said so.
    pub(super) run: Option<DrillRun>,
    /// All that it wrote.
    pub(super) said: String,
}

impl Drill {
    /// Runs a drill from this node, without being asked.
    pub(super) fn start(node: &Node, kind: &str, words: &[&str]) -> Result<Drill> {
        let mut command = Command::new(binary()?);
        command.arg("--socket").arg(node.socket());
        command
            .args(["drill", "run", kind, "--yes", "-o", "json"])
            .args(words);
        command.env_remove("FARMUX_SOCKET").stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("run the command line")?;
        let (sender, lines) = channel();
        let out = child.stdout.take().context("its output")?;
        let err = child.stderr.take().context("its complaints")?;
        let both: [Box<dyn std::io::Read + Send>; 2] = [Box::new(out), Box::new(err)];
        for stream in both {
            let sender = sender.clone();
            std::thread::spawn(move || {
                let lines = BufReader::new(stream).lines().map_while(Result::ok);
                // Nobody listens any more once the run is given up.
                lines
                    .map(|line| sender.send(line))
                    .take_while(Result::is_ok)
                    .count()
            });
        }
        Ok(Drill {
            child,
            lines,
            over: None,
            run: None,
            seen: Vec::new(),
        })
    }

    /// The number of the run, once it is known.
    pub(super) fn run(&self) -> Option<u64> {
        self.run
    }

    /// Waits until it is in one of these phases.
    pub(super) fn until(&mut self, wanted: &[DrillPhase], limit: Duration) -> Result<()> {
        let end = Instant::now() + limit;
        loop {
            match self.next(end)? {
                Some(DrillEvent::Progress(progress)) if wanted.contains(&progress.phase) => {
                    return Ok(());
                }
                Some(DrillEvent::Begun(_) | DrillEvent::Progress(_)) => {}
                Some(DrillEvent::Over(_)) | None => {
                    bail!("over before {wanted:?}: {}", self.seen.join("\n"))
                }
            }
        }
    }

    /// Waits until it is over.
    pub(super) fn end(mut self, limit: Duration) -> Result<Ended> {
        let end = Instant::now() + limit;
        while self.next(end)?.is_some() {}
        let exit = self
            .child
            .wait()
            .context("wait for the command line")?
            .code();
        Ok(Ended {
            exit,
            run: self.over.take(),
            said: self.seen.join("\n"),
        })
    }

    /// `kill -9` of the operator's command line.
    pub(super) fn kill(&mut self) -> Result<()> {
        self.child.kill().context("kill the command line")
    }

    /// Ctrl-C of its operator.
    pub(super) fn interrupt(&self) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), Signal::INT)?)
    }

    /// The next event; `None`: there are no more.
    fn next(&mut self, end: Instant) -> Result<Option<DrillEvent>> {
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line = match self.lines.recv_timeout(left) {
                Ok(line) => line,
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {
                    bail!("it took too long: {}", self.seen.join("\n"))
                }
            };
            let read = serde_json::from_str::<DrillEvent>(&line);
            self.seen.push(line);
            let Ok(event) = read else { continue };
            match &event {
                DrillEvent::Begun(begun) => self.run = Some(begun.run),
                DrillEvent::Progress(_) => {}
                DrillEvent::Over(run) => self.over = Some((**run).clone()),
            }
            return Ok(Some(event));
        }
    }
}

impl Ended {
    /// Sees to it that the command line ended so.
    pub(super) fn exits(&self, code: i32) -> Result<()> {
        ensure!(
            self.exit == Some(code),
            "exit {:?}, not {code}: {}",
            self.exit,
            self.said
        );
        Ok(())
    }
}

impl Drop for Drill {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
