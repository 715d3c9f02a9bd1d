//! Incidents: who is down now, and the pages that say so. When one opens or closes: `judge`.

use std::sync::Arc;

use super::drill::RunId;
use super::ladder::Rung;
use super::text::span_text;
use super::{
    Cluster, Delivery, NodeRole, Page, PageKind, PageVerdict, Progress, State, Subject, Word as _,
    page_id,
};
use crate::id::{ContactName, PageId, UnixMillis};

/// What a page will say.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) at: UnixMillis,
    pub(super) cause: String,
    pub(super) left: String,
    pub(super) evidence: Vec<String>,
    pub(super) verdict: Option<PageVerdict>,
}

/// Who hears of a page, and whose doing it is.
#[derive(Debug)]
pub(super) struct Addressed {
    pub(super) drill: Option<RunId>,
    pub(super) rungs: Vec<Rung>,
}

impl Addressed {
    /// No drill did it.
    fn really(rungs: Vec<Rung>) -> Addressed {
        Addressed { drill: None, rungs }
    }
}

impl Event {
    /// What happened, and nothing beside.
    pub(super) fn plain(at: UnixMillis, cause: String) -> Event {
        Event {
            at,
            cause,
            left: String::new(),
            evidence: vec![],
            verdict: None,
        }
    }
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

    /// Opens an incident with a page, in the place of one that is open.
    pub(super) fn write_incident(&mut self, kind: PageKind, subject: Subject, event: Event) {
        let drill = self.drill_of(&subject, event.at);
        let rungs = self.config.rungs_of(&subject, drill);
        self.write_incident_to(kind, subject, event, Addressed { drill, rungs });
    }

    /// The same, with whoever hears of it.
    pub(super) fn write_incident_to(
        &mut self,
        kind: PageKind,
        subject: Subject,
        event: Event,
        mut to: Addressed,
    ) {
        let replaced = self.incidents.get(&subject).copied();
        let before = replaced.and_then(|id| self.pages.get(&id));
        // What was real before stays real, whatever a drill adds to it.
        if before.is_some_and(|page| page.drill.is_none()) && to.drill.is_some() {
            to = Addressed::really(self.config.rungs(&subject));
        }
        self.forget_incident(&subject, self.present.at.max(event.at));
        if let Some(id) = self.write_page(subject.clone(), kind, event, to) {
            Arc::make_mut(&mut self.incidents).insert(subject, id);
            if let Some(page) = self.pages.get_mut(&id) {
                page.replaces = replaced;
            }
        }
    }

    /// Says that a subject is back; unless it flaps.
    pub(super) fn close_incident(&mut self, subject: Subject, event: Event) {
        if self.is_told(&subject, false, &event) {
            self.notice_up(subject, event);
        }
    }

    /// Closes an incident with a page, to whoever heard of it.
    pub(super) fn notice_up(&mut self, subject: Subject, event: Event) {
        let down = self.incidents.get(&subject).copied();
        self.forget_incident(&subject, event.at);
        let to = self.addressed_recovery(&subject, event.at, down);
        self.write_page(subject, PageKind::Up, event, to);
    }

    /// Who hears that it is back: whoever heard that it was not; marked as that was.
    fn addressed_recovery(
        &self,
        subject: &Subject,
        at: UnixMillis,
        down: Option<PageId>,
    ) -> Addressed {
        let Some(page) = down.and_then(|id| self.pages.get(&id)) else {
            return self.addressed_first(subject, at);
        };
        let known = |contact: &ContactName| self.config.contacts.contains_key(contact);
        let deliveries = page.deliveries.iter();
        let told = deliveries.filter(|(contact, told)| told.is_told() && known(contact));
        let rung = |(contact, delivery): (&ContactName, &Delivery)| Rung {
            contact: contact.clone(),
            step: delivery.step,
            after_ms: 0,
        };
        Addressed {
            drill: page.drill,
            rungs: told.map(rung).collect(),
        }
    }

    /// Nobody waits with something to know until others have acknowledged it.
    fn addressed_first(&self, subject: &Subject, at: UnixMillis) -> Addressed {
        let drill = self.drill_of(subject, at);
        let mut rungs = self.config.rungs_of(subject, drill);
        rungs.retain(|rung| rung.step == 0);
        Addressed { drill, rungs }
    }

    /// Says something that opens nothing.
    pub(super) fn notice(&mut self, subject: Subject, event: Event) {
        let to = self.addressed_first(&subject, event.at);
        self.notice_to(subject, event, to);
    }

    /// The same, with whoever hears of it.
    pub(super) fn notice_to(&mut self, subject: Subject, event: Event, to: Addressed) {
        self.write_page(subject, PageKind::Notice, event, to);
    }

    /// Closes an incident without a word.
    pub(super) fn forget_incident(&mut self, subject: &Subject, at: UnixMillis) {
        if !self.incidents.contains_key(subject) {
            return;
        }
        let id = Arc::make_mut(&mut self.incidents).remove(subject);
        let Some(page) = id.and_then(|id| self.pages.get_mut(&id)) else {
            return;
        };
        page.over = Some(at.max(page.at));
        let (sequence, now) = (page.sequence, self.present.at);
        // Whose step has come is being told already, and will hear of the end too.
        self.end_waiting(sequence, |delivery, not_before| {
            delivery.step > 0 && not_before > now
        });
    }

    fn write_page(
        &mut self,
        subject: Subject,
        kind: PageKind,
        event: Event,
        Addressed { drill, mut rungs }: Addressed,
    ) -> Option<PageId> {
        let silenced = self.silence_of(&subject);
        rungs.retain(|_| silenced.is_none());
        let Cluster { id: cluster, .. } = self.cluster.as_ref()?;
        let cluster = *cluster;
        let transition = Arc::make_mut(&mut self.transitions).advance(&subject);
        let id = page_id(cluster, &subject, transition);
        let over = (!kind.opens()).then_some(event.at);
        let sequence = self.pages.next_sequence();
        let delivery = |rung: &Rung| Delivery {
            step: rung.step,
            bundle: sequence,
            round: 0,
            told: None,
            progress: Progress::Due,
            doubled: 0,
        };
        let deliveries = rungs.iter();
        let deliveries = deliveries.map(|rung| (rung.contact.clone(), delivery(rung)));
        let deliveries = deliveries.collect();
        let forgotten = self.pages.insert(Page {
            id,
            title: self.title(&subject),
            target: self.target_of(&subject),
            subject,
            sequence,
            transition,
            kind,
            at: event.at,
            cause: event.cause,
            left: event.left,
            evidence: event.evidence,
            verdict: event.verdict,
            over,
            deliveries,
            replaces: None,
            silenced,
            acknowledged: None,
            resolved: None,
            drill,
        });
        if let Some(page) = forgotten {
            for (contact, delivery) in page.deliveries.iter().filter(|(_, made)| made.is_due()) {
                self.bundles
                    .drop_page(contact, delivery.bundle, page.sequence);
            }
        }
        for rung in rungs {
            self.plan_delivery(sequence, &rung.contact, rung.after_ms);
        }
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
            Subject::Drill(run) => format!("drill {run}"),
            Subject::Rehearsal(kind) => format!("drill {kind}"),
            Subject::Channel(contact, kind) => format!("channel {contact}/{}", kind.word()),
            Subject::Path(id) => format!("path of {}", self.node_name(*id)),
            Subject::Trouble(trouble) => self.trouble_title(trouble),
        }
    }
}

/// `up again after 3m`; clocks of two machines may disagree, so that it never counts below zero.
pub(super) fn back_after(what: &str, since: UnixMillis, at: UnixMillis) -> String {
    format!("{what} after {}", span_text(at.0.saturating_sub(since.0)))
}
