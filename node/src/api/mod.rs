//! The admin API: what the command line, the console and an operator's own tools ask of a node.
//!
//! ```text
//!   serve     sockets and connections           router   every path
//!   caller    who asks                          handle   the requests, one file a noun
//!   gather    what a node knows when asked      status   PURE: what stands and what does not
//!   metrics   PURE: the same for Prometheus
//!   types     the shapes (public, stable)       report   what one node tells another
//! ```

mod answer;
pub mod caller;
mod gather;
mod handle;
mod lines;
pub mod metrics;
mod newest;
mod probed;
pub mod report;
mod router;
mod serve;
pub mod status;
pub mod types;

#[cfg(test)]
mod tests;

pub(crate) use gather::{ask_report, gather_as};
pub use router::{BODY_BYTES_MAX, REQUEST_TIMEOUT, SHEET_BYTES_MAX};
pub use serve::{Api, ServeError, serve};

use std::sync::{Arc, Weak};

use report::NodeReport;

use crate::daemon::{Node, Question, Reporter};
use crate::{moving, rehearsal};

/// What a node answers to the faces of others, as bytes for the peer channel.
pub fn reporter(node: &Arc<Node>) -> Reporter {
    // Weak, because the node keeps it.
    let node: Weak<Node> = Arc::downgrade(node);
    Arc::new(move |question| {
        let member = node.upgrade().and_then(|node| node.member());
        match question {
            Question::Status => member
                .map_or_else(NodeReport::default, |member| gather::report(&member))
                .encode(),
            Question::Order(order) => moving::answer(member.as_ref(), order),
            Question::Drill(word) => rehearsal::answer(member.as_ref(), word),
            Question::Probes(check) => {
                probed::encode(&member.map_or_else(Vec::new, |member| probed::here(&member, check)))
            }
        }
    })
}
