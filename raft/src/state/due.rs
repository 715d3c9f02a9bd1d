//! What contacts have not got yet, and when it may be tried again.

use super::{Delivery, Page, State};
use crate::id::{ContactName, PageId, UnixMillis};

/// A page that a contact has not got yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DuePage {
    /// Which page.
    pub page: PageId,
    /// Whose.
    pub contact: ContactName,
    /// When it may be tried, by the wall clock.
    pub not_before: UnixMillis,
}

impl State {
    /// What contacts have not got yet, in the order in which it happened.
    pub fn due_pages(&self) -> Vec<DuePage> {
        let of_page = |page: &Page| -> Vec<DuePage> {
            let due = page.deliveries.iter().filter_map(|(contact, delivery)| {
                let not_before = not_before(page, delivery)?;
                let known = self.config.contacts.contains_key(contact);
                known.then(|| DuePage {
                    page: page.id,
                    contact: contact.clone(),
                    not_before,
                })
            });
            due.collect()
        };
        self.pages.iter().flat_map(of_page).collect()
    }
}

/// When a delivery may be tried; `None` when it is made or given up.
fn not_before(page: &Page, delivery: &Delivery) -> Option<UnixMillis> {
    match delivery {
        Delivery::Due { last: None, .. } => Some(page.at),
        Delivery::Due {
            failures,
            last: Some(last),
            ..
        } => Some(UnixMillis(last.0.saturating_add(back_off_ms(*failures)))),
        Delivery::Delivered { .. } | Delivery::Expired => None,
    }
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
