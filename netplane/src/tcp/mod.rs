//! TCP: bytes as they come, both ways, between a client and one server.

pub(crate) mod relay;

use std::net::SocketAddr;
use std::rc::Rc;

use crate::http::refusal::Failure;
use crate::http::upstream::Upstream;
use crate::serve::deadline::Deadline;
use crate::serve::peer::Peer;
use crate::serve::service::Service;

/// Serves a client until its connection ends.
///
/// A failed connect is tried once on another server; where none is left the client is reset, so
/// that it sees a refusal and not an empty answer.
pub(crate) async fn serve(service: Rc<Service>, mut peer: Peer, address: SocketAddr) {
    let Some(mut upstream) = connect(&service).await else {
        service.count_failure(Failure::NoServer, address);
        peer.reset_on_close();
        return;
    };
    let limits = service.limits();
    let mut deadline = Deadline::new(&limits);
    deadline.begin(limits.idle, limits.total);
    match relay::both_ways(&mut peer, &mut upstream.peer, &mut deadline).await {
        relay::End::Closed => {}
        relay::End::Broken => {
            peer.reset_on_close();
            upstream.peer.reset_on_close();
        }
    }
}

/// A server for a client; where the connect fails, once another.
pub(crate) async fn connect(service: &Service) -> Option<Upstream> {
    let first = service.pick(None)?;
    if let Some(upstream) = Upstream::connect(service, &first).await {
        return Some(upstream);
    }
    let second = service.pick(Some(&first))?;
    Upstream::connect(service, &second).await
}
