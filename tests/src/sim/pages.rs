//! PURE. What must be true of pages: each has one id for ever, whoever sends it; the log says
//! nothing that no prober said, and no page what neither the log nor its sender's prober said; and
//! in the end the log knows who is down, and the contact was told all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use farmux_netplane::plan::{Health, ProbeKey};
use farmux_raft::id::{PageId, UnixMillis};
use farmux_raft::state::{self, JournalEntry, JournalEvent, Page, PageKind, State, Subject};

use super::outside::{FALL, Outside, TARGETS, subject};

/// A prober's verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) node: usize,
    pub(super) key: ProbeKey,
    pub(super) health: Health,
    /// When, by its wall clock.
    pub(super) at: UnixMillis,
    /// How its last probes ended: well or not, and so many in a row.
    pub(super) row: (bool, u32),
}

/// A mail that reached the contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mail {
    pub(super) node: usize,
    pub(super) id: PageId,
    pub(super) reminder: u32,
    pub(super) pages: Vec<Arc<Page>>,
    pub(super) by_own_word: bool,
}

/// That something is down, or up.
type Word = (Subject, bool);

/// The judge of pages.
#[derive(Default)]
pub(super) struct Pages {
    ids: BTreeMap<(Subject, u64), (PageId, PageKind)>,
    changes: BTreeMap<PageId, (Subject, u64)>,
    messages: BTreeMap<(u32, Vec<PageId>), PageId>,
    /// When probers of which node said so.
    seen: BTreeMap<Word, BTreeSet<(UnixMillis, usize)>>,
    /// How often the log turned to it. A prober's word stands while the thing is as it says, so
    /// that it turns the log again where another prober said otherwise meanwhile.
    turns: BTreeMap<Word, usize>,
    /// The newest entry of the journal that was read.
    heard: u64,
    /// Pages of the log that say so.
    told: BTreeMap<Word, BTreeSet<PageId>>,
    /// What was told by the log's word, whatever was by a node's before.
    confirmed: BTreeSet<PageId>,
    /// All that arrived about each, in that order.
    arrived: BTreeMap<Subject, Vec<PageId>>,
    /// Mails that arrived, and those of them that a node sent by its own word.
    pub(super) mails: u64,
    pub(super) by_own_word: u64,
}

impl Pages {
    /// A prober says something: its probes must have.
    pub(super) fn seen(&mut self, seen: &Seen) -> Result<(), String> {
        let (key, health) = (&seen.key, seen.health);
        let subject = match key {
            ProbeKey::Server { farm, server, .. } => {
                let farm = farm.parse().expect("a name");
                Subject::Server(farm, server.parse().expect("a name"))
            }
            ProbeKey::Watch(watch) => Subject::Watch(watch.parse().expect("a name")),
        };
        let (passed, count) = seen.row;
        let down = health == Health::Down;
        let so = match down {
            true => !passed && count >= FALL,
            false => passed && count >= 1,
        };
        let words = self.seen.entry((subject, down)).or_default();
        words.insert((seen.at, seen.node));
        match so {
            true => Ok(()),
            false => Err(format!(
                "{key} was called {health:?} after {count} probes that passed: {passed}"
            )),
        }
    }

    /// The log is so far; what it says of health that it did not say before.
    pub(super) fn logged(&mut self, state: &State) -> Result<Vec<JournalEntry>, String> {
        let mut turned = Vec::new();
        for entry in state.journal.after(self.heard) {
            let JournalEvent::Health { check, health, .. } = &entry.event else {
                continue;
            };
            let word = (check.member().subject(), *health == state::Health::Down);
            let said = |words: &BTreeSet<_>| {
                let until = (UnixMillis(entry.at.0 + SET_BACK_MAX_MS), usize::MAX);
                words.range((entry.at, 0)..until).next().is_some()
            };
            if !self.seen.get(&word).is_some_and(said) {
                let at = entry.at;
                return Err(format!(
                    "{check} was called {health} at {at:?}, and by no prober"
                ));
            }
            *self.turns.entry(word).or_default() += 1;
            turned.push(entry.clone());
        }
        self.heard = self.heard.max(state.journal.last());
        Ok(turned)
    }

    /// A mail arrives.
    pub(super) fn arrived(&mut self, mail: &Mail) -> Result<(), String> {
        self.mails += 1;
        self.by_own_word += u64::from(mail.by_own_word);
        for page in &mail.pages {
            self.read(page, mail)?;
        }
        let ids: Vec<PageId> = mail.pages.iter().map(|page| page.id).collect();
        if !mail.by_own_word {
            self.confirmed.extend(&ids);
        }
        let known = *self.messages.entry((mail.reminder, ids)).or_insert(mail.id);
        match known == mail.id {
            true => Ok(()),
            false => Err(format!("one message came as {known} and as {}", mail.id)),
        }
    }

    fn read(&mut self, page: &Page, mail: &Mail) -> Result<(), String> {
        let Page {
            id,
            subject,
            transition,
            kind,
            ..
        } = page;
        let change = (subject.clone(), *transition);
        let (known, said) = *self.ids.entry(change.clone()).or_insert((*id, *kind));
        if known != *id {
            return Err(format!(
                "change {transition} of {subject:?} was told under two ids, {known} and {id}"
            ));
        }
        if said != *kind {
            return Err(format!(
                "change {transition} of {subject:?} was told as {said:?} and as {kind:?}"
            ));
        }
        let other = self.changes.entry(*id).or_insert_with(|| change.clone());
        if *other != change {
            return Err(format!("{other:?} and {change:?} were told under one id"));
        }
        let down = *kind == PageKind::Down;
        let probed = matches!(subject, Subject::Server(..) | Subject::Watch(_));
        if !probed || !(down || *kind == PageKind::Up) {
            return Ok(());
        }
        let arrived = self.arrived.entry(subject.clone()).or_default();
        arrived.push(*id);
        self.is_true(page, down, mail)
    }

    /// Whether anybody said what a page says.
    fn is_true(&mut self, page: &Page, down: bool, mail: &Mail) -> Result<(), String> {
        let Page {
            id, subject, at, ..
        } = page;
        let word = (subject.clone(), down);
        let kind = page.kind;
        if mail.by_own_word {
            let seen = self.seen.get(&word);
            return match seen.is_some_and(|words| words.contains(&(*at, mail.node))) {
                true => Ok(()),
                false => Err(format!(
                    "{subject:?} was called {kind:?} by the word of one that did not see it so"
                )),
            };
        }
        let turns = self.turns.get(&word).copied().unwrap_or(0);
        let told = self.told.entry(word).or_default();
        told.insert(*id);
        let told = told.len();
        match told <= turns {
            true => Ok(()),
            false => Err(format!(
                "{subject:?} was called {kind:?} {told} times, and was so {turns} times in the log"
            )),
        }
    }

    /// How much arrived about a target.
    pub(super) fn arrivals(&self, target: usize) -> usize {
        self.arrived.get(&subject(target)).map_or(0, Vec::len)
    }

    /// How many changes of a target were told after `before` arrivals: those that the log `knew`
    /// already do not count. One that was told by the word of a node that died before the log
    /// heard it does: the log tells its own under that number.
    pub(super) fn told_since(&self, target: usize, before: usize, knew: &State) -> usize {
        let arrived = self.arrived.get(&subject(target));
        let newer = arrived.into_iter().flat_map(|all| all.iter().skip(before));
        let newer: BTreeSet<&PageId> = newer.filter(|id| knew.pages.get(id).is_none()).collect();
        newer.len()
    }

    /// Whether the log knows the truth, and all that it knows was told.
    pub(super) fn complete(&self, state: &State, outside: &Outside) -> Result<(), String> {
        for target in 0..TARGETS {
            let subject = subject(target);
            let (down, told) = (
                outside.is_down(target),
                state.incidents.contains_key(&subject),
            );
            if down != told {
                return Err(format!("{subject:?}: down {down}, called down {told}"));
            }
        }
        let mut lacking = state.pages.iter();
        let lacking = lacking.find(|page| {
            // No round lasts a day, however clocks jump: nothing is given up.
            !page.deliveries.is_empty() && !self.confirmed.contains(&page.id)
        });
        match lacking {
            None => Ok(()),
            Some(page) => {
                let mut open = state.bundles.iter().map(|(_, _, open)| open);
                let open = open.find(|open| open.pages.contains(&page.sequence));
                Err(format!(
                    "change {} of {:?} ({:?}) was never told; open: {open:?}",
                    page.transition, page.subject, page.kind
                ))
            }
        }
    }
}

/// A node whose wall clock is set back between its prober's word and its report tells the log the
/// earlier time; each time it is an hour, and no round has so many.
const SET_BACK_MAX_MS: u64 = 12 * 3_600_000;
