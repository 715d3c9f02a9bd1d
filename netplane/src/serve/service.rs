//! A service as one runtime sees it: plan, servers, their idle connections, whose turn it is.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::counters::{ServerCounters, ServerShard, ServiceCounters, ServiceShard};
use super::peer::Peer;
use super::worker::Worker;
use super::{ServiceWish, counters};
use crate::balance::{Candidate, Picker, Standing, candidates};
use crate::ftp::refusal::FtpRefusal;
use crate::http::refusal::{Failure, Refusal};
use crate::plan::{Admission, Footing, Limits, ServerPlan, ServiceKey, ServicePlan};

/// Idle connections kept to one server by one runtime: more than its usual concurrency is waste.
const IDLE_MAX: usize = 128;
/// Shorter than the 5 s after which Apache and Node close, so that mostly we do it first, and a
/// request seldom meets a connection that is just being closed.
const IDLE_FOR: Duration = Duration::from_secs(4);

/// A service of this runtime.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) key: ServiceKey,
    pub(crate) worker: Rc<Worker>,
    /// Named to servers where an HTTP/1.0 client names no host.
    pub(crate) host: Box<[u8]>,
    plan: RefCell<Arc<ServicePlan>>,
    counters: RefCell<Arc<ServiceCounters>>,
    servers: RefCell<Vec<Rc<Server>>>,
    candidates: RefCell<Vec<Candidate>>,
    picker: RefCell<Picker>,
    /// The generation of the overlay that `candidates` was made from.
    overlay_seen: Cell<u64>,
    /// It left the plan: finish what there is.
    closing: Cell<bool>,
}

/// A server of a service, with what this runtime holds of it.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) name: Arc<str>,
    pub(crate) address: SocketAddr,
    plan: Cell<ServerPlan>,
    idle: RefCell<VecDeque<Idle>>,
    counters: Arc<ServerCounters>,
    runtime: usize,
    /// It may keep idle connections.
    candidate: Cell<bool>,
}

#[derive(Debug)]
struct Idle {
    since: Instant,
    peer: Peer,
}

impl Service {
    pub(crate) fn new(key: ServiceKey, worker: Rc<Worker>, wish: &ServiceWish) -> Rc<Self> {
        let service = Service {
            key,
            worker,
            host: host(wish.plan.listen).into_bytes().into_boxed_slice(),
            plan: RefCell::new(wish.plan.clone()),
            counters: RefCell::new(wish.counters.clone()),
            servers: RefCell::default(),
            candidates: RefCell::default(),
            picker: RefCell::new(Picker::new(wish.plan.method, Vec::new())),
            overlay_seen: Cell::new(0),
            closing: Cell::new(false),
        };
        service.adopt(wish);
        Rc::new(service)
    }

    /// Takes over a new plan; servers that stay keep their connections and their turn.
    pub(crate) fn adopt(&self, wish: &ServiceWish) {
        let method_changed = self.plan.borrow().method != wish.plan.method;
        *self.plan.borrow_mut() = wish.plan.clone();
        *self.counters.borrow_mut() = wish.counters.clone();
        let old = self.servers.take();
        let mut servers = Vec::with_capacity(wish.plan.servers.len());
        for (name, plan) in &wish.plan.servers {
            let same = |old: &&Rc<Server>| old.name == *name && old.address == plan.address;
            let server = match old.iter().find(same) {
                Some(server) => server.clone(),
                None => self.server(name, plan, wish),
            };
            server.plan.set(*plan);
            servers.push(server);
        }
        for gone in old
            .iter()
            .filter(|old| !servers.iter().any(|new| Rc::ptr_eq(old, new)))
        {
            gone.retire();
        }
        *self.servers.borrow_mut() = servers;
        if method_changed {
            self.candidates.borrow_mut().clear();
        }
        self.refresh(method_changed);
    }

    fn server(&self, name: &Arc<str>, plan: &ServerPlan, wish: &ServiceWish) -> Rc<Server> {
        let runtime = self.worker.index;
        let counters = wish.counters.servers.get(name).cloned();
        Rc::new(Server {
            name: name.clone(),
            address: plan.address,
            plan: Cell::new(*plan),
            idle: RefCell::default(),
            counters: counters.unwrap_or_else(|| Arc::new(ServerCounters::new(runtime + 1))),
            runtime,
            candidate: Cell::new(false),
        })
    }

    /// Finds out anew who may be given work.
    fn refresh(&self, anew: bool) {
        let overlay = &self.worker.shared.overlay;
        self.overlay_seen.set(overlay.generation());
        let verdicts = overlay.load();
        let plan = self.plan.borrow();
        let servers = self.servers.borrow();
        let able = candidates(servers.iter().map(|server| {
            let ordered = server.plan.get();
            let (farm, service) = (&self.key.farm, &self.key.service);
            Standing {
                weight: ordered.weight,
                admission: ordered.admission,
                tier: ordered.tier,
                healthy: match ordered.footing {
                    Footing::Checked { healthy } => {
                        let fate = plan.shared_fate;
                        verdicts.healthy(farm, service, &server.name, fate, healthy)
                    }
                    Footing::Kept => true,
                    Footing::Removed => false,
                },
            }
        }));
        for (place, server) in servers.iter().enumerate() {
            let candidate = able.binary_search_by_key(&place, |able| able.place).is_ok();
            server.candidate.set(candidate);
            if !candidate {
                server.retire();
            }
        }
        if anew || *self.candidates.borrow() != able {
            *self.picker.borrow_mut() = Picker::new(plan.method, able.clone());
            *self.candidates.borrow_mut() = able;
        }
    }

    /// The server whose turn it is; never `except`.
    pub(crate) fn pick(&self, except: Option<&Rc<Server>>) -> Option<Rc<Server>> {
        if self.worker.shared.overlay.generation() != self.overlay_seen.get() {
            self.refresh(false);
        }
        let servers = self.servers.borrow();
        let except = except.and_then(|not| servers.iter().position(|one| Rc::ptr_eq(one, not)));
        let active = |place: usize| servers.get(place).map_or(0, |one| one.counters.active());
        let place = self.picker.borrow_mut().pick(except, active)?;
        servers.get(place).cloned()
    }

    /// Whether a server is in the plan, and neither drained nor in maintenance.
    pub(crate) fn keeps(&self, server: &Rc<Server>) -> bool {
        let servers = self.servers.borrow();
        let mine = servers.iter().find(|one| Rc::ptr_eq(one, server));
        mine.is_some_and(|one| one.plan.get().admission == Admission::Ready)
    }

    pub(crate) fn limits(&self) -> Limits {
        self.plan.borrow().limits
    }

    pub(crate) fn plan(&self) -> Arc<ServicePlan> {
        self.plan.borrow().clone()
    }

    /// The service left the plan.
    pub(crate) fn close(&self) {
        self.closing.set(true);
        for server in self.servers.borrow().iter() {
            server.retire();
        }
    }

    /// Whether a client at `ip` should come again on a new connection.
    pub(crate) fn sends_away(&self, ip: IpAddr) -> bool {
        self.closing.get() || self.worker.is_leaving(ip)
    }

    /// Closes connections that were idle for too long.
    pub(crate) fn reap(&self, now: Instant) {
        for server in self.servers.borrow().iter() {
            let mut idle = server.idle.borrow_mut();
            while idle
                .front()
                .is_some_and(|one| now.duration_since(one.since) > IDLE_FOR)
            {
                idle.pop_front();
            }
        }
    }

    pub(crate) fn count(&self, with: impl FnOnce(&ServiceShard)) {
        with(self.counters.borrow().shard(self.worker.index));
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

/// The address as a `Host` says it: without HTTP's own port.
fn host(listen: SocketAddr) -> String {
    match (listen, listen.port()) {
        (SocketAddr::V4(_), 80) => listen.ip().to_string(),
        (SocketAddr::V6(_), 80) => format!("[{}]", listen.ip()),
        (SocketAddr::V4(_) | SocketAddr::V6(_), _) => listen.to_string(),
    }
}

impl Server {
    fn shard(&self) -> &ServerShard {
        self.counters.shard(self.runtime)
    }

    pub(crate) fn count_connect_failed(&self) {
        self.shard().connects_failed.up();
    }

    pub(crate) fn count_failure(&self) {
        self.shard().failures.up();
    }

    /// An idle connection that shows no sign of having been closed.
    ///
    /// `certain` asks the kernel; otherwise what epoll has told so far is enough, which costs
    /// nothing, and a request that can be repeated need not be certain.
    pub(crate) fn take_idle(&self, certain: bool) -> Option<Peer> {
        loop {
            let Idle { peer, .. } = self.idle.borrow_mut().pop_back()?;
            if peer.is_quiet(certain) {
                return Some(peer);
            }
        }
    }

    /// Keeps a connection for the next request.
    pub(crate) fn keep_idle(&self, peer: Peer) {
        let mut idle = self.idle.borrow_mut();
        if self.candidate.get() && idle.len() < IDLE_MAX {
            idle.push_back(Idle {
                since: Instant::now(),
                peer,
            });
        }
    }

    /// Nothing more goes to it for now.
    fn retire(&self) {
        self.candidate.set(false);
        self.idle.borrow_mut().clear();
    }
}

/// A connection or request that a server has in hand; counted as long as this lives.
#[derive(Debug)]
pub(crate) struct Work(Rc<Server>);

impl Work {
    pub(crate) fn give(server: Rc<Server>) -> Self {
        server.shard().active.up();
        server.shard().taken.up();
        Work(server)
    }

    pub(crate) fn server(&self) -> &Rc<Server> {
        &self.0
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.0.shard().active.down();
    }
}

/// A client connection that is open; counted as long as this lives.
#[derive(Debug)]
pub(crate) struct Open(Arc<counters::ServiceCounters>, usize);

impl Open {
    pub(crate) fn new(service: &Service) -> Self {
        let counters = service.counters.borrow().clone();
        let runtime = service.worker.index;
        counters.shard(runtime).accepted.up();
        counters.shard(runtime).open.up();
        Open(counters, runtime)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.shard(self.1).open.down();
    }
}
