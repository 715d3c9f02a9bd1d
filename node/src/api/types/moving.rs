//! Planned moves: what is wanted, what will be done, what happened.

use std::fmt;
use std::net::IpAddr;

use farmux_netplane::serve::Work;
use farmux_raft::id::{NodeName, VipName};
use serde::{Deserialize, Serialize};

use crate::fault::Fault;

/// `POST /v1/moves/plan` (answered by a [`MovePlan`]) and `POST /v1/moves` (by a line of JSON for
/// each [`MoveEvent`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MoveRequest {
    /// What is wanted.
    pub wish: MoveWish,
    /// How long work in flight may take, in milliseconds; 0 to 10 minutes, 30 s by default.
    #[serde(default)]
    pub wait_ms: Option<u64>,
}

/// What an operator wants moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum MoveWish {
    /// One VIP.
    Vip {
        /// Which.
        vip: VipName,
        /// To whom.
        to: NodeName,
    },
    /// All VIPs, and the leadership away from who owned them.
    Switchover {
        /// To whom; null: to another balancer that owns nothing yet.
        to: Option<NodeName>,
    },
    /// All that a node has.
    Away {
        /// Which node.
        node: NodeName,
    },
}

/// What will be done.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MovePlan {
    /// VIPs.
    pub moves: Vec<PlannedMove>,
    /// The leadership; null: it stays where it is.
    pub leader: Option<LeaderMoved>,
}

impl MovePlan {
    /// Whether everything is as it is wanted already.
    pub fn is_empty(&self) -> bool {
        self.moves.is_empty() && self.leader.is_none()
    }
}

/// A VIP that will move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedMove {
    /// Which.
    pub vip: VipName,
    /// Its address.
    pub address: IpAddr,
    /// From whom.
    pub from: NodeName,
    /// To whom.
    pub to: NodeName,
    /// What its clients have in hand now.
    pub in_flight: WorkReport,
}

/// The leadership, moved or to be moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaderMoved {
    /// From whom.
    pub from: NodeName,
    /// To whom; null (in a plan only): to whoever can.
    pub to: Option<NodeName>,
}

/// Client connections of a VIP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WorkReport {
    /// HTTP connections with a request or an answer under way.
    pub http: u64,
    /// HTTP connections between two requests.
    pub idle: u64,
    /// TCP connections.
    pub tcp: u64,
    /// FTP sessions.
    pub ftp: u64,
}

impl From<Work> for WorkReport {
    fn from(work: Work) -> WorkReport {
        let Work {
            http,
            idle,
            tcp,
            ftp,
        } = work;
        WorkReport {
            http,
            idle,
            tcp,
            ftp,
        }
    }
}

impl From<WorkReport> for Work {
    fn from(report: WorkReport) -> Work {
        let WorkReport {
            http,
            idle,
            tcp,
            ftp,
        } = report;
        Work {
            http,
            idle,
            tcp,
            ftp,
        }
    }
}

impl WorkReport {
    /// Connections whose end somebody notices.
    pub fn in_hand(self) -> u64 {
        Work::from(self).in_hand()
    }
}

impl fmt::Display for WorkReport {
    /// `2 HTTP requests, 1 FTP session`; those that are idle are left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            (self.http, "HTTP request"),
            (self.tcp, "TCP connection"),
            (self.ftp, "FTP session"),
        ];
        let words = |(count, what): &(u64, &str)| match count {
            0 => None,
            1 => Some(format!("1 {what}")),
            many => Some(format!("{many} {what}s")),
        };
        let words: Vec<String> = kinds.iter().filter_map(words).collect();
        match words.is_empty() {
            true => f.write_str("nothing"),
            false => f.write_str(&words.join(", ")),
        }
    }
}

/// One line of the answer to a move; the last one is `done` or `failed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MoveEvent {
    /// A step was taken.
    Progress(String),
    /// Everything is as it was wanted.
    Done(MoveReport),
    /// It is not, or not all of it.
    Failed {
        /// Why.
        fault: Fault,
        /// What was done all the same.
        report: MoveReport,
    },
}

/// What was moved, and what was not.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MoveReport {
    /// VIPs that moved.
    pub moved: Vec<VipMoved>,
    /// VIPs that did not.
    pub left: Vec<VipLeft>,
    /// The leadership, if it moved.
    pub leader: Option<LeaderMoved>,
}

/// A VIP that moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VipMoved {
    /// Which.
    pub vip: VipName,
    /// Its address.
    pub address: IpAddr,
    /// From whom.
    pub from: NodeName,
    /// To whom.
    pub to: NodeName,
    /// How long work in flight was waited for, in milliseconds.
    pub waited_ms: u64,
    /// From the moment in which no new connection could begin to the one in which the old owner saw
    /// that the new one owned, in milliseconds; null: not known.
    pub gap_ms: Option<u64>,
    /// What was cut at the end of the wait.
    pub cut: WorkReport,
    /// New connections that were put off meanwhile, for their clients' kernels to try again after a
    /// second; null: not counted, because there is no fence.
    pub syns_refused: Option<u64>,
}

impl VipMoved {
    /// In one line.
    pub fn in_words(&self) -> String {
        let VipMoved { vip, from, to, .. } = self;
        let gap = self
            .gap_ms
            .map_or(String::new(), |gap| format!(" in {gap} ms"));
        let cut = match (self.cut.in_hand(), self.cut.idle) {
            (0, 0) => "nothing was cut".to_owned(),
            (0, 1) => "1 idle connection was closed".to_owned(),
            (0, idle) => format!("{idle} idle connections were closed"),
            (_, _) => format!("CUT after {} ms: {}", self.waited_ms, self.cut),
        };
        let put_off = match self.syns_refused {
            None | Some(0) => String::new(),
            Some(1) => "; 1 new connection was put off for a second".to_owned(),
            Some(many) => format!("; {many} new connections were put off for a second"),
        };
        format!("VIP {vip}: {from} -> {to}{gap}; {cut}{put_off}")
    }
}

/// A VIP that did not move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VipLeft {
    /// Which.
    pub vip: VipName,
    /// Who should have given it away.
    pub node: NodeName,
    /// Why it did not go there.
    pub why: String,
}

/// `POST /v1/nodes/NODE/maintenance`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaintenanceRequest {
    /// Whether it shall take nothing on.
    pub on: bool,
    /// What for; may be empty.
    #[serde(default)]
    pub why: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_hand_is_named_and_counted() {
        let work = |http, idle, tcp, ftp| WorkReport {
            http,
            idle,
            tcp,
            ftp,
        };
        assert_eq!(work(0, 7, 0, 0).to_string(), "nothing");
        assert_eq!(
            work(1, 0, 2, 1).to_string(),
            "1 HTTP request, 2 TCP connections, 1 FTP session"
        );
    }

    #[test]
    fn a_move_is_one_line() {
        let mut moved = VipMoved {
            vip: "front".parse().expect("a name"),
            address: [10, 0, 0, 100].into(),
            from: "lb1".parse().expect("a name"),
            to: "lb2".parse().expect("a name"),
            waited_ms: 200,
            gap_ms: Some(17),
            cut: WorkReport::default(),
            syns_refused: Some(2),
        };
        assert_eq!(
            moved.in_words(),
            "VIP front: lb1 -> lb2 in 17 ms; nothing was cut; 2 new connections were put off for \
             a second"
        );
        moved.cut.ftp = 1;
        (moved.gap_ms, moved.syns_refused, moved.waited_ms) = (None, None, 30_000);
        assert_eq!(
            moved.in_words(),
            "VIP front: lb1 -> lb2; CUT after 30000 ms: 1 FTP session"
        );
    }
}
