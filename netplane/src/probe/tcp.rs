//! The `tcp` probe: connects, and that is all; behind a proxy, with the header of one.

use std::net::SocketAddr;

use super::connect::{Budget, close_without_trace, connect_as_proxy};
use super::outcome::{Outcome, Success};
use crate::origin::Origin;
use crate::plan::ProxyVersion;

/// Probes once.
pub(super) async fn probe(
    target: SocketAddr,
    proxy: Option<ProxyVersion>,
    origin: &Origin,
    budget: &Budget,
) -> Outcome {
    match connect_as_proxy(target, proxy, origin, budget).await {
        Ok(stream) => {
            close_without_trace(stream);
            Outcome::Pass(Success::Connected)
        }
        Err(outcome) => outcome,
    }
}
