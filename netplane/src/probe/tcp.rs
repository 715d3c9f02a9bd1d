//! The `tcp` probe: connects, and that is all.

use std::net::SocketAddr;

use super::connect::{Budget, close_without_trace, connect};
use super::outcome::{Outcome, Success};
use crate::origin::Origin;

/// Probes once.
pub(super) async fn probe(target: SocketAddr, origin: &Origin, budget: &Budget) -> Outcome {
    match connect(target, origin, budget).await {
        Ok(stream) => {
            close_without_trace(stream);
            Outcome::Pass(Success::Connected)
        }
        Err(outcome) => outcome,
    }
}
