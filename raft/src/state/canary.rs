//! The daily canary: when each contact's channels were tried last with a test, and what came of it.
//!
//! ```text
//!   leader: canary_due(now) --test call, every channel--> RecordCanary --> canaries
//! ```
//!
//! It stands in the state so that a new leader neither repeats what is done nor forgets what is
//! not. A contact that was never tried waits for the next time of day, unless that was just now: a
//! cluster that is set up at noon sends no canary of the morning.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::text::{REASON_CHARS_MAX, clean};
use super::{Applied, ChannelKind, DeliveryOutcome, Now, State};
use crate::id::{ContactName, NodeId, UnixMillis};

/// The last canary of one contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canary {
    /// The time of day for which it was sent.
    pub due: UnixMillis,
    /// When it was over.
    pub at: UnixMillis,
    /// By which node.
    pub by: NodeId,
    /// Channel by channel, in the contact's order.
    pub tries: Vec<CanaryTry>,
}

/// What came of one channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanaryTry {
    /// Which.
    pub channel: ChannelKind,
    /// Whether the other side took it.
    pub outcome: DeliveryOutcome,
    /// Its words, or ours.
    pub words: String,
}

impl State {
    /// The contacts whose canary is to be sent now, and the time of day for which it is.
    pub fn canary_due(&self, now: UnixMillis) -> Vec<(ContactName, UnixMillis)> {
        let Some(minute) = self.config.paging.canary else {
            return vec![];
        };
        let Some(due) = last_time(u64::from(minute), now) else {
            return vec![];
        };
        let is_due = |contact: &&ContactName| match self.canaries.get(*contact) {
            // One from the future was sent by a clock that was wrong.
            Some(last) => last.due < due || last.due > now,
            None => now.0 - due.0 < FIRST_WITHIN_MS,
        };
        let contacts = self.config.contacts.keys().filter(is_due);
        contacts.map(|contact| (contact.clone(), due)).collect()
    }

    /// A channel that fails its canary is said to fail at once: there is one a day.
    pub(super) fn record_canary(
        &mut self,
        now: Now,
        contact: ContactName,
        canary: Canary,
    ) -> Applied {
        let known = self.config.contacts.contains_key(&contact);
        let newer = self
            .canaries
            .get(&contact)
            .is_none_or(|last| last.due < canary.due || last.due > now.at);
        if !known || !newer {
            return Applied::Unchanged;
        }
        let short = |text: &str| clean(text, REASON_CHARS_MAX);
        let tries = canary.tries.into_iter().take(TRIES_MAX);
        let tries = tries.map(|one| CanaryTry {
            channel: one.channel,
            outcome: match one.outcome {
                DeliveryOutcome::Delivered => DeliveryOutcome::Delivered,
                DeliveryOutcome::Failed(why) => DeliveryOutcome::Failed(short(&why)),
            },
            words: short(&one.words),
        });
        let tries: Vec<CanaryTry> = tries.collect();
        for one in &tries {
            self.note_try(now, (contact.clone(), one.channel), &one.outcome, 1);
        }
        let canaries = Arc::make_mut(&mut self.canaries);
        canaries.insert(contact, Canary { tries, ..canary });
        let config = &self.config;
        canaries.retain(|contact, _| config.contacts.contains_key(contact));
        Applied::Done
    }
}

/// The newest moment up to now that is so many minutes after midnight UTC.
fn last_time(minute: u64, now: UnixMillis) -> Option<UnixMillis> {
    let of_day = minute * MINUTE_MS;
    let midnight = now.0 - now.0 % DAY_MS;
    match midnight + of_day {
        today if today <= now.0 => Some(UnixMillis(today)),
        today => today.checked_sub(DAY_MS).map(UnixMillis),
    }
}

const MINUTE_MS: u64 = 60_000;

const DAY_MS: u64 = 24 * 60 * MINUTE_MS;

/// Longer than an election and a slow relay together; far shorter than what a person would call a
/// canary at a strange time.
const FIRST_WITHIN_MS: u64 = 10 * MINUTE_MS;

/// A contact has no more channels.
const TRIES_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_time_of_day() {
        let at = |day: u64, minute: u64| UnixMillis(day * DAY_MS + minute * MINUTE_MS);
        for (minute, now, wanted) in [
            (0, at(3, 0), Some(at(3, 0))),
            (480, at(3, 479), Some(at(2, 480))),
            (480, at(3, 480), Some(at(3, 480))),
            (480, at(3, 1_439), Some(at(3, 480))),
            (1_439, at(3, 0), Some(at(2, 1_439))),
            (480, at(0, 5), None),
        ] {
            assert_eq!(last_time(minute, now), wanted, "{minute} at {now:?}");
        }
    }
}
