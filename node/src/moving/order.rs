//! What one node orders of another, and how far the other is: JSON in the peer channel's bytes, so
//! that a newer node may say more to an older one.

use std::sync::Arc;
use std::time::Duration;

use farmux_raft::id::{NodeId, RequestId, VipName};
use serde::{Deserialize, Serialize};

use crate::api::types::MoveReport;
use crate::daemon::Member;
use crate::fault::{Code, Fault};

/// An order to whoever owns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MoveOrder {
    /// Tells it from every other; asked for again under the same one.
    pub(crate) id: String,
    /// What.
    pub(crate) what: What,
    /// How long work in flight may take.
    pub(crate) wait_ms: u64,
}

/// What is ordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum What {
    /// One VIP.
    Vip {
        /// Which.
        vip: VipName,
        /// To whom.
        to: NodeId,
    },
    /// Everything that the node has: VIPs and the leadership.
    Away {
        /// To whom; to whom it thinks best, where nobody is named.
        to: Option<NodeId>,
    },
}

/// How far an order is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Standing {
    /// What happened so far, for people.
    pub(crate) lines: Vec<String>,
    /// How it ended, once it has.
    pub(crate) verdict: Option<Verdict>,
}

/// How an order ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Verdict {
    /// What was moved, and what was not.
    pub(crate) report: MoveReport,
    /// Why it is not as it was ordered, if it is not.
    pub(crate) fault: Option<Fault>,
}

impl MoveOrder {
    /// A new order.
    pub(crate) fn new(what: What, wait: Duration) -> MoveOrder {
        MoveOrder {
            id: format!("{:032x}", RequestId::random().0),
            what,
            wait_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// How long work in flight may take.
    pub(super) fn wait(&self) -> Duration {
        Duration::from_millis(self.wait_ms).min(*super::WAITS.end())
    }

    /// Whether it asks for the same, whoever asked.
    pub(super) fn is_as(&self, other: &MoveOrder) -> bool {
        self.what == other.what
    }

    /// As bytes for the peer channel.
    pub(super) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("plain data always becomes JSON")
    }
}

impl Standing {
    /// One that is over before it began.
    pub(super) fn refused(fault: Fault) -> Standing {
        let verdict = Verdict {
            report: MoveReport::default(),
            fault: Some(fault),
        };
        Standing {
            lines: Vec::new(),
            verdict: Some(verdict),
        }
    }

    fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("plain data always becomes JSON")
    }

    /// From the bytes of another node.
    ///
    /// **Errors**: they are of no use; the caller asks again, or gives up.
    pub(super) fn decode(bytes: &[u8]) -> Result<Standing, serde_json::Error> {
        serde_json::from_slice(bytes)
    }
}

/// Takes the order that another node sent, or finds it, and says how far it is.
pub(crate) fn answer(member: Option<&Arc<Member>>, bytes: &[u8]) -> Vec<u8> {
    let read = serde_json::from_slice::<MoveOrder>(bytes);
    let order = read.map_err(|error| Fault::new(Code::RequestInvalid).why(error));
    let member = member.ok_or_else(|| Fault::new(Code::NoCluster));
    let standing = match (member, order) {
        (Ok(member), Ok(order)) => member.desk().standing(member, order),
        (Err(fault), _) | (_, Err(fault)) => Standing::refused(fault),
    };
    standing.encode()
}
