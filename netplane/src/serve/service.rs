//! A service as one runtime sees it: its plan, its servers, and who of them may be given work.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::ServiceWish;
use super::counters::{AddressCounters, AddressShard};
use super::counters::{ServerCounters, ServiceCounters, ServiceShard};
use super::line::Line;
use super::server::Server;
use super::worker::Worker;
use crate::balance::{Candidate, Picker, Standing, candidates};
use crate::ftp::refusal::FtpRefusal;
use crate::health::OwnVerdicts;
use crate::http::refusal::{Failure, Refusal};
use crate::plan::{Footing, Limits, Method, ProxyVersion, ServerPlan, ServiceKey, ServicePlan};

/// A service of this runtime.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) key: ServiceKey,
    pub(crate) worker: Rc<Worker>,
    /// Named to servers where an HTTP/1.0 client names no host.
    pub(crate) host: Box<[u8]>,
    pub(super) wish: RefCell<ServiceWish>,
    /// By name, as the plan has them.
    pub(super) servers: RefCell<Vec<Rc<Server>>>,
    pub(super) candidates: RefCell<Vec<Candidate>>,
    pub(super) picker: RefCell<Picker>,
    /// There is a limit, of the service or of a server.
    pub(super) limited: Cell<bool>,
    /// The generation of the overlay that `candidates` was made from.
    overlay_seen: Cell<u64>,
    /// The weight of some candidate still grows.
    growing: Cell<bool>,
    /// A drill pretends something of some server.
    pretending: Cell<bool>,
    /// It left the plan: finish what there is.
    closing: Cell<bool>,
}

impl Service {
    pub(crate) fn new(key: ServiceKey, worker: Rc<Worker>, wish: &ServiceWish) -> Rc<Self> {
        let service = Service {
            key,
            worker,
            host: host(wish.plan.listen).into_bytes().into_boxed_slice(),
            wish: RefCell::new(wish.clone()),
            servers: RefCell::default(),
            candidates: RefCell::default(),
            picker: RefCell::new(Picker::new(wish.plan.method, Vec::new(), |_| "")),
            limited: Cell::new(false),
            overlay_seen: Cell::new(0),
            growing: Cell::new(false),
            pretending: Cell::new(false),
            closing: Cell::new(false),
        };
        service.adopt(wish);
        Rc::new(service)
    }

    /// Takes over a new plan; servers that stay keep their connections and their turn.
    pub(crate) fn adopt(&self, wish: &ServiceWish) {
        let before = self.wish.replace(wish.clone()).plan;
        let plan = &wish.plan;
        let old = self.servers.take();
        let mut servers = Vec::with_capacity(plan.servers.len());
        for (name, plan) in &plan.servers {
            let same = |old: &&Rc<Server>| old.name == *name && old.address == plan.address;
            let server = match old.iter().find(same) {
                Some(server) => server.clone(),
                None => self.server(name, plan, wish),
            };
            server.plan.set(*plan);
            servers.push(server);
        }
        let stays = |old: &&Rc<Server>| servers.iter().any(|new| Rc::ptr_eq(old, new));
        for gone in old.iter().filter(|old| !stays(old)) {
            gone.set_candidate(false);
        }
        let names_changed = !before.servers.keys().eq(plan.servers.keys());
        let mut limits = servers
            .iter()
            .map(|server| server.plan.get().max_connections);
        let limited = plan.max_connections.is_some() || limits.any(|limit| limit.is_some());
        self.limited.set(limited);
        *self.servers.borrow_mut() = servers;
        self.refresh(names_changed || before.method != plan.method);
    }

    fn server(&self, name: &Arc<str>, plan: &ServerPlan, wish: &ServiceWish) -> Rc<Server> {
        let runtime = self.worker.index;
        let counters = wish.counters.servers.get(name).cloned();
        let counters = counters.unwrap_or_else(|| Arc::new(ServerCounters::new(runtime + 1)));
        Server::new(name, plan, counters, runtime)
    }

    /// Obeys new verdicts of this machine's probes, if there are any.
    pub(super) fn look(&self) {
        if self.worker.shared.overlay.generation() != self.overlay_seen.get() {
            self.refresh(false);
        }
    }

    /// Looks after what changes by itself; to be called many times a second.
    pub(crate) fn beat(&self) {
        self.look();
        // Work that was given before there was a limit ends without a call.
        self.line().call();
    }

    /// Closes connections that were idle for too long, lets weights grow and pretences end; to be
    /// called about each second.
    pub(crate) fn tend(&self, now: Instant) {
        for server in self.servers.borrow().iter() {
            server.reap(now);
        }
        if self.growing.get() || self.pretending.get() {
            self.refresh(false);
        }
    }

    /// Finds out anew who may be given work; where that changed, or `anew`, turns begin again.
    /// Where only weights did they go on: weights grow each second, and who is last in a turn that
    /// always begins again comes to nothing.
    fn refresh(&self, anew: bool) {
        let overlay = &self.worker.shared.overlay;
        self.overlay_seen.set(overlay.generation());
        let verdicts = overlay.load();
        let plan = self.plan();
        let servers = self.servers.borrow();
        let now = Instant::now();
        let standings = servers.iter().map(|server| {
            let standing = self.standing(server, &plan, &verdicts);
            server.leaves.set(standing.is_leaving());
            server.see(standing.is_able(), now);
            standing
        });
        let mut able = candidates(standings);
        let slow_start = match plan.method {
            // Whom a client meets depends on names and weights, not on what this node saw.
            Method::SourceHash => Duration::ZERO,
            Method::RoundRobin | Method::LeastConnections | Method::RandomOfTwo => plan.slow_start,
        };
        let mut growing = false;
        for candidate in &mut able {
            let (weight, grows) =
                servers[candidate.place].weight(candidate.weight, slow_start, now);
            candidate.weight = weight.get();
            growing |= grows;
        }
        self.growing.set(growing);
        let pretences = overlay.pretences();
        self.pretending.set(false);
        for (place, server) in servers.iter().enumerate() {
            let pretended = pretences.server(&self.key.farm, &server.name);
            self.pretending
                .set(self.pretending.get() || pretended.is_some());
            server.pretend(pretended);
            let candidate = able.binary_search_by_key(&place, |able| able.place).is_ok();
            server.set_candidate(candidate);
        }
        if anew || *self.candidates.borrow() != able {
            let mut picker = self.picker.borrow_mut();
            if anew || !picker.reweigh(&able) {
                let name = |place: usize| &*servers[place].name;
                *picker = Picker::new(plan.method, able.clone(), name);
            }
            *self.candidates.borrow_mut() = able;
        }
        self.line().call();
    }

    fn standing(&self, server: &Server, plan: &ServicePlan, verdicts: &OwnVerdicts) -> Standing {
        let ordered = server.plan.get();
        let (farm, service) = (&self.key.farm, &self.key.service);
        Standing {
            weight: ordered.weight,
            admission: ordered.admission,
            advice: verdicts.advice(
                farm,
                service,
                &server.name,
                plan.shared_fate,
                ordered.advice,
            ),
            tier: ordered.tier,
            healthy: match ordered.footing {
                Footing::Checked { healthy } => {
                    verdicts.healthy(farm, service, &server.name, plan.shared_fate, healthy)
                }
                Footing::Kept => true,
                Footing::Removed => false,
            },
        }
    }

    /// The server of this name, if it may be given work.
    pub(super) fn candidate(&self, name: &str) -> Option<Rc<Server>> {
        let servers = self.servers.borrow();
        let place = servers
            .binary_search_by(|server| (*server.name).cmp(name))
            .ok()?;
        servers
            .get(place)
            .filter(|server| server.is_candidate())
            .cloned()
    }

    pub(super) fn line(&self) -> Arc<Line> {
        self.wish.borrow().counters.line.clone()
    }

    /// Whether clients wait, so that whoever comes must wait too.
    pub(super) fn has_line(&self) -> bool {
        self.limited.get() && self.wish.borrow().counters.line.length() > 0
    }

    /// Whether the limit of the service as a whole leaves room for one more.
    pub(super) fn has_room(&self) -> bool {
        let wish = self.wish.borrow();
        let active = || wish.counters.active();
        wish.counters
            .line
            .slots
            .has_room(wish.plan.max_connections, active)
    }

    /// Whether a server is in the plan, and neither drained, in maintenance nor about to quiesce.
    pub(crate) fn keeps(&self, server: &Rc<Server>) -> bool {
        let servers = self.servers.borrow();
        let mine = servers.iter().find(|one| Rc::ptr_eq(one, server));
        mine.is_some_and(|one| !one.leaves.get())
    }

    pub(crate) fn limits(&self) -> Limits {
        self.wish.borrow().plan.limits
    }

    pub(crate) fn plan(&self) -> Arc<ServicePlan> {
        self.wish.borrow().plan.clone()
    }

    /// In which version servers are told who the client is, if they are.
    pub(crate) fn tells(&self) -> Option<ProxyVersion> {
        self.wish.borrow().plan.proxy.send
    }

    /// After how long a client that found no room should come again: by then everybody who waits
    /// now was served or has given up.
    pub(crate) fn retry_after(&self) -> Duration {
        self.wish.borrow().plan.queue.timeout
    }

    /// The client is gone: connections to servers that were told of it are of no use to anybody.
    pub(crate) fn forget(&self, client: SocketAddr) {
        if self.tells().is_some() {
            let servers = self.servers.borrow();
            servers.iter().for_each(|server| server.forget(client));
        }
    }

    /// The service left the plan.
    pub(crate) fn close(&self) {
        self.closing.set(true);
        for server in self.servers.borrow().iter() {
            server.set_candidate(false);
        }
    }

    /// Whether a client at `ip` should come again on a new connection.
    pub(crate) fn sends_away(&self, ip: IpAddr) -> bool {
        self.closing.get() || self.worker.is_leaving(ip)
    }

    pub(crate) fn count(&self, with: impl FnOnce(&ServiceShard)) {
        with(self.wish.borrow().counters.shard(self.worker.index));
    }

    /// Counts about the clients that came to `ip`.
    fn count_at(&self, ip: IpAddr, with: impl FnOnce(&AddressShard)) {
        if let Some(counters) = self.wish.borrow().counters.at(ip) {
            with(counters.shard(self.worker.index));
        }
    }

    pub(crate) fn count_refusal(&self, reason: Refusal, client: SocketAddr) {
        tracing::trace!(service = %self.key, %client, reason = reason.name(), "refused");
        self.count(|shard| shard.refusals.up(reason.index()));
    }

    pub(crate) fn count_ftp(&self, reason: FtpRefusal, client: SocketAddr) {
        tracing::trace!(service = %self.key, %client, reason = reason.name(), "refused");
        self.count(|shard| shard.ftp.up(reason.index()));
    }

    pub(crate) fn count_failure(&self, reason: Failure, client: SocketAddr) {
        tracing::trace!(service = %self.key, %client, reason = reason.name(), "failed");
        self.count(|shard| shard.failures.up(reason.index()));
    }
}

/// An HTTP connection that waits for its next request; counted as long as this lives.
#[derive(Debug)]
pub(crate) struct Idle<'a>(&'a Service, IpAddr);

impl<'a> Idle<'a> {
    /// Of a client that came to `ip`. What is listened for never changes under a [`Service`], so
    /// that the same counter goes up and down.
    pub(crate) fn new(service: &'a Service, ip: IpAddr) -> Self {
        service.count_at(ip, |shard| shard.idle.up());
        Idle(service, ip)
    }
}

impl Drop for Idle<'_> {
    fn drop(&mut self) {
        self.0.count_at(self.1, |shard| shard.idle.down());
    }
}

/// The address as a `Host` says it: without HTTP's own port.
fn host(listen: SocketAddr) -> String {
    match (listen, listen.port()) {
        (SocketAddr::V4(_), 80) => listen.ip().to_string(),
        (SocketAddr::V6(_), 80) => format!("[{}]", listen.ip()),
        (SocketAddr::V4(_) | SocketAddr::V6(_), _) => listen.to_string(),
    }
}

/// A client connection that is open; counted as long as this lives.
#[derive(Debug)]
pub(crate) struct Open {
    service: Arc<ServiceCounters>,
    address: Option<Arc<AddressCounters>>,
    runtime: usize,
}

impl Open {
    /// Of a client that came to `ip`.
    pub(crate) fn new(service: &Service, ip: IpAddr) -> Self {
        let counters = service.wish.borrow().counters.clone();
        let runtime = service.worker.index;
        counters.shard(runtime).accepted.up();
        counters.shard(runtime).open.up();
        let address = counters.at(ip).cloned();
        if let Some(address) = &address {
            address.shard(runtime).open.up();
        }
        Open {
            service: counters,
            address,
            runtime,
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.service.shard(self.runtime).open.down();
        if let Some(address) = &self.address {
            address.shard(self.runtime).open.down();
        }
    }
}
