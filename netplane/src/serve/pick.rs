//! Picking a server for a client: whom it met before, else by the service's method; where every
//! server is at its limit, in turn with the others who wait.
//!
//! ```text
//!   pick ─▶ offer ─▶ again (persistence) ─▶ choose (method) ─▶ claim (slots) ─▶ Work
//!     └ full ─▶ wait in line ─▶ offer …
//! ```

use std::future::poll_fn;
use std::net::IpAddr;
use std::rc::Rc;
use std::task::Poll;

use super::line::Permit;
use super::server::{Claim, Server, Work};
use super::service::Service;
use super::sticky::Sticky;
use crate::balance::client::Client;
use crate::http::refusal::Failure;
use crate::plan::Persistence;

/// Why there is nobody for a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Busy {
    /// No server may be given work.
    Nobody,
    /// Every one that may is at its limit, or the service is.
    Full,
}

impl Service {
    /// A server for the client at `ip`; never `except`, which has just failed it.
    ///
    /// Where limits leave no room the client waits in line, as the service's queue allows; it
    /// leaves the line when the future is dropped.
    ///
    /// **Errors**: [`Failure::NoServer`], [`Failure::QueueFull`] or [`Failure::QueueTimeout`]; the
    /// caller counts it and tells the client.
    pub(crate) async fn pick(
        &self,
        ip: IpAddr,
        except: Option<&Rc<Server>>,
    ) -> Result<Work, Failure> {
        match self.pick_now(ip, except) {
            Ok(work) => Ok(work),
            Err(Busy::Nobody) => Err(Failure::NoServer),
            // On the heap: few wait, and every client's task would be larger for it.
            Err(Busy::Full) => Box::pin(self.wait(ip, except)).await,
        }
    }

    /// The same for who does not wait, or not yet.
    pub(crate) fn pick_now(&self, ip: IpAddr, except: Option<&Rc<Server>>) -> Result<Work, Busy> {
        if self.has_line() {
            return Err(Busy::Full);
        }
        self.offer(ip, except).map(Work::give)
    }

    async fn wait(&self, ip: IpAddr, except: Option<&Rc<Server>>) -> Result<Work, Failure> {
        let queue = self.plan().queue;
        let turn = self.line().join(queue.length).ok_or(Failure::QueueFull)?;
        self.count(|shard| shard.queued.up());
        let served = poll_fn(|cx| {
            if !turn.is_first(cx.waker()) {
                return Poll::Pending;
            }
            match self.offer(ip, except) {
                Ok(claim) => Poll::Ready(Ok(Work::give(claim))),
                Err(Busy::Nobody) => Poll::Ready(Err(Failure::NoServer)),
                Err(Busy::Full) => Poll::Pending,
            }
        });
        let in_time = tokio::time::timeout(queue.timeout, served).await;
        in_time.unwrap_or(Err(Failure::QueueTimeout))
    }

    fn offer(&self, ip: IpAddr, except: Option<&Rc<Server>>) -> Result<Claim, Busy> {
        self.look();
        let wish = self.wish.borrow();
        let persistence = wish.plan.persistence.as_ref();
        let client = Client::of(ip, persistence);
        match (persistence, &wish.sticky) {
            (Some(persistence), Some(sticky)) => self.again(client, except, sticky, persistence),
            _ => self.choose(&client, except),
        }
    }

    /// The server that the client met before, in whichever service of the farm, if it is a
    /// candidate here; else one that it meets from now on.
    fn again(
        &self,
        client: Client,
        except: Option<&Rc<Server>>,
        sticky: &Sticky,
        persistence: &Persistence,
    ) -> Result<Claim, Busy> {
        let now = self.worker.shared.started.elapsed();
        let usable = |name: &str| {
            let server = self.candidate(name)?;
            let failed = except.is_some_and(|except| Rc::ptr_eq(except, &server));
            (!failed).then_some(server)
        };
        let before = sticky.meet(&client, persistence.timeout, now);
        if let Some(server) = before.as_deref().and_then(usable) {
            // One that is full is helped out for this once, and met again later.
            let claim = self.claim(&server);
            return claim.map_or_else(|| self.choose(&client, except), Ok);
        }
        let claim = self.choose(&client, except)?;
        let picked = &claim.server.name;
        let other = sticky.settle(client, before.as_ref(), picked, persistence.timeout, now);
        let other = other.as_deref().and_then(usable);
        Ok(other
            .and_then(|server| self.claim(&server))
            .unwrap_or(claim))
    }

    /// A server by the service's method, among those with room.
    fn choose(&self, client: &Client, except: Option<&Rc<Server>>) -> Result<Claim, Busy> {
        let servers = self.servers.borrow();
        let except = except.and_then(|not| servers.iter().position(|one| Rc::ptr_eq(one, not)));
        let limited = self.limited.get();
        let allowed =
            |place: usize| Some(place) != except && (!limited || servers[place].has_room());
        let active = |place: usize| servers[place].counters.active();
        // Each turn in which the claim fails, another runtime's has succeeded.
        loop {
            if limited && !self.has_room() {
                return Err(Busy::Full);
            }
            let random = self.worker.random();
            let place = self
                .picker
                .borrow_mut()
                .pick(client, random, allowed, active);
            let Some(place) = place else {
                let candidates = self.candidates.borrow();
                let full = limited && candidates.iter().any(|one| Some(one.place) != except);
                return Err(if full { Busy::Full } else { Busy::Nobody });
            };
            if let Some(claim) = self.claim(&servers[place]) {
                return Ok(claim);
            }
        }
    }

    /// Takes a slot of the server, where there are limits at all.
    fn claim(&self, server: &Rc<Server>) -> Option<Claim> {
        let permit = match self.limited.get() {
            false => None,
            true => Some(self.permit(server)?),
        };
        Some(Claim {
            server: server.clone(),
            _permit: permit,
        })
    }

    fn permit(&self, server: &Rc<Server>) -> Option<Permit> {
        if !server.has_room() || !self.has_room() {
            return None;
        }
        let wish = self.wish.borrow();
        let (line, of_service) = (&wish.counters.line, wish.plan.max_connections);
        let of_server = server.plan.get().max_connections;
        Permit::take(line, of_service, &server.counters, of_server)
    }
}
