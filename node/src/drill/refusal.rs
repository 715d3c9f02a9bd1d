//! PURE. Why a drill is not begun, in an operator's words.

use crate::fault::{Code, Fault};

use super::DrillKind;

/// Why a drill is not begun.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Somebody has locked drills.
    #[error("drills are locked by {by}: {why}")]
    Locked {
        /// Who.
        by: String,
        /// Why.
        why: String,
    },
    /// Another runs.
    #[error("{0} is running")]
    Busy(DrillKind),
    /// Something is not as it should be already.
    #[error("the cluster is not healthy: {}", .0.join("; "))]
    NotHealthy(Vec<String>),
    /// More would be lost than the drill is about.
    #[error("it would take the last redundancy: {0}")]
    LastRedundancy(String),
    /// There is nothing of that name, or nothing that this drill can hit.
    #[error("{0}")]
    Target(String),
    /// It takes down what is served, and the cluster's name was not typed, or another.
    #[error("it takes the majority from the owner of the VIPs of {cluster}")]
    NotForced {
        /// What must be typed.
        cluster: String,
    },
    /// Nobody is left who could measure through the VIP.
    #[error("no node is left that could measure through the VIP without owning it")]
    NobodyMeasures,
}

impl Refusal {
    /// The same in four parts.
    pub fn fault(&self, kind: DrillKind) -> Fault {
        let (code, mend) = match self {
            Refusal::Locked { .. } => (Code::DrillLocked, "farmux drill unlock".to_owned()),
            Refusal::Busy(_) => (
                Code::DrillBusy,
                "farmux drill history   (or: farmux drill abort)".to_owned(),
            ),
            Refusal::NotHealthy(_) => (
                Code::DrillUnhealthy,
                "farmux status   (mend what it names, then the same command)".to_owned(),
            ),
            Refusal::LastRedundancy(_) => (
                Code::DrillLastRedundancy,
                "farmux status   (add a node, a witness or a server first)".to_owned(),
            ),
            Refusal::Target(_) => (Code::DrillTarget, format!("farmux drill plan {kind}")),
            Refusal::NotForced { cluster } => (
                Code::DrillNotForced,
                format!("farmux drill run {kind} --force {cluster}"),
            ),
            Refusal::NobodyMeasures => (
                Code::DrillUnmeasured,
                format!("farmux probe URL   (on a client), and: farmux drill run {kind} --outside"),
            ),
        };
        Fault::new(code)
            .what(format!("{kind} is not begun"))
            .why(self)
            .mend(mend)
    }
}
