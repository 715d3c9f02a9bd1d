//! The `exec` probe: runs a plugin of this machine, by the conventions that Nagios began.
//!
//! ```text
//!   slot ── file checked ── own group, unprivileged ──┬─ exits ── judge (PURE)
//!                          nothing but FARMUX_* known └─ too late: the whole group is killed
//! ```
//!
//! Off unless `node.toml` names a folder. What runs there runs with nobody's rights, without
//! supplementary groups, without our environment and descriptors. A process that cannot be killed,
//! because it waits for a dead disk, keeps its slot until it is gone; a check of which one is left
//! starts no other.

mod file;
mod plugin;
mod process;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::connect::Budget;
use super::outcome::{Failure, LocalTrouble, Outcome, Phase};
use crate::plan::ProbeKey;
use process::Running;

pub use plugin::{PluginLine, PluginTrouble, UnsafeFile};

/// As whom plugins run; never root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExecUser {
    uid: u32,
    gid: u32,
}

impl ExecUser {
    /// `nobody`, as every Debian numbers it.
    pub const NOBODY: ExecUser = ExecUser {
        uid: 65_534,
        gid: 65_534,
    };

    /// A user by number; `None` for root, and for the group of root.
    pub fn new(uid: u32, gid: u32) -> Option<ExecUser> {
        (uid != 0 && gid != 0).then_some(ExecUser { uid, gid })
    }
}

/// What running plugins needs, one for all checks.
#[derive(Debug)]
pub(super) struct Plugins {
    folder: Option<PathBuf>,
    user: ExecUser,
    slots: Arc<Semaphore>,
    /// Killed and not gone yet: by process, whose check it was, and when it was killed.
    lingering: Mutex<BTreeMap<u32, (ProbeKey, Instant)>>,
}

impl Plugins {
    pub(super) fn new(folder: Option<PathBuf>, user: ExecUser) -> Plugins {
        Plugins {
            folder,
            user,
            slots: Arc::new(Semaphore::new(PLUGINS_AT_ONCE_MAX)),
            lingering: Mutex::default(),
        }
    }

    /// Whether a plugin of this check was killed long ago and is still there.
    fn is_stuck(&self, check: &ProbeKey) -> bool {
        let stuck =
            |(of, since): &(ProbeKey, Instant)| of == check && since.elapsed() > GONE_WITHIN;
        self.lingering().values().any(stuck)
    }

    fn lingering(&self) -> MutexGuard<'_, BTreeMap<u32, (ProbeKey, Instant)>> {
        self.lingering
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is run, and what it is told of itself.
#[derive(Debug, Clone)]
pub(super) struct Order {
    /// The check, whose name becomes `FARMUX_NAME`.
    pub(super) check: ProbeKey,
    /// Becomes `FARMUX_ADDRESS` and `FARMUX_PORT`.
    pub(super) target: SocketAddr,
    /// A bare file name.
    pub(super) command: Arc<str>,
    /// As they are; no shell sees them.
    pub(super) arguments: Arc<[Arc<str>]>,
}

/// Probes once.
pub(super) async fn probe(order: Order, plugins: &Arc<Plugins>, budget: &Budget) -> Outcome {
    if plugins.is_stuck(&order.check) {
        return Outcome::Fail(Failure::PluginStuck);
    }
    let mut running = match start(order, plugins, budget).await {
        Ok(running) => running,
        Err(outcome) => return outcome,
    };
    let ended = budget.step(Phase::Plugin, running.wait()).await;
    ended.map_or_else(
        |outcome| outcome,
        |(status, output)| plugin::judge(status, &output),
    )
}

/// What a plugin that ended means, without running one: for those who prove it from outside of this
/// crate.
pub(super) fn heard(status: ExitStatus, output: &[u8]) -> Outcome {
    plugin::judge(status, output)
}

async fn start(order: Order, plugins: &Arc<Plugins>, budget: &Budget) -> Result<Running, Outcome> {
    let Some(folder) = plugins.folder.clone() else {
        return Err(trouble(PluginTrouble::Off));
    };
    let slot = Arc::clone(&plugins.slots).acquire_owned();
    let slot = budget.step(Phase::Plugin, async {
        slot.await.map_err(std::io::Error::other)
    });
    // No slot within the budget is our own trouble, not the server's.
    let slot = slot.await.map_err(|_| trouble(PluginTrouble::Busy))?;
    let plugins = Arc::clone(plugins);
    // Looking at a file and forking wait for a disk, and this thread waits for nothing.
    let work = move || {
        let path = file::safe(&folder, &order.command)?;
        let started = Running::start(&path, order, plugins, slot);
        started.map_err(|error| PluginTrouble::Start(error.kind()))
    };
    let started = tokio::task::spawn_blocking(work);
    let started = budget.step(Phase::Plugin, async { started.await.map_err(Into::into) });
    let late = |_| trouble(PluginTrouble::Start(std::io::ErrorKind::TimedOut));
    started.await.map_err(late)?.map_err(trouble)
}

fn trouble(trouble: PluginTrouble) -> Outcome {
    Outcome::Inconclusive(LocalTrouble::Plugin(trouble))
}

/// Plugins that run at once: each is a process, and two cores shall go on serving beside them.
const PLUGINS_AT_ONCE_MAX: usize = 64;

/// After so long, what was killed and is not gone hangs in the kernel: a kill takes milliseconds.
const GONE_WITHIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
