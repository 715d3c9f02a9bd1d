//! The configuration as an operator writes it: a TOML document, read into and written from
//! `Config`.
//!
//! ```text
//!   text --document--> words --read--> Config (raft::state)   and every fault with its line
//!   Config --export--> text                                   secrets are named, never shown
//! ```
//! Reading an export against the configuration it came from gives that configuration again.
//! What servers are ordered to be (drain, maintenance) is no part of the document: it is kept.

mod change;
mod document;
mod error;
mod export;
mod read;
mod reader;
mod relay;
mod url;
mod words;

pub use change::{
    CheckFields, Chosen, Import, WatchFields, WatchOrder, change_watches, export_csv, import_csv,
};
pub use error::ConfigError;
pub use export::export;
pub use farmux_raft::state::diff;
pub use read::read;
pub use words::{DurationError, parse_duration};

#[cfg(test)]
mod tests;
