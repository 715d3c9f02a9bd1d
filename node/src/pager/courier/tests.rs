//! Deliveries to a real SMTP server (aiosmtpd), and to a scripted one that misbehaves.

mod real;
mod scripted;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use farmux_netplane::origin::Origin;
use farmux_raft::id::UnixMillis;
use farmux_raft::state::{DeliveryOutcome, Relay, RelaySecurity};

use super::*;
use crate::pager::testing;

/// Long enough for a machine that builds something else meanwhile.
const LIMIT: Duration = Duration::from_secs(20);

fn mail(to: &[&str]) -> Mail {
    Mail {
        from: "farmux@prod".to_owned(),
        to: to.iter().map(|to| (*to).to_owned()).collect(),
        subject: "[DOWN] prod shöp/s2: connection refused (3 of 4 up)".to_owned(),
        body: "shöp/s2 is DOWN.\n\n.\nA line with a lone dot stands above.\n".to_owned(),
        message_id: "<1.ops@prod.farmux>".to_owned(),
        in_reply_to: Some("<0.ops@prod.farmux>".to_owned()),
        date: UnixMillis(1_700_000_000_000),
    }
}

fn errand(to: &[&str], port: u16, change: impl FnOnce(&mut Relay)) -> Errand {
    let mut channel = testing::contact(to, port).mail;
    change(&mut channel.relay);
    Errand {
        mail: mail(to),
        channel,
        reached: BTreeSet::new(),
        origin: Origin::default(),
    }
}

async fn deliver(errand: Errand, ca: Option<PathBuf>) -> Receipt {
    deliver_within(LIMIT, errand, ca).await
}

async fn deliver_within(limit: Duration, errand: Errand, ca: Option<PathBuf>) -> Receipt {
    let trust = Trust::file(ca.unwrap_or_else(|| PathBuf::from("/nonexistent")));
    MailCourier::hurried(trust, limit).deliver(errand).await
}

fn failure(receipt: &Receipt) -> &str {
    match &receipt.outcome {
        DeliveryOutcome::Failed(why) => why,
        DeliveryOutcome::Delivered => panic!("delivered: {receipt:?}"),
    }
}
