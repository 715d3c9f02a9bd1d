//! PURE. A call: what one contact is told at once, before a channel gives it a shape.
//!
//! ```text
//!   State (due) --duty--> Call --courier--> mail | webhook | snpp | syslog
//! ```

use std::sync::Arc;

use farmux_raft::id::{ClusterId, ClusterName, ContactName, PageId, UnixMillis};
use farmux_raft::state::{Cluster, DRILL_MARK, Page};

/// What one contact is told at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Whose cluster it is.
    pub cluster: ClusterId,
    /// What it is called.
    pub cluster_name: ClusterName,
    /// Who is told.
    pub contact: ContactName,
    /// The same for ever, whoever sends it: receivers fold repeats by it.
    pub id: PageId,
    /// What is said.
    pub said: Said,
    /// How often it was sent before because nobody acknowledged it.
    pub reminder: u32,
    /// Where it can be acknowledged, the first choice first; empty: nowhere.
    pub links: Vec<String>,
}

/// What a call says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// These pages, at least one, in their order.
    Pages {
        /// Which.
        pages: Vec<Arc<Page>>,
        /// By whose word.
        word: Word,
    },
    /// That calls arrive: nothing is wrong.
    Test {
        /// The node that sends it.
        node: String,
        /// When it was ordered.
        at: UnixMillis,
        /// What for.
        occasion: Occasion,
    },
}

/// Why a test is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// Somebody ordered it.
    Ordered,
    /// It is sent every day, so that a dead channel does not wait for the first failure.
    Canary,
}

impl Occasion {
    /// The word in the subject line.
    pub(super) fn word(self) -> &'static str {
        match self {
            Occasion::Ordered => "TEST",
            Occasion::Canary => "CANARY",
        }
    }
}

/// By whose word a call goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// The log's.
    Committed,
    /// That of one node, which could not reach a majority.
    Uncommitted {
        /// The node's name.
        by: String,
    },
}

impl Call {
    /// Whether a drill did all that it says: what is real goes in messages of its own.
    pub fn is_drill(&self) -> bool {
        match &self.said {
            Said::Pages { pages, .. } => pages.iter().all(|page| page.drill.is_some()),
            Said::Test { .. } => false,
        }
    }

    /// What stands first in it; empty: it is real.
    pub(super) fn mark(&self) -> &'static str {
        match self.is_drill() {
            true => DRILL_MARK,
            false => "",
        }
    }

    /// One page for one contact.
    pub fn of_page(cluster: &Cluster, page: Arc<Page>, contact: ContactName, word: Word) -> Call {
        Call {
            cluster: cluster.id,
            cluster_name: cluster.name.clone(),
            contact,
            id: page.id,
            said: Said::Pages {
                pages: vec![page],
                word,
            },
            reminder: 0,
            links: vec![],
        }
    }

    /// A call that only shows that calls arrive; `unique` tells it from other tests.
    pub fn test(
        cluster: &Cluster,
        contact: ContactName,
        node: String,
        unique: u128,
        at: UnixMillis,
    ) -> Call {
        let occasion = Occasion::Ordered;
        Call {
            cluster: cluster.id,
            cluster_name: cluster.name.clone(),
            contact,
            id: PageId(unique),
            said: Said::Test { node, at, occasion },
            reminder: 0,
            links: vec![],
        }
    }

    /// The canary of one contact, for this time of day: whoever sends it gives it the same id.
    pub fn canary(cluster: &Cluster, contact: ContactName, node: String, due: UnixMillis) -> Call {
        let mut bytes = b"farmux canary 1".to_vec();
        bytes.extend(cluster.id.0.to_be_bytes());
        bytes.extend(contact.as_str().as_bytes());
        bytes.push(0);
        bytes.extend(due.0.to_be_bytes());
        let digest = ring::digest::digest(&ring::digest::SHA256, &bytes);
        let (head, _) = digest.as_ref().split_first_chunk().expect("16 of 32 bytes");
        let occasion = Occasion::Canary;
        Call {
            said: Said::Test {
                node: node.clone(),
                at: due,
                occasion,
            },
            ..Call::test(cluster, contact, node, u128::from_be_bytes(*head), due)
        }
    }
}
