//! The lease thread: one OS thread with its own sockets, around the PURE engine.
//!
//! No disk, netlink or log write happens on it; what it is told and what it tells go through a
//! mailbox and `watch` channels that are held for a few instructions only.

use std::collections::{BTreeMap, BTreeSet};
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
use super::{BootTime, Counters, Held, Legs, Outlook, Roster, Timing, Wanted};
use crate::id::{Ballot, NodeId, VipName};

/// What the thread calls while it runs; all of it must return within microseconds.
pub struct Hooks {
    /// Once, first thing on the new thread: real-time scheduling and locked memory.
    pub on_start: Box<dyn FnOnce() + Send>,
    /// With `Some` at each gain and each extension, with `None` at each loss: the fence's deadline.
    pub on_change: OnChange,
    /// Whether the serving runtimes are alive at this moment; if not, everything is released.
    pub serving: Box<dyn FnMut(BootTime) -> bool + Send>,
    /// How the network of a VIP looks, and what of it has to be known from now on; asked before
    /// each decision.
    pub outlook: OnLook,
    /// Since when an earlier start held a VIP alone, within the same boot; asked in the first
    /// seconds, until it is known.
    pub resumable: OnStart,
}

/// What is told of every gain, extension and loss.
pub type OnChange = Box<dyn FnMut(&VipName, Option<Held>) + Send>;

/// What is asked how a VIP's network looks.
pub type OnLook = Box<dyn FnMut(&VipName, Wanted) -> Outlook + Send>;

/// What is asked since when an earlier start held a VIP.
pub type OnStart = Box<dyn FnMut(&VipName) -> Option<BootTime> + Send>;

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
    alone: watch::Receiver<BTreeMap<VipName, BootTime>>,
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
    let (alone_out, alone) = watch::channel(BTreeMap::new());
    let task = Task {
        engine: Engine::new(timing, Arc::clone(&counters), start, draw()?),
        addresses: BTreeMap::new(),
        vips: BTreeMap::new(),
        references: BTreeMap::new(),
        shared: Arc::clone(&shared),
        counters,
        sockets,
        on_change: hooks.on_change,
        serving: hooks.serving,
        outlook: hooks.outlook,
        resumable: hooks.resumable,
        remembered: BTreeSet::new(),
        remember_until: start + timing.silence() + REMEMBER_FOR,
        held: held_out,
        seen: seen_out,
        alone: alone_out,
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
        alone,
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

    /// Of what this node owns: what it goes on with without a majority, and since when.
    pub fn alone(&self) -> watch::Receiver<BTreeMap<VipName, BootTime>> {
        self.alone.clone()
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
    /// The VIPs of each lease: everybody but the engine speaks of VIPs.
    vips: BTreeMap<VipName, BTreeSet<VipName>>,
    /// The VIP by which the network of each lease is looked at.
    references: BTreeMap<VipName, VipName>,
    shared: Arc<Shared>,
    counters: Arc<Counters>,
    sockets: Vec<UdpSocket>,
    on_change: OnChange,
    serving: Box<dyn FnMut(BootTime) -> bool + Send>,
    outlook: OnLook,
    resumable: OnStart,
    /// VIPs of which it is known that an earlier start held them.
    remembered: BTreeSet<VipName>,
    remember_until: BootTime,
    held: watch::Sender<BTreeMap<VipName, Ballot>>,
    seen: watch::Sender<BTreeMap<VipName, (NodeId, Ballot)>>,
    alone: watch::Sender<BTreeMap<VipName, BootTime>>,
}

impl Task {
    fn run(mut self) {
        loop {
            let readable = self.wait();
            self.look();
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
                return self.say_farewell();
            }
        }
    }

    /// What was released has to be heard of: it is said again, as any question, until all answered
    /// or R is over.
    fn say_farewell(mut self) {
        let end = boot_time() + self.engine.timing().renewal();
        while self.engine.is_asking() && boot_time() < end {
            for path in self.wait() {
                self.drain(path);
            }
            self.engine.poll(boot_time());
            self.carry_out();
        }
    }

    /// Looks at the network of each VIP, and at first at what an earlier start left.
    fn look(&mut self) {
        let now = boot_time();
        for (group, wanted) in self.engine.wanted(now) {
            // Everybody but the engine speaks of VIPs.
            let vip = self.references.get(&group).unwrap_or(&group);
            let outlook = (self.outlook)(vip, wanted);
            self.engine.set_outlook(&group, outlook);
            if now >= self.remember_until || self.remembered.contains(&group) {
                continue;
            }
            if let Some(since) = (self.resumable)(vip) {
                self.engine.remember(&group, since);
                self.remembered.insert(group);
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
            let vips = roster.as_ref().map(Roster::vips).unwrap_or_default();
            let reference = |lease: &VipName| {
                let vip = roster.as_ref().map(|roster| roster.reference_of(lease));
                Some((lease.clone(), vip?))
            };
            self.references = vips.keys().filter_map(reference).collect();
            self.engine.set_roster(now, roster);
            // What is over by it is over for the VIPs that it had.
            self.carry_out();
            self.vips = vips;
        }
        if let Some(legs) = mailbox.legs {
            self.engine.set_legs(legs);
        }
        for (vip, to) in mailbox.releases {
            let lease = self.vips.iter().find(|(_, vips)| vips.contains(&vip));
            if let Some(lease) = lease.map(|(lease, _)| lease.clone()) {
                self.engine.release(now, &lease, to);
            }
        }
        if mailbox.stop {
            self.engine.release_all(now);
        }
        mailbox.stop
    }

    fn carry_out(&mut self) {
        for output in self.engine.take_outputs() {
            match output {
                Output::Change(lease, held) => {
                    for vip in self.vips.get(&lease).into_iter().flatten() {
                        (self.on_change)(vip, held);
                    }
                }
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
        let since = |(lease, held): (&VipName, &Held)| Some((lease.clone(), held.alone_since?));
        let alone = held.iter().filter_map(since);
        replace(&self.alone, self.by_vip(alone));
        let held = held.into_iter();
        replace(
            &self.held,
            self.by_vip(held.map(|(l, held)| (l, held.ballot))),
        );
        let seen = self.engine.seen(boot_time());
        replace(&self.seen, self.by_vip(seen.into_iter()));
    }

    /// What is said of leases, said of their VIPs.
    fn by_vip<T: Copy>(&self, of: impl Iterator<Item = (VipName, T)>) -> BTreeMap<VipName, T> {
        of.flat_map(|(lease, what)| {
            let vips = self.vips.get(&lease).into_iter().flatten();
            vips.map(move |vip| (vip.clone(), what))
        })
        .collect()
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
/// After the acceptor's silence, in which nothing is taken up again anyway: whoever keeps what an
/// earlier start left may need some time to open it.
const REMEMBER_FOR: Duration = Duration::from_secs(3);
/// Datagrams read at once from one path: a full socket buffer of a small cluster, well below 1 ms.
const BATCH: usize = 64;
