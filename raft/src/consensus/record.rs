//! Our own versioned structs for what openraft stores and sends, and the ways to and from them.
//!
//! openraft's structs change with openraft; the ones here change with their `FORMAT` only.

use std::collections::{BTreeMap, BTreeSet};

use openraft::{CommittedLeaderId, EmptyNode, Entry, EntryPayload, LeaderId, LogId, Membership};
use openraft::{SnapshotMeta, StoredMembership, Vote};
use serde::{Deserialize, Serialize};

use super::TypeConfig;
use crate::codec::{self, Record};
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

/// Longest snapshot. Ten thousand pages and a thousand revisions are some ten MB; this bounds what
/// a machine would have to hold, not what we expect.
pub const SNAPSHOT_BYTES_MAX: u64 = 256 << 20;

impl Record for EntryRecord {
    const FORMAT: u16 = codec::NEWEST;
    const SHARED: bool = true;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{decode, encode};
    use crate::id::{RequestId, UnixMillis};
    use crate::state::{Command, TokenId};

    fn nodes(ids: &[u64]) -> BTreeSet<NodeId> {
        ids.iter().map(|id| NodeId(*id)).collect()
    }

    fn entry(payload: PayloadRecord) -> EntryRecord {
        EntryRecord {
            id: LogIdRecord {
                term: 2,
                node: NodeId(1),
                index: 300,
            },
            payload,
        }
    }

    /// What lies on disks and travels between versions: a test that fails here wants a new
    /// `FORMAT`.
    #[test]
    fn bytes_are_golden() {
        let membership = MembershipRecord {
            halves: vec![nodes(&[1, 2]), nodes(&[1])],
            learners: nodes(&[9]),
        };
        let command = Command::RevokeToken(TokenId(7));
        let proposal = Proposal {
            id: RequestId(5),
            at: UnixMillis(6),
            command,
        };
        let head = [0, 1, 2, 1, 251, 44, 1];
        let table: [(PayloadRecord, &[u8]); 3] = [
            (PayloadRecord::Blank, &[0]),
            (
                PayloadRecord::Proposal(Box::new(proposal)),
                &[1, 5, 6, 2, 7],
            ),
            (
                PayloadRecord::Membership(membership),
                &[2, 2, 2, 1, 2, 1, 1, 1, 9],
            ),
        ];
        for (payload, tail) in table {
            let record = entry(payload);
            let bytes = [&head[..], tail].concat();
            assert_eq!(encode(&record).expect("it is short"), bytes, "{record:?}");
            assert_eq!(decode::<EntryRecord>(&bytes).expect("it is whole"), record);
        }
    }

    #[test]
    fn openrafts_structs_survive_the_way_through_ours() {
        let vote = Vote::new_committed(3, NodeId(2));
        assert_eq!(Vote::from(VoteRecord::from(vote)), vote);
        let id = LogId::new(CommittedLeaderId::new(3, NodeId(2)), 8);
        assert_eq!(LogId::from(LogIdRecord::from(id)), id);
        let all: BTreeMap<_, _> = [1, 2, 3].map(|n| (NodeId(n), EmptyNode {})).into();
        let membership = Membership::new(vec![nodes(&[1]), nodes(&[1, 2])], all);
        assert_eq!(
            Membership::from(MembershipRecord::from(&membership)),
            membership
        );
        let meta = SnapshotMeta {
            last_log_id: Some(id),
            last_membership: StoredMembership::new(Some(id), membership),
            snapshot_id: "3-8".to_owned(),
        };
        assert_eq!(SnapshotMeta::from(SnapshotMetaRecord::from(&meta)), meta);
    }

    /// Votes are compared as openraft compares them: by term, node, and whether they won.
    #[test]
    fn votes_keep_their_order() {
        let vote = |term, node, committed| VoteRecord {
            term,
            node: NodeId(node),
            committed,
        };
        let rising = [
            vote(1, 9, true),
            vote(2, 1, false),
            vote(2, 1, true),
            vote(2, 2, false),
        ];
        assert!(rising.is_sorted());
        assert!(rising.map(Vote::from).is_sorted());
    }
}
