//! `farmux contact test`: one marked mail to one contact, and the relay's words.

use std::collections::BTreeSet;
use std::net::IpAddr;

use farmux_raft::id::{ContactName, NodeId, RequestId};
use farmux_raft::state::State;

use super::call::Call;
use super::courier::{Courier, Errand, Receipt};
use super::duty::origin;
use crate::daemon::wall_clock;

/// There is nobody of that name to page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no contact {0}")]
pub struct UnknownContact(pub ContactName);

/// Sends a test mail from this node, within [`super::ATTEMPT_TIME_MAX`]; it leaves no trace in the
/// log. The receipt carries the relay's words, good or bad.
///
/// **Errors**: there is no such contact.
pub async fn test_contact(
    state: &State,
    me: NodeId,
    own: &[IpAddr],
    contact: &ContactName,
    courier: &dyn Courier,
) -> Result<Receipt, UnknownContact> {
    let unknown = || UnknownContact(contact.clone());
    let cluster = state.cluster.as_ref().ok_or_else(unknown)?;
    let channels = state
        .config
        .contacts
        .get(contact)
        .ok_or_else(unknown)?
        .channels
        .clone();
    let node = state
        .nodes
        .get(&me)
        .map_or_else(|| me.to_string(), |node| node.name.to_string());
    let unique = RequestId::random().0;
    let errand = Errand {
        call: Call::test(cluster, contact.clone(), node, unique, wall_clock()),
        channels,
        reached: BTreeSet::new(),
        origin: origin(state, own),
    };
    Ok(courier.deliver(errand).await)
}
