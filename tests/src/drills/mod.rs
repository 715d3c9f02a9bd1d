//! Drills on a laboratory's LAN, judged by whoever does not belong to them: a client of its own
//! beside the drill's, and the machines themselves after somebody died in the middle.
//!
//! ```text
//!   site   three nodes, a farm, a file server that is watched, a relay, contacts for drills
//!   rows   every drill, with what it must come to
//!   drill  one run: the command line as a child, its phases as they come
//!   play   a run beside an independent client, which must say the same
//!   kills  a run in which the operator, the leader or the target's daemon dies
//!   refuse a bound that is broken, a lock, a majority that others keep
//! ```

mod drill;
pub mod kills;
pub mod play;
pub mod refuse;
pub mod rows;
mod site;

pub use site::Site;
