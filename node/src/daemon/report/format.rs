//! Raises the format that the cluster writes, when every member reads a newer one.
//!
//! ```text
//!   leader --Status--> every node of state and membership --reads--> all of them? RaiseFormat
//! ```

use std::time::Duration;

use farmux_raft::codec;
use farmux_raft::consensus::{Consensus, Quorum};
use farmux_raft::peer::PeerClient;
use farmux_raft::state::{Command, Reader, may_raise};

use super::propose;
use crate::api::ask_report;
use crate::api::status::must_read;

/// An upgrade takes minutes; whoever waits for it sees it done a moment after the last node.
const LOOK: Duration = Duration::from_secs(2);

/// A healthy node answers in milliseconds; one that does not is asked again at the next look.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// Runs for ever; asks only while this node leads with a majority and reads more than is agreed on.
pub(in crate::daemon) async fn raise_format(consensus: Consensus, peers: PeerClient) {
    let (standing, states) = (consensus.standing(), consensus.state());
    loop {
        let leads = matches!(standing.borrow().quorum, Quorum::Fresh { .. });
        let state = states.borrow().clone();
        let (agreed, ours) = (state.format, codec::reads());
        if leads && state.cluster.is_some() && agreed.number() < ours {
            let readers = ask_all(&consensus, &peers).await;
            if let Some(format) = may_raise(agreed, &readers) {
                tracing::info!(
                    format,
                    "every member reads it: the cluster writes it from now on"
                );
                propose(&consensus, Command::RaiseFormat(format)).await;
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Everybody that a majority may ever count on, learners and joiners too.
async fn ask_all(consensus: &Consensus, peers: &PeerClient) -> Vec<Reader> {
    let me = consensus.config().me;
    let state = consensus.state().borrow().clone();
    let membership = consensus.membership().borrow().clone();
    let members = must_read(&state, membership.voters(), &membership.learners);
    let mut readers = Vec::new();
    for node in members {
        let reads = match node == me {
            true => Some(codec::reads()),
            false => {
                let report = ask_report(peers, node, ANSWER_WITHIN).await;
                report.map(|report| report.reads)
            }
        };
        let name = state.node_name(node);
        let silent = reads.is_none();
        readers.push(Reader { name, reads });
        if silent {
            // One is enough to raise nothing: the others need not be asked.
            break;
        }
    }
    readers
}
