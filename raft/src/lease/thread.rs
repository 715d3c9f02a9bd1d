//! The lease thread: one OS thread with its own sockets, around the PURE engine.
//!
//! No disk, netlink or log write happens on it; what it is told and what it tells go through a
//! mailbox and `watch` channels that are held for a few instructions only.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::time::{ClockId, Timespec, clock_gettime};
use tokio::sync::watch;

use super::engine::{Drawn, Engine, Output, Source};
use super::wire::BYTES_MAX;
use super::{BootTime, Counters, Held, Legs, Roster, Timing};
use crate::id::{Ballot, NodeId, VipName};

/// What the thread calls while it runs; all of it must return within microseconds.
pub struct Hooks {
    /// Once, first thing on the new thread: real-time scheduling and locked memory.
    pub on_start: Box<dyn FnOnce() + Send>,
    /// With `Some` at each gain and each extension, with `None` at each loss: the fence's deadline.
    pub on_change: OnChange,
    /// Whether the serving runtimes are alive at this moment; if not, everything is released.
    pub serving: Box<dyn FnMut(BootTime) -> bool + Send>,
}

/// What is told of every gain, extension and loss.
pub type OnChange = Box<dyn FnMut(&VipName, Option<Held>) + Send>;

/// Why there is no lease thread.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// Nothing to listen on: `node.toml` must name at least one peer address.
    #[error("no socket for the leases: name at least one peer address")]
    NoSocket,
    /// The system refused the thread or what it needs.
    #[error("cannot start the lease thread: {0}")]
    System(#[from] io::Error),
}

/// Tells the lease thread what to do and what it did. Dropping it releases and stops.
pub struct LeaseHandle {
    shared: Arc<Shared>,
    held: watch::Receiver<BTreeMap<VipName, Ballot>>,
    seen: watch::Receiver<BTreeMap<VipName, (NodeId, Ballot)>>,
    silent_until: BootTime,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    mailbox: Mutex<Mailbox>,
    wake: OwnedFd,
    counters: Arc<Counters>,
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
    for socket in &sockets {
        socket.set_nonblocking(true)?;
    }
    let wake =
        eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(io::Error::from)?;
    let counters = Arc::new(Counters::default());
    let shared = Arc::new(Shared {
        mailbox: Mutex::default(),
        wake,
        counters: Arc::clone(&counters),
    });
    let start = boot_time();
    let (held_out, held) = watch::channel(BTreeMap::new());
    let (seen_out, seen) = watch::channel(BTreeMap::new());
    let task = Task {
        engine: Engine::new(timing, Arc::clone(&counters), start, draw()?),
        addresses: BTreeMap::new(),
        shared: Arc::clone(&shared),
        counters,
        sockets,
        on_change: hooks.on_change,
        serving: hooks.serving,
        held: held_out,
        seen: seen_out,
    };
    let thread = std::thread::Builder::new()
        .name("lease".into())
        .spawn(move || {
            (hooks.on_start)();
            task.run();
        })?;
    Ok(LeaseHandle {
        shared,
        held,
        seen,
        silent_until: start + timing.silence(),
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

    /// Whether this node's acceptor is still silent after its start: until then its vote is missing
    /// wherever an owner dies.
    pub fn is_silent(&self) -> bool {
        boot_time() < self.silent_until
    }

    /// What was counted since the start.
    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// Releases everything, so that others take over at once, and waits for the thread's end.
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

struct Task {
    engine: Engine,
    /// Where members are reached; the *i*-th address by the *i*-th socket.
    addresses: BTreeMap<NodeId, Vec<SocketAddr>>,
    shared: Arc<Shared>,
    counters: Arc<Counters>,
    sockets: Vec<UdpSocket>,
    on_change: OnChange,
    serving: Box<dyn FnMut(BootTime) -> bool + Send>,
    held: watch::Sender<BTreeMap<VipName, Ballot>>,
    seen: watch::Sender<BTreeMap<VipName, (NodeId, Ballot)>>,
}

impl Task {
    fn run(mut self) {
        loop {
            let readable = self.wait();
            // A lease that ran out while this thread did not run ends before anything else is done.
            self.engine.poll(boot_time());
            self.carry_out();
            for path in readable {
                self.drain(path);
            }
            let serving = (self.serving)(boot_time());
            self.engine.set_serving(boot_time(), serving);
            let stop = self.read_mailbox();
            self.engine.poll(boot_time());
            self.carry_out();
            self.publish();
            if stop {
                return;
            }
        }
    }

    /// Sleeps until something arrives or is due; the paths on which something arrived.
    fn wait(&self) -> Vec<usize> {
        let now = boot_time();
        let due = self
            .engine
            .due(now)
            .map_or(PULSE, |due| due.since(now).min(PULSE));
        let timeout = Timespec {
            tv_sec: i64::try_from(due.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: due.subsec_nanos().into(),
        };
        let mut fds: Vec<PollFd<'_>> = self
            .sockets
            .iter()
            .map(|socket| PollFd::new(socket, PollFlags::IN))
            .collect();
        fds.push(PollFd::new(&self.shared.wake, PollFlags::IN));
        // An interrupted wait is one that ended early.
        let _ = poll(&mut fds, Some(&timeout));
        let ready = |index: &usize| !fds[*index].revents().is_empty();
        (0..self.sockets.len()).filter(ready).collect()
    }

    /// Reads what has arrived on one path, a bounded number, so that timers stay in time.
    fn drain(&mut self, path: usize) {
        let mut buffer = [0; BYTES_MAX + 1];
        for _ in 0..BATCH {
            // Errors are those of earlier sends (ICMP) or "nothing there".
            let Ok((length, address)) = self.sockets[path].recv_from(&mut buffer) else {
                return;
            };
            // The clock is read after the receipt, so that no grant ends before its T.
            self.engine
                .receive(boot_time(), Source { path, address }, &buffer[..length]);
            self.carry_out();
        }
    }

    /// Whether to stop.
    fn read_mailbox(&mut self) -> bool {
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.shared.wake, &mut count);
        let mailbox = match self.shared.mailbox.try_lock() {
            Ok(mut mailbox) => std::mem::take(&mut *mailbox),
            Err(TryLockError::Poisoned(poisoned)) => std::mem::take(&mut *poisoned.into_inner()),
            // Somebody writes at this moment, and wakes us up after it.
            Err(TryLockError::WouldBlock) => return false,
        };
        let now = boot_time();
        if let Some(roster) = mailbox.roster {
            self.addresses.clear();
            let members = roster.iter().flat_map(|roster| &roster.members);
            self.addresses
                .extend(members.map(|(node, m)| (*node, m.addresses.clone())));
            self.engine.set_roster(now, roster);
        }
        if let Some(legs) = mailbox.legs {
            self.engine.set_legs(legs);
        }
        for (group, to) in mailbox.releases {
            self.engine.release(now, &group, to);
        }
        if mailbox.stop {
            self.engine.release_all(now);
        }
        mailbox.stop
    }

    fn carry_out(&mut self) {
        for output in self.engine.take_outputs() {
            match output {
                Output::Change(group, held) => (self.on_change)(&group, held),
                Output::Reply(source, bytes) => self.send(source.path, source.address, &bytes),
                Output::Send(node, bytes) => {
                    let addresses = self.addresses.get(&node).map_or(&[][..], Vec::as_slice);
                    for (path, address) in addresses.iter().enumerate() {
                        self.send(path, *address, &bytes);
                    }
                }
            }
        }
    }

    /// A member with more paths than we have is reached by our first as well.
    fn send(&self, path: usize, address: SocketAddr, bytes: &[u8]) {
        let socket = self.sockets.get(path).unwrap_or(&self.sockets[0]);
        let counter = match socket.send_to(bytes, address) {
            Ok(_) => &self.counters.sent,
            Err(_) => &self.counters.send_errors,
        };
        counter.fetch_add(1, Relaxed);
    }

    fn publish(&self) {
        let held = self.engine.held();
        let held = held
            .into_iter()
            .map(|(group, held)| (group, held.ballot))
            .collect();
        replace(&self.held, held);
        replace(&self.seen, self.engine.seen(boot_time()));
    }
}

/// Publishes a value if it is another one.
fn replace<T: PartialEq>(channel: &watch::Sender<T>, value: T) {
    channel.send_if_modified(|old| {
        let differs = *old != value;
        if differs {
            *old = value;
        }
        differs
    });
}

/// The boot clock.
///
/// **Panics**: never: Linux has this clock since 2.6.39.
fn boot_time() -> BootTime {
    let now = clock_gettime(ClockId::Boottime);
    let (secs, nanos) = (u64::try_from(now.tv_sec), u64::try_from(now.tv_nsec));
    let secs = secs.expect("the boot clock is never negative");
    BootTime(secs * 1_000_000_000 + nanos.expect("nanoseconds are never negative"))
}

/// Randomness for one start.
fn draw() -> Result<Drawn, io::Error> {
    let mut bytes = [0; 16];
    let failed = |_| io::Error::other("the system gives no random bytes");
    SystemRandom::new().fill(&mut bytes).map_err(failed)?;
    let (nonce, seed) = bytes.split_at(8);
    let number = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    };
    Ok(Drawn {
        nonce: number(nonce).max(1),
        seed: number(seed),
    })
}

/// The longest sleep: the serving runtimes are looked at ten times in the second that they have.
const PULSE: Duration = Duration::from_millis(100);
/// Datagrams read at once from one path: a full socket buffer of a small cluster, well below 1 ms.
const BATCH: usize = 64;
