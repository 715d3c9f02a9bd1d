//! The machine: the daemon that joins agreement and wire, and the faces it shows to people.
//!
//! ```text
//!   settings   node.toml: what is this machine's alone
//!   daemon     builds everything, names every task and channel in one drawing
//!   api        the admin API: shapes, status, metrics
//!   fault      what an operator reads when something fails
//! ```

pub mod api;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod fault;
pub mod identity;
pub mod pager;
pub mod plan;
pub mod recover;
pub mod reporter;
pub mod settings;
