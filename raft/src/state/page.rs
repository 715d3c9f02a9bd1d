//! Pages: calls to a human, each with one id for ever, and what became of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{ContactName, FarmName, NodeId, PageId, ServerName, UnixMillis, VipName};

/// What a page is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Subject {
    /// A server of a farm.
    Server(FarmName, ServerName),
    /// A farm as a whole.
    Farm(FarmName),
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
    /// What became of it, contact by contact; all contacts that existed when it was opened.
    pub deliveries: BTreeMap<ContactName, Delivery>,
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
