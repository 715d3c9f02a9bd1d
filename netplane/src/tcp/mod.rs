//! TCP: bytes as they come, both ways, between a client and one server.

pub(crate) mod relay;

use std::rc::Rc;

use crate::http::refusal::Failure;
use crate::proxy::Ends;
use crate::serve::deadline::Deadline;
use crate::serve::peer::Peer;
use crate::serve::service::Service;
use crate::serve::upstream::Upstream;

/// Serves a client until its connection ends.
///
/// A failed connect is tried once on another server; where none is left or has room the client is
/// reset, so that it sees a refusal and not an empty answer.
pub(crate) async fn serve(service: Rc<Service>, mut peer: Peer, ends: Ends) {
    let connected = peer.unless_gone(connect(&service, &ends)).await;
    let mut upstream = match connected {
        Some(Ok(upstream)) => upstream,
        Some(Err(failure)) => {
            service.count_failure(failure, ends.client);
            peer.reset_on_close();
            return;
        }
        None => return,
    };
    // Where the address is lost, or one side fails, neither must take it for a proper end.
    upstream.peer.resets_with(&peer);
    let limits = service.limits();
    let mut deadline = Deadline::new(&limits);
    deadline.begin(limits.idle, limits.total);
    match relay::both_ways(&mut peer, &mut upstream.peer, &mut deadline).await {
        relay::End::Closed => {}
        relay::End::Broken => peer.reset_on_close(),
    }
}

/// A connection to a server for the client at `ends`; where the connect fails, once to another.
///
/// **Errors**: nobody is there, has room, or could be connected to.
pub(crate) async fn connect(service: &Service, ends: &Ends) -> Result<Upstream, Failure> {
    let first = service.pick(ends.client.ip(), None).await?;
    Upstream::open(service, ends, first).await
}
