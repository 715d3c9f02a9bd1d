//! Deliveries: what became of each page at each contact, and what an attempt leaves behind.
//!
//! ```text
//!   due --sent--> delivered --repeat passes, nobody took it on--> due again (round + 1)
//!    |  \--over, acknowledged or resolved before its step--> spared
//!    \--contact removed, or tried for a day after it was over--> expired
//! ```

use serde::{Deserialize, Serialize};

use super::text::{REASON_CHARS_MAX, clean};
use super::{Applied, ChannelKind, Now, Page, Reject, State, Subject};
use crate::id::{ContactName, NodeId, UnixMillis};

/// What became of a page at one contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Which step of its ladder told this contact: 0 first.
    pub step: u8,
    /// The message that it goes in: the sequence of the first page there. It stays the same when
    /// it is sent again.
    pub bundle: u64,
    /// How often it was sent again because nobody took it on; when due, this time counts.
    pub round: u32,
    /// When it was told last.
    pub told: Option<Told>,
    /// Where it stands.
    pub progress: Progress,
    /// How often it was told though it was told already; counted for pages of drills.
    #[serde(default)]
    pub doubled: u32,
}

/// When and by whom a contact was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// When.
    pub at: UnixMillis,
    /// By which node.
    pub by: NodeId,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Progress {
    /// Waits in its bundle, which knows for what: [`super::OpenBundle`].
    Due,
    /// Told, and not to be told again.
    Delivered,
    /// Not needed any more: somebody took the page on, or it was over, before this step came.
    Spared,
    /// Given up: somebody tried for a day after the incident was over, or the contact is none any
    /// more.
    Expired,
}

/// How one attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeliveryOutcome {
    /// The other side took it.
    Delivered,
    /// It did not, and said why.
    Failed(String),
}

/// What came of one channel in one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelTry {
    /// Which.
    pub channel: ChannelKind,
    /// How it ended.
    pub outcome: DeliveryOutcome,
}

/// What became of one attempt at a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryRecord {
    /// To whom.
    pub contact: ContactName,
    /// Which bundle of that contact.
    pub bundle: u64,
    /// The highest sequence among its pages: what joined the bundle later was not in it.
    pub through: u64,
    /// Which time it was sent; 0 the first.
    pub round: u32,
    /// Who tried.
    pub by: NodeId,
    /// Channel by channel, in the order in which they were tried; only the last can have worked.
    pub tries: Vec<ChannelTry>,
    /// Whoever tried saw for a day, by a clock that does not jump, that all of it is over.
    #[serde(default)]
    pub forlorn: bool,
}

impl Delivery {
    /// Whether it still has to be made, for the first time or again.
    pub fn is_due(&self) -> bool {
        self.progress == Progress::Due
    }

    /// Whether the contact knows, or is about to.
    pub fn is_told(&self) -> bool {
        match self.progress {
            Progress::Due | Progress::Delivered => true,
            Progress::Spared | Progress::Expired => self.told.is_some(),
        }
    }

    /// Nobody has to be reminded or told any more: what it ends as.
    pub(super) fn ended(&self, untold: Progress) -> Progress {
        match self.told {
            Some(_) => Progress::Delivered,
            None => untold,
        }
    }
}

impl DeliveryRecord {
    /// How the attempt ended as a whole.
    pub fn outcome(&self) -> DeliveryOutcome {
        let last = self.tries.last().map(|last| last.outcome.clone());
        last.unwrap_or_else(|| DeliveryOutcome::Failed("no channel to try".to_owned()))
    }
}

impl State {
    pub(super) fn record_delivery(
        &mut self,
        now: Now,
        record: DeliveryRecord,
    ) -> Result<Applied, Reject> {
        if let Some(page) = self.pages.at(record.bundle)
            && !page.deliveries.contains_key(&record.contact)
        {
            let (page, contact) = (page.id, record.contact);
            return Err(Reject::NotAddressed { page, contact });
        }
        let open = self.bundles.get(&record.contact, record.bundle);
        let changed = match (
            open.filter(|open| open.round == record.round),
            record.outcome(),
        ) {
            (Some(_), DeliveryOutcome::Delivered) => self.mark_told(now, &record),
            (Some(_), DeliveryOutcome::Failed(error)) => self.mark_failed(now, &record, &error),
            (None, DeliveryOutcome::Delivered) => {
                self.mark_spared_told(now, &record) || self.mark_doubled(&record)
            }
            (None, DeliveryOutcome::Failed(_)) => false,
        };
        match changed {
            true => {
                self.note_tries(now, &record);
                Ok(Applied::Done)
            }
            false => Ok(Applied::Unchanged),
        }
    }

    /// Whether a page is given up by word of whoever tried it: [`DeliveryRecord::forlorn`].
    pub fn gives_up_by_record(&self) -> bool {
        self.format.number() >= FORLORN_SINCE
    }

    /// Everything in the message was told; what came into the bundle too late goes on by itself.
    fn mark_told(&mut self, now: Now, record: &DeliveryRecord) -> bool {
        let contact = &record.contact;
        let Some(open) = self.bundles.close(contact, record.bundle) else {
            return false;
        };
        let (told, late): (Vec<u64>, Vec<u64>) = open
            .pages
            .iter()
            .partition(|sequence| **sequence <= record.through);
        let repeat = self.config.paging.repeat;
        let mut again = Vec::new();
        for sequence in told {
            let Some(page) = self.pages.at_mut(sequence) else {
                continue;
            };
            let remind = !repeat.is_zero() && page.is_waiting_for_somebody();
            let Some(delivery) = page.deliveries.get_mut(contact) else {
                continue;
            };
            let (at, by) = (now.at, record.by);
            delivery.told = Some(Told { at, by });
            delivery.progress = Progress::Delivered;
            if remind {
                delivery.progress = Progress::Due;
                delivery.round = record.round.saturating_add(1);
                again.push(sequence);
            }
        }
        if !again.is_empty() {
            let round = record.round.saturating_add(1);
            let repeat = super::millis(repeat);
            self.bundles
                .remind(contact, record.bundle, round, now.at, repeat, again);
        }
        for sequence in late {
            self.plan_delivery(sequence, contact, 0);
        }
        true
    }

    fn mark_failed(&mut self, now: Now, record: &DeliveryRecord, error: &str) -> bool {
        let contact = &record.contact;
        let error = clean(error, REASON_CHARS_MAX);
        let Some(open) = self.bundles.failed(contact, record.bundle, now.at, error) else {
            return false;
        };
        // Wall clocks jump, and a page that failed once is not given up for that.
        let by_record = self.gives_up_by_record();
        let forlorn = |page: &Page| match page.over {
            Some(_) if by_record => record.forlorn,
            Some(over) => now.at.0 >= over.0.saturating_add(FORLORN_MS),
            None => false,
        };
        let pages = open.pages.iter().copied();
        let given_up: Vec<u64> = pages
            .filter(|sequence| self.pages.at(*sequence).is_none_or(forlorn))
            .collect();
        for sequence in given_up {
            self.end_delivery(sequence, contact, Progress::Expired);
        }
        true
    }

    /// It was on its way when it turned out not to be needed: the contact knows all the same.
    fn mark_spared_told(&mut self, now: Now, record: &DeliveryRecord) -> bool {
        let contact = &record.contact;
        let spared = |page: &&Page| {
            page.deliveries.get(contact).is_some_and(|delivery| {
                delivery.bundle == record.bundle && delivery.progress == Progress::Spared
            })
        };
        let pages = self.pages.between(record.bundle, record.through);
        let spared: Vec<u64> = pages.filter(spared).map(|page| page.sequence).collect();
        for sequence in &spared {
            if let Some(page) = self.pages.at_mut(*sequence)
                && let Some(delivery) = page.deliveries.get_mut(contact)
            {
                let (at, by) = (now.at, record.by);
                delivery.told = Some(Told { at, by });
                delivery.progress = Progress::Delivered;
            }
        }
        !spared.is_empty()
    }

    /// Two nodes told the same: a drill counts that.
    fn mark_doubled(&mut self, record: &DeliveryRecord) -> bool {
        let contact = &record.contact;
        let doubled = |page: &&Page| {
            page.drill.is_some()
                && page.deliveries.get(contact).is_some_and(|delivery| {
                    delivery.bundle == record.bundle
                        && delivery.told.is_some_and(|told| told.by != record.by)
                        && !delivery.is_due()
                })
        };
        let pages = self.pages.between(record.bundle, record.through);
        let doubled: Vec<u64> = pages.filter(doubled).map(|page| page.sequence).collect();
        for sequence in &doubled {
            if let Some(page) = self.pages.at_mut(*sequence)
                && let Some(delivery) = page.deliveries.get_mut(contact)
            {
                delivery.doubled = delivery.doubled.saturating_add(1);
            }
        }
        !doubled.is_empty()
    }

    /// Plans one delivery, `lead_ms` from now.
    pub(super) fn plan_delivery(&mut self, sequence: u64, contact: &ContactName, lead_ms: u64) {
        // A lost majority was told by its nodes' own word, page by page, so that the log's pages
        // must have the ids of those, and not that of a message of several.
        let page = self.pages.at(sequence);
        let storm = match page.is_some_and(|page| page.subject == Subject::Quorum) {
            true => 0,
            false => super::millis(self.config.paging.storm),
        };
        let now = self.present;
        // What is real never goes in a message that a drill's mark stands on.
        let bundle = match page.is_some_and(|page| page.drill.is_some()) {
            true => self.bundles.plan_alone(contact, sequence, now, lead_ms),
            false => self.bundles.plan(contact, sequence, now, lead_ms, storm),
        };
        if let Some(page) = self.pages.at_mut(sequence)
            && let Some(delivery) = page.deliveries.get_mut(contact)
        {
            delivery.bundle = bundle;
        }
    }

    /// Takes a delivery out of its bundle.
    pub(super) fn end_delivery(&mut self, sequence: u64, contact: &ContactName, untold: Progress) {
        let Some(page) = self.pages.at_mut(sequence) else {
            return;
        };
        let Some(delivery) = page.deliveries.get_mut(contact) else {
            return;
        };
        if delivery.is_due() {
            delivery.progress = delivery.ended(untold);
            // The reminder that it waited for was never sent.
            delivery.round = delivery.round.saturating_sub(1);
            let bundle = delivery.bundle;
            self.bundles.drop_page(contact, bundle, sequence);
        }
    }

    /// Ends the reminders of a page, and whatever of its ladder `spare` says need not be told.
    pub(super) fn end_waiting(
        &mut self,
        sequence: u64,
        spare: impl Fn(&Delivery, UnixMillis) -> bool,
    ) {
        let Some(page) = self.pages.at(sequence) else {
            return;
        };
        let due = page.deliveries.iter().filter(|(contact, delivery)| {
            let open = self.bundles.get(contact, delivery.bundle);
            let not_before = open.map_or(UnixMillis(0), |open| open.not_before);
            delivery.is_due() && (delivery.told.is_some() || spare(delivery, not_before))
        });
        let due: Vec<ContactName> = due.map(|(contact, _)| contact.clone()).collect();
        for contact in due {
            self.end_delivery(sequence, &contact, Progress::Spared);
        }
    }

    /// Whoever is no contact any more gets nothing any more.
    pub(super) fn expire_deliveries(&mut self) {
        let contacts = self.bundles.contacts();
        let gone = contacts.filter(|contact| !self.config.contacts.contains_key(*contact));
        let gone: Vec<ContactName> = gone.cloned().collect();
        for contact in gone {
            let pages: Vec<u64> = self.bundles.pages_of(&contact).collect();
            for sequence in pages {
                self.end_delivery(sequence, &contact, Progress::Expired);
            }
            self.bundles.forget(&contact);
        }
        self.forget_channels();
    }
}

impl Page {
    /// Whether somebody has to be found who takes it on.
    pub fn is_waiting_for_somebody(&self) -> bool {
        self.kind.opens()
            && self.silenced.is_none()
            && self.over.is_none()
            && self.acknowledged.is_none()
            && self.resolved.is_none()
    }
}

/// The format from which on a record says so itself; a release before it goes by its wall clocks.
const FORLORN_SINCE: u16 = 2;

/// Who could not be told for a day after it was over need not be told.
const FORLORN_MS: u64 = 24 * 3_600 * 1_000;
