//! All pages that are remembered, in the order in which they were opened.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Page;
use crate::id::PageId;

/// The newest pages. Copying it is cheap: pages are shared until one changes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Pages {
    /// Number of the newest page.
    last: u64,
    /// By sequence, that is oldest first.
    by_sequence: Arc<BTreeMap<u64, Arc<Page>>>,
    /// Where a page stands.
    index: Arc<BTreeMap<PageId, u64>>,
}

impl Pages {
    /// One page.
    pub fn get(&self, id: &PageId) -> Option<&Page> {
        self.at(*self.index.get(id)?)
    }

    /// One page, to keep.
    pub fn shared(&self, id: &PageId) -> Option<Arc<Page>> {
        self.shared_at(*self.index.get(id)?)
    }

    /// The page of this number.
    pub fn at(&self, sequence: u64) -> Option<&Page> {
        self.by_sequence.get(&sequence).map(Arc::as_ref)
    }

    /// The page of this number, to keep.
    pub fn shared_at(&self, sequence: u64) -> Option<Arc<Page>> {
        self.by_sequence.get(&sequence).map(Arc::clone)
    }

    /// Those from one number to another, both included.
    pub fn between(&self, first: u64, last: u64) -> impl Iterator<Item = &Page> {
        let range = self.by_sequence.range(first..=last.max(first));
        range.map(|(_, page)| page.as_ref())
    }

    /// All pages, oldest first; newest first with `.rev()`.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Page> {
        self.by_sequence.values().map(Arc::as_ref)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_sequence.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_sequence.is_empty()
    }

    /// The number that the next page gets.
    pub(super) fn next_sequence(&self) -> u64 {
        self.last + 1
    }

    /// Takes a page in under its own sequence; one that is forgotten because there are too many.
    pub(super) fn insert(&mut self, page: Page) -> Option<Arc<Page>> {
        assert_eq!(
            page.sequence,
            self.next_sequence(),
            "pages are numbered without gaps"
        );
        self.last = page.sequence;
        Arc::make_mut(&mut self.index).insert(page.id, page.sequence);
        Arc::make_mut(&mut self.by_sequence).insert(page.sequence, Arc::new(page));
        match self.len() > PAGES_MAX {
            true => self.forget_one(),
            false => None,
        }
    }

    /// Changes one page.
    pub(super) fn get_mut(&mut self, id: &PageId) -> Option<&mut Page> {
        self.at_mut(*self.index.get(id)?)
    }

    /// Changes the page of this number.
    pub(super) fn at_mut(&mut self, sequence: u64) -> Option<&mut Page> {
        Arc::make_mut(&mut self.by_sequence)
            .get_mut(&sequence)
            .map(Arc::make_mut)
    }

    /// The oldest that is settled; else the oldest whose incident is over; else the oldest.
    fn forget_one(&mut self) -> Option<Arc<Page>> {
        let victim = self
            .iter()
            .find(|page| page.is_settled())
            .or_else(|| self.iter().find(|page| page.over.is_some()))
            .or_else(|| self.iter().next())
            .map(|page| (page.sequence, page.id));
        let (sequence, id) = victim?;
        Arc::make_mut(&mut self.index).remove(&id);
        Arc::make_mut(&mut self.by_sequence).remove(&sequence)
    }
}

/// Some weeks of a bad year; bounds the memory, the snapshot and the pager's search.
pub const PAGES_MAX: usize = 10_000;
