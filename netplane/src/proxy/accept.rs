//! Taking the header off a client's connection, where its source must send one.

use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::task::Poll;

use super::{Ends, read};
use crate::http::refusal::Refusal;
use crate::plan::ServicePlan;
use crate::serve::deadline::Deadline;
use crate::serve::peer::Peer;
use crate::serve::service::Service;

/// Who the client of a connection from `address` to `local` is, and where it came to; both as IPv4
/// wherever they are, so that nobody behind this need ask again.
///
/// A listed source says so in a header, within the time that the service gives for heads; nobody
/// else is believed. `None` when the connection is to be closed, which has been counted.
pub(crate) async fn ends(
    service: &Service,
    peer: &mut Peer,
    address: SocketAddr,
    local: SocketAddr,
) -> Option<Ends> {
    let plan = service.plan();
    let own = Ends {
        client: address,
        local,
    }
    .canonical();
    if !is_listed(&plan, own.client.ip()) {
        return Some(own);
    }
    match take(peer, Deadline::new(&plan.limits)).await {
        Ok(told) => Some(told.map_or(own, Ends::canonical)),
        Err(reason) => {
            service.count_refusal(reason, address);
            None
        }
    }
}

fn is_listed(plan: &ServicePlan, ip: IpAddr) -> bool {
    plan.proxy.accept_from.iter().any(|net| net.contains(&ip))
}

/// Reads a header and leaves what follows in the buffer.
async fn take(peer: &mut Peer, mut deadline: Deadline) -> Result<Option<Ends>, Refusal> {
    poll_fn(|cx| {
        loop {
            if let Some(header) = read::header(peer.buffer.data())? {
                peer.buffer.consume(header.length);
                return Poll::Ready(Ok(header.ends));
            }
            match peer.poll_fill(cx) {
                Poll::Ready(Ok(count)) if count > 0 => {}
                Poll::Ready(_) => return Poll::Ready(Err(Refusal::ProxyMissing)),
                Poll::Pending if deadline.poll(cx).is_ready() => {
                    return Poll::Ready(Err(Refusal::ProxyTimeout));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await
}
