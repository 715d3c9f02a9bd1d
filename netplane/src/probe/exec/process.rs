//! One plugin that runs: started without any of our rights, ended with all that it started.

use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::OwnedSemaphorePermit;

use super::{ExecUser, Order, Plugins};
use crate::plan::ProbeKey;
use crate::sys::{self, Exit};

/// A plugin and its process group; dropped, all of it is killed, and reaped when it is gone.
pub(super) struct Running {
    /// `None` once it is reaped.
    child: Option<Child>,
    /// The process, and the group that it leads.
    leader: u32,
    exit: Exit,
    output: Output,
    check: ProbeKey,
    plugins: Arc<Plugins>,
    slot: Option<OwnedSemaphorePermit>,
}

impl Running {
    /// Starts a plugin; within a runtime.
    ///
    /// **Errors**: the system did not start it, or this process may not change its user.
    pub(super) fn start(
        path: &Path,
        order: Order,
        plugins: Arc<Plugins>,
        slot: OwnedSemaphorePermit,
    ) -> io::Result<Running> {
        let mut child = command(path, &order, plugins.user).spawn()?;
        let leader = child.id().ok_or(io::ErrorKind::NotFound)?;
        let pipe = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let exit = Exit::of(leader);
        match exit {
            Ok(exit) => Ok(Running {
                child: Some(child),
                leader,
                exit,
                output: Output {
                    pipe,
                    open: true,
                    kept: Vec::new(),
                },
                check: order.check,
                plugins,
                slot: Some(slot),
            }),
            Err(error) => {
                // Not reaped yet: the group is ours. Tokio reaps what is dropped.
                sys::kill_group(leader)?;
                Err(error)
            }
        }
    }

    /// Waits until it ends by itself, then kills what it left running in its group; how it ended,
    /// and the beginning of what it wrote.
    pub(super) async fn wait(&mut self) -> io::Result<(ExitStatus, Vec<u8>)> {
        loop {
            tokio::select! {
                read = self.output.read(), if self.output.open => read?,
                ended = self.exit.seen() => break ended?,
            }
        }
        self.kill();
        // All that wrote is dead, unless it left the group: such a one is not waited for.
        let last_words = async {
            while self.output.open {
                self.output.read().await?;
            }
            io::Result::Ok(())
        };
        if let Ok(read) = tokio::time::timeout(LAST_WORDS_WITHIN, last_words).await {
            read?;
        }
        let Some(child) = self.child.as_mut() else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let status = child.wait().await?;
        self.child = None;
        Ok((status, std::mem::take(&mut self.output.kept)))
    }

    fn kill(&self) {
        if let Err(error) = sys::kill_group(self.leader) {
            tracing::warn!(check = %self.check, %error, "a plugin cannot be killed");
        }
    }
}

/// What a plugin writes: the beginning is kept, the rest is read and forgotten, so that one that
/// talks much does not hang because nobody listens.
struct Output {
    pipe: ChildStdout,
    open: bool,
    kept: Vec<u8>,
}

impl Output {
    async fn read(&mut self) -> io::Result<()> {
        let mut buffer = [0; READ_BYTES];
        let count = self.pipe.read(&mut buffer).await?;
        self.open = count > 0;
        let room = OUTPUT_BYTES_MAX.saturating_sub(self.kept.len());
        self.kept.extend(buffer.iter().take(count.min(room)));
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        self.kill();
        let (leader, slot) = (self.leader, self.slot.take());
        let plugins = Arc::clone(&self.plugins);
        plugins
            .lingering()
            .insert(leader, (self.check.clone(), Instant::now()));
        let reap = async move {
            // It cannot fail for a child of ours; if it did, there would be nothing to reap.
            let _ = child.wait().await;
            plugins.lingering().remove(&leader);
            drop(slot);
        };
        // Without a runtime this process ends, and its children are reaped by init.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(reap);
        }
    }
}

/// A fresh group, nothing open but its output, nothing known but what the check is about.
fn command(path: &Path, order: &Order, user: ExecUser) -> Command {
    let mut command = Command::new(path);
    command
        .args(order.arguments.iter().map(|argument| &**argument))
        .env_clear()
        .env("PATH", PATH)
        .env("FARMUX_NAME", order.check.to_string())
        .env("FARMUX_ADDRESS", order.target.ip().to_string())
        .env("FARMUX_PORT", order.target.port().to_string())
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .gid(user.gid)
        // With the user go all supplementary groups: std says so, and a test looks.
        .uid(user.uid);
    command
}

/// Where plugins find the usual programs.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// One read of its output: plugins write a line.
const READ_BYTES: usize = 512;

/// How much of its output is kept: many times the one line that counts.
const OUTPUT_BYTES_MAX: usize = 4096;

/// How long the end of its output may take after its death: the pipe is in the kernel already.
const LAST_WORDS_WITHIN: Duration = Duration::from_millis(50);
