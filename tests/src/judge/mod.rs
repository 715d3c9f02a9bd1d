//! PURE. Whether every page came, once and in time, and none for nothing.
//!
//! ```text
//!   changes:  what really happened, and when   ┐                 missed   named by nothing
//!   messages: what came, when, which ids       ├─▶ Case::judge ─▶ late     named after its time
//!   excuses:  when nobody could tell, or look  ┘                 doubled  says nothing new
//!                                                                wrong    names what was not
//! ```
//!
//! A message is judged as a whole: one that names twenty things, of which one is new, is no double.
//! A repeat of an id is a double as well, unless every copy before it was never answered: then
//! whoever sent it could not know, and it is *resent*.

mod hook;
mod letter;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

pub use hook::Hook;
pub use letter::{Letter, Said, Turn};

/// Whether somebody must be told of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owed {
    /// If it lasts.
    Page,
    /// A page is right, and none is right too.
    Nothing,
}

/// Something that really happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The name under which pages know it.
    pub what: String,
    /// Which way.
    pub turn: Turn,
    /// It was not so before this moment. **Units**: wall-clock milliseconds, as all of these.
    pub from_ms: u64,
    /// It was so from this moment on.
    pub to_ms: u64,
    /// Whether a page must come.
    pub owed: Owed,
}

/// A message as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// When.
    pub at_ms: u64,
    /// For whom.
    pub contact: String,
    /// The same in each repeat.
    pub id: String,
    /// Whether its sender was told that it arrived.
    pub answered: bool,
    /// What it names; a message that names nothing is a notice.
    pub says: Vec<Said>,
}

/// A time in which the product could not do its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Excuse {
    /// Why.
    pub kind: ExcuseKind,
    /// Since when.
    pub from_ms: u64,
    /// From when on it could again; back-off counts as could not.
    pub to_ms: u64,
}

/// See [`Excuse`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExcuseKind {
    /// Messages found no way: they may be late.
    Mute,
    /// Nobody led, so nobody looked: messages may be late, and what did not last may be missed.
    Blind,
}

/// When something counts as lasting, and how soon somebody must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// What is down for so long must be paged: fall x interval, a timeout, and some room.
    pub down_lasts_ms: u64,
    /// The same for up: rise x interval, and some room.
    pub up_lasts_ms: u64,
    /// No page can be right sooner after the change: (fall - 1) x interval, less some room.
    pub down_soonest_ms: u64,
    /// The same for up.
    pub up_soonest_ms: u64,
    /// From the moment in which it counts as lasting to the message.
    pub told_within_ms: u64,
    /// A page that follows another within so long may wait as long, to be told with others.
    pub gathered_ms: u64,
}

/// All that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// See [`Terms`].
    pub terms: Terms,
    /// Who must be told everything.
    pub contacts: Vec<String>,
    /// What happened; of each thing in order of time.
    pub changes: Vec<Change>,
    /// When the product could not do its work, in order of time.
    pub excuses: Vec<Excuse>,
}

/// The judgement; each entry says what and when.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Lasting changes that no message named, and whose time is over.
    pub missed: Vec<String>,
    /// Lasting changes that no message named, and that still have time.
    pub pending: Vec<String>,
    /// Messages that say nothing new.
    pub doubled: Vec<String>,
    /// Changes that were named after their time.
    pub late: Vec<String>,
    /// Names of things that did not happen.
    pub wrong: Vec<String>,
    /// Repeats of ids whose copies before were never answered.
    pub resent: usize,
    /// Ids of which no copy was answered yet: another is on its way.
    pub unanswered: usize,
    /// Messages that name something.
    pub pages: usize,
    /// Messages that name nothing.
    pub notices: usize,
    /// From each lasting change to the first message that named it, ascending.
    pub told_after_ms: Vec<u64>,
}

impl Case {
    /// Judges what came until `now_ms`, in order of arrival.
    pub fn judge(&self, messages: &[Message], now_ms: u64) -> Report {
        let mut report = Report::default();
        let streets = self.streets();
        for contact in &self.contacts {
            let theirs = messages.iter().filter(|one| one.contact == *contact);
            let arrivals: Vec<u64> = theirs.clone().map(|one| one.at_ms).collect();
            let mut hearing = Hearing {
                case: self,
                streets: &streets,
                arrivals: &arrivals,
                told: BTreeSet::new(),
                copies: BTreeMap::new(),
                report: &mut report,
            };
            for message in theirs {
                hearing.hear(message);
            }
            let Hearing { told, copies, .. } = hearing;
            report.unanswered += copies.values().filter(|answered| !**answered).count();
            for (number, change) in self.changes.iter().enumerate() {
                if told.contains(&number) || !self.is_owed(&streets, &told, number) {
                    continue;
                }
                let text = format!("{contact}: {change}");
                match self.deadline_ms(change, &arrivals) < now_ms {
                    true => report.missed.push(text),
                    false => report.pending.push(text),
                }
            }
        }
        let known = |message: &&Message| self.contacts.contains(&message.contact);
        for stranger in messages.iter().filter(|message| !known(message)) {
            report
                .wrong
                .push(format!("for {}: {}", stranger.contact, stranger.id));
        }
        report.told_after_ms.sort_unstable();
        report
    }

    /// The numbers of the changes of each thing.
    fn streets(&self) -> Streets<'_> {
        let mut streets = Streets::new();
        for (number, change) in self.changes.iter().enumerate() {
            streets.entry(&change.what).or_default().push(number);
        }
        streets
    }

    /// Whether a page about it must come. What was not undone yet counts as lasting.
    fn lasts(&self, streets: &Streets<'_>, number: usize) -> bool {
        let change = &self.changes[number];
        if change.owed == Owed::Nothing {
            return false;
        }
        let next = streets[change.what.as_str()]
            .iter()
            .find(|next| **next > number);
        let Some(end_ms) = next.map(|next| self.changes[*next].from_ms) else {
            return true;
        };
        let blind = self
            .excuses
            .iter()
            .filter(|one| one.kind == ExcuseKind::Blind);
        let blind_ms: u64 = blind
            .map(|one| {
                one.to_ms
                    .min(end_ms)
                    .saturating_sub(one.from_ms.max(change.to_ms))
            })
            .sum();
        end_ms.saturating_sub(change.to_ms) >= self.terms.lasts_ms(change.turn) + blind_ms
    }

    /// Whether a page about it must come, given what else was told: something that was brief, and
    /// that nobody saw, leaves a thing as it was before.
    fn is_owed(&self, streets: &Streets<'_>, told: &BTreeSet<usize>, number: usize) -> bool {
        let change = &self.changes[number];
        let known = |other: &&usize| told.contains(*other) || self.lasts(streets, **other);
        let street = &streets[change.what.as_str()];
        let before = street.iter().filter(|other| **other < number).rfind(known);
        let before = before.map_or(Turn::Up, |before| self.changes[*before].turn);
        self.lasts(streets, number) && before != change.turn
    }

    /// When it must have been told.
    fn deadline_ms(&self, change: &Change, arrivals: &[u64]) -> u64 {
        let allowed = self.terms.lasts_ms(change.turn) + self.terms.told_within_ms;
        let gathered = self.terms.gathered_ms;
        // What came shortly before may have it wait, whatever else delayed it until then.
        let with_others = |alone: u64| {
            let follows = |at_ms: &u64| *at_ms + gathered >= change.to_ms && *at_ms <= alone;
            match gathered > 0 && arrivals.iter().any(follows) {
                true => alone + gathered,
                false => alone,
            }
        };
        let mut alone = change.to_ms + allowed;
        for excuse in &self.excuses {
            if excuse.from_ms <= with_others(alone) && excuse.to_ms >= change.from_ms {
                alone = alone.max(excuse.to_ms + allowed);
            }
        }
        with_others(alone)
    }
}

impl Terms {
    fn lasts_ms(&self, turn: Turn) -> u64 {
        match turn {
            Turn::Down => self.down_lasts_ms,
            Turn::Up => self.up_lasts_ms,
        }
    }

    fn soonest_ms(&self, change: &Change) -> u64 {
        match (change.owed, change.turn) {
            (Owed::Nothing, _) => 0,
            (Owed::Page, Turn::Down) => self.down_soonest_ms,
            (Owed::Page, Turn::Up) => self.up_soonest_ms,
        }
    }
}

type Streets<'a> = BTreeMap<&'a str, Vec<usize>>;

/// What one contact heard so far.
struct Hearing<'a> {
    case: &'a Case,
    streets: &'a Streets<'a>,
    /// When messages came.
    arrivals: &'a [u64],
    /// Changes that a message named.
    told: BTreeSet<usize>,
    /// Of each id: whether any copy was answered.
    copies: BTreeMap<&'a str, bool>,
    report: &'a mut Report,
}

/// What a name in a message is.
enum Named {
    /// The first to name this change.
    New(usize),
    /// It happened, and was named before.
    Again,
    /// It did not happen.
    Never,
}

impl<'a> Hearing<'a> {
    fn hear(&mut self, message: &'a Message) {
        let answered = message.answered;
        if let Some(before) = self.copies.get_mut(message.id.as_str()) {
            match *before {
                true => self.report.doubled.push(format!("same id: {message}")),
                false => self.report.resent += 1,
            }
            *before |= answered;
            return;
        }
        self.copies.insert(&message.id, answered);
        if message.says.is_empty() {
            self.report.notices += 1;
            return;
        }
        self.report.pages += 1;
        let (mut is_new, mut is_wrong) = (false, false);
        for said in &message.says {
            match self.place(said, message.at_ms) {
                Named::New(number) => {
                    is_new = true;
                    self.tell(number, message);
                }
                Named::Again => {}
                Named::Never => {
                    is_wrong = true;
                    let Said { turn, what } = said;
                    self.report
                        .wrong
                        .push(format!("{what} {turn:?}: {message}"));
                }
            }
        }
        if !is_new && !is_wrong {
            self.report.doubled.push(format!("other id: {message}"));
        }
    }

    /// Which change a message means: the oldest that is owed and that nobody named; else the newest
    /// of those that need not be told.
    fn place(&self, said: &Said, at_ms: u64) -> Named {
        let case = self.case;
        let street = self.streets.get(said.what.as_str());
        let street: &[usize] = street.map_or(&[], Vec::as_slice);
        let happened = street.iter().copied().filter(|number| {
            let change = &case.changes[*number];
            let soonest_ms = change.from_ms + case.terms.soonest_ms(change);
            change.turn == said.turn && soonest_ms <= at_ms
        });
        let happened: Vec<usize> = happened.collect();
        let mut open = happened.iter().filter(|number| !self.told.contains(number));
        let owed = open
            .clone()
            .find(|number| case.is_owed(self.streets, &self.told, **number));
        if let Some(number) = owed.or_else(|| open.next_back()) {
            return Named::New(*number);
        }
        // A double of what is still so, or of what was so when it may have been sent.
        let last = street
            .iter()
            .rfind(|number| case.changes[**number].from_ms <= at_ms);
        let fresh = happened.iter().any(|number| {
            let deadline_ms = case.deadline_ms(&case.changes[*number], self.arrivals);
            Some(number) == last || deadline_ms >= at_ms
        });
        match fresh {
            true => Named::Again,
            false => Named::Never,
        }
    }

    fn tell(&mut self, number: usize, message: &Message) {
        self.told.insert(number);
        let change = &self.case.changes[number];
        if !self.case.lasts(self.streets, number) {
            return;
        }
        let after_ms = message.at_ms.saturating_sub(change.from_ms);
        self.report.told_after_ms.push(after_ms);
        let deadline_ms = self.case.deadline_ms(change, self.arrivals);
        if message.at_ms > deadline_ms {
            let by = message.at_ms - deadline_ms;
            let text = format!("{change}: told after {after_ms} ms, {by} ms too late");
            self.report.late.push(text);
        }
    }
}

impl Report {
    /// A value below which so many hundredths of the times to a message are.
    ///
    /// **Units**: milliseconds; 0 where nothing was told.
    pub fn told_after_ms(&self, hundredths: usize) -> u64 {
        let last = self.told_after_ms.len().saturating_sub(1);
        let place = (last * hundredths).div_ceil(100);
        self.told_after_ms.get(place).copied().unwrap_or(0)
    }

    /// Whether all is as promised: nothing missed, late or wrong, and each kill of a leader may
    /// have doubled one message.
    pub fn is_well(&self, kills: usize) -> bool {
        let nothing = [&self.missed, &self.pending, &self.late, &self.wrong];
        nothing.iter().all(|list| list.is_empty()) && self.doubled.len() <= kills
    }

    /// `pages missed=0 doubled=0 kills=3 late=0 wrong=0`.
    pub fn summary(&self, kills: usize) -> String {
        format!(
            "pages missed={} doubled={} kills={kills} late={} wrong={}",
            self.missed.len() + self.pending.len(),
            self.doubled.len(),
            self.late.len(),
            self.wrong.len()
        )
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} at {}", self.what, self.turn, clock(self.to_ms))
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.says.iter().map(|said| said.what.as_str()).collect();
        let names = match names[..] {
            [] => "a notice".to_owned(),
            [one] => one.to_owned(),
            [first, ..] => format!("{first} and {} more", names.len() - 1),
        };
        write!(f, "{} at {} about {names}", self.id, clock(self.at_ms))
    }
}

/// Minutes, seconds and milliseconds of the hour, as logs have them.
fn clock(at_ms: u64) -> String {
    let (seconds, ms) = (at_ms / 1000, at_ms % 1000);
    format!("{:02}:{:02}.{ms:03}", seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests;
