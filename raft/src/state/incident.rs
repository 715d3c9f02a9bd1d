//! Incidents: who is down now, and the pages that say so.
//!
//! ```text
//!   standing (what health and orders amount to)  compared with  incidents (what was said)
//!        server down, none open  -> page Down         server up, one open -> page Up
//!        server in maintenance   -> closed, no page   unknown             -> nothing
//! ```
//! It compares the whole farm with what was said of it, so that it does not matter what changed.

use std::sync::Arc;

use super::standing::FarmCondition;
use super::text::span_text;
use super::{
    AdminState, CheckKey, Cluster, Delivery, Health, NodeRole, Page, PageKind, State, Subject,
    page_id,
};
use crate::id::{FarmName, PageId, ServerName, UnixMillis};

/// What a page will say.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) at: UnixMillis,
    pub(super) cause: String,
    pub(super) left: String,
    pub(super) evidence: Vec<String>,
}

impl State {
    /// Opens and closes what the standing of a farm and its servers asks for.
    pub(super) fn judge_farm(&mut self, name: &FarmName, at: UnixMillis) {
        let config = Arc::clone(&self.config);
        let Some(farm) = config.farms.get(name) else {
            return;
        };
        for (server, ordered) in &farm.servers {
            let subject = Subject::Server(name.clone(), server.clone());
            if ordered.admin == AdminState::Maintenance {
                self.forget_incident(&subject, at);
                continue;
            }
            let open = self.incidents.get(&subject).copied();
            match (self.server_health(name, server), open) {
                (Health::Down, None) => {
                    let event = self.server_down(name, server, at);
                    self.open_incident(subject, event);
                }
                (Health::Up, Some(down)) => {
                    let event = self.server_up(name, server, down, at);
                    self.close_incident(subject, event);
                }
                (Health::Down, Some(_)) | (Health::Up, None) | (Health::Unknown, _) => {}
            }
        }
        self.judge_whole_farm(name, at);
    }

    fn judge_whole_farm(&mut self, name: &FarmName, at: UnixMillis) {
        let subject = Subject::Farm(name.clone());
        let left = self.farm_standing(name).to_string();
        match (
            self.farm_condition(name),
            self.incidents.get(&subject).copied(),
        ) {
            (FarmCondition::Without(services), None) => {
                let cause = match services {
                    None => "no server left".to_owned(),
                    Some(services) => format!("no server left for {services}"),
                };
                let evidence = self.farm_evidence(name);
                self.open_incident(
                    subject,
                    Event {
                        at,
                        cause,
                        left,
                        evidence,
                    },
                );
            }
            (FarmCondition::Serving, Some(down)) => {
                let cause = self.since_page("serving again", down, at);
                self.close_incident(
                    subject,
                    Event {
                        at,
                        cause,
                        left,
                        evidence: vec![],
                    },
                );
            }
            (FarmCondition::Without(_), Some(_))
            | (FarmCondition::Serving, None)
            | (FarmCondition::Undecided, _) => {}
        }
    }

    fn server_down(&self, farm: &FarmName, server: &ServerName, at: UnixMillis) -> Event {
        let failed: Vec<_> = self
            .server_records(farm, server)
            .filter(|(_, record)| record.health == Health::Down)
            .collect();
        let first = failed.iter().min_by_key(|(_, record)| record.since);
        let several = self
            .config
            .farms
            .get(farm)
            .is_some_and(|f| f.checks().count() > 1);
        let cause = match first {
            Some((key, record)) if several => format!("{}: {}", key.service, record.reason),
            Some((_, record)) => record.reason.clone(),
            None => String::new(),
        };
        let at = first.map_or(at, |(_, record)| record.since);
        let evidence = failed.iter().map(|(key, _)| self.check_evidence(key));
        let evidence = evidence.take(EVIDENCE_LINES_MAX).collect();
        let left = self.farm_standing(farm).to_string();
        Event {
            at,
            cause,
            left,
            evidence,
        }
    }

    fn server_up(
        &self,
        farm: &FarmName,
        server: &ServerName,
        down: PageId,
        at: UnixMillis,
    ) -> Event {
        let newest = self
            .server_records(farm, server)
            .map(|(_, record)| record.since)
            .max();
        let at = newest.unwrap_or(at);
        let left = self.farm_standing(farm).to_string();
        Event {
            at,
            cause: self.since_page("up again", down, at),
            left,
            evidence: vec![],
        }
    }

    /// `check web on 10.0.0.21:80: connection refused, seen by lb1`.
    fn check_evidence(&self, key: &CheckKey) -> String {
        let target = self
            .config
            .farms
            .get(&key.farm)
            .and_then(|farm| farm.target(&key.server, &key.service));
        let target = target.map_or_else(String::new, |target| format!(" on {target}"));
        let Some(record) = self.health.get(key) else {
            return String::new();
        };
        let seen = record.authority.map_or_else(String::new, |authority| {
            format!(", seen by {}", self.node_name(authority.node()))
        });
        format!("check {}{target}: {}{seen}", key.service, record.reason)
    }

    /// One line for each server that does not serve.
    fn farm_evidence(&self, name: &FarmName) -> Vec<String> {
        let Some(farm) = self.config.farms.get(name) else {
            return vec![];
        };
        let line = |(server, ordered): (&ServerName, &super::Server)| {
            let failed = self
                .server_records(name, server)
                .find(|(_, record)| record.health == Health::Down);
            match (ordered.admin, failed) {
                (AdminState::Ready, None) => None,
                (AdminState::Ready, Some((key, record))) => {
                    Some(format!("{server}: {}: {}", key.service, record.reason))
                }
                (admin @ (AdminState::Drain | AdminState::Maintenance), _) => {
                    Some(format!("{server}: in {admin} by order"))
                }
            }
        };
        farm.servers
            .iter()
            .filter_map(line)
            .take(EVIDENCE_LINES_MAX)
            .collect()
    }

    fn since_page(&self, what: &str, down: PageId, at: UnixMillis) -> String {
        let since = self.pages.get(&down).map_or(at, |page| page.at);
        back_after(what, since, at)
    }

    /// Says that a subject went away.
    pub(super) fn open_incident(&mut self, subject: Subject, event: Event) {
        if let Some(id) = self.write_page(subject.clone(), PageKind::Down, event) {
            Arc::make_mut(&mut self.incidents).insert(subject, id);
        }
    }

    /// Says that a subject is back.
    pub(super) fn close_incident(&mut self, subject: Subject, event: Event) {
        self.forget_incident(&subject, event.at);
        self.write_page(subject, PageKind::Up, event);
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
        let Cluster { id: cluster, .. } = self.cluster.as_ref()?;
        let cluster = *cluster;
        let transition = Arc::make_mut(&mut self.transitions).advance(&subject);
        let id = page_id(cluster, &subject, transition);
        let over = match kind {
            PageKind::Down => None,
            PageKind::Up | PageKind::Notice => Some(event.at),
        };
        let contacts = self.config.contacts.keys();
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
            acknowledged: None,
        });
        Some(id)
    }

    /// A subject in words, as things are called now.
    pub fn title(&self, subject: &Subject) -> String {
        match subject {
            Subject::Server(farm, server) => format!("{farm}/{server}"),
            Subject::Farm(farm) => format!("farm {farm}"),
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

/// A mail stays readable; `farmux farm show` has the rest.
const EVIDENCE_LINES_MAX: usize = 20;
