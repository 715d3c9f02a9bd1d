//! Outages of channels: that nobody is reached one way is said the other ways.
//!
//! ```text
//!   try failed, again --> page Down about `channel ops/mail`, to everybody
//!   first one that works ----------------> page Up
//! ```
//!
//! Each channel has one incident at most, however often it fails, so that pages about channels
//! cannot breed more than one another.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::incident::Event;
use super::{ChannelKind, ChannelTry, DeliveryOutcome, DeliveryRecord, Now, State, Subject};
use crate::id::{ContactName, UnixMillis};

/// Channels that failed last, by contact and kind; whoever is not here is well, or untried.
pub type ChannelStandings = BTreeMap<(ContactName, ChannelKind), ChannelStanding>;

/// How a channel that failed last stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelStanding {
    /// Failures in a row.
    pub failures: u32,
    /// What was said at the last one.
    pub error: String,
    /// When the first of them was.
    pub since: UnixMillis,
}

impl State {
    /// What an attempt says of the channels that it tried.
    pub(super) fn note_tries(&mut self, now: Now, record: &DeliveryRecord) {
        for ChannelTry { channel, outcome } in &record.tries {
            let key = (record.contact.clone(), *channel);
            self.note_try(now, key, outcome, FAILURES_MAX);
        }
    }

    /// What one attempt says of a channel, of whose failures so many in a row are an outage.
    pub(super) fn note_try(
        &mut self,
        now: Now,
        key: (ContactName, ChannelKind),
        outcome: &DeliveryOutcome,
        failures_max: u32,
    ) {
        let known = self.config.contacts.get(&key.0);
        if known.is_none_or(|contact| contact.channel(key.1).is_none()) {
            return;
        }
        match outcome {
            DeliveryOutcome::Delivered => self.channel_works(now, key),
            DeliveryOutcome::Failed(error) => self.channel_failed(now, key, error, failures_max),
        }
    }

    fn channel_works(&mut self, now: Now, key: (ContactName, ChannelKind)) {
        if self.channels.contains_key(&key) {
            Arc::make_mut(&mut self.channels).remove(&key);
        }
        let subject = Subject::Channel(key.0, key.1);
        let Some(down) = self.told_down(&subject) else {
            return;
        };
        let event = Event {
            verdict: None,
            at: now.at,
            cause: self.since_page("works again", down, now.at),
            left: String::new(),
            evidence: vec![],
        };
        self.close_incident(subject, event);
    }

    fn channel_failed(
        &mut self,
        now: Now,
        key: (ContactName, ChannelKind),
        error: &str,
        failures_max: u32,
    ) {
        let error = super::clean(error, super::REASON_CHARS_MAX);
        let channels = Arc::make_mut(&mut self.channels);
        let standing = channels.entry(key.clone()).or_insert(ChannelStanding {
            failures: 0,
            error: String::new(),
            since: now.at,
        });
        standing.failures = standing.failures.saturating_add(1);
        standing.error.clone_from(&error);
        let failures = standing.failures;
        let subject = Subject::Channel(key.0, key.1);
        if failures < failures_max || self.told_down(&subject).is_some() {
            return;
        }
        let event = Event {
            verdict: None,
            at: now.at,
            cause: error,
            left: String::new(),
            evidence: vec![format!("attempts that failed in a row: {failures}")],
        };
        self.open_incident(subject, event);
    }

    /// Forgets channels that are none any more.
    pub(super) fn forget_channels(&mut self) {
        let contacts = &self.config.contacts;
        let exists = |key: &(ContactName, ChannelKind)| {
            let contact = contacts.get(&key.0);
            contact.is_some_and(|contact| contact.channel(key.1).is_some())
        };
        if !self.channels.keys().all(exists) {
            Arc::make_mut(&mut self.channels).retain(|key, _| exists(key));
        }
    }
}

/// **Source**: `vip-protocol.md`, section 9: "after two failures of a channel". One is often a
/// relay that restarts.
const FAILURES_MAX: u32 = 2;
