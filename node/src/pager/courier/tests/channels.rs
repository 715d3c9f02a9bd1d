//! Relay after relay and channel after channel, until one takes it.

use std::net::Ipv4Addr;

use farmux_raft::state::{
    Contact, SyslogChannel, SyslogTransport, WebUrl, WebhookChannel, WebhookShape,
};

use super::scripted::{Trick, relay};
use super::*;
use crate::reserved::reserve;

fn mail_by(ports: &[u16]) -> Channel {
    let Contact { mut channels } = testing::contact(&["ops@example.com"], 25);
    let Some(Channel::Mail(mail)) = channels.first_mut() else {
        panic!("no mail");
    };
    let first = mail.relays[0].clone();
    let by = |port: &u16| Relay {
        port: *port,
        ..first.clone()
    };
    mail.relays = ports.iter().map(by).collect();
    channels.remove(0)
}

fn webhook_by(port: u16) -> Channel {
    Channel::Webhook(WebhookChannel {
        url: WebUrl {
            tls: false,
            host: "127.0.0.1".to_owned(),
            port,
            path: "/".to_owned(),
        },
        shape: WebhookShape::Farmux,
        secret: None,
        allow_local: true,
    })
}

fn syslog_by(port: u16) -> Channel {
    Channel::Syslog(SyslogChannel {
        host: "127.0.0.1".to_owned(),
        port,
        transport: SyslogTransport::Tcp,
    })
}

fn through(channels: Vec<Channel>) -> Errand {
    Errand {
        channels,
        ..errand(&[], 25, |_| {})
    }
}

#[tokio::test]
async fn the_next_relay_takes_what_the_first_does_not() {
    let (good, letters) = relay(Trick::None);
    let (busy, refused) = relay(Trick::Mail("451 4.3.0 try later"));
    let dead = reserve(Ipv4Addr::LOCALHOST.into()).port();
    let receipt = deliver(through(vec![mail_by(&[dead, busy, good])]), None).await;
    assert_eq!(receipt.tries.len(), 1, "one channel, whatever its relays");
    assert_eq!(receipt.outcome(), DeliveryOutcome::Delivered);
    let words = receipt.words();
    assert!(
        words.starts_with("127.0.0.1: 250 2.0.0 queued; before: "),
        "{words}"
    );
    assert!(words.contains("connection refused"), "{words}");
    assert!(letters.recv().is_ok());
    assert!(refused.try_recv().is_err());
    let receipt = deliver(through(vec![mail_by(&[dead, busy])]), None).await;
    let words = failure(&receipt);
    assert!(words.contains("connection refused"), "{words}");
    assert!(words.contains("451 4.3.0 try later"), "{words}");
}

#[tokio::test]
async fn the_next_channel_takes_what_the_first_does_not() {
    let (good, letters) = relay(Trick::None);
    let dead = reserve(Ipv4Addr::LOCALHOST.into()).port();
    let channels = vec![webhook_by(dead), mail_by(&[good]), syslog_by(dead)];
    let receipt = deliver(through(channels), None).await;
    let kinds: Vec<ChannelKind> = receipt.tries.iter().map(|one| one.channel).collect();
    assert_eq!(
        kinds,
        [ChannelKind::Webhook, ChannelKind::Mail],
        "what works ends it"
    );
    let refused = format!("connecting to 127.0.0.1:{dead}: connection refused");
    assert_eq!(receipt.tries[0].outcome, DeliveryOutcome::Failed(refused));
    assert_eq!(receipt.outcome(), DeliveryOutcome::Delivered);
    assert!(letters.recv().is_ok());

    let channels = vec![webhook_by(dead), syslog_by(dead)];
    let receipt = deliver(through(channels), None).await;
    assert_eq!(receipt.tries.len(), 2);
    assert!(failure(&receipt).ends_with("connection refused"));
    let receipt = deliver(through(vec![]), None).await;
    assert_eq!(failure(&receipt), "no channel to try");
}

/// Somebody waits: who swallows everything has less time while something else is left.
#[test]
fn the_last_resort_has_more_patience() {
    let courier = ChannelCourier::new(Trust::system(), "lb1".to_owned());
    assert_eq!(courier.patience(true), Duration::from_secs(30));
    assert_eq!(courier.patience(false), Duration::from_secs(10));
    let all = 4 * RELAY_TIME_WITH_OTHERS + ATTEMPT_TIME_MAX;
    let others = 5 * RELAY_TIME_WITH_OTHERS + Duration::from_secs(30 + 15 + 5);
    assert!(all <= ERRAND_TIME_MAX && others <= ERRAND_TIME_MAX);
}

#[tokio::test]
async fn a_silent_relay_leaves_time_for_the_next() {
    let (silent, _letters) = relay(Trick::SilentAfterMail);
    let (good, letters) = relay(Trick::None);
    let (begun, limit) = (Instant::now(), Duration::from_secs(5));
    let errand = through(vec![mail_by(&[silent, good])]);
    let receipt = deliver_within(limit, errand, None).await;
    assert_eq!(receipt.outcome(), DeliveryOutcome::Delivered);
    assert!(begun.elapsed() < 2 * limit);
    assert!(letters.recv().is_ok());
}

#[test]
fn no_secret_shows_up_where_people_look() {
    let secret = || Some(farmux_raft::state::Secret::new("s3cr3t".to_owned()));
    let mut errand = through(vec![mail_by(&[25]), webhook_by(80)]);
    for channel in &mut errand.channels {
        match channel {
            Channel::Mail(mail) => mail.relays[0].password = secret(),
            Channel::Webhook(webhook) => webhook.secret = secret(),
            Channel::Snpp(_) | Channel::Syslog(_) => {}
        }
    }
    let shown = format!("{errand:?}");
    assert!(!shown.contains("s3cr3t"), "{shown}");
}
