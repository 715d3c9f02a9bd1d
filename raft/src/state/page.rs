//! Pages: calls to a human, each with one id for ever, and what became of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::drill::{DrillKind, RunId};
use super::{Acknowledgement, ChannelKind, Delivery, PageVerdict, Resolution, Trouble, Word as _};
use crate::clockwork::page_number;
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
    /// A way to somebody.
    Channel(ContactName, ChannelKind),
    /// A node's way to what it probes.
    Path(NodeId),
    /// What a node sees around its VIPs.
    Trouble(Trouble),
    /// A drill of pages: whether this one arrives, and somebody takes it on.
    Drill(RunId),
    /// A drill that is run by a schedule.
    Rehearsal(DrillKind),
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

impl PageKind {
    /// Whether it opens an incident.
    pub fn opens(self) -> bool {
        match self {
            PageKind::Down | PageKind::Degraded | PageKind::Flapping => true,
            PageKind::Up | PageKind::Notice => false,
        }
    }
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
    /// Where the subject was reached then, for pagers that show digits only.
    pub target: Option<SocketAddr>,
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
    /// Whose fault it is; `None` where nobody else could know.
    pub verdict: Option<PageVerdict>,
    /// When its incident was over; a page that opens none is over at once.
    pub over: Option<UnixMillis>,
    /// What became of it, contact by contact: those of its ladder when it was opened.
    pub deliveries: BTreeMap<ContactName, Delivery>,
    /// The open page about the same subject whose place it takes.
    pub replaces: Option<PageId>,
    /// The silence that hushes it: it goes to nobody.
    pub silenced: Option<u64>,
    /// Who took it on.
    pub acknowledged: Option<Acknowledgement>,
    /// Who closed it before its incident was over.
    pub resolved: Option<Resolution>,
    /// The drill whose doing it is; `None`: it is real.
    #[serde(default)]
    pub drill: Option<RunId>,
}

/// The id of a page: the same for every sender, whatever it knows besides.
///
/// **Source**: `vip-protocol.md`, section 9. SHA-256 over an unambiguous encoding, cut to 128 bits.
pub fn page_id(cluster: ClusterId, subject: &Subject, transition: u64) -> PageId {
    let mut bytes = b"farmux page 1".to_vec();
    bytes.extend(cluster.0.to_be_bytes());
    subject.encode(&mut bytes);
    bytes.extend(page_number(transition).to_be_bytes());
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
            Subject::Channel(contact, kind) => {
                name("channel");
                name(contact.as_str());
                name(kind.word());
            }
            Subject::Path(node) => {
                name("path");
                bytes.extend(node.0.to_be_bytes());
            }
            Subject::Trouble(Trouble::Claim(vip, mac)) => {
                name("claim");
                name(vip.as_str());
                bytes.extend(mac.0);
            }
            Subject::Trouble(Trouble::Meddling(node)) => {
                name("meddling");
                bytes.extend(node.0.to_be_bytes());
            }
            Subject::Trouble(Trouble::Carrier(node)) => {
                name("carrier");
                bytes.extend(node.0.to_be_bytes());
            }
            Subject::Trouble(Trouble::Disk(node)) => {
                name("disk");
                bytes.extend(node.0.to_be_bytes());
            }
            Subject::Drill(run) => {
                name("drill");
                bytes.extend(run.0.to_be_bytes());
            }
            Subject::Rehearsal(kind) => {
                name("rehearsal");
                name(kind.word());
            }
        }
    }
}

impl Page {
    /// The subject in words, marked where a drill made the page.
    pub fn marked_title(&self) -> String {
        format!("{}{}", self.mark(), self.title)
    }

    /// What stands first in everything that is said of a drill's page; empty: it is real.
    pub fn mark(&self) -> &'static str {
        match self.drill {
            Some(_) => DRILL_MARK,
            None => "",
        }
    }

    /// Whether nobody waits for it any more and its incident is over.
    pub fn is_settled(&self) -> bool {
        self.over.is_some() && !self.deliveries.values().any(Delivery::is_due)
    }
}

/// **Source**: issue 7: pages caused by a drill are marked so.
pub const DRILL_MARK: &str = "[DRILL] ";
