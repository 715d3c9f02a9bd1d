//! Silences: what nobody is called for, for a while, by somebody's order.
//!
//! ```text
//!   silence add watch=web* label:site=berlin --for 2h ──▶ Silence 7
//!   a page that it matches is written, and goes to nobody
//!   it ends (its time, or an order): whatever it hushed and is still down is paged then
//! ```
//! What is silenced is probed, judged and shown as ever.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::incident::Event;
use super::matcher::Matcher;
use super::text::plain;
use super::{Applied, Author, Now, PageKind, Reject, State, Subject};
use crate::id::{PageId, UnixMillis};

/// What nobody is called for, for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// What it is for.
    pub matcher: Matcher,
    /// Why, 1 to 200 characters.
    pub comment: String,
    /// Who ordered it.
    pub author: Author,
    /// Since when.
    pub from: UnixMillis,
    /// Until when.
    pub until: UnixMillis,
}

/// All silences that are not over, by their numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Silences {
    last: u64,
    by_number: Arc<BTreeMap<u64, Silence>>,
}

impl Silences {
    /// All of them, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &Silence)> {
        self.by_number
            .iter()
            .map(|(number, silence)| (*number, silence))
    }

    /// One of them.
    pub fn get(&self, number: u64) -> Option<&Silence> {
        self.by_number.get(&number)
    }
}

impl Silence {
    /// Whether somebody seems to have forgotten it.
    pub fn is_forgotten(&self, now: UnixMillis) -> bool {
        now.0.saturating_sub(self.from.0) > FORGOTTEN_MS
    }
}

impl State {
    /// The first silence that hushes something.
    pub fn silence_of(&self, subject: &Subject) -> Option<u64> {
        let mut silences = self.silences.iter();
        let found = silences.find(|(_, silence)| self.matches(&silence.matcher, subject));
        found.map(|(number, _)| number)
    }

    pub(super) fn add_silence(&mut self, now: Now, silence: Silence) -> Result<Applied, Reject> {
        silence.author.check()?;
        plain(&silence.comment, 1, COMMENT_CHARS_MAX).map_err(|_| Reject::BadText {
            what: "the comment".to_owned(),
            min: 1,
            max: COMMENT_CHARS_MAX,
        })?;
        let lasts = silence.until.0.saturating_sub(now.at.0);
        if !(LASTS_MIN_MS..=LASTS_MAX_MS).contains(&lasts) {
            return Err(Reject::SilenceTime);
        }
        if self.silences.by_number.len() >= SILENCES_MAX {
            return Err(Reject::TooManySilences { max: SILENCES_MAX });
        }
        silence.matcher.check()?;
        self.silences.last += 1;
        let number = self.silences.last;
        let silence = Silence {
            from: now.at,
            ..silence
        };
        let matcher = silence.matcher.clone();
        Arc::make_mut(&mut self.silences.by_number).insert(number, silence);
        self.hush(number, &matcher);
        Ok(Applied::Silence(number))
    }

    /// Whoever was told of what is down hears no more of it: no reminder, no further step.
    fn hush(&mut self, number: u64, matcher: &Matcher) {
        let open = self.incidents.iter();
        let hushed = open.filter(|(subject, _)| self.matches(matcher, subject));
        for id in hushed.map(|(_, id)| *id).collect::<Vec<PageId>>() {
            if let Some(page) = self.pages.get_mut(&id)
                && page.silenced.is_none()
            {
                page.silenced = Some(number);
                let sequence = page.sequence;
                self.end_waiting(sequence, |_, _| true);
            }
        }
    }

    pub(super) fn end_silence(&mut self, number: u64) -> Result<Applied, Reject> {
        if self.silences.get(number).is_none() {
            return Err(Reject::UnknownSilence(number));
        }
        self.lift(&[number]);
        Ok(Applied::Done)
    }

    /// Ends silences whose time is over. Says whether there were any.
    pub(super) fn expire_silences(&mut self, now: UnixMillis) -> bool {
        let over = self
            .silences
            .iter()
            .filter(|(_, silence)| silence.until <= now);
        let over: Vec<u64> = over.map(|(number, _)| number).collect();
        self.lift(&over);
        !over.is_empty()
    }

    /// When the next silence ends.
    pub(super) fn next_expiry(&self) -> Option<UnixMillis> {
        self.silences.iter().map(|(_, silence)| silence.until).min()
    }

    /// Forgets silences, and tells what they hushed and is still so.
    fn lift(&mut self, numbers: &[u64]) {
        if numbers.is_empty() {
            return;
        }
        let ended: BTreeMap<u64, Silence> = {
            let silences = Arc::make_mut(&mut self.silences.by_number);
            let taken = numbers
                .iter()
                .filter_map(|number| silences.remove_entry(number));
            taken.collect()
        };
        let hushed = self.incidents.iter().filter_map(|(subject, id)| {
            let page = self.pages.shared(id)?;
            let number = page.silenced.filter(|number| ended.contains_key(number))?;
            let still = self.silence_of(subject).is_none() && !self.flaps.is_flapping(subject);
            still.then_some((number, page))
        });
        for (number, page) in hushed.collect::<Vec<_>>() {
            let author = ended.get(&number).map_or("", |silence| &silence.author.0);
            let event = Event {
                at: page.at,
                cause: page.cause.clone(),
                left: String::new(),
                evidence: vec![format!("hushed until now by silence {number} of {author}")],
                verdict: page.verdict,
            };
            let kind = match page.kind {
                PageKind::Degraded => PageKind::Degraded,
                PageKind::Down | PageKind::Flapping | PageKind::Up | PageKind::Notice => {
                    PageKind::Down
                }
            };
            let subject = page.subject.clone();
            self.write_incident(kind, subject, event);
        }
    }
}

/// A sentence.
pub(super) const COMMENT_CHARS_MAX: usize = 200;

/// Shorter ones are over before anybody has read them.
pub(super) const LASTS_MIN_MS: u64 = 60_000;

/// Whoever wants longer ones has no need of the watch.
pub(super) const LASTS_MAX_MS: u64 = 30 * 24 * 3_600 * 1_000;

/// Each page is held against each of them.
const SILENCES_MAX: usize = 200;

/// Planned work is over within a day.
pub(super) const FORGOTTEN_MS: u64 = 24 * 3_600 * 1_000;
