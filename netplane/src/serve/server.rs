//! A server as one runtime sees it: its idle connections, and the work that it has in hand.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::counters::{ServerCounters, ServerShard};
use super::line::Permit;
use super::peer::Peer;
use crate::balance::slow_start;
use crate::plan::ServerPlan;
use crate::pretend::Pretended;

/// Idle connections kept to one server by one runtime: more than its usual concurrency is waste.
const IDLE_MAX: usize = 128;
/// Shorter than the 5 s after which Apache and Node close, so that mostly we do it first, and a
/// request seldom meets a connection that is just being closed.
const IDLE_FOR: Duration = Duration::from_secs(4);

/// A server of a service, with what this runtime holds of it.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) name: Arc<str>,
    pub(crate) address: SocketAddr,
    pub(crate) plan: Cell<ServerPlan>,
    pub(crate) counters: Arc<ServerCounters>,
    idle: RefCell<VecDeque<Idle>>,
    runtime: usize,
    /// It may be given work, and keep idle connections.
    candidate: Cell<bool>,
    /// Connections to it are kept when they are idle.
    keeps: Cell<bool>,
    /// What a drill pretends of it.
    pretended: Cell<Option<Pretended>>,
    /// It finishes what it has, and no more, because it was told to or says so itself.
    pub(super) leaves: Cell<bool>,
    strength: Cell<Strength>,
}

/// Whether a server is able to work, as this runtime saw it change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strength {
    /// Nobody has looked yet.
    Unseen,
    /// It is not.
    Unable,
    /// It is, and was when we first looked.
    Able,
    /// It is, since then.
    Since(Instant),
}

#[derive(Debug)]
struct Idle {
    since: Instant,
    peer: Peer,
    /// The client that its PROXY header named; it is nobody else's.
    told: Option<SocketAddr>,
}

impl Server {
    pub(crate) fn new(
        name: &Arc<str>,
        plan: &ServerPlan,
        counters: Arc<ServerCounters>,
        runtime: usize,
    ) -> Rc<Self> {
        Rc::new(Server {
            name: name.clone(),
            address: plan.address,
            plan: Cell::new(*plan),
            counters,
            idle: RefCell::default(),
            runtime,
            candidate: Cell::new(false),
            keeps: Cell::new(false),
            pretended: Cell::new(None),
            leaves: Cell::new(false),
            strength: Cell::new(Strength::Unseen),
        })
    }

    fn shard(&self) -> &ServerShard {
        self.counters.shard(self.runtime)
    }

    pub(crate) fn count_connect_failed(&self) {
        self.shard().connects_failed.up();
    }

    pub(crate) fn count_failure(&self) {
        self.shard().failures.up();
    }

    /// Whether it may be given work now.
    pub(crate) fn is_candidate(&self) -> bool {
        self.candidate.get()
    }

    /// Whether its limit leaves room for one more.
    pub(crate) fn has_room(&self) -> bool {
        let limit = self.plan.get().max_connections;
        self.counters
            .slots
            .has_room(limit, || self.counters.active())
    }

    /// Takes note of whether it is able to work; one that was not, and is now, begins slowly.
    pub(crate) fn see(&self, able: bool, now: Instant) {
        self.strength.set(match (self.strength.get(), able) {
            (_, false) => Strength::Unable,
            (Strength::Unseen, true) => Strength::Able,
            (Strength::Unable, true) => Strength::Since(now),
            (same @ (Strength::Able | Strength::Since(_)), true) => same,
        });
    }

    /// What its share `whole` is worth at this time, and whether that still grows.
    pub(crate) fn weight(
        &self,
        whole: u32,
        slow_start: Duration,
        now: Instant,
    ) -> (NonZeroU32, bool) {
        let elapsed = match self.strength.get() {
            Strength::Since(since) => now.duration_since(since),
            Strength::Unseen | Strength::Unable | Strength::Able => slow_start,
        };
        let weight = slow_start::weight(elapsed, slow_start, whole);
        (weight, elapsed < slow_start)
    }

    /// It may be given work from now on, or not.
    pub(crate) fn set_candidate(&self, candidate: bool) {
        self.candidate.set(candidate);
        self.keep(candidate && self.pretended.get().is_none());
    }

    fn keep(&self, keeps: bool) {
        self.keeps.set(keeps);
        if !keeps {
            self.idle.borrow_mut().clear();
        }
    }

    /// Takes over what a drill pretends of it: then nobody is served by a connection that was made
    /// before.
    pub(crate) fn pretend(&self, pretended: Option<Pretended>) {
        self.pretended.set(pretended);
        self.keep(self.is_candidate() && pretended.is_none());
    }

    /// What a drill pretends of it now.
    pub(crate) fn pretended(&self) -> Option<Pretended> {
        self.pretended
            .get()
            .filter(|pretended| !pretended.is_over())
    }

    /// An idle connection that shows no sign of having been closed, and whose PROXY header, if it
    /// had one, named the client that is `told`.
    ///
    /// `certain` asks the kernel; otherwise what epoll has told so far is enough, which costs
    /// nothing, and a request that can be repeated need not be certain.
    pub(crate) fn take_idle(&self, told: Option<SocketAddr>, certain: bool) -> Option<Peer> {
        loop {
            let mut idle = self.idle.borrow_mut();
            let Idle { peer, .. } = if idle.back()?.told == told {
                idle.pop_back()
            } else {
                let place = idle.iter().rposition(|one| one.told == told)?;
                idle.remove(place)
            }?;
            if peer.is_quiet(certain) {
                return Some(peer);
            }
        }
    }

    /// Keeps a connection for the next request.
    pub(crate) fn keep_idle(&self, peer: Peer, told: Option<SocketAddr>) {
        let mut idle = self.idle.borrow_mut();
        if self.keeps.get() && idle.len() < IDLE_MAX {
            idle.push_back(Idle {
                since: Instant::now(),
                peer,
                told,
            });
        }
    }

    /// Closes what was kept for a client that is gone.
    pub(crate) fn forget(&self, client: SocketAddr) {
        self.idle
            .borrow_mut()
            .retain(|one| one.told != Some(client));
    }

    /// Closes connections that were idle for too long.
    pub(crate) fn reap(&self, now: Instant) {
        let mut idle = self.idle.borrow_mut();
        let old = |one: &Idle| now.duration_since(one.since) > IDLE_FOR;
        while idle.front().is_some_and(old) {
            idle.pop_front();
        }
    }
}

/// A server that is promised to a client, with its slot where there are limits.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) server: Rc<Server>,
    /// Given back when this is dropped.
    pub(crate) _permit: Option<Permit>,
}

/// A connection or request that a server has in hand; counted, and its slot taken, as long as this
/// lives.
#[derive(Debug)]
pub(crate) struct Work(Claim);

impl Work {
    pub(crate) fn give(claim: Claim) -> Self {
        claim.server.shard().active.up();
        claim.server.shard().taken.up();
        Work(claim)
    }

    pub(crate) fn server(&self) -> &Rc<Server> {
        &self.0.server
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // Before the slot is given back: whoever takes it must not see this as in hand.
        self.0.server.shard().active.down();
    }
}
