//! The doing of drills: who conducts a run, who makes the failure, who measures.
//!
//! ```text
//!   leader: conductor ──Word──▶ client: measures through the VIP
//!              │   └─────Word──▶ target: makes the failure, its timer first; ends it
//!              └─▶ log: begun, recorded
//! ```
//!
//! What a drill is, and how a run goes, is `drill`'s affair (PURE); here is what touches machines.

mod client;
mod conductor;
pub(crate) mod guard;
mod inject;
mod room;
mod tether;
mod word;

pub(crate) use conductor::{Desk, Ledger, Tracks, conduct, say};
pub(crate) use room::{Room, answer, hear};
pub(crate) use tether::Tether;
pub(crate) use word::{Answer, Word};
