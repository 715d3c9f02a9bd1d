//! Taking pages on, and closing them: what ends ladders and reminders.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::text::plain;
use super::{Applied, Now, Reject, State};
use crate::id::{ContactName, PageId, UnixMillis};

/// Who took a page on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// In their own name.
    pub by: String,
    /// When.
    pub at: UnixMillis,
}

/// Who closed a page before its incident was over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolution {
    /// In their own name.
    pub by: String,
    /// When.
    pub at: UnixMillis,
    /// Why; may be empty.
    pub why: String,
}

/// Which pages somebody takes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Taken {
    /// These.
    Pages(BTreeSet<PageId>),
    /// Everything in one message.
    Message {
        /// To whom it went.
        contact: ContactName,
        /// Which of that contact's bundles.
        bundle: u64,
    },
}

impl State {
    pub(super) fn acknowledge(
        &mut self,
        now: Now,
        taken: &Taken,
        by: &str,
    ) -> Result<Applied, Reject> {
        named(by)?;
        let pages = self.sequences(taken)?;
        let mut free = Vec::new();
        let mut refused = None;
        for sequence in &pages {
            let Some(page) = self.pages.at(*sequence) else {
                continue;
            };
            match &page.acknowledged {
                None => free.push(*sequence),
                Some(first) if first.by == by => {}
                Some(first) => {
                    let by = first.by.clone();
                    refused.get_or_insert(Reject::AlreadyAcknowledged { page: page.id, by });
                }
            }
        }
        if free.is_empty() {
            return match refused {
                Some(reject) => Err(reject),
                None => Ok(Applied::Unchanged),
            };
        }
        for sequence in free {
            if let Some(page) = self.pages.at_mut(sequence) {
                let (by, at) = (by.to_owned(), now.at);
                page.acknowledged = Some(Acknowledgement { by, at });
            }
            self.end_waiting(sequence, |delivery, _| delivery.step > 0);
        }
        Ok(Applied::Done)
    }

    pub(super) fn resolve(
        &mut self,
        now: Now,
        pages: BTreeSet<PageId>,
        by: &str,
        why: &str,
    ) -> Result<Applied, Reject> {
        named(by)?;
        plain(why, 0, WHY_CHARS_MAX).map_err(|_| Reject::BadText {
            what: "why a page is resolved".to_owned(),
            min: 0,
            max: WHY_CHARS_MAX,
        })?;
        let pages = self.sequences(&Taken::Pages(pages))?;
        let mut changed = Applied::Unchanged;
        for sequence in pages {
            let Some(page) = self.pages.at_mut(sequence) else {
                continue;
            };
            if !page.kind.opens() || page.over.is_some() || page.resolved.is_some() {
                continue;
            }
            page.resolved = Some(Resolution {
                by: by.to_owned(),
                at: now.at,
                why: why.to_owned(),
            });
            self.end_waiting(sequence, |delivery, _| delivery.step > 0);
            changed = Applied::Done;
        }
        Ok(changed)
    }

    /// Where these pages stand; all of them exist.
    fn sequences(&self, taken: &Taken) -> Result<Vec<u64>, Reject> {
        match taken {
            Taken::Pages(ids) => {
                let sequence = |id: &PageId| {
                    let page = self.pages.get(id).ok_or(Reject::UnknownPage(*id))?;
                    Ok(page.sequence)
                };
                ids.iter().map(sequence).collect()
            }
            Taken::Message { contact, bundle } => {
                let pages = self.message_pages(contact, *bundle);
                match pages.is_empty() {
                    false => Ok(pages),
                    true => Err(Reject::UnknownMessage {
                        contact: contact.clone(),
                        bundle: *bundle,
                    }),
                }
            }
        }
    }

    /// The sequences of all pages that go to a contact in one bundle, sent or not.
    pub fn message_pages(&self, contact: &ContactName, bundle: u64) -> Vec<u64> {
        let pages = self.pages.between(bundle, u64::MAX);
        let ours = pages.filter(|page| {
            let delivery = page.deliveries.get(contact);
            delivery.is_some_and(|delivery| delivery.bundle == bundle)
        });
        ours.map(|page| page.sequence).collect()
    }
}

fn named(by: &str) -> Result<(), Reject> {
    plain(by, 1, BY_CHARS_MAX).map_err(|_| Reject::BadText {
        what: "the name of who takes the page on".to_owned(),
        min: 1,
        max: BY_CHARS_MAX,
    })
}

/// A certificate's common name fits.
const BY_CHARS_MAX: usize = 100;

/// As the note of a revision.
const WHY_CHARS_MAX: usize = 500;
