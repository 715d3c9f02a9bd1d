//! `farmux drill-guard`: kills or stops the daemon that started it, and ends that again when its
//! timer runs out, whoever else is dead by then.
//!
//! ```text
//!   daemon ─start─▶ guard: own session; holds its parent by pidfd and start time ─r─▶
//!          ──g────▶ SIGKILL ─ timer, tether, u, SIGTERM ─▶ starts it again, unless somebody has
//!                   SIGSTOP ─ timer, tether, u, SIGTERM ─▶ SIGCONT; killed meanwhile: as above
//!          ──u, or closed before g──▶ ends, and nothing has happened
//! ```
//!
//! It signals nobody but its own parent, and needs no file but the program that it starts: a data
//! folder that is gone does not hold it up.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use clap::{Args, ValueEnum};
use farmux_netplane::sys::{Held, Nudge, boottime_ns, is_stopped, own_session};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

use super::tether::{self, TOKEN_BYTES, Token};

/// Said by the guard: it is there, and holds the daemon.
pub(super) const HERE: u8 = b'r';

/// Said to the guard: now; the token of its tether follows.
pub(super) const GO: u8 = b'g';

/// Said by the guard: the signal is sent.
pub(super) const DONE: u8 = b's';

/// Said to the guard: end it.
pub(super) const UNDO: u8 = b'u';

/// How the daemon fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum End {
    /// It is killed, and started again.
    Killed,
    /// It is stopped, and goes on.
    Stopped,
}

impl End {
    /// As an argument.
    pub(super) fn word(self) -> &'static str {
        match self {
            End::Killed => "killed",
            End::Stopped => "stopped",
        }
    }
}

/// What the daemon tells its guard.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct GuardArguments {
    /// The daemon's process, which is the guard's parent
    #[arg(long)]
    pub daemon: u32,
    /// When it began, in the kernel's ticks
    #[arg(long)]
    pub started: u64,
    /// How it fails
    #[arg(long, value_enum)]
    pub end: End,
    /// For how long
    #[arg(long)]
    pub timer_ms: u64,
    /// Where the daemon answers when somebody has started it again
    #[arg(long, value_name = "PATH")]
    pub admin: PathBuf,
    /// Somebody else starts it again
    #[arg(long)]
    pub supervised: bool,
    /// Where it may be told by UDP to end it
    #[arg(long, value_name = "PORT")]
    pub tether_port: Option<u16>,
    /// How it is started again
    #[arg(last = true, required = true)]
    pub program: Vec<OsString>,
}

/// Guards, to the end.
///
/// **Errors**: nothing has happened: the daemon is not its parent, or there is no descriptor left;
/// or it cannot be started again.
pub(crate) async fn guard(arguments: &GuardArguments) -> io::Result<()> {
    if std::os::unix::process::parent_id() != arguments.daemon {
        return Err(io::Error::other("the daemon is not who started its guard"));
    }
    own_session()?;
    let held = Held::of(arguments.daemon, arguments.started)?;
    let mut ears = Ears::open(arguments.tether_port)?;
    say(HERE)?;
    match timeout(TOLD_WITHIN, ears.hear()).await {
        Ok(Heard::Go) => {}
        // Dismissed, or the daemon ended by itself.
        Ok(Heard::End | Heard::Nothing | Heard::Nobody) | Err(_) => return Ok(()),
    }
    let timer = Duration::from_millis(arguments.timer_ms);
    let end_ns = boottime_ns().saturating_add(u64::try_from(timer.as_nanos()).unwrap_or(u64::MAX));
    match arguments.end {
        End::Stopped => {
            held.nudge(Nudge::Stop)?;
            // A signal takes its time: said before, it would be heard before the stop, and the
            // timer of the kernel given up.
            while !is_stopped(arguments.daemon).unwrap_or(true) && boottime_ns() < end_ns {
                tokio::time::sleep(ENDING_EVERY).await;
            }
            // Heard when it goes on; who hears it no more is dead.
            let _ = say(DONE);
            wait(end_ns, &mut ears, || held.has_ended().unwrap_or(false)).await;
            // One that has ended, and waits to be reaped, takes a signal as well.
            let continued = held.nudge(Nudge::Continue);
            match held.has_ended()? {
                // Somebody killed it beside the drill: it comes back as if it had gone on.
                true => bring_back(end_ns, &mut ears, arguments).await,
                false => continued,
            }
        }
        End::Killed => {
            held.nudge(Nudge::Kill)?;
            // Until it is gone its socket looks like that of somebody who was started again.
            while !arguments.supervised && !held.has_ended()? {
                tokio::time::sleep(ENDING_EVERY).await;
            }
            bring_back(end_ns, &mut ears, arguments).await
        }
    }
}

/// Starts it again when its time is over, unless somebody has, or will.
async fn bring_back(end_ns: u64, ears: &mut Ears, arguments: &GuardArguments) -> io::Result<()> {
    if arguments.supervised {
        return Ok(());
    }
    wait(end_ns, ears, || answers(arguments)).await;
    match answers(arguments) {
        true => Ok(()),
        false => start_again(&arguments.program),
    }
}

/// Waits for the end: by the clock that goes on while the machine sleeps, by order, or because it
/// is `over` already.
async fn wait(end_ns: u64, ears: &mut Ears, mut over: impl FnMut() -> bool) {
    while boottime_ns() < end_ns && !over() {
        let left = Duration::from_nanos(end_ns.saturating_sub(boottime_ns()));
        let turn = left.min(LOOK_EVERY);
        match timeout(turn, ears.hear()).await {
            Ok(Heard::End) => return,
            // A daemon that is dead, as it should be, says nothing any more.
            Ok(Heard::Go | Heard::Nothing | Heard::Nobody) | Err(_) => {}
        }
    }
}

fn answers(arguments: &GuardArguments) -> bool {
    UnixStream::connect(&arguments.admin).is_ok()
}

/// With this process's own environment, folder and rights: those that it had from the daemon.
fn start_again(program: &[OsString]) -> io::Result<()> {
    let Some((program, arguments)) = program.split_first() else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    // Its standard output was the daemon's to read; what a daemon says goes to standard error.
    let output = io::stderr().as_fd().try_clone_to_owned()?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(output);
    command.spawn()?;
    Ok(())
}

fn say(word: u8) -> io::Result<()> {
    let mut mouth = io::stdout();
    mouth.write_all(&[word])?;
    mouth.flush()
}

/// What the guard hears: its pipe, and whoever wants it to end.
struct Ears {
    pipe: pipe::Receiver,
    terminate: Signal,
    tether: Option<tether::End>,
    /// Known once it was told to go.
    token: Option<Token>,
    /// Until then there is a pipe.
    open: bool,
}

enum Heard {
    Go,
    /// By the daemon, by whoever conducts, or because the machine ends.
    End,
    Nothing,
    /// The daemon is gone.
    Nobody,
}

impl Ears {
    fn open(tether: Option<u16>) -> io::Result<Ears> {
        let input = io::stdin().as_fd().try_clone_to_owned()?;
        Ok(Ears {
            pipe: pipe::Receiver::from_owned_fd(input)?,
            terminate: signal(SignalKind::terminate())?,
            tether: tether.map(tether::End::at).transpose()?,
            token: None,
            open: true,
        })
    }

    async fn hear(&mut self) -> Heard {
        let pulled = pulled(self.tether.as_ref(), self.token);
        tokio::select! {
            word = self.pipe.read_u8(), if self.open => match word {
                Ok(GO) => self.hear_token().await,
                Ok(UNDO) => Heard::End,
                Ok(_) => Heard::Nothing,
                Err(_) => {
                    self.open = false;
                    Heard::Nobody
                }
            },
            _ = self.terminate.recv() => Heard::End,
            () = pulled => Heard::End,
        }
    }

    async fn hear_token(&mut self) -> Heard {
        let mut token = [0; TOKEN_BYTES];
        match self.pipe.read_exact(&mut token).await {
            Ok(_) => {
                self.token = Some(Token(token));
                Heard::Go
            }
            Err(_) => Heard::Nobody,
        }
    }
}

/// For ever, where there is no tether.
async fn pulled(tether: Option<&tether::End>, token: Option<Token>) {
    match (tether, token) {
        (Some(end), Some(token)) => end.pulled(token).await,
        (None, _) | (_, None) => std::future::pending().await,
    }
}

/// The daemon says it within a tenth of a second, or never.
const TOLD_WITHIN: Duration = Duration::from_secs(10);

/// A kill takes as long as the kernel needs to close everything.
const ENDING_EVERY: Duration = Duration::from_millis(5);

/// Whether somebody else has ended it; nobody measures in tenths of a second here.
const LOOK_EVERY: Duration = Duration::from_millis(100);
