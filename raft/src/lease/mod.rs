//! The VIP lease: a majority of the voters lends each VIP to one node, from memory, over UDP.
//!
//! ```text
//!            orders (roster, release, legs)           held, seen (watch)
//!   node  ------------------------------->  thread  -------------------->  node
//!                                          |      ^
//!                          timers, bytes   v      |  bytes, changes
//!     engine (PURE): wire -> session -> acceptor      (what we granted)
//!                                   \-> proposer      (what we ask for, one a group)
//! ```
//!
//! **Source**: `vip-protocol.md`, sections 1 to 5; PaxosLease (arXiv 1209.4187). It knows neither
//! addresses of VIPs nor the fence: whoever makes the thread passes a callback, which is told of
//! every gain, extension and loss on the thread itself, so that a deadline can be written at once.

mod acceptor;
mod counters;
mod dice;
mod engine;
mod hold;
mod legs;
mod proposer;
mod roster;
#[doc(hidden)]
pub mod seam;
mod session;
#[cfg(test)]
mod tests;
mod thread;
mod time;
mod wire;

pub use counters::{Counters, HoldEnd, Ignored};
/// For a simulator, which is the thread around the engine itself.
#[doc(hidden)]
pub use engine::{Drawn, Engine, Output, Source};
pub use hold::{MISSED_MAX, Outlook, Vacancy, Wanted};
pub use legs::Legs;
pub use roster::{Group, Member, PAIR_PATHS_MIN, Roster, disjoint_paths};
pub use thread::{Hooks, LeaseHandle, OnChange, OnLook, OnStart, SpawnError, spawn};
#[doc(hidden)]
pub use time::Margins;
pub use time::{BootTime, LEASE_MAX, LEASE_MIN, LeaseTimeError, Timing};

use crate::id::Ballot;

/// A lease that this node owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Under which ballot.
    pub ballot: Ballot,
    /// Until when it owns, by its own clock, unless it is told of a later end before.
    pub until: BootTime,
    /// Since when it goes on without a majority (`vip-protocol.md`, section 5); `None` while a
    /// majority lends it.
    pub alone_since: Option<BootTime>,
    /// It was another's before, and was taken alone: others have to hear of it.
    pub taken: bool,
}
