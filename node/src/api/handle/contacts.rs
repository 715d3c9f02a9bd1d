//! Contacts: a test mail from this very node.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{Path, State as Shared};
use farmux_raft::state::DeliveryOutcome;

use super::super::answer::{Answer, answer, parse};
use super::super::types::ContactTestAnswer;
use super::{Daemon, member};
use crate::fault::{Code, Fault};
use crate::pager::{MailCourier, Trust, test_contact};

/// `POST /v1/contacts/NAME/test`: any node sends, because any may have to.
pub(crate) async fn test(
    Shared(node): Daemon,
    Path(name): Path<String>,
) -> Answer<ContactTestAnswer> {
    let contact = parse(&name)?;
    let member = member(&node)?;
    let own: Vec<IpAddr> = node.settings().peer.iter().map(SocketAddr::ip).collect();
    let courier = MailCourier::new(Trust::system());
    let state = member.state();
    let sent = test_contact(&state, member.me(), &own, &contact, &courier).await;
    let receipt = sent.map_err(|unknown| Fault::new(Code::ContactUnknown).what(unknown))?;
    match receipt.outcome() {
        DeliveryOutcome::Delivered => answer(ContactTestAnswer {
            words: receipt.words().to_owned(),
        }),
        DeliveryOutcome::Failed(why) => Err(Fault::new(Code::DeliveryFailed).why(why)),
    }
}
