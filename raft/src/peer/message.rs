//! What nodes ask each other beside Raft.
//!
//! What only the `node` crate understands travels as bytes: this crate carries it and looks away.

use serde::{Deserialize, Serialize};

use super::key::SigningRequest;
use crate::codec::{self, Record};
use crate::consensus::RPC_BYTES_MAX;
use crate::id::NodeId;
use crate::state::CheckKey;

/// A question to another node, beside Raft.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PeerRequest {
    /// How do you see the world? What a status contains is `node`'s affair.
    Status,
    /// To the leader: take me out, please. Answered when it is done.
    Leave,
    /// To the leader: a new leaf for the asker's key, please.
    Renew(SigningRequest),
    /// To the leader, from one who joined: I am up, make me a member. Asked again until it is one.
    Admit,
    /// To whoever probes: how did this check go lately?
    Probes(CheckKey),
    /// Carry this out, or say how far it is; what it is, is `node`'s affair. Asked again until it
    /// is done.
    Order(Vec<u8>),
    /// A word of a drill: to whoever measures, fails or conducts; what it says is `node`'s affair.
    Drill(Vec<u8>),
}

/// What a node answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PeerReply {
    /// To `Status`.
    Status(Vec<u8>),
    /// To `Leave`: it is no member any more.
    Gone,
    /// To `Renew`: the leaf, DER.
    Renewed(Vec<u8>),
    /// To `Admit`: how far it is.
    Stage(JoinStage),
    /// It does not lead; perhaps this one does.
    NotLeader(Option<NodeId>),
    /// It cannot, and says why.
    Failed(String),
    /// To `Probes`; what is in it is `node`'s affair.
    Probes(Vec<u8>),
    /// To `Order`: how far it is; what is in it is `node`'s affair.
    Ordered(Vec<u8>),
    /// To `Drill`; what is in it is `node`'s affair.
    Drilled(Vec<u8>),
}

/// How far a joiner is on its way into the membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum JoinStage {
    /// The leader has yet to begin, because another change goes first.
    Waiting,
    /// It gets the log, and still lacks this many entries.
    Learner {
        /// Entries between its log and the leader's.
        behind: u64,
    },
    /// It has the log and is about to be promoted.
    CaughtUp,
    /// It votes: it is a member.
    Voter,
}

/// How a server begins: it takes the caller in, or says why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Greeting {
    /// Speak.
    Welcome,
    /// The caller was removed from the cluster.
    Removed,
}

/// Why a question was not looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Fault {
    /// The asker was removed from the cluster.
    Removed,
    /// It cannot be read: another version, or damage.
    Unreadable(String),
    /// The answer is too large to be sent.
    TooLarge,
}

impl Record for PeerRequest {
    const FORMAT: u16 = codec::NEWEST;
    const SHARED: bool = true;
    const BYTES_MAX: u64 = RPC_BYTES_MAX;
}

impl Record for PeerReply {
    const FORMAT: u16 = codec::NEWEST;
    const SHARED: bool = true;
    const BYTES_MAX: u64 = RPC_BYTES_MAX;
}

/// Longest greeting or fault: a few words.
const WORDS_BYTES_MAX: u64 = 1024;

impl Record for Greeting {
    const FORMAT: u16 = 1;
    const BYTES_MAX: u64 = WORDS_BYTES_MAX;
}

impl Record for Fault {
    const FORMAT: u16 = 1;
    const BYTES_MAX: u64 = WORDS_BYTES_MAX;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{decode, encode};

    /// What went over the wire once must be readable for ever: the bytes stand here.
    fn golden<R: Record + PartialEq + std::fmt::Debug>(record: R, bytes: &[u8]) {
        assert_eq!(encode(&record).expect("it is short"), bytes, "{record:?}");
        assert_eq!(decode::<R>(bytes), Ok(record));
    }

    #[test]
    fn messages_are_golden() {
        golden(PeerRequest::Status, &[0, 1, 0]);
        golden(PeerRequest::Leave, &[0, 1, 1]);
        golden(
            PeerRequest::Renew(SigningRequest(vec![7, 8])),
            &[0, 1, 2, 2, 7, 8],
        );
        golden(PeerRequest::Admit, &[0, 1, 3]);
        golden(PeerReply::Status(vec![9]), &[0, 1, 0, 1, 9]);
        golden(PeerReply::Gone, &[0, 1, 1]);
        golden(PeerReply::Renewed(vec![9]), &[0, 1, 2, 1, 9]);
        golden(PeerReply::Stage(JoinStage::Waiting), &[0, 1, 3, 0]);
        golden(
            PeerReply::Stage(JoinStage::Learner { behind: 5 }),
            &[0, 1, 3, 1, 5],
        );
        golden(PeerReply::Stage(JoinStage::CaughtUp), &[0, 1, 3, 2]);
        golden(PeerReply::Stage(JoinStage::Voter), &[0, 1, 3, 3]);
        golden(PeerReply::NotLeader(None), &[0, 1, 4, 0]);
        golden(PeerReply::NotLeader(Some(NodeId(2))), &[0, 1, 4, 1, 2]);
        golden(
            PeerReply::Failed("no".to_owned()),
            &[0, 1, 5, 2, b'n', b'o'],
        );
        let watch = "w1".parse().expect("a name");
        golden(
            PeerRequest::Probes(CheckKey::Watch(watch)),
            &[0, 1, 4, 1, 2, b'w', b'1'],
        );
        golden(PeerReply::Probes(vec![9]), &[0, 1, 6, 1, 9]);
        golden(PeerRequest::Order(vec![9]), &[0, 2, 5, 1, 9]);
        golden(PeerReply::Ordered(vec![9]), &[0, 2, 7, 1, 9]);
        golden(PeerRequest::Drill(vec![9]), &[0, 2, 6, 1, 9]);
        golden(PeerReply::Drilled(vec![9]), &[0, 2, 8, 1, 9]);
        golden(Greeting::Welcome, &[0, 1, 0]);
        golden(Greeting::Removed, &[0, 1, 1]);
        golden(Fault::Removed, &[0, 1, 0]);
        golden(Fault::Unreadable("x".to_owned()), &[0, 1, 1, 1, b'x']);
        golden(Fault::TooLarge, &[0, 1, 2]);
    }

    #[test]
    fn frames_carry_the_largest_message() {
        let largest = RPC_BYTES_MAX + 2;
        assert!(largest <= u64::from(super::super::frame::PAYLOAD_BYTES_MAX));
    }
}
