//! Planned moves: VIPs and the leadership go to another node, and no request is lost.
//!
//! ```text
//!   any node                                          the owner
//!   face --MoveRequest--> intent (PURE) --orders-->   desk: one errand at a time
//!                            '-- errand --peer: Order (again and again)--> desk --Standing--.
//!                                      owner: what, to whom --> walk (I/O) around sequence (PURE)
//!   SIGTERM, cluster leave, maintenance (rest) --^     '--> fitness (PURE): who can
//! ```
//!
//! An order is asked for again until its verdict is known, under one id, so that a lost answer
//! carries nothing out twice; whoever asks holds no connection meanwhile.
//!
//! **Source**: `vip-protocol.md`, section 8.

mod desk;
mod errand;
mod fitness;
mod intent;
mod order;
mod owner;
mod rest;
mod sequence;
#[cfg(test)]
mod tests;
mod walk;

pub(crate) use desk::Desk;
pub(crate) use errand::{give_away, go, see_off, see_through};
pub(crate) use fitness::Candidates;
pub(crate) use intent::intent;
pub(crate) use order::{MoveOrder, What, answer};
pub(crate) use rest::rest;

use std::ops::RangeInclusive;
use std::time::Duration;

/// How long work in flight may take where nobody says otherwise.
pub(crate) const WAIT: Duration = Duration::from_secs(30);

/// What an operator may say: from "cut at once" to a long download.
pub(crate) const WAITS: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(600);

/// The same for a daemon that is told to stop. With the hand-over that follows it is over after
/// thirty seconds, other moves that go first included, of the 45 that the unit gives
/// (`TimeoutStopSec`): the log comes after it.
pub(crate) const WAIT_OF_STOP: Duration = Duration::from_secs(10);
