//! The fence: a program in the kernel that lets a VIP answer only while its lease lies ahead, and
//! goes on doing so when this process is killed or stopped.
//!
//! ```text
//!   lease thread ──▶ Slot ═══════════ words shared with the kernel ═══════╗
//!   vip thread ────▶ Owner: loads, pins, attaches, and says which VIP is where
//!                      │                                                  ║
//!                      ▼ sys::bpf                                         ▼
//!   <folder>/fence-1/  places, slots, macs, drops, and a link a hook:  bpf/fence.c
//! ```
//!
//! Its rules are `vip-protocol.md`, section 6. `layout` and `choice` are PURE. Where the kernel or
//! the machine does not allow it, all else works on, and [`FenceStatus::trouble`] says what is
//! lost. Pins outlive the process where their folder is in a bpffs that does; without one the
//! program is attached in a way that outlives the process too (clsact), but what it knew does not
//! reach the next one.

mod choice;
mod layout;
mod owner;
mod slot;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

pub use self::layout::{DropReason, Stand};
pub use self::owner::{Owner, Wanted};
pub use self::slot::Slot;
use crate::sys::Counters;
use crate::vip::Claim;

/// How the fence is to be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FenceSettings {
    /// A folder in a bpffs, of this node alone.
    pub folder: PathBuf,
    /// Where the programs are attached.
    pub hook: HookChoice,
}

/// Where the programs are attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HookChoice {
    /// By tcx links where the kernel has them (6.6) and the pins have a place; else by clsact.
    #[default]
    Best,
    /// By clsact filters, as before Linux 6.6.
    Clsact,
    /// Nowhere: what an earlier start attached is taken away.
    Off,
}

/// How a VIP is fenced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FenceMode {
    /// By tcx links.
    Tcx,
    /// By clsact filters.
    Clsact,
    /// Not at all: an address stays for up to 2.5 s when this process is killed.
    #[default]
    None,
}

impl FenceMode {
    /// What it is called in metrics and reports.
    pub fn name(self) -> &'static str {
        match self {
            FenceMode::Tcx => "tcx",
            FenceMode::Clsact => "clsact",
            FenceMode::None => "none",
        }
    }
}

/// What the fence does for a VIP on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FenceStatus {
    /// How it is fenced.
    pub mode: FenceMode,
    /// What gets through at this moment.
    pub stand: Stand,
    /// Whether the next process of this boot finds what this one knew.
    pub pinned: bool,
    /// The last claim by another machine.
    pub claim: Option<Claim>,
    /// How many there were, since the VIP came into the plan.
    pub claims: u64,
    /// Frames that were dropped since then, by reason.
    pub drops: BTreeMap<DropReason, u64>,
    /// What is lost and what mends it, in an operator's words; `None` where nothing is.
    pub trouble: Option<String>,
}

/// Where each VIP of the plan stands with the fence.
#[derive(Debug, Default)]
pub struct Rooms {
    vips: BTreeMap<Arc<str>, Room>,
    counters: Option<Arc<Counters>>,
}

/// Where one stands.
#[derive(Debug, Clone, Default)]
struct Room {
    slot: Option<Slot>,
    mode: FenceMode,
    pinned: bool,
    trouble: Option<String>,
}

impl Rooms {
    /// The words of a VIP.
    pub fn slot(&self, vip: &str) -> Option<&Slot> {
        self.vips.get(vip)?.slot.as_ref()
    }

    /// The words of each VIP that has some.
    pub fn slots(&self) -> Vec<(Arc<str>, Slot)> {
        let slot = |(vip, room): (&Arc<str>, &Room)| Some((Arc::clone(vip), room.slot.clone()?));
        self.vips.iter().filter_map(slot).collect()
    }

    /// What the fence does for each VIP.
    pub fn status(&self, now: u64) -> BTreeMap<Arc<str>, FenceStatus> {
        let status = |(vip, room): (&Arc<str>, &Room)| (Arc::clone(vip), self.of(room, now));
        self.vips.iter().map(status).collect()
    }

    /// How a VIP is fenced.
    pub(crate) fn mode(&self, vip: &str) -> FenceMode {
        self.vips.get(vip).map_or(FenceMode::None, |room| room.mode)
    }

    /// How many of its frames were dropped for that reason; `None` where it is not fenced.
    pub(crate) fn dropped(&self, vip: &str, reason: DropReason) -> Option<u64> {
        let room = self.vips.get(vip)?;
        let fenced = room.mode != FenceMode::None;
        fenced.then(|| self.sum(room, reason)).flatten()
    }

    fn sum(&self, room: &Room, reason: DropReason) -> Option<u64> {
        let key = reason.key(room.slot.as_ref()?.index());
        Some(self.counters.as_ref()?.sum(key))
    }

    fn of(&self, room: &Room, now: u64) -> FenceStatus {
        let slot = room.slot.as_ref();
        let dropped = |reason: DropReason| Some((reason, self.sum(room, reason)?));
        FenceStatus {
            mode: room.mode,
            stand: slot.map_or(Stand::Closed, |slot| slot.stand(now)),
            pinned: room.pinned,
            claim: slot.and_then(Slot::claim),
            claims: slot.map_or(0, Slot::claims),
            drops: DropReason::ALL.into_iter().filter_map(dropped).collect(),
            trouble: room.trouble.clone(),
        }
    }
}
