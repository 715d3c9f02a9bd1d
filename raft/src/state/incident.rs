//! Incidents: who is down now, and the pages that say so. When one opens or closes: `judge`.

use std::sync::Arc;

use super::text::span_text;
use super::{Cluster, Delivery, NodeRole, Page, PageKind, State, Subject, page_id};
use crate::id::{PageId, UnixMillis};

/// What a page will say.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) at: UnixMillis,
    pub(super) cause: String,
    pub(super) left: String,
    pub(super) evidence: Vec<String>,
}

impl State {
    pub(super) fn since_page(&self, what: &str, down: PageId, at: UnixMillis) -> String {
        let since = self.pages.get(&down).map_or(at, |page| page.at);
        back_after(what, since, at)
    }

    /// Says that a subject went away.
    pub(super) fn open_incident(&mut self, subject: Subject, event: Event) {
        self.open_incident_as(PageKind::Down, subject, event);
    }

    /// Says that a subject went away, or lost strength; unless it flaps.
    pub(super) fn open_incident_as(&mut self, kind: PageKind, subject: Subject, event: Event) {
        if self.is_told(&subject, true, &event) {
            self.write_incident(kind, subject, event);
        }
    }

    /// Opens an incident with a page.
    pub(super) fn write_incident(&mut self, kind: PageKind, subject: Subject, event: Event) {
        if let Some(id) = self.write_page(subject.clone(), kind, event) {
            Arc::make_mut(&mut self.incidents).insert(subject, id);
        }
    }

    /// Says that a subject is back; unless it flaps.
    pub(super) fn close_incident(&mut self, subject: Subject, event: Event) {
        if self.is_told(&subject, false, &event) {
            self.notice_up(subject, event);
        }
    }

    /// Closes an incident with a page; that goes to nobody where nobody was told of the incident.
    pub(super) fn notice_up(&mut self, subject: Subject, event: Event) {
        let open = self
            .incidents
            .get(&subject)
            .and_then(|id| self.pages.get(id));
        let hushed = open.and_then(|page| page.silenced);
        self.forget_incident(&subject, event.at);
        self.write_page_hushed(subject, PageKind::Up, event, hushed);
    }

    /// Says something that opens nothing.
    pub(super) fn notice(&mut self, subject: Subject, event: Event) {
        self.write_page(subject, PageKind::Notice, event);
    }

    /// Closes an incident without a word.
    pub(super) fn forget_incident(&mut self, subject: &Subject, at: UnixMillis) {
        if !self.incidents.contains_key(subject) {
            return;
        }
        let id = Arc::make_mut(&mut self.incidents).remove(subject);
        if let Some(page) = id.and_then(|id| self.pages.get_mut(&id)) {
            page.over = Some(at.max(page.at));
        }
    }

    fn write_page(&mut self, subject: Subject, kind: PageKind, event: Event) -> Option<PageId> {
        self.write_page_hushed(subject, kind, event, None)
    }

    fn write_page_hushed(
        &mut self,
        subject: Subject,
        kind: PageKind,
        event: Event,
        hushed: Option<u64>,
    ) -> Option<PageId> {
        let silenced = hushed.or_else(|| self.silence_of(&subject));
        let Cluster { id: cluster, .. } = self.cluster.as_ref()?;
        let cluster = *cluster;
        let transition = Arc::make_mut(&mut self.transitions).advance(&subject);
        let id = page_id(cluster, &subject, transition);
        let over = match kind {
            PageKind::Down | PageKind::Degraded | PageKind::Flapping => None,
            PageKind::Up | PageKind::Notice => Some(event.at),
        };
        let contacts = self.config.contacts.keys().filter(|_| silenced.is_none());
        let deliveries = contacts
            .map(|contact| (contact.clone(), Delivery::fresh()))
            .collect();
        self.pages.insert(Page {
            id,
            title: self.title(&subject),
            subject,
            sequence: self.pages.next_sequence(),
            transition,
            kind,
            at: event.at,
            cause: event.cause,
            left: event.left,
            evidence: event.evidence,
            over,
            deliveries,
            silenced,
            acknowledged: None,
        });
        Some(id)
    }

    /// A subject in words, as things are called now.
    pub fn title(&self, subject: &Subject) -> String {
        match subject {
            Subject::Server(farm, server) => format!("{farm}/{server}"),
            Subject::Watch(watch) => watch.to_string(),
            Subject::Farm(farm) | Subject::Strength(farm) => format!("farm {farm}"),
            Subject::Node(id) => match self.nodes.get(id) {
                Some(node) if node.role == NodeRole::Witness => format!("witness {}", node.name),
                Some(node) => format!("node {}", node.name),
                None => format!("node {id}"),
            },
            Subject::Vip(vip) => format!("VIP {vip}"),
            Subject::Quorum => "quorum".to_owned(),
        }
    }
}

/// `up again after 3m`; clocks of two machines may disagree, so that it never counts below zero.
pub(super) fn back_after(what: &str, since: UnixMillis, at: UnixMillis) -> String {
    format!("{what} after {}", span_text(at.0.saturating_sub(since.0)))
}
