//! Bundles: which pages of a contact go in one message, and when; so that a storm is a few
//! messages, each of which names everything.
//!
//! ```text
//!   page 1 at 0 s     opens a window, and goes at once, with all pages of the same entry
//!   page 2 at 0.2 s   gathered: due at 30 s, when the window ends and opens the next
//!   page 3 at 31 s    gathered: due at 60 s
//!   page 4 at 95 s    nothing was due at 90 s, so that no window is open: goes at once
//! ```
//!
//! It is all by the clocks of those who proposed; a window that lies far ahead of now was opened
//! by a wrong one and counts as closed. What waits for a later step of a ladder has windows of its
//! own, one for each delay.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Present;
use crate::id::{ContactName, RequestId, UnixMillis};

/// What has still to be sent, contact by contact. Copying it is cheap.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Bundles {
    open: BTreeMap<ContactName, Arc<BTreeMap<u64, Arc<OpenBundle>>>>,
    /// By contact and delay in milliseconds.
    windows: BTreeMap<(ContactName, u64), Window>,
}

/// Pages of one contact that go in one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenBundle {
    /// How often it was sent before.
    pub round: u32,
    /// When it was planned.
    pub since: UnixMillis,
    /// When it may be sent for the first time.
    pub not_before: UnixMillis,
    /// The sequences of its pages; never empty.
    pub pages: BTreeSet<u64>,
    /// Attempts that failed.
    pub failures: u32,
    /// When the last one failed.
    pub last: Option<UnixMillis>,
    /// What the other side said then.
    pub error: String,
}

/// A time in which pages are gathered instead of sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Window {
    start: UnixMillis,
    end: UnixMillis,
    /// The entry that opened it, and the bundle that it made.
    opener: Option<(RequestId, u64)>,
    /// What is due at its end.
    gather: Option<u64>,
}

impl Bundles {
    /// One of them.
    pub fn get(&self, contact: &ContactName, bundle: u64) -> Option<&OpenBundle> {
        self.open.get(contact)?.get(&bundle).map(Arc::as_ref)
    }

    /// All of them, each contact's oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (&ContactName, u64, &OpenBundle)> {
        self.open.iter().flat_map(|(contact, bundles)| {
            let bundles = bundles.iter();
            bundles.map(move |(number, open)| (contact, *number, open.as_ref()))
        })
    }

    /// Whose there are, or were a moment ago.
    pub(super) fn contacts(&self) -> impl Iterator<Item = &ContactName> {
        let windows = self.windows.keys().map(|(contact, _)| contact);
        let all: BTreeSet<&ContactName> = self.open.keys().chain(windows).collect();
        all.into_iter()
    }

    /// Everything that one contact waits for.
    pub(super) fn pages_of(&self, contact: &ContactName) -> impl Iterator<Item = u64> {
        let bundles = self
            .open
            .get(contact)
            .into_iter()
            .flat_map(|all| all.values());
        bundles.flat_map(|open| open.pages.iter().copied())
    }

    /// Puts a page into the bundle in which it goes to a contact, `lead_ms` from now.
    pub(super) fn plan(
        &mut self,
        contact: &ContactName,
        sequence: u64,
        now: Present,
        lead_ms: u64,
        storm_ms: u64,
    ) -> u64 {
        let due = later(now.at, lead_ms);
        let key = (contact.clone(), lead_ms);
        if storm_ms == 0 {
            self.windows.remove(&key);
            return self.plan_alone(contact, sequence, now, lead_ms);
        }
        let window = self.windows.get(&key).filter(|window| {
            let absurd = window.start.0 > due.0.saturating_add(CLOCK_SKEW_MAX_MS);
            !absurd && due < window.open_until(storm_ms)
        });
        let Some(mut window) = window.cloned() else {
            let window = Window {
                start: due,
                end: later(due, storm_ms),
                opener: Some((now.request, sequence)),
                gather: None,
            };
            self.windows.insert(key, window);
            self.put(contact, sequence, now.at, due, sequence);
            return sequence;
        };
        if let Some((request, bundle)) = window.opener
            && request == now.request
            && self.joins(contact, bundle)
        {
            self.put(contact, bundle, now.at, due, sequence);
            return bundle;
        }
        let sent = |gather| !self.joins(contact, gather);
        if due >= window.end || window.gather.is_some_and(sent) {
            window = window.next(storm_ms);
        }
        let bundle = *window.gather.get_or_insert(sequence);
        let end = window.end;
        self.windows.insert(key, window);
        self.put(contact, bundle, now.at, end, sequence);
        bundle
    }

    /// Has a page go in a message of its own, `lead_ms` from now.
    pub(super) fn plan_alone(
        &mut self,
        contact: &ContactName,
        sequence: u64,
        now: Present,
        lead_ms: u64,
    ) -> u64 {
        let due = later(now.at, lead_ms);
        self.put(contact, sequence, now.at, due, sequence);
        sequence
    }

    /// When a page that were written now would go to a contact.
    pub(super) fn would_leave(
        &self,
        contact: &ContactName,
        now: Present,
        lead_ms: u64,
        storm_ms: u64,
    ) -> UnixMillis {
        let mut copy = self.clone();
        let bundle = copy.plan(contact, u64::MAX, now, lead_ms, storm_ms);
        let open = copy.get(contact, bundle);
        open.map_or(now.at, |open| open.not_before)
    }

    /// Whether a bundle may still grow: it was not tried yet.
    fn joins(&self, contact: &ContactName, bundle: u64) -> bool {
        let open = self.get(contact, bundle);
        open.is_some_and(|open| open.round == 0 && open.failures == 0)
    }

    fn put(
        &mut self,
        contact: &ContactName,
        bundle: u64,
        since: UnixMillis,
        not_before: UnixMillis,
        sequence: u64,
    ) {
        let open = Arc::make_mut(self.open.entry(contact.clone()).or_default());
        let open = open.entry(bundle).or_insert_with(|| {
            let pages = BTreeSet::new();
            Arc::new(OpenBundle::fresh(0, since, not_before, pages))
        });
        Arc::make_mut(open).pages.insert(sequence);
    }

    /// Plans that a bundle, told just now, is told again.
    pub(super) fn remind(
        &mut self,
        contact: &ContactName,
        bundle: u64,
        round: u32,
        now: UnixMillis,
        repeat_ms: u64,
        pages: Vec<u64>,
    ) {
        let pages = pages.into_iter().collect();
        let open = OpenBundle::fresh(round, now, later(now, repeat_ms), pages);
        Arc::make_mut(self.open.entry(contact.clone()).or_default()).insert(bundle, Arc::new(open));
    }

    /// A bundle was told.
    pub(super) fn close(&mut self, contact: &ContactName, bundle: u64) -> Option<Arc<OpenBundle>> {
        let all = self.open.get_mut(contact)?;
        let open = Arc::make_mut(all).remove(&bundle);
        if all.is_empty() {
            self.open.remove(contact);
        }
        open
    }

    /// An attempt failed.
    pub(super) fn failed(
        &mut self,
        contact: &ContactName,
        bundle: u64,
        at: UnixMillis,
        error: String,
    ) -> Option<Arc<OpenBundle>> {
        let open = Arc::make_mut(self.open.get_mut(contact)?).get_mut(&bundle)?;
        let changed = Arc::make_mut(open);
        changed.failures = changed.failures.saturating_add(1);
        changed.last = Some(at);
        changed.error = error;
        Some(Arc::clone(open))
    }

    /// A page need not be told any more.
    pub(super) fn drop_page(&mut self, contact: &ContactName, bundle: u64, sequence: u64) {
        let Some(all) = self.open.get_mut(contact) else {
            return;
        };
        let Some(open) = Arc::make_mut(all).get_mut(&bundle) else {
            return;
        };
        let open = Arc::make_mut(open);
        open.pages.remove(&sequence);
        if open.pages.is_empty() {
            self.close(contact, bundle);
        }
    }

    /// A contact is none any more.
    pub(super) fn forget(&mut self, contact: &ContactName) {
        self.open.remove(contact);
        self.windows.retain(|(whose, _), _| whose != contact);
    }
}

impl OpenBundle {
    fn fresh(
        round: u32,
        since: UnixMillis,
        not_before: UnixMillis,
        pages: BTreeSet<u64>,
    ) -> OpenBundle {
        OpenBundle {
            round,
            since,
            not_before,
            pages,
            failures: 0,
            last: None,
            error: String::new(),
        }
    }
}

impl Window {
    /// Until when something that is due is gathered: what waits for its end opens the next.
    fn open_until(&self, storm_ms: u64) -> UnixMillis {
        match self.gather {
            None => self.end,
            Some(_) => later(self.end, storm_ms),
        }
    }

    fn next(&self, storm_ms: u64) -> Window {
        Window {
            start: self.end,
            end: later(self.end, storm_ms),
            opener: None,
            gather: None,
        }
    }
}

fn later(at: UnixMillis, ms: u64) -> UnixMillis {
    UnixMillis(at.0.saturating_add(ms))
}

/// Two nodes' clocks may differ by minutes; a window that lies further ahead was opened by one
/// that was wrong.
pub(super) const CLOCK_SKEW_MAX_MS: u64 = 15 * 60 * 1_000;
