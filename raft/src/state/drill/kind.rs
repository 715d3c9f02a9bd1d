//! Which drills there are, and what each of them claims, may cost, and is ended by.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A failure that is rehearsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DrillKind {
    /// A VIP moves to another node by plan.
    VipMove,
    /// The owner of a VIP is killed.
    OwnerCrash,
    /// The owner of a VIP is stopped, and goes on later.
    OwnerPause,
    /// A node hears no other node.
    NodeIsolate,
    /// A node reaches its gateway no more.
    GatewayLoss,
    /// A server seems down.
    ServerDown,
    /// A server seems slow.
    ServerSlow,
    /// A file server seems down, and all behind it.
    FileServerDown,
    /// A page goes through every channel and is acknowledged.
    PageTest,
    /// The owner of the VIPs has no majority.
    QuorumLoss,
    /// The data folder of a node is full.
    DiskFull,
    /// A snapshot is restored elsewhere and compared.
    Restore,
}

/// What a drill may cost before it has failed.
///
/// **Units**: milliseconds, requests, pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// The longest outage.
    pub outage_ms: u64,
    /// Of a thousand requests, so many may fail beside those of the outage.
    pub failed_permille: u64,
    /// Pages that must be sent; more or fewer are a failure. `None`: nobody counts.
    pub pages: Option<u64>,
    /// A page that is sent later than this is late.
    pub page_ms: u64,
}

/// When a drill stops by itself, because it hurts more than it was meant to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// An outage of this length.
    pub outage_ms: u64,
    /// Of the last thousand requests, so many failed.
    pub failed_permille: u64,
}

/// How the failure ends, whoever else is dead by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// Who holds the timer: always on the affected node itself.
    pub holder: UndoHolder,
    /// When it runs out, from the injection on.
    pub timer_ms: u64,
}

/// Who holds the timer of the undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UndoHolder {
    /// Nobody: there is nothing to undo.
    Nobody,
    /// The kernel: what it dropped it lets pass when an element of a set times out.
    Kernel,
    /// A process beside the daemon, started before anything is injected; where somebody supervises
    /// the daemon, that one starts it again when it was killed.
    Supervisor,
    /// The daemon: what it pretends lives in its memory with a deadline, and dies with it.
    Daemon,
}

impl DrillKind {
    /// All of them.
    pub const ALL: [DrillKind; 12] = [
        DrillKind::VipMove,
        DrillKind::OwnerCrash,
        DrillKind::OwnerPause,
        DrillKind::NodeIsolate,
        DrillKind::GatewayLoss,
        DrillKind::ServerDown,
        DrillKind::ServerSlow,
        DrillKind::FileServerDown,
        DrillKind::PageTest,
        DrillKind::QuorumLoss,
        DrillKind::DiskFull,
        DrillKind::Restore,
    ];

    /// The one of this word.
    pub fn of_word(word: &str) -> Option<DrillKind> {
        DrillKind::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// What it is called on a command line and in a report.
    pub fn word(self) -> &'static str {
        match self {
            DrillKind::VipMove => "vip-move",
            DrillKind::OwnerCrash => "owner-crash",
            DrillKind::OwnerPause => "owner-pause",
            DrillKind::NodeIsolate => "node-isolate",
            DrillKind::GatewayLoss => "gateway-loss",
            DrillKind::ServerDown => "server-down",
            DrillKind::ServerSlow => "server-slow",
            DrillKind::FileServerDown => "file-server-down",
            DrillKind::PageTest => "page-test",
            DrillKind::QuorumLoss => "quorum-loss",
            DrillKind::DiskFull => "disk-full",
            DrillKind::Restore => "restore",
        }
    }

    /// What is claimed, and put to the test.
    pub fn hypothesis(self) -> &'static str {
        match self {
            DrillKind::VipMove => {
                "A VIP moves to another node, and is out for no longer than 30 ms."
            }
            DrillKind::OwnerCrash => {
                "When the owner of a VIP is killed, another node answers for it within 300 ms."
            }
            DrillKind::OwnerPause => {
                "When the owner of a VIP hangs, another answers within 300 ms; when it goes on, \
                 it does not answer beside it."
            }
            DrillKind::NodeIsolate => {
                "A node that hears no other node loses its VIPs to one that does, within 300 ms."
            }
            DrillKind::GatewayLoss => {
                "A node without its gateway gives its VIPs to one that has it."
            }
            DrillKind::ServerDown => {
                "When a server is down, its farm goes on without it, and one page is sent."
            }
            DrillKind::ServerSlow => {
                "When a server does not answer in time, its farm goes on without it."
            }
            DrillKind::FileServerDown => {
                "When a file server is down, one page names it and everything behind it."
            }
            DrillKind::PageTest => {
                "A page reaches a human through every channel, and is acknowledged."
            }
            DrillKind::QuorumLoss => "Without a majority, what is served goes on being served.",
            DrillKind::DiskFull => {
                "A node whose disk is full leaves the others working, and somebody is told."
            }
            DrillKind::Restore => {
                "A snapshot taken now holds all that the cluster agreed on, and can be restored."
            }
        }
    }

    /// What it may cost, where nobody says otherwise.
    pub fn bounds(self) -> Bounds {
        let bounds = |outage_ms, pages| Bounds {
            outage_ms,
            failed_permille: 0,
            pages,
            page_ms: PAGE_MS,
        };
        match self {
            // Who is told of moves is told of this one.
            DrillKind::VipMove => bounds(MOVE_MS, None),
            DrillKind::OwnerCrash | DrillKind::OwnerPause | DrillKind::NodeIsolate => {
                bounds(TAKEOVER_MS, None)
            }
            DrillKind::GatewayLoss => bounds(1_000, None),
            // Until the first probe that fails, a server that refuses is asked and answers nothing.
            DrillKind::ServerDown | DrillKind::ServerSlow => Bounds {
                failed_permille: 20,
                ..bounds(1_000, Some(1))
            },
            DrillKind::FileServerDown => bounds(0, Some(1)),
            DrillKind::PageTest | DrillKind::DiskFull => bounds(0, Some(1)),
            DrillKind::QuorumLoss => bounds(TAKEOVER_MS, None),
            DrillKind::Restore => bounds(0, Some(0)),
        }
    }

    /// When it stops by itself.
    pub fn stop(self) -> Stop {
        Stop {
            outage_ms: STOP_OUTAGE_MS.max(4 * self.bounds().outage_ms),
            failed_permille: 500,
        }
    }

    /// Who ends the failure when nobody else can, and when.
    pub fn undo(self) -> Undo {
        let (holder, timer_ms) = match self {
            DrillKind::VipMove | DrillKind::PageTest | DrillKind::Restore => {
                (UndoHolder::Nobody, 0)
            }
            DrillKind::OwnerCrash | DrillKind::OwnerPause => (UndoHolder::Supervisor, 30_000),
            // Nothing is filled: it is pretended.
            DrillKind::DiskFull => (UndoHolder::Daemon, 30_000),
            DrillKind::NodeIsolate | DrillKind::GatewayLoss => (UndoHolder::Kernel, 30_000),
            DrillKind::QuorumLoss => (UndoHolder::Kernel, 20_000),
            // Rise and fall of a slow check take their time.
            DrillKind::ServerDown | DrillKind::ServerSlow | DrillKind::FileServerDown => {
                (UndoHolder::Daemon, 60_000)
            }
        };
        Undo { holder, timer_ms }
    }

    /// For how long it is looked at after the injection; never until the timer runs out, so that
    /// the run itself ends what it began.
    pub fn measured_for(self) -> Duration {
        Duration::from_millis(match self {
            DrillKind::VipMove => 5_000,
            DrillKind::OwnerCrash
            | DrillKind::OwnerPause
            | DrillKind::NodeIsolate
            | DrillKind::GatewayLoss
            | DrillKind::DiskFull => 15_000,
            DrillKind::QuorumLoss => 10_000,
            DrillKind::ServerDown | DrillKind::ServerSlow | DrillKind::FileServerDown => 45_000,
            // Somebody reaches for a telephone.
            DrillKind::PageTest => 900_000,
            DrillKind::Restore => 60_000,
        })
    }

    /// Whether a node is lost to the cluster while it lasts.
    pub fn takes_a_node(self) -> bool {
        match self {
            DrillKind::OwnerCrash
            | DrillKind::OwnerPause
            | DrillKind::NodeIsolate
            | DrillKind::DiskFull => true,
            DrillKind::VipMove
            | DrillKind::GatewayLoss
            | DrillKind::ServerDown
            | DrillKind::ServerSlow
            | DrillKind::FileServerDown
            | DrillKind::PageTest
            | DrillKind::QuorumLoss
            | DrillKind::Restore => false,
        }
    }
}

impl std::fmt::Display for DrillKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

impl UndoHolder {
    /// In a sentence.
    pub fn words(self) -> &'static str {
        match self {
            UndoHolder::Nobody => "there is nothing to undo",
            UndoHolder::Kernel => "a timer in the affected node's kernel",
            UndoHolder::Supervisor => "a process of its own beside the daemon, or its supervisor",
            UndoHolder::Daemon => "a deadline in the affected daemon's memory",
        }
    }
}

/// **Source**: design, Planned moves: 30 ms. What is sent within it to who had the VIP comes again
/// a second later, by TCP, which a client that waits half a second takes for lost.
const MOVE_MS: u64 = 30;

/// **Source**: design, Failover: 300 ms at most.
const TAKEOVER_MS: u64 = 300;

/// **Source**: design: an administrator hears within seconds.
const PAGE_MS: u64 = 30_000;

/// Five seconds of silence are more than any drill may cost; a takeover has long failed by then.
const STOP_OUTAGE_MS: u64 = 5_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_holds_the_timer_is_said_as_it_is() {
        let holder = |kind: DrillKind| kind.undo().holder;
        for kind in [DrillKind::OwnerCrash, DrillKind::OwnerPause] {
            assert_eq!(holder(kind), UndoHolder::Supervisor, "{kind}");
        }
        assert_eq!(holder(DrillKind::DiskFull), UndoHolder::Daemon, "pretended");
        let words = UndoHolder::Supervisor.words();
        assert!(
            words.contains("process of its own"),
            "it is no unit: {words}"
        );
    }

    #[test]
    fn every_drill_ends_before_its_timer_and_stops_after_its_bound() {
        for kind in DrillKind::ALL {
            let (undo, stop, bounds) = (kind.undo(), kind.stop(), kind.bounds());
            let measured = u64::try_from(kind.measured_for().as_millis()).expect("minutes");
            let nothing = undo.holder == UndoHolder::Nobody;
            assert!(nothing || measured < undo.timer_ms, "{kind}");
            assert!(stop.outage_ms > bounds.outage_ms, "{kind}");
            assert!(stop.failed_permille > bounds.failed_permille, "{kind}");
            assert!(kind.hypothesis().ends_with('.'), "{kind}");
            let json = serde_json::to_string(&kind).expect("a word");
            assert_eq!(json, format!("\"{kind}\""));
            assert_eq!(DrillKind::of_word(kind.word()), Some(kind));
        }
    }
}
