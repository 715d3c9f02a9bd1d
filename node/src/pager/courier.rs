//! One delivery: a mail through one contact's relay, within a deadline, and what came of it.

use std::collections::BTreeSet;
use std::time::Duration;

use farmux_netplane::origin::Origin;
use farmux_raft::consensus::BoxFuture;
use farmux_raft::state::{DeliveryOutcome, MailChannel, REASON_CHARS_MAX, clean};
use tokio::time::Instant;

use super::mail::Mail;
use super::relay::{self, Relayed};
use super::trust::Trust;

/// One delivery to make.
#[derive(Debug, Clone)]
pub struct Errand {
    /// What to send.
    pub mail: Mail,
    /// Through what.
    pub channel: MailChannel,
    /// Recipients who have it already, because an earlier attempt reached some of them.
    pub reached: BTreeSet<String>,
    /// Where it may leave from.
    pub origin: Origin,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Everybody has it, or not.
    pub outcome: DeliveryOutcome,
    /// The relay's words, or ours; cleaned and bounded.
    pub words: String,
    /// Recipients who have it now, the earlier ones too.
    pub reached: BTreeSet<String>,
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

async fn attempt(courier: &MailCourier, errand: Errand) -> Receipt {
    let Errand {
        mail,
        channel,
        mut reached,
        origin,
    } = errand;
    let mut letter = match mail.encode() {
        Ok(letter) => letter,
        Err(error) => return failed(&error.to_string(), reached),
    };
    letter
        .to
        .retain(|to| !reached.contains(to.as_ref() as &str));
    if letter.to.is_empty() {
        let words = "everybody has it already".to_owned();
        return Receipt {
            outcome: DeliveryOutcome::Delivered,
            words,
            reached,
        };
    }
    let deadline = Instant::now() + courier.limit;
    let handed = relay::hand_over(&channel.relay, &letter, &origin, &courier.trust, deadline).await;
    match handed {
        Err(words) => failed(&words, reached),
        Ok(Relayed {
            accepted,
            refused,
            words,
        }) => {
            reached.extend(accepted.iter().map(ToString::to_string));
            match refused.first() {
                None => Receipt {
                    outcome: DeliveryOutcome::Delivered,
                    words,
                    reached,
                },
                Some((_, why)) => failed(why, reached),
            }
        }
    }
}

fn failed(words: &str, reached: BTreeSet<String>) -> Receipt {
    let words = clean(words, REASON_CHARS_MAX);
    Receipt {
        outcome: DeliveryOutcome::Failed(words.clone()),
        words,
        reached,
    }
}

/// One attempt, from the look-up to the relay's consent. RFC 5321 would wait for minutes, which
/// suits mail that nobody waits for; a relay that needs more than this is tried again soon.
pub const ATTEMPT_TIME_MAX: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
