//! The lease thread: one OS thread with its own sockets, around the PURE engine.
//!
//! No disk, netlink or log write happens on it; what it is told and what it tells go through a
//! mailbox and `watch` channels that are held for a few instructions only.

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use tokio::sync::watch;

use super::{BootTime, Counters, Held, Legs, Roster, Timing};
use crate::id::{Ballot, NodeId, VipName};

/// What the thread calls while it runs; all of it must return within microseconds.
pub struct Hooks {
    /// Once, first thing on the new thread: real-time scheduling and locked memory.
    pub on_start: Box<dyn FnOnce() + Send>,
    /// With `Some` at each gain and each extension, with `None` at each loss: the fence's deadline.
    pub on_change: Box<dyn FnMut(&VipName, Option<Held>) + Send>,
    /// Whether the serving runtimes are alive at this moment; if not, everything is released.
    pub serving: Box<dyn FnMut(BootTime) -> bool + Send>,
}

/// Why there is no lease thread.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// Nothing to listen on: `node.toml` must name at least one peer address.
    #[error("no socket for the leases: name at least one peer address")]
    NoSocket,
    /// The system refused the thread or what it needs.
    #[error("cannot start the lease thread: {0}")]
    System(#[from] std::io::Error),
}

/// Tells the lease thread what to do and what it did. Dropping it releases and stops.
pub struct LeaseHandle {
    shared: Arc<Shared>,
    held: watch::Receiver<BTreeMap<VipName, Ballot>>,
    seen: watch::Receiver<BTreeMap<VipName, (NodeId, Ballot)>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    mailbox: Mutex<Mailbox>,
    wake: OwnedFd,
    counters: Counters,
}

/// What the thread has not read yet; a newer order replaces an older one, so that nothing grows.
#[derive(Default)]
struct Mailbox {
    roster: Option<Option<Roster>>,
    releases: BTreeMap<VipName, Option<NodeId>>,
    legs: Option<Legs>,
    stop: bool,
}

/// Starts the lease thread on `sockets`, one a path.
///
/// **Errors**: [`SpawnError`]; the caller cannot take part in any lease and stops.
pub fn spawn(
    sockets: Vec<UdpSocket>,
    timing: Timing,
    hooks: Hooks,
) -> Result<LeaseHandle, SpawnError> {
    if sockets.is_empty() {
        return Err(SpawnError::NoSocket);
    }
    let wake =
        eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(std::io::Error::from)?;
    let shared = Arc::new(Shared {
        mailbox: Mutex::default(),
        wake,
        counters: Counters::default(),
    });
    let (_held_out, held) = watch::channel(BTreeMap::new());
    let (_seen_out, seen) = watch::channel(BTreeMap::new());
    let inner = Arc::clone(&shared);
    let thread = std::thread::Builder::new()
        .name("lease".into())
        .spawn(move || {
            let (_sockets, _timing) = (sockets, timing);
            (hooks.on_start)();
            loop {
                let mut fds = [PollFd::new(&inner.wake, PollFlags::IN)];
                let _ = poll(&mut fds, None);
                if inner
                    .mailbox
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .stop
                {
                    return;
                }
            }
        })?;
    Ok(LeaseHandle {
        shared,
        held,
        seen,
        thread: Some(thread),
    })
}

impl LeaseHandle {
    /// Replaces the roster; `None` while no membership is known, and then nothing is answered.
    pub fn set_roster(&self, roster: Option<Roster>) {
        self.order(|mailbox| mailbox.roster = Some(roster));
    }

    /// Gives a lease up, to whoever comes first or to one node.
    pub fn release(&self, vip: &VipName, to: Option<NodeId>) {
        self.order(|mailbox| {
            mailbox.releases.insert(vip.clone(), to);
        });
    }

    /// Says how fit this node is.
    pub fn set_legs(&self, legs: Legs) {
        self.order(|mailbox| mailbox.legs = Some(legs));
    }

    /// What this node owns.
    pub fn held(&self) -> watch::Receiver<BTreeMap<VipName, Ballot>> {
        self.held.clone()
    }

    /// What this node's acceptor granted and still remembers: who owns, as far as we can tell.
    pub fn seen(&self) -> watch::Receiver<BTreeMap<VipName, (NodeId, Ballot)>> {
        self.seen.clone()
    }

    /// What was counted since the start.
    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// Releases everything and waits for the thread's end.
    pub fn stop(self) {
        drop(self);
    }

    fn order(&self, write: impl FnOnce(&mut Mailbox)) {
        write(
            &mut self
                .shared
                .mailbox
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        // The counter of an eventfd is full only while the thread has a wake-up before it anyway.
        let _ = rustix::io::write(&self.shared.wake, &1u64.to_ne_bytes());
    }
}

impl Drop for LeaseHandle {
    fn drop(&mut self) {
        self.order(|mailbox| mailbox.stop = true);
        if let Some(thread) = self.thread.take() {
            // A panic there has already ended the process.
            let _ = thread.join();
        }
    }
}
