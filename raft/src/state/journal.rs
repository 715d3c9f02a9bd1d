//! The journal: what happened lately, numbered, for people who follow it.
//!
//! ```text
//!   command --draft--> apply --write--> entries 1, 2, 3 …   the newest 10,000
//!                        '--verdicts that turn, as they are recorded
//! ```
//!
//! Entries are small and typed; their words are made when somebody reads them. Numbers are equal on
//! every node, so that whoever follows goes on at another node with the number it had.

mod kind;

pub use kind::EventKind;

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::drill::DrillEvent;
use super::text::clean;
use super::{
    AdminState, CheckKey, Command, DeliveryOutcome, DeliveryRecord, Health, HealthRecord, Now,
    Ordered, Page, PageKind, State, Taken,
};
use crate::id::{ContactName, NodeId, NodeName, PageId, RevisionId, UnixMillis, VipName};

/// The newest entries. Copying it is cheap: an entry more copies one of eighty parts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Journal {
    /// The number of the newest entry.
    last: u64,
    /// The term of the newest entry.
    term: u64,
    /// Oldest first; each but the last is full.
    parts: VecDeque<Arc<Vec<JournalEntry>>>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// Its number, from 1, without gaps.
    pub number: u64,
    /// When.
    pub at: UnixMillis,
    /// What.
    pub event: JournalEvent,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum JournalEvent {
    /// A verdict turned.
    Health {
        /// Of which check.
        check: CheckKey,
        /// The verdict.
        health: Health,
        /// Why, at most 80 characters.
        reason: String,
    },
    /// A page was written: an incident opened or closed, or there was something to know.
    Page(PageId),
    /// An attempt to deliver a message ended.
    Delivery {
        /// Its first page.
        page: PageId,
        /// To whom.
        contact: ContactName,
        /// By which node.
        by: NodeId,
        /// Why it failed; `None`: it was taken.
        error: Option<String>,
    },
    /// Somebody took pages on, or closed them.
    Acknowledged {
        /// The first of them.
        page: PageId,
        /// In whose name.
        by: String,
    },
    /// Something is silenced.
    Silenced {
        /// What it is for.
        matcher: String,
        /// By whose order.
        author: String,
    },
    /// A silence was ended before its time.
    Unsilenced {
        /// What it was for.
        matcher: String,
    },
    /// The configuration changed.
    Revision(RevisionId),
    /// Servers, or a node, were ordered about.
    Ordered {
        /// By whom.
        author: String,
        /// Which: `shop/s1`, an address, or the name of a node.
        servers: String,
        /// To be what.
        admin: AdminState,
    },
    /// The leader reaches a node, or does not.
    Node {
        /// Which.
        node: NodeId,
        /// Whether it answers.
        reachable: bool,
    },
    /// A node is a member now.
    Joined(NodeId),
    /// A node is no member any more.
    Left(NodeName),
    /// A VIP has this owner now.
    Owner {
        /// Which.
        vip: VipName,
        /// Who.
        node: NodeId,
    },
    /// The cluster has another leader: a term began.
    Term(u64),
    /// Nothing moves by itself any more.
    Paused {
        /// By whose order.
        author: String,
        /// Why.
        why: String,
    },
    /// It does again.
    Resumed {
        /// By whose order.
        author: String,
    },
    /// Something happened to drills.
    Drill(DrillEvent),
}

impl Journal {
    /// The number of the newest entry; 0: nothing happened yet.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// The number of the oldest entry that is kept.
    pub fn first(&self) -> u64 {
        let oldest = self.parts.front().and_then(|part| part.first());
        oldest.map_or(self.last + 1, |entry| entry.number)
    }

    /// The entries behind a number, oldest first.
    pub fn after(&self, number: u64) -> impl Iterator<Item = &JournalEntry> {
        let is_behind =
            move |part: &&Arc<Vec<JournalEntry>>| part.last().is_some_and(|e| e.number > number);
        let parts = self.parts.iter().filter(is_behind);
        let entries = parts.flat_map(|part| part.iter());
        entries.filter(move |entry| entry.number > number)
    }

    /// A verdict turned.
    pub(super) fn health(&mut self, check: &CheckKey, record: &HealthRecord) {
        let event = JournalEvent::Health {
            check: check.clone(),
            health: record.health,
            reason: clean(&record.reason, REASON_CHARS_MAX),
        };
        self.add(record.since, event);
    }

    fn add(&mut self, at: UnixMillis, event: JournalEvent) {
        self.last += 1;
        let number = self.last;
        let is_full = self
            .parts
            .back()
            .is_none_or(|part| part.len() >= PART_ENTRIES);
        if is_full {
            self.parts.push_back(Arc::default());
        }
        let part = self.parts.back_mut().expect("one was added where none was");
        Arc::make_mut(part).push(JournalEntry { number, at, event });
        if self.parts.len() > PARTS_MAX {
            self.parts.pop_front();
        }
    }
}

/// What a command will have been, and how things stood before it.
pub(super) struct Draft {
    pages: u64,
    revision: RevisionId,
    event: Option<JournalEvent>,
}

impl State {
    pub(super) fn journal_draft(&self, command: &Command) -> Draft {
        Draft {
            pages: self.pages.next_sequence(),
            revision: self.revision,
            event: self.event_of(command),
        }
    }

    /// What a command is in the journal, if it is carried out.
    fn event_of(&self, command: &Command) -> Option<JournalEvent> {
        match command {
            Command::Init { .. } => Some(JournalEvent::Joined(NodeId(1))),
            Command::FinishJoin(node) => Some(JournalEvent::Joined(*node)),
            Command::RemoveNode { node, .. } => {
                let node = self.nodes.get(node)?;
                Some(JournalEvent::Left(node.name.clone()))
            }
            Command::SetAdmin(order) => Some(JournalEvent::Ordered {
                author: order.author.0.clone(),
                servers: match &order.servers {
                    Ordered::One(farm, server) => format!("{farm}/{server}"),
                    Ordered::Everywhere(address) => address.to_string(),
                },
                admin: order.admin,
            }),
            Command::ReportNode {
                node, reachable, ..
            } => Some(JournalEvent::Node {
                node: *node,
                reachable: *reachable,
            }),
            Command::ReportVip { vip, ballot } => {
                let before = self.vips.get(vip).map(|standing| standing.owner);
                (before != Some(ballot.node)).then(|| JournalEvent::Owner {
                    vip: vip.clone(),
                    node: ballot.node,
                })
            }
            Command::RecordDelivery(record) => self.delivery_event(record),
            Command::Acknowledge { taken, by } => {
                let page = match taken {
                    Taken::Pages(pages) => *pages.first()?,
                    Taken::Message { bundle, .. } => self.pages.at(*bundle)?.id,
                };
                let by = by.clone();
                Some(JournalEvent::Acknowledged { page, by })
            }
            Command::Resolve { pages, by, .. } => {
                let (page, by) = (*pages.first()?, by.clone());
                Some(JournalEvent::Acknowledged { page, by })
            }
            Command::AddSilence(silence) => Some(JournalEvent::Silenced {
                matcher: silence.matcher.to_string(),
                author: silence.author.0.clone(),
            }),
            Command::EndSilence(number) => Some(JournalEvent::Unsilenced {
                matcher: self.silences.get(*number)?.matcher.to_string(),
            }),
            Command::Pause { author, why } => Some(JournalEvent::Paused {
                author: author.0.clone(),
                why: why.clone(),
            }),
            Command::Resume { author } => Some(JournalEvent::Resumed {
                author: author.0.clone(),
            }),
            Command::SetRest(order) => Some(JournalEvent::Ordered {
                author: order.author.0.clone(),
                servers: self.node_name(order.node),
                admin: match order.on {
                    true => AdminState::Maintenance,
                    false => AdminState::Ready,
                },
            }),
            Command::BeginDrill(_)
            | Command::SkipDrill { .. }
            | Command::DrillInjecting { .. }
            | Command::DrillUndone { .. }
            | Command::AbortDrill { .. }
            | Command::RecordDrill(_)
            | Command::LockDrills { .. }
            | Command::UnlockDrills { .. } => self.drill_event_of(command),
            // What these change shows by itself: a verdict, a page, a revision.
            Command::Configure { .. }
            | Command::Rollback { .. }
            | Command::ReportHealth { .. }
            | Command::ReportQuorum { .. }
            | Command::EndHolds(_)
            | Command::PassTime
            | Command::GiveOpinions { .. }
            | Command::OpenDrillPage { .. }
            | Command::Suspect { .. }
            | Command::Trust { .. }
            | Command::ReportTrouble { .. }
            | Command::RaiseFormat(_)
            | Command::ReportHeartbeat { .. } => None,
            // Nothing that anybody follows.
            Command::CreateToken(_)
            | Command::RevokeToken(_)
            | Command::ClaimToken { .. }
            | Command::RecordCanary { .. }
            | Command::Recover { .. }
            | Command::RecordAdminCert { .. }
            | Command::RevokeAdminCert { .. } => None,
        }
    }

    fn delivery_event(&self, record: &DeliveryRecord) -> Option<JournalEvent> {
        let error = match &record.tries.last()?.outcome {
            DeliveryOutcome::Delivered => None,
            DeliveryOutcome::Failed(error) => Some(clean(error, REASON_CHARS_MAX)),
        };
        Some(JournalEvent::Delivery {
            page: self.pages.at(record.bundle)?.id,
            contact: record.contact.clone(),
            by: record.by,
            error,
        })
    }

    /// Writes down what a command did.
    pub(super) fn write_journal(&mut self, now: Now, draft: Draft) {
        if now.term > self.journal.term {
            self.journal.term = now.term;
            self.journal.add(now.at, JournalEvent::Term(now.term));
        }
        let ordered = matches!(draft.event, Some(JournalEvent::Ordered { .. }));
        if let Some(event) = draft.event {
            self.journal.add(now.at, event);
        }
        if self.revision != draft.revision && !ordered {
            let event = JournalEvent::Revision(self.revision);
            self.journal.add(now.at, event);
        }
        let newest_first = self.pages.iter().rev();
        let written = newest_first.take_while(|page| page.sequence >= draft.pages);
        let mut written: Vec<PageId> = written.map(|page| page.id).collect();
        written.reverse();
        for page in written {
            self.journal.add(now.at, JournalEvent::Page(page));
        }
    }

    /// What an entry is about, and in words what happened.
    pub fn journal_words(&self, entry: &JournalEntry) -> (String, String) {
        match &entry.event {
            JournalEvent::Health {
                check,
                health,
                reason,
            } => (check.to_string(), format!("{health}: {reason}")),
            JournalEvent::Page(id) => match self.pages.get(id) {
                Some(page) => {
                    let kind = match page.kind {
                        PageKind::Down => "DOWN",
                        PageKind::Degraded => "DEGRADED",
                        PageKind::Flapping => "FLAPPING",
                        PageKind::Up => "UP",
                        PageKind::Notice => "NOTICE",
                    };
                    (page.marked_title(), format!("page {kind}: {}", page.cause))
                }
                None => (String::new(), format!("page {id}, forgotten since")),
            },
            JournalEvent::Delivery {
                page,
                contact,
                by,
                error,
            } => {
                let by = self.node_name(*by);
                let words = match error {
                    None => format!("delivered to {contact} by {by}"),
                    Some(error) => format!("not delivered to {contact} by {by}: {error}"),
                };
                (self.page_title(page), words)
            }
            JournalEvent::Silenced { matcher, author } => {
                (matcher.clone(), format!("silenced by {author}"))
            }
            JournalEvent::Unsilenced { matcher } => {
                (matcher.clone(), "no longer silenced".to_owned())
            }
            JournalEvent::Acknowledged { page, by } => {
                (self.page_title(page), format!("taken on by {by}"))
            }
            JournalEvent::Revision(id) => (format!("r{}", id.0), self.revision_words(*id)),
            JournalEvent::Ordered {
                author,
                servers,
                admin,
            } => (servers.clone(), format!("ordered {admin} by {author}")),
            JournalEvent::Node { node, reachable } => {
                let words = match reachable {
                    true => "answers again",
                    false => "does not answer",
                };
                (self.node_name(*node), words.to_owned())
            }
            JournalEvent::Joined(node) => (self.node_name(*node), "joined".to_owned()),
            JournalEvent::Left(node) => (node.to_string(), "left the cluster".to_owned()),
            JournalEvent::Owner { vip, node } => (
                vip.to_string(),
                format!("owned by {}", self.node_name(*node)),
            ),
            JournalEvent::Term(term) => (
                "leader".to_owned(),
                format!("elected anew: term {term} begins"),
            ),
            JournalEvent::Paused { author, why } => {
                let why = match why.is_empty() {
                    true => String::new(),
                    false => format!(": {why}"),
                };
                ("cluster".to_owned(), format!("paused by {author}{why}"))
            }
            JournalEvent::Resumed { author } => {
                ("cluster".to_owned(), format!("goes on by {author}"))
            }
            JournalEvent::Drill(event) => event.words(),
        }
    }

    fn page_title(&self, id: &PageId) -> String {
        let page = self.pages.get(id);
        page.map_or_else(String::new, Page::marked_title)
    }

    fn revision_words(&self, id: RevisionId) -> String {
        let newest_first = self.revisions.iter().rev();
        let Some(revision) = newest_first.into_iter().find(|one| one.id == id) else {
            return "forgotten since".to_owned();
        };
        let first = revision.diff.first().map_or("", String::as_str);
        let more = match revision.diff.len() {
            0 | 1 => String::new(),
            several => format!(" (+{} more)", several - 1),
        };
        let note = match revision.note.as_str() {
            "" => String::new(),
            note => format!("{note}: "),
        };
        format!("by {}: {note}{first}{more}", revision.author.0)
    }
}

/// A storm of 5,000 and its end; some 1.5 MB.
const PARTS_MAX: usize = 80;

/// So much is copied for an entry more.
const PART_ENTRIES: usize = 125;

/// A line on a terminal; the page has the rest.
const REASON_CHARS_MAX: usize = 80;

#[cfg(test)]
mod tests;
