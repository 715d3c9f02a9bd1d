//! Contacts: a test call from this very node, through every channel.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Path, Query, State as Shared};
use farmux_raft::state::{ChannelKind, DeliveryOutcome};
use serde::Deserialize;

use super::super::answer::{Answer, answer, parse};
use super::super::types::{ChannelTest, ContactTestAnswer};
use super::{Daemon, member};
use crate::fault::{Code, Fault};
use crate::pager::{ChannelCourier, Courier, TestFault, Trust, Try, test_contact};

/// What is asked besides.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TestQuery {
    /// Only this channel.
    channel: Option<ChannelKind>,
}

/// `POST /v1/contacts/NAME/test[?channel=KIND]`: any node sends, because any may have to.
pub(crate) async fn test(
    Shared(node): Daemon,
    Path(name): Path<String>,
    Query(TestQuery { channel }): Query<TestQuery>,
) -> Answer<ContactTestAnswer> {
    let contact = parse(&name)?;
    let member = member(&node)?;
    let own: Vec<IpAddr> = node.settings().peer.iter().map(SocketAddr::ip).collect();
    let name = node.settings().name.to_string();
    let courier: Arc<dyn Courier> = Arc::new(ChannelCourier::new(Trust::system(), name));
    let state = member.state();
    let sent = test_contact(&state, member.me(), &own, (&contact, channel), &courier).await;
    let tries = sent.map_err(|fault| {
        let code = match &fault {
            TestFault::UnknownContact(_) | TestFault::NoChannel { .. } => Code::ContactUnknown,
        };
        Fault::new(code).what(fault)
    })?;
    answer(ContactTestAnswer {
        channels: tries.into_iter().map(report).collect(),
    })
}

fn report(one: Try) -> ChannelTest {
    ChannelTest {
        channel: one.channel,
        taken: one.outcome == DeliveryOutcome::Delivered,
        words: one.words,
    }
}
