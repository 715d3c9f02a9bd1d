//! PURE. Legs: how fit a node is to own, in bits that travel in every datagram.

use std::collections::BTreeMap;

use super::time::{BootTime, LEGS_FRESH};
use crate::id::NodeId;

/// What a node stands on, a bit for each leg that is well.
///
/// **Source**: `vip-protocol.md`, section 7.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Legs(u8);

impl Legs {
    /// The VIP's interface has a carrier.
    pub const CARRIER: Legs = Legs(1);
    /// The gateway answers.
    pub const GATEWAY: Legs = Legs(2);
    /// At least one server of the farm answers.
    pub const SERVER: Legs = Legs(4);
    /// The serving runtimes are alive.
    pub const RUNTIMES: Legs = Legs(8);
    /// All of them.
    pub const ALL: Legs = Legs(15);

    /// Reads the bits of a header; bits that we do not know are dropped.
    pub fn from_bits(bits: u8) -> Legs {
        Legs(bits & Legs::ALL.0)
    }

    /// The bits as they travel.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// The legs in words, for logs and people: `all`, or those that fail.
    pub fn words(self) -> String {
        let named = [
            (Legs::CARRIER, "no carrier"),
            (Legs::GATEWAY, "no gateway"),
            (Legs::SERVER, "no server"),
            (Legs::RUNTIMES, "runtimes stuck"),
        ];
        let missing = named.iter().filter(|(leg, _)| self.0 & leg.0 == 0);
        let missing: Vec<&str> = missing.map(|(_, word)| *word).collect();
        match missing.is_empty() {
            true => "all".to_owned(),
            false => missing.join(", "),
        }
    }

    /// These legs without those of `other`.
    pub fn without(self, other: Legs) -> Legs {
        Legs(self.0 & !other.0)
    }

    /// Whether all of `legs` are well.
    pub(crate) fn has(self, legs: Legs) -> bool {
        self.0 & legs.0 == legs.0
    }

    /// Whether `other` lacks `leg`, which is well here.
    pub(crate) fn lacks(self, other: Legs, leg: Legs) -> bool {
        self.has(leg) && !other.has(leg)
    }

    /// How many are well: more is better, and no leg counts more than another.
    pub fn count(self) -> u32 {
        self.0.count_ones()
    }
}

/// The legs of the others, as last heard.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heard(BTreeMap<NodeId, (Legs, BootTime)>);

impl Heard {
    /// Notes what a datagram said.
    pub(crate) fn note(&mut self, from: NodeId, legs: Legs, now: BootTime) {
        self.0.insert(from, (legs, now));
    }

    /// When `node` was last heard, if ever.
    pub(crate) fn last(&self, node: NodeId) -> Option<BootTime> {
        self.0.get(&node).map(|(_, at)| *at)
    }

    /// The legs of `node`, if it was heard lately.
    pub(crate) fn of(&self, node: NodeId, now: BootTime) -> Option<Legs> {
        let (legs, at) = self.0.get(&node)?;
        (now.since(*at) < LEGS_FRESH).then_some(*legs)
    }
}
