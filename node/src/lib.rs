//! The machine: the daemon that joins agreement and wire, and the faces it shows to people.
//!
//! ```text
//!   settings   node.toml: what is this machine's alone
//!   daemon     builds everything, names every task and channel in one drawing
//!   moving     planned moves of VIPs and the leadership
//!   api        the admin API: shapes, status, metrics
//!   backup     all that was agreed on, as one sealed file
//!   doctor     whether this machine can do what is asked of it
//!   alone      whether anybody else of a cluster is there
//!   drill      failures that are rehearsed: plan, course of a run, verdict, report (PURE)
//!   rehearsal  the doing of drills: who conducts, injects, measures
//!   exchange   HTTP on the client's side
//!   markup     text in HTML
//!   measure    how long a service did not answer, as its clients see it
//!   fault      what an operator reads when something fails
//! ```

mod alone;
pub mod api;
pub mod backup;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod doctor;
pub mod drill;
mod exchange;
pub mod fault;
pub mod identity;
mod markup;
pub mod measure;
mod moving;
pub mod pager;
pub mod plan;
pub mod recover;
mod rehearsal;
pub mod reporter;
#[cfg(test)]
#[path = "../../netplane/tests/wire/reserved.rs"]
mod reserved;
pub mod settings;
