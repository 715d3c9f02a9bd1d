//! `farmux contact test`: one marked call through every channel of one contact, and what each
//! other side said.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use farmux_raft::id::{ContactName, NodeId, RequestId};
use farmux_raft::state::{Channel, ChannelKind, DeliveryOutcome, State};
use tokio::task::JoinSet;

use super::call::Call;
use super::courier::{Courier, Errand, Try};
use super::duty::origin;
use crate::daemon::wall_clock;

/// Nothing can be tried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TestFault {
    /// There is nobody of that name.
    #[error("there is no contact {0}")]
    UnknownContact(ContactName),
    /// They are not called that way.
    #[error("contact {contact} has no channel {channel}")]
    NoChannel {
        /// Who.
        contact: ContactName,
        /// Which.
        channel: ChannelKind,
    },
}

/// Sends a test from this node through every channel of a contact, or only through one, all at
/// once, within a minute; it leaves no trace in the log. Each with the other side's words,
/// good or bad, in the contact's order.
///
/// **Errors**: see [`TestFault`].
pub async fn test_contact(
    state: &State,
    me: NodeId,
    own: &[IpAddr],
    (contact, only): (&ContactName, Option<ChannelKind>),
    courier: &Arc<dyn Courier>,
) -> Result<Vec<Try>, TestFault> {
    let unknown = || TestFault::UnknownContact(contact.clone());
    let cluster = state.cluster.as_ref().ok_or_else(unknown)?;
    let known = state.config.contacts.get(contact).ok_or_else(unknown)?;
    let wanted = |channel: &&Channel| only.is_none_or(|kind| channel.kind() == kind);
    let channels: Vec<Channel> = known.channels.iter().filter(wanted).cloned().collect();
    if let (true, Some(channel)) = (channels.is_empty(), only) {
        return Err(TestFault::NoChannel {
            contact: contact.clone(),
            channel,
        });
    }
    let node = node_name(state, me);
    let unique = RequestId::random().0;
    let call = Call::test(cluster, contact.clone(), node, unique, wall_clock());
    Ok(try_all(state, own, &call, channels, courier).await)
}

/// What a node is called, as far as we know.
pub(super) fn node_name(state: &State, node: NodeId) -> String {
    let known = state.nodes.get(&node);
    known.map_or_else(|| node.to_string(), |node| node.name.to_string())
}

/// Sends a call through each of these channels, whatever becomes of the others.
pub(super) async fn try_all(
    state: &State,
    own: &[IpAddr],
    call: &Call,
    channels: Vec<Channel>,
    courier: &Arc<dyn Courier>,
) -> Vec<Try> {
    let mut tasks = JoinSet::new();
    for (place, channel) in channels.into_iter().enumerate() {
        let kind = channel.kind();
        let errand = Errand {
            call: call.clone(),
            channels: vec![channel],
            reached: BTreeSet::new(),
            origin: origin(state, own),
        };
        let delivered = courier.deliver(errand);
        tasks.spawn(async move {
            let delivered = tokio::time::timeout(TEST_TIME_MAX, delivered).await;
            let last = delivered
                .ok()
                .and_then(|receipt| receipt.tries.into_iter().last());
            let slow = || {
                let words = format!("not done within {} s", TEST_TIME_MAX.as_secs());
                Try {
                    channel: kind,
                    outcome: DeliveryOutcome::Failed(words.clone()),
                    words,
                }
            };
            (place, last.unwrap_or_else(slow))
        });
    }
    let mut tries = tasks.join_all().await;
    tries.sort_by_key(|(place, _)| *place);
    tries.into_iter().map(|(_, one)| one).collect()
}

/// A channel of five relays that swallow everything takes longer, and so does no one else; the
/// command line waits for 65 s.
pub(super) const TEST_TIME_MAX: Duration = Duration::from_secs(60);
