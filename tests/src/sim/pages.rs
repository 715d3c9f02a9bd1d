//! PURE. What must be true of pages: each has one id for ever, whoever sends it; none tells of what
//! nobody saw; and in the end the log knows who is down, and the contact was told all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use farmux_netplane::plan::{Health, ProbeKey};
use farmux_raft::id::PageId;
use farmux_raft::state::{
    Authority, CheckKey, Delivery, HealthRecord, Page, PageKind, Progress, State, Subject,
};

use super::outside::{FALL, Outside, TARGETS, subject};

/// A prober's verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) node: usize,
    pub(super) key: ProbeKey,
    pub(super) health: Health,
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

/// A check's health, and by what right it was reported.
type Word = (farmux_raft::state::Health, Option<Authority>);

/// The judge of pages.
#[derive(Default)]
pub(super) struct Pages {
    ids: BTreeMap<(Subject, u64), (PageId, PageKind)>,
    changes: BTreeMap<PageId, (Subject, u64)>,
    messages: BTreeMap<(u32, Vec<PageId>), PageId>,
    /// Ids of pages that say that something is down, or up.
    told: BTreeMap<(Subject, bool), BTreeSet<PageId>>,
    /// Verdicts that said so, and turns that were so: a prober's word stands while the thing is as
    /// it says, though another prober said otherwise meanwhile.
    seen: BTreeMap<(Subject, bool), usize>,
    /// What the log says, up to an entry, of each check: how it is, and by whose word.
    log: (u64, BTreeMap<CheckKey, Word>),
    /// Mails that arrived, and those of them that a node sent by its own word.
    pub(super) mails: u64,
    pub(super) by_own_word: u64,
}

impl Pages {
    /// A target turns in truth.
    pub(super) fn turned(&mut self, target: usize, falls: bool) {
        *self.seen.entry((subject(target), falls)).or_default() += 1;
    }

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
        *self.seen.entry((subject, down)).or_default() += 1;
        match so {
            true => Ok(()),
            false => Err(format!(
                "{key} was called {health:?} after {count} probes that passed: {passed}"
            )),
        }
    }

    /// The log reaches an entry; what it says of checks that it did not say before.
    pub(super) fn logged(&mut self, index: u64, state: &State) -> Vec<(CheckKey, Word)> {
        if index <= self.log.0 {
            return vec![];
        }
        let record = |(key, record): (&CheckKey, &HealthRecord)| {
            (key.clone(), (record.health, record.authority))
        };
        let said: BTreeMap<CheckKey, Word> = state.health.iter().map(record).collect();
        let before = std::mem::replace(&mut self.log, (index, said.clone())).1;
        let news =
            |(key, word): &(CheckKey, Word)| before.get(key).map(|old| old.0) != Some(word.0);
        said.into_iter().filter(news).collect()
    }

    /// A mail arrives.
    pub(super) fn arrived(&mut self, mail: &Mail) -> Result<(), String> {
        self.mails += 1;
        self.by_own_word += u64::from(mail.by_own_word);
        for page in &mail.pages {
            self.read(page)?;
        }
        let ids: Vec<PageId> = mail.pages.iter().map(|page| page.id).collect();
        let known = *self.messages.entry((mail.reminder, ids)).or_insert(mail.id);
        match known == mail.id {
            true => Ok(()),
            false => Err(format!("one message came as {known} and as {}", mail.id)),
        }
    }

    fn read(&mut self, page: &Page) -> Result<(), String> {
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
        let told = self.told.entry((subject.clone(), down)).or_default();
        told.insert(*id);
        let seen = self.seen.get(&(subject.clone(), down)).copied();
        let (told, seen) = (told.len(), seen.unwrap_or(0));
        match told <= seen {
            true => Ok(()),
            false => Err(format!(
                "{subject:?} was called {kind:?} {told} times, and was or was seen so {seen} times"
            )),
        }
    }

    /// How many changes of a target were told.
    pub(super) fn changes_of(&self, target: usize) -> usize {
        let subject = subject(target);
        let ends = [true, false].map(|down| self.told.get(&(subject.clone(), down)));
        ends.into_iter().flatten().map(BTreeSet::len).sum()
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
            // What was over before it was told is given up after a day, by a clock that may jump.
            let given_up = |delivery: &Delivery| match delivery.progress {
                Progress::Spared | Progress::Expired => page.over.is_some(),
                Progress::Due | Progress::Delivered => false,
            };
            let due = !page.deliveries.values().all(given_up);
            due && !self.changes.contains_key(&page.id)
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
