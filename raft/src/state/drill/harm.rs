//! What a drill breaks on purpose, and from when to when: by that a page is told to be its doing.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{DrillKind, RunId, Running};
use crate::id::{NodeId, UnixMillis, VipName};
use crate::state::Parent;

/// Whom a drill hits, as its plan says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DrillRadius {
    /// Nodes that are lost meanwhile.
    pub nodes: BTreeSet<NodeId>,
    /// VIPs that change their owner.
    pub vips: BTreeSet<VipName>,
    /// Servers and watches that seem down; whatever depends on them is hit too.
    pub members: BTreeSet<Parent>,
}

/// What the newest drill breaks, or broke.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Harm {
    /// Which run.
    pub run: RunId,
    /// Which drill.
    pub kind: DrillKind,
    /// Whom it hits.
    pub radius: DrillRadius,
    /// Since when.
    pub from: UnixMillis,
    /// Until when; while it lasts, when its run is over at the latest.
    pub until: UnixMillis,
    /// Whether it lasts.
    pub lasts: bool,
}

impl DrillRadius {
    /// The same with no more in it than a plan can have.
    pub(super) fn bounded(mut self) -> DrillRadius {
        self.members = self.members.into_iter().take(MEMBERS_MAX).collect();
        self.nodes = self.nodes.into_iter().take(MEMBERS_MAX).collect();
        self.vips = self.vips.into_iter().take(MEMBERS_MAX).collect();
        self
    }
}

impl Harm {
    pub(super) fn new(running: &Running, radius: DrillRadius, now: UnixMillis) -> Harm {
        Harm {
            run: running.id,
            kind: running.order.kind,
            radius,
            from: now,
            until: running.order.until.max(now),
            lasts: true,
        }
    }

    /// It is over; `false`: it was.
    pub(super) fn end(&mut self, now: UnixMillis) -> bool {
        if !self.lasts {
            return false;
        }
        self.lasts = false;
        self.until = now.max(self.from).min(self.until);
        true
    }
}

/// A drill hits one thing, and a node's VIPs with it; there are 100 VIPs.
const MEMBERS_MAX: usize = 128;
