//! What the serving runtimes count: one cell a runtime, written by that runtime alone.
//!
//! Every runtime owns one cache-padded shard of each counter and is its only writer, so an
//! increment is a plain load and store; readers add the shards up. Nothing here is ever locked by
//! who reads. Beside them stands what all runtimes must agree on: slots, and the line before them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::line::{Line, Slots};
use crate::ftp::refusal::FtpRefusal;
use crate::http::refusal::{Failure, Refusal};

/// A counter with a single writer.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    /// One more; only the owning runtime calls this.
    pub(crate) fn up(&self) {
        self.0.store(self.0.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// One less; only the owning runtime calls this.
    pub(crate) fn down(&self) {
        self.0.store(self.0.load(Relaxed).wrapping_sub(1), Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Keeps the shards of two runtimes off one cache line (128: x86 fetches lines in pairs).
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Padded<T>(pub(crate) T);

/// What one runtime counts about one server.
#[derive(Debug, Default)]
pub(crate) struct ServerShard {
    pub(crate) active: Count,
    pub(crate) taken: Count,
    pub(crate) connects_failed: Count,
    pub(crate) failures: Count,
}

/// What one runtime counts about one service.
#[derive(Debug, Default)]
pub(crate) struct ServiceShard {
    pub(crate) listening: Count,
    pub(crate) open: Count,
    pub(crate) accepted: Count,
    pub(crate) requests: Count,
    pub(crate) queued: Count,
    pub(crate) last_resorts: Count,
    pub(crate) refusals: Reasons<{ Refusal::ALL.len() }>,
    pub(crate) ftp: Reasons<{ FtpRefusal::ALL.len() }>,
    pub(crate) failures: Reasons<{ Failure::ALL.len() }>,
}

/// What one runtime counts about the clients that came to one address of a service.
#[derive(Debug, Default)]
pub(crate) struct AddressShard {
    pub(crate) open: Count,
    /// HTTP connections that wait for their next request.
    pub(crate) idle: Count,
}

/// One counter for each reason.
#[derive(Debug)]
pub(crate) struct Reasons<const N: usize>([Count; N]);

impl<const N: usize> Default for Reasons<N> {
    fn default() -> Self {
        Reasons(std::array::from_fn(|_| Count::default()))
    }
}

impl<const N: usize> Reasons<N> {
    pub(crate) fn up(&self, index: usize) {
        self.0[index].up();
    }

    fn get(&self, index: usize) -> u64 {
        self.0[index].get()
    }
}

/// The shards of one server, and its slots.
#[derive(Debug)]
pub(crate) struct ServerCounters {
    shards: Box<[Padded<ServerShard>]>,
    pub(crate) slots: Slots,
}

impl ServerCounters {
    pub(crate) fn new(runtimes: usize) -> Self {
        ServerCounters {
            shards: (0..runtimes).map(|_| Padded::default()).collect(),
            slots: Slots::default(),
        }
    }

    pub(crate) fn shard(&self, runtime: usize) -> &ServerShard {
        &self.shards[runtime].0
    }

    fn sum(&self, of: impl Fn(&ServerShard) -> u64) -> u64 {
        self.shards
            .iter()
            .map(|shard| of(&shard.0))
            .fold(0, u64::wrapping_add)
    }

    /// Connections (TCP) or requests (HTTP) in flight, over all runtimes.
    pub(crate) fn active(&self) -> u64 {
        self.sum(|shard| shard.active.get())
    }

    pub(crate) fn read(&self) -> ServerCounts {
        ServerCounts {
            active: self.active(),
            taken: self.sum(|shard| shard.taken.get()),
            connects_failed: self.sum(|shard| shard.connects_failed.get()),
            failures: self.sum(|shard| shard.failures.get()),
        }
    }
}

/// The shards of one address of a service: each may be lent, and move, for itself.
#[derive(Debug)]
pub(crate) struct AddressCounters(Box<[Padded<AddressShard>]>);

impl AddressCounters {
    fn new(runtimes: usize) -> Self {
        AddressCounters((0..runtimes).map(|_| Padded::default()).collect())
    }

    pub(crate) fn shard(&self, runtime: usize) -> &AddressShard {
        &self.0[runtime].0
    }

    fn sum(&self, of: impl Fn(&AddressShard) -> u64) -> u64 {
        let shards = self.0.iter().map(|shard| of(&shard.0));
        shards.fold(0, u64::wrapping_add)
    }

    fn open(&self) -> u64 {
        self.sum(|shard| shard.open.get())
    }
}

/// The shards of one service, of its addresses and its servers, and the line of those who wait.
#[derive(Debug)]
pub(crate) struct ServiceCounters {
    shards: Arc<[Padded<ServiceShard>]>,
    /// With those that left the plan but still have clients.
    addresses: BTreeMap<IpAddr, Arc<AddressCounters>>,
    pub(crate) line: Arc<Line>,
    /// By name, with those that left the plan but still finish something.
    pub(crate) servers: BTreeMap<Arc<str>, Arc<ServerCounters>>,
}

impl ServiceCounters {
    pub(crate) fn new(runtimes: usize) -> Self {
        ServiceCounters {
            shards: (0..runtimes).map(|_| Padded::default()).collect(),
            addresses: BTreeMap::new(),
            line: Arc::default(),
            servers: BTreeMap::new(),
        }
    }

    /// The same service with these servers and addresses: who stays goes on counting, who left is
    /// kept for as long as it has something in hand.
    pub(crate) fn next<'a>(
        &self,
        names: impl Iterator<Item = &'a Arc<str>>,
        ips: impl Iterator<Item = IpAddr>,
    ) -> Self {
        let mut addresses = self.addresses.clone();
        addresses.retain(|_, counters| counters.open() > 0);
        for ip in ips {
            let counters = self.addresses.get(&ip).cloned();
            let counters =
                counters.unwrap_or_else(|| Arc::new(AddressCounters::new(self.shards.len())));
            addresses.insert(ip, counters);
        }
        let mut servers = self.servers.clone();
        servers.retain(|_, counters| counters.active() > 0);
        for name in names {
            let counters = self.servers.get(name).cloned();
            let counters =
                counters.unwrap_or_else(|| Arc::new(ServerCounters::new(self.shards.len())));
            servers.insert(name.clone(), counters);
        }
        ServiceCounters {
            shards: self.shards.clone(),
            addresses,
            line: self.line.clone(),
            servers,
        }
    }

    pub(crate) fn shard(&self, runtime: usize) -> &ServiceShard {
        &self.shards[runtime].0
    }

    /// What is counted about the clients that came to `ip`; `None` where no plan has it.
    pub(crate) fn at(&self, ip: IpAddr) -> Option<&Arc<AddressCounters>> {
        self.addresses.get(&ip)
    }

    fn sum(&self, of: impl Fn(&ServiceShard) -> u64) -> u64 {
        self.shards
            .iter()
            .map(|shard| of(&shard.0))
            .fold(0, u64::wrapping_add)
    }

    /// Connections (TCP, FTP) or requests (HTTP) in flight, over all servers and runtimes.
    pub(crate) fn active(&self) -> u64 {
        self.servers.values().map(|server| server.active()).sum()
    }

    /// Connections of clients that came to `ip`, and how many of them wait for their next request.
    pub(crate) fn open_and_idle(&self, ip: IpAddr) -> (u64, u64) {
        let both = |at: &Arc<AddressCounters>| (at.open(), at.sum(|shard| shard.idle.get()));
        self.at(ip).map_or((0, 0), both)
    }

    pub(crate) fn read(&self) -> ServiceCounts {
        let refusals = Refusal::ALL.iter().map(|reason| {
            (
                reason.name(),
                self.sum(|shard| shard.refusals.get(reason.index())),
            )
        });
        let ftp = FtpRefusal::ALL.iter().map(|reason| {
            (
                reason.name(),
                self.sum(|shard| shard.ftp.get(reason.index())),
            )
        });
        let refusals = refusals.chain(ftp);
        let failures = Failure::ALL.iter().map(|reason| {
            (
                reason.name(),
                self.sum(|shard| shard.failures.get(reason.index())),
            )
        });
        ServiceCounts {
            listening: self.sum(|shard| shard.listening.get()),
            open: self.sum(|shard| shard.open.get()),
            accepted: self.sum(|shard| shard.accepted.get()),
            requests: self.sum(|shard| shard.requests.get()),
            queued_now: u64::from(self.line.length()),
            queued: self.sum(|shard| shard.queued.get()),
            last_resorts: self.sum(|shard| shard.last_resorts.get()),
            refusals: refusals.filter(|(_, count)| *count > 0).collect(),
            failures: failures.filter(|(_, count)| *count > 0).collect(),
            servers: self
                .servers
                .iter()
                .map(|(name, server)| (name.clone(), server.read()))
                .collect(),
        }
    }
}

/// What a service has done since this process started to serve it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServiceCounts {
    /// Runtimes whose listener is bound; the number of runtimes when all is well.
    pub listening: u64,
    /// Client connections open now.
    pub open: u64,
    /// Client connections accepted.
    pub accepted: u64,
    /// HTTP requests whose head was accepted.
    pub requests: u64,
    /// Clients that wait now until a server has room.
    pub queued_now: u64,
    /// Clients that had to wait; how many of them in vain, `failures` says (`queue-timeout`), and
    /// how many found no place to wait (`queue-full`).
    pub queued: u64,
    /// Pages of last resort shown where no server was left.
    pub last_resorts: u64,
    /// Clients (FTP: or what they or their servers said) refused, by the reason's name; only
    /// reasons that occurred.
    pub refusals: BTreeMap<&'static str, u64>,
    /// Requests that no server answered, by the reason's name; only reasons that occurred.
    pub failures: BTreeMap<&'static str, u64>,
    /// Its servers, by name.
    pub servers: BTreeMap<Arc<str>, ServerCounts>,
}

/// What a server of a service has done since this process knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServerCounts {
    /// TCP connections, or HTTP requests, that it has in hand now; a drain waits for zero.
    pub active: u64,
    /// TCP connections, or HTTP requests, given to it.
    pub taken: u64,
    /// Connects that failed.
    pub connects_failed: u64,
    /// Answers that failed after the connect.
    pub failures: u64,
}
