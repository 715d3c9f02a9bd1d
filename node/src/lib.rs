//! The machine: the daemon that joins agreement and wire, and the faces it shows to people.
//!
//! ```text
//!   settings   node.toml: what is this machine's alone
//!   daemon     builds everything, names every task and channel in one drawing
//! ```

pub mod daemon;
pub mod settings;
