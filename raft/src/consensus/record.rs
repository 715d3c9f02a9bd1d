//! Our own versioned structs for what openraft stores and sends, and the ways to and from them.
//!
//! openraft's structs change with openraft; the ones here change with their `FORMAT` only.

use std::collections::{BTreeMap, BTreeSet};

use openraft::{CommittedLeaderId, EmptyNode, Entry, EntryPayload, LeaderId, LogId, Membership};
use openraft::{SnapshotMeta, StoredMembership, Vote};
use serde::{Deserialize, Serialize};

use super::TypeConfig;
use crate::codec::Record;
use crate::id::NodeId;
use crate::state::Proposal;

/// A vote: for whom, in which term, and whether that one already leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct VoteRecord {
    /// The term.
    pub term: u64,
    /// Who is voted for.
    pub node: NodeId,
    /// A majority granted it.
    pub committed: bool,
}

/// Where an entry stands in the log, and under whose leadership it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LogIdRecord {
    /// Term of the leader that wrote it.
    pub term: u64,
    /// That leader.
    pub node: NodeId,
    /// Its index; the first entry of a cluster has 0.
    pub index: u64,
}

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EntryRecord {
    /// Where it stands.
    pub id: LogIdRecord,
    /// What it says.
    pub payload: PayloadRecord,
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum PayloadRecord {
    /// Nothing: a new leader's first entry.
    Blank,
    /// A change of the state.
    Proposal(Box<Proposal>),
    /// A change of the membership.
    Membership(MembershipRecord),
}

/// Who votes and who only learns.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MembershipRecord {
    /// One set of voters; two while the change from one to the other is under way.
    pub halves: Vec<BTreeSet<NodeId>>,
    /// Learners.
    pub learners: BTreeSet<NodeId>,
}

/// What a snapshot contains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotMetaRecord {
    /// The last entry in it.
    pub last: Option<LogIdRecord>,
    /// Where its membership was written.
    pub membership_at: Option<LogIdRecord>,
    /// The last membership in it.
    pub membership: MembershipRecord,
    /// Tells one transfer from another.
    pub id: String,
}

/// Longest encoding of one entry: a configuration of some thousand servers with room to spare.
pub const ENTRY_BYTES_MAX: u64 = 1 << 20;

impl Record for EntryRecord {
    const FORMAT: u16 = 1;
    const BYTES_MAX: u64 = ENTRY_BYTES_MAX;
}

impl From<Vote<NodeId>> for VoteRecord {
    fn from(vote: Vote<NodeId>) -> Self {
        let LeaderId { term, node_id } = vote.leader_id;
        VoteRecord {
            term,
            node: node_id,
            committed: vote.committed,
        }
    }
}

impl From<VoteRecord> for Vote<NodeId> {
    fn from(record: VoteRecord) -> Self {
        Vote {
            leader_id: LeaderId {
                term: record.term,
                node_id: record.node,
            },
            committed: record.committed,
        }
    }
}

impl From<LogId<NodeId>> for LogIdRecord {
    fn from(id: LogId<NodeId>) -> Self {
        LogIdRecord {
            term: id.leader_id.term,
            node: id.leader_id.node_id,
            index: id.index,
        }
    }
}

impl From<LogIdRecord> for LogId<NodeId> {
    fn from(record: LogIdRecord) -> Self {
        LogId::new(
            CommittedLeaderId::new(record.term, record.node),
            record.index,
        )
    }
}

impl From<Entry<TypeConfig>> for EntryRecord {
    fn from(entry: Entry<TypeConfig>) -> Self {
        let payload = match entry.payload {
            EntryPayload::Blank => PayloadRecord::Blank,
            EntryPayload::Normal(proposal) => PayloadRecord::Proposal(Box::new(proposal)),
            EntryPayload::Membership(m) => PayloadRecord::Membership(MembershipRecord::from(&m)),
        };
        EntryRecord {
            id: entry.log_id.into(),
            payload,
        }
    }
}

impl From<EntryRecord> for Entry<TypeConfig> {
    fn from(record: EntryRecord) -> Self {
        let payload = match record.payload {
            PayloadRecord::Blank => EntryPayload::Blank,
            PayloadRecord::Proposal(proposal) => EntryPayload::Normal(*proposal),
            PayloadRecord::Membership(m) => EntryPayload::Membership(m.into()),
        };
        Entry {
            log_id: record.id.into(),
            payload,
        }
    }
}

impl From<&Membership<NodeId, EmptyNode>> for MembershipRecord {
    fn from(membership: &Membership<NodeId, EmptyNode>) -> Self {
        MembershipRecord {
            halves: membership.get_joint_config().clone(),
            learners: membership.learner_ids().collect(),
        }
    }
}

impl From<MembershipRecord> for Membership<NodeId, EmptyNode> {
    fn from(record: MembershipRecord) -> Self {
        let voters = record.halves.iter().flatten();
        let all = voters
            .chain(&record.learners)
            .map(|node| (*node, EmptyNode {}));
        Membership::new(record.halves.clone(), all.collect::<BTreeMap<_, _>>())
    }
}

impl From<&SnapshotMeta<NodeId, EmptyNode>> for SnapshotMetaRecord {
    fn from(meta: &SnapshotMeta<NodeId, EmptyNode>) -> Self {
        SnapshotMetaRecord {
            last: meta.last_log_id.map(Into::into),
            membership_at: (*meta.last_membership.log_id()).map(Into::into),
            membership: meta.last_membership.membership().into(),
            id: meta.snapshot_id.clone(),
        }
    }
}

impl From<SnapshotMetaRecord> for SnapshotMeta<NodeId, EmptyNode> {
    fn from(record: SnapshotMetaRecord) -> Self {
        SnapshotMeta {
            last_log_id: record.last.map(Into::into),
            last_membership: StoredMembership::new(
                record.membership_at.map(Into::into),
                record.membership.into(),
            ),
            snapshot_id: record.id,
        }
    }
}
