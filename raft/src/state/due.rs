//! What contacts have not got yet, when it may be tried again, and what message it makes.

use std::sync::Arc;

use super::bundle::CLOCK_SKEW_MAX_MS;
use super::{OpenBundle, Page, State};
use crate::id::{ClusterId, ContactName, PageId, UnixMillis};

/// A message that a contact has not got yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueMessage<'a> {
    /// Whose.
    pub contact: &'a ContactName,
    /// Which of that contact's bundles.
    pub bundle: u64,
    /// What is in it, and how it went so far.
    pub open: &'a OpenBundle,
}

/// A message as it goes out now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id: that of the page, when it holds one for the first time; the same on every node.
    pub id: PageId,
    /// Its pages, the oldest first; never empty.
    pub pages: Vec<Arc<Page>>,
    /// The highest sequence among them.
    pub through: u64,
}

impl DueMessage<'_> {
    /// When it may be tried, by the wall clock.
    pub fn not_before(&self) -> UnixMillis {
        match self.open.last {
            None => self.open.not_before,
            Some(last) => UnixMillis(last.0.saturating_add(back_off_ms(self.open.failures))),
        }
    }

    /// Whether it may be tried at `now`.
    ///
    /// Whoever planned it may have had a clock far ahead of ours; rather early than years late.
    pub fn is_due(&self, now: UnixMillis) -> bool {
        let planned = self.open.last.unwrap_or(self.open.since);
        let absurd = planned.0 > now.0.saturating_add(CLOCK_SKEW_MAX_MS);
        absurd || self.not_before() <= now
    }
}

impl State {
    /// What contacts have not got yet, reminders too, each contact's oldest first. It costs
    /// nothing for pages that nobody waits for.
    pub fn due_messages(&self) -> impl Iterator<Item = DueMessage<'_>> {
        self.bundles
            .iter()
            .map(|(contact, bundle, open)| DueMessage {
                contact,
                bundle,
                open,
            })
    }

    /// How many deliveries have not been made at all yet.
    pub(super) fn deliveries_due(&self) -> usize {
        let first = self.due_messages().filter(|due| due.open.round == 0);
        first.map(|due| due.open.pages.len()).sum()
    }

    /// The message that a bundle makes now; `None` when it is due no more.
    pub fn message(&self, contact: &ContactName, bundle: u64) -> Option<Message> {
        let open = self.bundles.get(contact, bundle)?;
        let pages = open.pages.iter();
        let pages: Vec<Arc<Page>> = pages
            .filter_map(|sequence| self.pages.shared_at(*sequence))
            .collect();
        let through = pages.last()?.sequence;
        let id = match (pages.as_slice(), open.round) {
            ([page], 0) => page.id,
            _ => message_id(self.cluster.as_ref()?.id, contact, open.round, &pages),
        };
        Some(Message { id, pages, through })
    }
}

/// The id of a message of several pages, or of one that is sent again: the same for every sender.
///
/// **Source**: `vip-protocol.md`, section 9. SHA-256, cut to 128 bits; never changed.
pub fn message_id(
    cluster: ClusterId,
    contact: &ContactName,
    round: u32,
    pages: &[Arc<Page>],
) -> PageId {
    let mut bytes = b"farmux digest 1".to_vec();
    bytes.extend(cluster.0.to_be_bytes());
    bytes.extend(contact.as_str().as_bytes());
    bytes.push(0);
    bytes.extend(round.to_be_bytes());
    for page in pages {
        bytes.extend(page.id.0.to_be_bytes());
    }
    let digest = ring::digest::digest(&ring::digest::SHA256, &bytes);
    let (head, _) = digest.as_ref().split_first_chunk().expect("16 of 32 bytes");
    PageId(u128::from_be_bytes(*head))
}

/// 5 s, 10 s, 20 s … 5 minutes.
fn back_off_ms(failures: u32) -> u64 {
    let doublings = failures.saturating_sub(1).min(DOUBLINGS_MAX);
    (BACK_OFF_FIRST_MS << doublings).min(BACK_OFF_MAX_MS)
}

/// A greylisting relay or one that restarts is often back by then.
const BACK_OFF_FIRST_MS: u64 = 5_000;

/// A relay that was away all night gets its mail within minutes of its return.
const BACK_OFF_MAX_MS: u64 = 300_000;

/// Past the cap; keeps the shift from overflowing.
const DOUBLINGS_MAX: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backs_off_from_seconds_to_minutes() {
        for (failures, wanted) in [
            (1, 5_000),
            (2, 10_000),
            (3, 20_000),
            (6, 160_000),
            (7, 300_000),
            (u32::MAX, 300_000),
        ] {
            assert_eq!(back_off_ms(failures), wanted, "after {failures}");
        }
    }
}
