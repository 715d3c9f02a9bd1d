//! What one node asks another, and what it answers: our own structs, with cluster and epoch on
//! each.
//!
//! ```text
//!   caller --Rpc { cluster, epoch, request }--> handler --RpcReply--> caller
//! ```

use serde::{Deserialize, Serialize};

use super::membership::{Change, ChangeError};
use super::record::{EntryRecord, LogIdRecord, SnapshotMetaRecord, VoteRecord};
use crate::codec::{self, DecodeError, EncodeError, Record};
use crate::id::{ClusterId, NodeId};
use crate::state::{Applied, Proposal, Reject};

/// A question to another node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rpc {
    /// The cluster that the asker belongs to.
    pub cluster: ClusterId,
    /// The epoch in which it does.
    pub epoch: u64,
    /// What it wants.
    pub request: Request,
}

/// What a node wants of another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// A leader replicates its log, or shows with no entries that it lives.
    Append {
        /// Its right to lead.
        vote: VoteRecord,
        /// The entry before the first one sent.
        previous: Option<LogIdRecord>,
        /// The entries.
        entries: Vec<EntryRecord>,
        /// What is committed.
        committed: Option<LogIdRecord>,
    },
    /// A candidate asks for a vote.
    Vote {
        /// The vote it wants.
        vote: VoteRecord,
        /// The end of its log.
        last: Option<LogIdRecord>,
        /// The leader told it to stand, so that hearing that leader is no reason to refuse.
        sanctioned: bool,
    },
    /// A leader sends a piece of its snapshot.
    Snapshot {
        /// Its right to lead.
        vote: VoteRecord,
        /// What the snapshot contains.
        meta: SnapshotMetaRecord,
        /// Where in it this piece begins.
        offset: u64,
        /// The piece.
        data: Vec<u8>,
        /// It is the last one.
        done: bool,
    },
    /// Would you vote for me? Changes nothing on either side.
    PreVote {
        /// The end of its log.
        last: Option<LogIdRecord>,
    },
    /// The leader wants the receiver to stand for election now.
    ElectNow {
        /// The asker's right to lead.
        vote: VoteRecord,
    },
    /// To the leader: write this.
    Propose(Box<Proposal>),
    /// To the leader: change the membership.
    Change(Change),
    /// To the leader: up to where must a copy be applied that shall have all that is decided?
    Newest,
    /// A leader that waits for slow disks asks: do you follow me? Answered from memory.
    Follow {
        /// Its right to lead.
        vote: VoteRecord,
    },
}

/// What a node answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum RpcReply {
    /// To `Append`.
    Append(AppendReply),
    /// To `Vote`.
    Vote {
        /// The receiver's vote as it is now.
        vote: VoteRecord,
        /// Whether it was granted.
        granted: bool,
        /// The end of the receiver's log.
        last: Option<LogIdRecord>,
    },
    /// To `Snapshot`.
    Snapshot(SnapshotReply),
    /// To `PreVote`: whether the receiver would vote for the asker.
    PreVote(bool),
    /// To `ElectNow`: whether the receiver stands.
    ElectNow(bool),
    /// To `Propose`.
    Proposed(Result<Written, Unwritten>),
    /// To `Change`.
    Changed(Result<(), ChangeError>),
    /// To anything: it was not even looked at.
    Refused(Refusal),
    /// To `Newest`: the index.
    Newest(Result<u64, Unwritten>),
    /// To `Follow`: whether the receiver heard that leader, and nobody newer.
    Follow(bool),
}

/// How an `Append` ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AppendReply {
    /// All of it is stored.
    Success,
    /// Stored up to here.
    Partial(Option<LogIdRecord>),
    /// The log before it differs.
    Conflict,
    /// Another leads, or may soon.
    HigherVote(VoteRecord),
}

/// How a piece of a snapshot was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SnapshotReply {
    /// Taken; with the receiver's vote.
    Taken(VoteRecord),
    /// The receiver knows no beginning of this snapshot: send it from the start.
    StartOver,
}

/// A proposal that was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Index of its entry.
    pub index: u64,
    /// What `apply` answered.
    pub outcome: Result<Applied, Reject>,
}

/// Why a proposal was not decided by the node that was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unwritten {
    /// It does not lead; perhaps this one does. Nothing was written.
    NotLeader(Option<NodeId>),
    /// It leads without a majority. Nothing was written.
    NoQuorum,
    /// It was written, but not decided in time.
    Undecided,
    /// The node stops. Nothing is known.
    Stopped,
    /// This disk has no room, and too few others have. Nothing was written.
    Full(NodeId),
    /// Other writes went first until there was no time left. Nothing was written.
    Crowded,
}

/// Why a question was not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// The asker belongs to another cluster.
    #[error("it belongs to another cluster")]
    ForeignCluster,
    /// The asker belongs to another epoch of this cluster.
    #[error("it is in epoch {ours} of the cluster")]
    OtherEpoch {
        /// The receiver's epoch.
        ours: u64,
    },
    /// The asker speaks in another node's name.
    #[error("the asker spoke in another node's name")]
    NotYourself,
    /// The asker is no member, or no longer.
    #[error("the asker is not a member")]
    NotMember,
    /// The snapshot is longer than any may be.
    #[error("a snapshot that is too long")]
    TooLong,
    /// The receiver stops.
    #[error("it is stopping")]
    Stopped,
}

/// Longest question: a batch of entries (at most 1 MiB and one entry more) or a piece of a
/// snapshot.
pub const RPC_BYTES_MAX: u64 = 4 << 20;

impl Record for Rpc {
    const FORMAT: u16 = codec::NEWEST;
    const SHARED: bool = true;
    const BYTES_MAX: u64 = RPC_BYTES_MAX;
}

impl Record for RpcReply {
    const FORMAT: u16 = codec::NEWEST;
    const SHARED: bool = true;
    const BYTES_MAX: u64 = RPC_BYTES_MAX;
}

impl Rpc {
    /// As bytes for the wire.
    ///
    /// **Errors**: longer than [`RPC_BYTES_MAX`].
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        codec::encode(self)
    }

    /// From bytes of an authenticated peer.
    ///
    /// **Errors**: whatever [`codec::decode`] says; the connection is closed.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        codec::decode(bytes)
    }
}

impl RpcReply {
    /// As bytes for the wire.
    ///
    /// **Errors**: longer than [`RPC_BYTES_MAX`].
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        codec::encode(self)
    }

    /// From bytes of an authenticated peer.
    ///
    /// **Errors**: whatever [`codec::decode`] says; the connection is closed.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        codec::decode(bytes)
    }
}
