//! The reference of a VIP's network, its gateway, and whether anybody answers for the VIP: asked
//! by a thread of its own, read by whoever decides, without waiting.
//!
//! ```text
//!   node  --targets--> thread "reference" --ICMP echo (ARP where that is not answered)--> gateway
//!                        | one task a VIP --ARP probes (RFC 5227)------------------------> LAN
//!                        v atomics
//!   lease thread --look(vip, what it wants)--> Sight          legs --read(vip)--> Sight
//! ```
//!
//! It never announces anything: echoes leave from the VIP only while it is held alone, and ARP
//! questions carry this machine's own address or none. It decides nothing.
//!
//! **Source**: `vip-protocol.md`, sections 5 (H2, H5, the pair) and 7 (legs).

mod probe;
mod sight;
mod tally;
mod watcher;

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use tokio::runtime::Builder;
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinSet};

pub use self::probe::{ProbeError, Sender, who_has};
use self::sight::Board;
pub use self::sight::{Sight, Vacant, Wanted};
use self::watcher::watch_one;
use crate::sys;

/// Whom to ask about a VIP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The VIP.
    pub address: IpAddr,
    /// The reference of its network.
    pub gateway: IpAddr,
    /// The interface of that network here.
    pub interface: Arc<str>,
}

/// What there is to ask about, with the place where the answers go.
type Entries = BTreeMap<Arc<str>, (Target, Arc<Board>)>;

/// Asks about VIPs. Clones are one and the same; the last one that goes ends the thread.
#[derive(Debug, Clone)]
pub struct References(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    entries: ArcSwap<Entries>,
    newest: watch::Sender<Arc<Entries>>,
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

/// Why nobody can be asked.
#[derive(Debug, thiserror::Error)]
pub enum ReferenceError {
    /// The system refused the thread or what it needs.
    #[error("cannot start the thread that asks gateways: {0}")]
    System(#[from] io::Error),
}

impl References {
    /// Starts the thread, in the network namespace of the caller; it asks nobody yet.
    ///
    /// **Errors**: [`ReferenceError`]; no VIP can be held without a majority.
    pub fn start() -> Result<References, ReferenceError> {
        let (newest, entries) = watch::channel(Arc::default());
        let stop = Arc::new(Notify::new());
        let told = Arc::clone(&stop);
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new()
            .name("reference".into())
            .spawn(move || {
                if let Err(error) = sys::hurry() {
                    tracing::debug!(%error, "the thread that asks gateways has no priority");
                }
                runtime.block_on(async move {
                    tokio::select! {
                        () = follow(entries) => {}
                        () = told.notified() => {}
                    }
                });
            })?;
        Ok(References(Arc::new(Inner {
            entries: ArcSwap::default(),
            newest,
            stop,
            thread: Some(thread),
        })))
    }

    /// Asks about these, and about no others; what is known of one that stays the same is kept.
    pub fn apply(&self, targets: &BTreeMap<Arc<str>, Target>) {
        let old = self.0.entries.load_full();
        let entry = |(vip, target): (&Arc<str>, &Target)| {
            let same = old.get(vip).filter(|(old, _)| old == target);
            let board = same.map(|(_, board)| Arc::clone(board)).unwrap_or_default();
            (Arc::clone(vip), (target.clone(), board))
        };
        let new: Arc<Entries> = Arc::new(targets.iter().map(entry).collect());
        self.0.entries.store(Arc::clone(&new));
        self.0.newest.send_replace(new);
    }

    /// What is seen of a VIP's network, and what has to be known of it from now on; the lease
    /// thread alone says that. It never waits. `None`: there is nobody to ask.
    pub fn look(&self, vip: &str, wanted: Wanted) -> Option<Sight> {
        let entries = self.0.entries.load();
        let (_, board) = entries.get(vip)?;
        board.want(wanted);
        Some(board.sight())
    }

    /// What is seen of a VIP's network. It never waits. `None`: there is nobody to ask.
    pub fn read(&self, vip: &str) -> Option<Sight> {
        let entries = self.0.entries.load();
        entries.get(vip).map(|(_, board)| board.sight())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic there has already ended the process.
            let _ = thread.join();
        }
    }
}

/// Has a task for each entry; a new entry, or one that changed, gets a new task.
async fn follow(mut entries: watch::Receiver<Arc<Entries>>) {
    let mut tasks = JoinSet::new();
    let mut running: BTreeMap<Arc<str>, (Target, AbortHandle)> = BTreeMap::new();
    loop {
        let newest = entries.borrow_and_update().clone();
        let stays =
            |vip: &Arc<str>, target: &Target| newest.get(vip).is_some_and(|(new, _)| new == target);
        running.retain(|vip, (target, task)| {
            let stays = stays(vip, target);
            if !stays {
                task.abort();
            }
            stays
        });
        for (vip, (target, board)) in newest.iter() {
            if !running.contains_key(vip) {
                let task = tasks.spawn(watch_one(target.clone(), Arc::clone(board)));
                running.insert(Arc::clone(vip), (target.clone(), task));
            }
        }
        loop {
            tokio::select! {
                changed = entries.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return,
                },
                // Only those that were aborted end; a panic has already ended the process.
                Some(_) = tasks.join_next() => {}
            }
        }
    }
}
