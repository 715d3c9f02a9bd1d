//! Serving: one single-threaded runtime a core, all of them told the same plan.
//!
//! ```text
//!   Serving::apply ──watch──▶ runtime 0: listeners (SO_REUSEPORT), connections, server pools
//!     (whole plan)  └──────▶ runtime n: the same, sharing nothing with runtime 0
//!   Serving::counts ◀──────── one padded shard of every counter for each runtime
//!   HealthOverlay  ─────────▶ read by every runtime when its generation moved
//! ```
//!
//! Control talks to the runtimes through one `watch`: the newest wish wins and no queue can grow.
//! A runtime holds no lock that the control side holds. Listeners are bound all along, whether the
//! VIP is here or not (`IP_FREEBIND`), so a takeover needs nothing from this module.

mod counters;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

pub use counters::{ServerCounts, ServiceCounts};

use crate::health::HealthOverlay;
use crate::plan::{ServiceKey, ServicePlan};
use counters::{Padded, ServiceCounters};

/// What all runtimes are told, as one value.
#[derive(Debug, Clone, Default)]
struct Wish {
    services: BTreeMap<ServiceKey, ServiceWish>,
    /// How often each address was lost; a runtime that sees a higher number than before aborts.
    lost: BTreeMap<IpAddr, u64>,
    /// Addresses that will move away soon: their HTTP answers say `Connection: close`.
    leaving: BTreeSet<IpAddr>,
}

/// A service to be served, and where to count it.
#[derive(Debug, Clone)]
struct ServiceWish {
    plan: Arc<ServicePlan>,
    counters: Arc<ServiceCounters>,
}

/// What all runtimes share with the control side.
#[derive(Debug)]
struct Shared {
    overlay: Arc<HealthOverlay>,
    heartbeats: Box<[Padded<AtomicU64>]>,
}

/// The serving runtimes; dropping it ends them and closes every connection.
#[derive(Debug)]
pub struct Serving {
    wish: watch::Sender<Arc<Wish>>,
    shared: Arc<Shared>,
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
        });
        let (wish, _) = watch::channel(Arc::new(Wish::default()));
        Ok(Serving { wish, shared })
    }

    /// Serves exactly these services from now on.
    ///
    /// Connections of services and servers that did not change are left alone; a service that is
    /// gone accepts nothing more and finishes what it has.
    pub fn apply(&self, services: BTreeMap<ServiceKey, ServicePlan>) {
        let runtimes = self.shared.heartbeats.len();
        self.wish.send_if_modified(|wish| {
            let mut next = BTreeMap::new();
            for (key, plan) in services {
                let old = wish.services.get(&key);
                next.insert(key, ServiceWish::next(old, plan, runtimes));
            }
            Arc::make_mut(wish).services = next;
            true
        });
    }

    /// Closes every connection whose client came to `ip`, which this machine does not hold any more.
    pub fn abort(&self, ip: IpAddr) {
        self.wish.send_modify(|wish| {
            *Arc::make_mut(wish).lost.entry(ip).or_default() += 1;
        });
    }

    /// The addresses that will move to another node soon: their HTTP answers say
    /// `Connection: close`, so that clients come again to whoever has them then.
    pub fn leave(&self, ips: BTreeSet<IpAddr>) {
        self.wish
            .send_modify(|wish| Arc::make_mut(wish).leaving = ips);
    }

    /// The verdicts of this machine's own probes; obeyed from the next pick on.
    pub fn overlay(&self) -> Arc<HealthOverlay> {
        self.shared.overlay.clone()
    }

    /// What each service has done.
    pub fn counts(&self) -> BTreeMap<ServiceKey, ServiceCounts> {
        let wish = self.wish.borrow().clone();
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

impl ServiceWish {
    /// The wish for a service, with the counters it had before.
    fn next(old: Option<&ServiceWish>, plan: ServicePlan, runtimes: usize) -> ServiceWish {
        let before = match old {
            Some(old) => old.counters.clone(),
            None => Arc::new(ServiceCounters::new(runtimes)),
        };
        let counters = Arc::new(before.with_servers(plan.servers.keys()));
        ServiceWish {
            plan: Arc::new(plan),
            counters,
        }
    }
}
