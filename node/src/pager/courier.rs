//! One delivery: a call through one contact's channels, until one takes it, and what came of it.
//!
//! ```text
//!   Errand --mail: relay, the next relay …--> --webhook--> --snpp--> --syslog--> Receipt
//!                        as long as nobody took it
//! ```

use std::collections::BTreeSet;
use std::time::Duration;

use farmux_netplane::origin::Origin;
use farmux_raft::consensus::BoxFuture;
use farmux_raft::state::{
    Channel, ChannelKind, DeliveryOutcome, MailChannel, REASON_CHARS_MAX, Relay, clean,
};
use tokio::time::Instant;

use super::call::Call;
use super::mail::Letter;
use super::message::call_mail;
use super::relay::{self, Relayed};
use super::trust::Trust;
use super::{snpp, syslog, webhook};
use crate::daemon::wall_clock;

/// One delivery to make.
#[derive(Debug, Clone)]
pub struct Errand {
    /// What to say.
    pub call: Call,
    /// Through what: the next one when one fails.
    pub channels: Vec<Channel>,
    /// Mail recipients who have it already, because an earlier attempt reached some of them.
    pub reached: BTreeSet<String>,
    /// Where it may leave from.
    pub origin: Origin,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// What was tried, in order; only the last can have worked.
    pub tries: Vec<Try>,
    /// Mail recipients who have it now, the earlier ones too.
    pub reached: BTreeSet<String>,
}

/// What came of one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Try {
    /// Which.
    pub channel: ChannelKind,
    /// Everybody has it, or not.
    pub outcome: DeliveryOutcome,
    /// The other side's words, or ours; cleaned and bounded.
    pub words: String,
}

impl Receipt {
    /// How the attempt ended as a whole.
    pub fn outcome(&self) -> DeliveryOutcome {
        let last = self.tries.last().map(|last| last.outcome.clone());
        last.unwrap_or_else(|| DeliveryOutcome::Failed("no channel to try".to_owned()))
    }

    /// The last words of the other side, or ours.
    pub fn words(&self) -> &str {
        self.tries.last().map_or("", |last| &last.words)
    }
}

/// Carries calls through channels; the tests have others.
pub trait Courier: Send + Sync + 'static {
    /// Makes one attempt. It ends by itself within [`ERRAND_TIME_MAX`].
    fn deliver(&self, errand: Errand) -> BoxFuture<'static, Receipt>;
}

/// The real one: SMTP, HTTP, SNPP and syslog.
#[derive(Debug, Clone)]
pub struct ChannelCourier {
    trust: Trust,
    /// What this node is called, for a collector of logs.
    node: String,
    limit: Duration,
}

impl ChannelCourier {
    /// Believes those whose certificates this trusts; speaks as this node.
    pub fn new(trust: Trust, node: String) -> ChannelCourier {
        ChannelCourier {
            trust,
            node,
            limit: ATTEMPT_TIME_MAX,
        }
    }

    /// With less time for each attempt.
    #[cfg(test)]
    pub(super) fn hurried(trust: Trust, limit: Duration) -> ChannelCourier {
        ChannelCourier {
            trust,
            node: "lb1".to_owned(),
            limit,
        }
    }

    /// For one relay, when something else may still be tried after it, or nothing.
    fn patience(&self, last: bool) -> Duration {
        match last {
            true => self.limit,
            false => self.limit.min(RELAY_TIME_WITH_OTHERS),
        }
    }
}

impl Courier for ChannelCourier {
    fn deliver(&self, errand: Errand) -> BoxFuture<'static, Receipt> {
        let courier = self.clone();
        Box::pin(async move { attempt(&courier, errand).await })
    }
}

/// Tries channel after channel, until one takes it.
async fn attempt(courier: &ChannelCourier, mut errand: Errand) -> Receipt {
    let channels = std::mem::take(&mut errand.channels);
    let mut tries = Vec::new();
    for (place, channel) in channels.iter().enumerate() {
        let last = place + 1 == channels.len();
        let said = through(courier, channel, last, &mut errand).await;
        let done = said.is_ok();
        let words = clean(&said.unwrap_or_else(|why| why), REASON_CHARS_MAX);
        tries.push(Try {
            channel: channel.kind(),
            outcome: match done {
                true => DeliveryOutcome::Delivered,
                false => DeliveryOutcome::Failed(words.clone()),
            },
            words,
        });
        if done {
            break;
        }
    }
    Receipt {
        tries,
        reached: errand.reached,
    }
}

/// Tries one channel; the other side's words, good or bad.
async fn through(
    courier: &ChannelCourier,
    channel: &Channel,
    last: bool,
    errand: &mut Errand,
) -> Result<String, String> {
    let (now, trust) = (wall_clock(), &courier.trust);
    match channel {
        Channel::Mail(mail) => Box::pin(by_mail(courier, mail, last, errand)).await,
        Channel::Webhook(hook) => {
            let (call, origin) = (&errand.call, &errand.origin);
            Box::pin(webhook::send(call, hook, origin, trust, now)).await
        }
        Channel::Snpp(pager) => {
            let sent = snpp::send(&errand.call, pager, &errand.origin, now).await;
            sent.map_err(|error| error.to_string())
        }
        Channel::Syslog(collector) => {
            let (call, origin) = (&errand.call, &errand.origin);
            syslog::send(call, collector, &courier.node, origin, now).await
        }
    }
}

/// Tries relay after relay. Where there are several, the words name the relay, and say of each
/// that failed before why.
async fn by_mail(
    courier: &ChannelCourier,
    channel: &MailChannel,
    last_channel: bool,
    errand: &mut Errand,
) -> Result<String, String> {
    let mail = call_mail(&errand.call, channel, wall_clock());
    let letter = mail.encode().map_err(|error| error.to_string())?;
    let [only] = channel.relays.as_slice() else {
        return by_relays(courier, &channel.relays, last_channel, &letter, errand).await;
    };
    by_relay(
        courier,
        only,
        courier.patience(last_channel),
        letter,
        errand,
    )
    .await
}

async fn by_relays(
    courier: &ChannelCourier,
    relays: &[Relay],
    last_channel: bool,
    letter: &Letter,
    errand: &mut Errand,
) -> Result<String, String> {
    // Everybody's words shall fit, and the newest first.
    let room = REASON_CHARS_MAX / relays.len().max(1);
    let mut failed: Vec<String> = Vec::new();
    for (place, relay) in relays.iter().enumerate() {
        let last = last_channel && place + 1 == relays.len();
        let limit = courier.patience(last);
        match by_relay(courier, relay, limit, letter.clone(), errand).await {
            Ok(words) => {
                let mut all = vec![format!("{}: {words}", relay.host)];
                all.extend(failed.iter().map(|why| format!("before: {why}")));
                return Ok(all.join("; "));
            }
            Err(why) => failed.push(clean(&format!("{}: {why}", relay.host), room)),
        }
    }
    match failed.is_empty() {
        true => Err("no relay to try".to_owned()),
        false => Err(failed.join("; ")),
    }
}

async fn by_relay(
    courier: &ChannelCourier,
    relay: &Relay,
    limit: Duration,
    mut letter: Letter,
    errand: &mut Errand,
) -> Result<String, String> {
    let reached = &mut errand.reached;
    letter
        .to
        .retain(|to| !reached.contains(to.as_ref() as &str));
    if letter.to.is_empty() {
        return Ok("everybody has it already".to_owned());
    }
    let deadline = Instant::now() + limit;
    let Relayed {
        accepted,
        refused,
        words,
    } = relay::hand_over(relay, &letter, &errand.origin, &courier.trust, deadline).await?;
    reached.extend(accepted.iter().map(ToString::to_string));
    match refused.into_iter().next() {
        None => Ok(words),
        Some((_, why)) => Err(why),
    }
}

/// One relay that is the last resort, from the look-up to its consent. RFC 5321 would wait for
/// minutes, which suits mail that nobody waits for; a relay that needs more than this is tried
/// again soon.
pub const ATTEMPT_TIME_MAX: Duration = Duration::from_secs(30);

/// One relay while another relay or channel is still to be tried: somebody waits for the page, and
/// a healthy relay answers within a second. A greylisting pause of 5 s still fits.
pub const RELAY_TIME_WITH_OTHERS: Duration = Duration::from_secs(10);

/// All of an errand: four relays that swallow everything and a fifth that is the last resort, or
/// all five and the other three channels, of which a webhook with many events takes longest.
pub const ERRAND_TIME_MAX: Duration = Duration::from_secs(105);

#[cfg(test)]
mod tests;
