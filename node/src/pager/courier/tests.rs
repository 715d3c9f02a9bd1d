//! Deliveries to a real SMTP server (aiosmtpd), and to a scripted one that misbehaves.

mod channels;
mod hostile;
mod real;
mod scripted;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use farmux_netplane::origin::Origin;
use farmux_raft::id::UnixMillis;
use farmux_raft::state::{DeliveryOutcome, Health, Relay, RelaySecurity};

use super::*;
use crate::pager::call::Word;
use crate::pager::mail::Mail;
use crate::pager::testing;

/// Long enough for a machine that builds something else meanwhile.
const LIMIT: Duration = Duration::from_secs(20);

/// A call about a server that is back: it answers another one.
fn call() -> Call {
    let mut state = testing::state(3, &[]);
    testing::report(&mut state, "s2", Health::Down, "refused", 900_000);
    testing::report(&mut state, "s2", Health::Up, "connected", 960_000);
    let mut page = testing::newest(&state).clone();
    page.title = "shöp/s2".to_owned();
    testing::call(&state, page, Word::Committed)
}

fn errand(to: &[&str], port: u16, change: impl FnOnce(&mut Relay)) -> Errand {
    let mut contact = testing::contact(to, port);
    match contact.channels.first_mut() {
        Some(Channel::Mail(mail)) => change(&mut mail.relays[0]),
        other => panic!("no mail: {other:?}"),
    }
    Errand {
        call: call(),
        channels: contact.channels,
        reached: BTreeSet::new(),
        origin: Origin::default(),
    }
}

/// The mail that an errand becomes.
fn mail(errand: &Errand) -> Mail {
    match errand.channels.first() {
        Some(Channel::Mail(mail)) => call_mail(&errand.call, mail, UnixMillis(0)),
        other => panic!("no mail: {other:?}"),
    }
}

async fn deliver(errand: Errand, ca: Option<PathBuf>) -> Receipt {
    deliver_within(LIMIT, errand, ca).await
}

async fn deliver_within(limit: Duration, errand: Errand, ca: Option<PathBuf>) -> Receipt {
    let trust = Trust::file(ca.unwrap_or_else(|| PathBuf::from("/nonexistent")));
    ChannelCourier::hurried(trust, limit).deliver(errand).await
}

fn failure(receipt: &Receipt) -> String {
    match receipt.outcome() {
        DeliveryOutcome::Failed(why) => why,
        DeliveryOutcome::Delivered => panic!("delivered: {receipt:?}"),
    }
}
