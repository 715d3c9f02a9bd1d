//! The agreement: what the nodes hold in common and how they come to hold it.
//!
//! ```text
//!   state      PURE: the replicated state, its commands, what they change and what they refuse
//!   consensus  openraft, held loosely: elections, membership, proposals with deadlines
//!   lease      who may answer for a VIP: acceptor and proposer (PURE), datagrams, the lease thread
//!   clockwork  time, tasks and chance under them: the system's, or a simulator's
//!   codec      how structs become bytes; shape: as older releases had them
//!   majority   what one is, while the membership changes
//!   peer       the other nodes over mutual TLS: certificates, framing, joining
//! ```
//!
//! It imports none of the other farmux crates, and knows neither the disk nor the data path.

pub mod clockwork;
pub mod codec;
pub mod consensus;
pub mod epoch;
pub mod id;
pub mod lease;
mod majority;
pub mod peer;
mod shape;
pub mod state;
