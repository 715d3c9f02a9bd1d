//! Getting a connection to a server: an idle one, a new one, or one to somebody else.

use std::rc::Rc;

use super::refusal::Failure;
use super::request::Facts;
use crate::serve::peer::Peer;
use crate::serve::service::{Server, Service, Work};

/// A connection to a server, for one request.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) peer: Peer,
    pub(crate) work: Work,
    /// It was idle before: the server may just be closing it.
    pub(crate) reused: bool,
}

/// Which connections will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// An idle one if there is one.
    Any,
    /// Only a new one: an idle one has just let us down.
    New,
}

impl Upstream {
    /// Picks a server and gets a connection to it; where the connect fails, once to another.
    ///
    /// **Errors**: nobody is there, or neither could be connected to.
    pub(crate) async fn acquire(
        service: &Service,
        facts: &Facts,
        wanted: Wanted,
    ) -> Result<Upstream, Failure> {
        let first = service.pick(None).ok_or(Failure::NoServer)?;
        if wanted == Wanted::Any {
            let certain = !(facts.idempotent && facts.has_no_body());
            if let Some(peer) = first.take_idle(certain) {
                return Ok(Upstream {
                    peer,
                    work: Work::give(first),
                    reused: true,
                });
            }
        }
        if let Some(connected) = Upstream::connect(service, &first).await {
            return Ok(connected);
        }
        let second = service.pick(Some(&first)).ok_or(Failure::NoServer)?;
        Upstream::connect(service, &second)
            .await
            .ok_or(Failure::NoServer)
    }

    /// A new connection to this server.
    pub(crate) async fn connect(service: &Service, server: &Rc<Server>) -> Option<Upstream> {
        let work = Work::give(server.clone());
        let buffers = service.worker.buffers.clone();
        match Peer::connect(server.address, service.limits().connect, buffers).await {
            Ok(peer) => Some(Upstream {
                peer,
                work,
                reused: false,
            }),
            Err(error) => {
                let name = &server.name;
                tracing::trace!(service = %service.key, server = %name, %error, "no connect");
                server.count_connect_failed();
                None
            }
        }
    }

    /// Keeps the connection for another request; the caller vouches that nothing is left on it.
    pub(crate) fn keep(self) {
        let Upstream { peer, work, .. } = self;
        work.server().keep_idle(peer);
    }
}
