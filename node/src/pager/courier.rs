//! One delivery: a mail through one contact's relay, within a deadline, and what came of it.

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

/// Takes mails to relays; the tests have others.
pub trait Courier: Send + Sync + 'static {
    /// Makes one attempt. It ends by itself within [`ATTEMPT_TIME_MAX`].
    fn deliver(&self, errand: Errand) -> BoxFuture<'static, Receipt>;
}

/// The real one: SMTP.
#[derive(Debug, Clone)]
pub struct MailCourier {
    trust: Trust,
    limit: Duration,
}

impl MailCourier {
    /// Believes relays whose certificates this trusts.
    pub fn new(trust: Trust) -> MailCourier {
        MailCourier {
            trust,
            limit: ATTEMPT_TIME_MAX,
        }
    }

    /// With less time for each attempt.
    #[cfg(test)]
    pub(super) fn hurried(trust: Trust, limit: Duration) -> MailCourier {
        MailCourier { trust, limit }
    }
}

impl Courier for MailCourier {
    fn deliver(&self, errand: Errand) -> BoxFuture<'static, Receipt> {
        let courier = self.clone();
        Box::pin(async move { attempt(&courier, errand).await })
    }
}

/// Tries channel after channel, until one takes it.
async fn attempt(courier: &MailCourier, mut errand: Errand) -> Receipt {
    let mut tries = Vec::new();
    for channel in std::mem::take(&mut errand.channels) {
        let said = match &channel {
            Channel::Mail(mail) => by_mail(courier, mail, &mut errand).await,
            Channel::Webhook(_) | Channel::Snpp(_) | Channel::Syslog(_) => {
                Err("this channel comes with a later version".to_owned())
            }
        };
        let done = said.is_ok();
        let words = clean(&said.clone().unwrap_or_else(|why| why), REASON_CHARS_MAX);
        tries.push(Try {
            channel: channel.kind(),
            outcome: match said {
                Ok(_) => DeliveryOutcome::Delivered,
                Err(_) => DeliveryOutcome::Failed(words.clone()),
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

/// Tries relay after relay; the words of the one that took it, or of the last that did not.
async fn by_mail(
    courier: &MailCourier,
    channel: &MailChannel,
    errand: &mut Errand,
) -> Result<String, String> {
    let mail = call_mail(&errand.call, channel);
    let letter = mail.encode().map_err(|error| error.to_string())?;
    let mut last = Err("no relay to try".to_owned());
    for relay in &channel.relays {
        last = by_relay(courier, relay, letter.clone(), errand).await;
        if last.is_ok() {
            break;
        }
    }
    last
}

async fn by_relay(
    courier: &MailCourier,
    relay: &Relay,
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
    let deadline = Instant::now() + courier.limit;
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

/// One attempt, from the look-up to the relay's consent. RFC 5321 would wait for minutes, which
/// suits mail that nobody waits for; a relay that needs more than this is tried again soon.
pub const ATTEMPT_TIME_MAX: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
