//! Pages: calls to a human, each with one id for ever, and what became of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::text::{REASON_CHARS_MAX, clean, plain};
use super::{Applied, Now, Reject, State};
use crate::id::{
    ClusterId, ContactName, FarmName, NodeId, PageId, ServerName, UnixMillis, VipName, WatchName,
};

/// What a page is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Subject {
    /// A server of a farm.
    Server(FarmName, ServerName),
    /// Something that is watched.
    Watch(WatchName),
    /// A farm as a whole.
    Farm(FarmName),
    /// How many servers a farm has left, while it still does its work.
    Strength(FarmName),
    /// A node or witness.
    Node(NodeId),
    /// A VIP.
    Vip(VipName),
    /// The majority itself.
    Quorum,
}

/// What kind of call it is; the word in the subject line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PageKind {
    /// Something went away: opens an incident.
    Down,
    /// A farm has too few servers, and still does its work: opens an incident.
    Degraded,
    /// It changes too often to be told of each time: opens an incident.
    Flapping,
    /// It is back: closes the incident.
    Up,
    /// Something to know; opens nothing.
    Notice,
}

/// A call to a human.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Its id for ever.
    pub id: PageId,
    /// What it is about.
    pub subject: Subject,
    /// The subject in words, as it was called then: `shop/s2`, `farm shop`, `node lb1`, `vip
    /// front`.
    pub title: String,
    /// Numbers all pages in the order in which they were opened.
    pub sequence: u64,
    /// Which transition of that subject.
    pub transition: u64,
    /// What kind of call.
    pub kind: PageKind,
    /// When it happened.
    pub at: UnixMillis,
    /// In one line: `connection refused`.
    pub cause: String,
    /// What is left: `3 of 4 up`; empty where it says nothing.
    pub left: String,
    /// What was seen, one line each, at most 20.
    pub evidence: Vec<String>,
    /// When its incident was over; a page that opens none is over at once.
    pub over: Option<UnixMillis>,
    /// What became of it, contact by contact; all contacts that existed when it was opened.
    pub deliveries: BTreeMap<ContactName, Delivery>,
    /// The silence that hushes it: it goes to nobody.
    pub silenced: Option<u64>,
    /// Who took it on.
    pub acknowledged: Option<Acknowledgement>,
}

/// What became of a page at one contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Delivery {
    /// Not delivered yet.
    Due {
        /// Attempts that failed.
        failures: u32,
        /// When the last one failed.
        last: Option<UnixMillis>,
        /// What the relay said then.
        error: String,
    },
    /// The relay took it.
    Delivered {
        /// When.
        at: UnixMillis,
        /// By which node.
        by: NodeId,
    },
    /// Given up: the incident has been over for a day.
    Expired,
}

/// How one attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeliveryOutcome {
    /// The relay took it.
    Delivered,
    /// It did not, and said why.
    Failed(String),
}

/// Who took a page on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// In their own name.
    pub by: String,
    /// When.
    pub at: UnixMillis,
}

/// The id of a page: the same for every sender, whatever it knows besides.
///
/// **Source**: `vip-protocol.md`, section 9. SHA-256 over an unambiguous encoding, cut to 128 bits.
pub fn page_id(cluster: ClusterId, subject: &Subject, transition: u64) -> PageId {
    let mut bytes = b"farmux page 1".to_vec();
    bytes.extend(cluster.0.to_be_bytes());
    subject.encode(&mut bytes);
    bytes.extend(transition.to_be_bytes());
    let digest = ring::digest::digest(&ring::digest::SHA256, &bytes);
    let (head, _) = digest.as_ref().split_first_chunk().expect("16 of 32 bytes");
    PageId(u128::from_be_bytes(*head))
}

impl Subject {
    /// A tag, then each name with a zero byte behind it, which no name contains. Never changed.
    fn encode(&self, bytes: &mut Vec<u8>) {
        let mut name = |text: &str| {
            bytes.extend(text.as_bytes());
            bytes.push(0);
        };
        match self {
            Subject::Server(farm, server) => {
                name("server");
                name(farm.as_str());
                name(server.as_str());
            }
            Subject::Watch(watch) => {
                name("watch");
                name(watch.as_str());
            }
            Subject::Farm(farm) => {
                name("farm");
                name(farm.as_str());
            }
            Subject::Strength(farm) => {
                name("strength");
                name(farm.as_str());
            }
            Subject::Node(node) => {
                name("node");
                bytes.extend(node.0.to_be_bytes());
            }
            Subject::Vip(vip) => {
                name("vip");
                name(vip.as_str());
            }
            Subject::Quorum => name("quorum"),
        }
    }
}

impl Page {
    /// Whether nobody waits for it any more and its incident is over.
    pub fn is_settled(&self) -> bool {
        self.over.is_some() && !self.deliveries.values().any(Delivery::is_due)
    }
}

impl Delivery {
    /// Not tried yet.
    pub(super) fn fresh() -> Delivery {
        Delivery::Due {
            failures: 0,
            last: None,
            error: String::new(),
        }
    }

    /// Whether it still has to be made.
    pub fn is_due(&self) -> bool {
        match self {
            Delivery::Due { .. } => true,
            Delivery::Delivered { .. } | Delivery::Expired => false,
        }
    }
}

impl State {
    pub(super) fn record_delivery(
        &mut self,
        now: Now,
        id: PageId,
        contact: ContactName,
        by: NodeId,
        outcome: DeliveryOutcome,
    ) -> Result<Applied, Reject> {
        let page = self.pages.get(&id).ok_or(Reject::UnknownPage(id))?;
        let Some(delivery) = page.deliveries.get(&contact) else {
            return Err(Reject::NotAddressed { page: id, contact });
        };
        let failures = match delivery {
            Delivery::Due { failures, .. } => *failures,
            Delivery::Delivered { .. } | Delivery::Expired => return Ok(Applied::Unchanged),
        };
        let forlorn = page
            .over
            .is_some_and(|over| now.at.0 >= over.0.saturating_add(FORLORN_MS));
        let next = match outcome {
            DeliveryOutcome::Delivered => Delivery::Delivered { at: now.at, by },
            DeliveryOutcome::Failed(_) if forlorn => Delivery::Expired,
            DeliveryOutcome::Failed(error) => Delivery::Due {
                failures: failures.saturating_add(1),
                last: Some(now.at),
                error: clean(&error, REASON_CHARS_MAX),
            },
        };
        let page = self.pages.get_mut(&id).expect("found above");
        page.deliveries.insert(contact, next);
        Ok(Applied::Done)
    }

    pub(super) fn acknowledge(
        &mut self,
        now: Now,
        id: PageId,
        by: &str,
    ) -> Result<Applied, Reject> {
        plain(by, 1, BY_CHARS_MAX).map_err(|_| Reject::BadText {
            what: "the name of who takes the page on".to_owned(),
            min: 1,
            max: BY_CHARS_MAX,
        })?;
        let page = self.pages.get_mut(&id).ok_or(Reject::UnknownPage(id))?;
        match &page.acknowledged {
            Some(first) if first.by == by => Ok(Applied::Unchanged),
            Some(first) => Err(Reject::AlreadyAcknowledged {
                page: id,
                by: first.by.clone(),
            }),
            None => {
                page.acknowledged = Some(Acknowledgement {
                    by: by.to_owned(),
                    at: now.at,
                });
                Ok(Applied::Done)
            }
        }
    }
}

/// Who could not be told for a day after it was over need not be told.
const FORLORN_MS: u64 = 24 * 3_600 * 1_000;

/// A certificate's common name fits.
const BY_CHARS_MAX: usize = 100;
