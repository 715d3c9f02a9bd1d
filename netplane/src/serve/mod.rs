//! Serving: one single-threaded runtime a core, all of them told the same plan.
//!
//! ```text
//!   Serving::apply ──watch──▶ runtime 0: listeners (SO_REUSEPORT), connections, server pools
//!     (whole plan)  └──────▶ runtime n: the same, sharing nothing with runtime 0
//!   Line, Sticky    ◀───────▶ shared by the runtimes alone: limits, and whom clients met
//!   Serving::counts ◀──────── one padded shard of every counter for each runtime
//!   Guests  ◀───────────────▶ shared by the runtimes alone: who speaks TLS with an FTP server
//!   HealthOverlay  ─────────▶ read by every runtime when its generation moved
//! ```
//!
//! Control talks to the runtimes through one `watch`: the newest wish wins and no queue can grow.
//! A runtime holds no lock that the control side holds. Listeners are bound all along, whether the
//! VIP is here or not (`IP_FREEBIND`), so a takeover needs nothing from this module.

pub(crate) mod buffer;
pub(crate) mod counters;
pub(crate) mod deadline;
pub(crate) mod line;
pub(crate) mod listen;
pub(crate) mod peer;
mod pick;
pub(crate) mod server;
pub(crate) mod service;
mod sticky;
pub(crate) mod trickle;
pub(crate) mod upstream;
mod work;
mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::watch;

pub use counters::{ServerCounts, ServiceCounts};
pub use work::Work;

use crate::ftp::guests::Guests;
use crate::health::HealthOverlay;
use crate::plan::{ServiceKey, ServicePlan};
use crate::sys;
use counters::{Padded, ServiceCounters};
use sticky::Sticky;

/// What all runtimes are told, as one value.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wish {
    services: BTreeMap<ServiceKey, ServiceWish>,
    /// How often each address was lost; a runtime that sees a higher number than before aborts.
    lost: BTreeMap<IpAddr, u64>,
    /// Addresses that will move away soon: their HTTP answers say `Connection: close`.
    leaving: BTreeSet<IpAddr>,
}

impl Wish {
    /// The tables of farms that have persistence.
    fn tables(&self) -> BTreeMap<Arc<str>, Arc<Sticky>> {
        let services = self.services.iter();
        services
            .filter_map(|(key, wish)| Some((key.farm.clone(), wish.sticky.clone()?)))
            .collect()
    }
}

/// A service to be served, and where to count it.
#[derive(Debug, Clone)]
pub(crate) struct ServiceWish {
    plan: Arc<ServicePlan>,
    counters: Arc<ServiceCounters>,
    /// Whom the clients of the farm met, where the service has persistence.
    sticky: Option<Arc<Sticky>>,
}

/// What all runtimes share with the control side.
#[derive(Debug)]
pub(crate) struct Shared {
    overlay: Arc<HealthOverlay>,
    heartbeats: Box<[Padded<AtomicU64>]>,
    /// Client connections that one runtime may have.
    connections_max: usize,
    /// What the ages of meetings are counted from.
    started: Instant,
    /// Who speaks TLS with which FTP server.
    pub(crate) guests: Guests,
}

impl Shared {
    pub(crate) fn runtimes(&self) -> usize {
        self.heartbeats.len()
    }
}

/// Descriptors kept back for everything that is no client: listeners, Raft, the store, the log.
const FILES_RESERVED: u64 = 256;
/// A client's own and its server's, and as many again: the data connections of an FTP session, or
/// idle connections to servers.
const FILES_PER_CLIENT: usize = 4;
/// However few descriptors there are, so many clients are let in.
const CONNECTIONS_MIN: usize = 64;

/// The serving runtimes; dropping it ends them and closes every connection.
#[derive(Debug)]
pub struct Serving {
    /// `None` only while it is being dropped: that is how the runtimes learn of it.
    wish: Option<watch::Sender<Arc<Wish>>>,
    /// Held by who changes the wish; the runtimes do not know of it.
    changing: Mutex<()>,
    shared: Arc<Shared>,
    runtimes: Vec<JoinHandle<()>>,
}

/// Why serving could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The operating system gave no thread, or no runtime for it.
    #[error("cannot start serving runtime {runtime}: {source}")]
    Runtime {
        /// Which one.
        runtime: usize,
        /// What it said.
        source: std::io::Error,
    },
}

impl Serving {
    /// Starts `threads` runtimes that serve nothing yet.
    ///
    /// **Errors**: the system has no thread or epoll instance left; the caller cannot serve.
    pub fn start(threads: NonZeroUsize) -> Result<Serving, StartError> {
        let shared = Arc::new(Shared {
            overlay: Arc::new(HealthOverlay::new()),
            heartbeats: (0..threads.get()).map(|_| Padded::default()).collect(),
            connections_max: connections_max(threads),
            started: Instant::now(),
            guests: Guests::default(),
        });
        let (wish, heard) = watch::channel(Arc::new(Wish::default()));
        let mut runtimes = Vec::with_capacity(threads.get());
        for index in 0..threads.get() {
            let (shared, heard) = (shared.clone(), heard.clone());
            runtimes.push(spawn(index, shared, heard)?);
        }
        Ok(Serving {
            wish: Some(wish),
            changing: Mutex::default(),
            shared,
            runtimes,
        })
    }

    /// Serves exactly these services from now on.
    ///
    /// Connections of services and servers that did not change are left alone; a service that is
    /// gone accepts nothing more and finishes what it has.
    pub fn apply(&self, services: BTreeMap<ServiceKey, ServicePlan>) {
        let runtimes = self.shared.heartbeats.len();
        self.tell(|wish| {
            let mut tables = wish.tables();
            let mut next = BTreeMap::new();
            for (key, plan) in services {
                let old = wish.services.get(&key);
                let sticky = plan
                    .persistence
                    .map(|_| tables.entry(key.farm.clone()).or_default().clone());
                next.insert(key, ServiceWish::next(old, plan, sticky, runtimes));
            }
            wish.services = next;
        });
    }

    /// Resets every connection whose client came to `ip`, which this machine has lost.
    pub fn abort(&self, ip: IpAddr) {
        self.tell(|wish| *wish.lost.entry(ip).or_default() += 1);
    }

    /// The address will move to another node soon: its HTTP answers say `Connection: close`, and
    /// quiet FTP sessions end, so that clients come again to whoever has it then.
    pub fn leave(&self, ip: IpAddr) {
        self.tell(|wish| {
            wish.leaving.insert(ip);
        });
    }

    /// Takes [`Serving::leave`] back: the address stays, or has gone, and may come again.
    pub fn stay(&self, ip: IpAddr) {
        self.tell(|wish| {
            wish.leaving.remove(&ip);
        });
    }

    /// What clients that came to `ip` have in hand with this machine at this moment.
    pub fn work(&self, ip: IpAddr) -> Work {
        let wish = self.wish.as_ref().map(|wish| wish.borrow().clone());
        let services = wish.iter().flat_map(|wish| wish.services.values());
        services
            .map(|service| Work::of(service.plan.kind, &service.counters, ip))
            .sum()
    }

    /// The verdicts of this machine's own probes; obeyed from the next pick on.
    pub fn overlay(&self) -> Arc<HealthOverlay> {
        self.shared.overlay.clone()
    }

    /// What each service has done.
    pub fn counts(&self) -> BTreeMap<ServiceKey, ServiceCounts> {
        let Some(wish) = &self.wish else {
            return BTreeMap::new();
        };
        let wish = wish.borrow().clone();
        wish.services
            .iter()
            .map(|(key, service)| (key.clone(), service.counters.read()))
            .collect()
    }

    /// One number for each runtime, which rises at least every 100 ms while that runtime is alive.
    pub fn heartbeats(&self) -> Vec<u64> {
        self.shared
            .heartbeats
            .iter()
            .map(|beat| beat.0.load(Ordering::Relaxed))
            .collect()
    }
}

impl Serving {
    fn tell(&self, change: impl FnOnce(&mut Wish)) {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(wish) = &self.wish {
            // What the runtimes look at is locked for no longer than it takes to put the new wish
            // in the place of the old one.
            let now = wish.borrow().clone();
            let mut next = Wish::clone(&now);
            change(&mut next);
            wish.send_replace(Arc::new(next));
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.wish = None;
        for runtime in self.runtimes.drain(..) {
            // A panic in there has aborted the process already.
            let _ = runtime.join();
        }
    }
}

/// Starts one runtime on a thread of its own.
fn spawn(
    index: usize,
    shared: Arc<Shared>,
    wish: watch::Receiver<Arc<Wish>>,
) -> Result<JoinHandle<()>, StartError> {
    let failed = |source| StartError::Runtime {
        runtime: index,
        source,
    };
    let (started, outcome) = std::sync::mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name(format!("serve-{index}"));
    let body = move || {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build_local(LocalOptions::default());
        match runtime {
            Ok(runtime) => {
                let _ = started.send(None);
                runtime.block_on(worker::run(index, shared, wish));
            }
            Err(error) => {
                let _ = started.send(Some(error));
            }
        }
    };
    let handle = thread.spawn(body).map_err(failed)?;
    match outcome.recv() {
        Ok(Some(error)) => Err(failed(error)),
        Ok(None) | Err(_) => Ok(handle),
    }
}

/// How many clients one of the runtimes may have, by the descriptors this process may open; each
/// data port that it listens on takes from that ([`worker::Worker::is_full`]).
fn connections_max(runtimes: NonZeroUsize) -> usize {
    let files = sys::limits::raise_open_files();
    let files = usize::try_from(files.saturating_sub(FILES_RESERVED)).unwrap_or(usize::MAX);
    let clients = files / FILES_PER_CLIENT;
    (clients / runtimes).max(CONNECTIONS_MIN)
}

impl ServiceWish {
    /// The wish for a service, with the counters it had before.
    fn next(
        old: Option<&ServiceWish>,
        plan: ServicePlan,
        sticky: Option<Arc<Sticky>>,
        runtimes: usize,
    ) -> ServiceWish {
        let before = match old {
            Some(old) => old.counters.clone(),
            None => Arc::new(ServiceCounters::new(runtimes)),
        };
        let ips = plan.listens().map(|listen| listen.ip());
        let counters = Arc::new(before.next(plan.servers.keys(), ips));
        ServiceWish {
            plan: Arc::new(plan),
            counters,
            sticky,
        }
    }
}
