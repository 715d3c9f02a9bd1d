//! `farmux snapshot`: everything that the cluster agreed on, as one file to keep elsewhere.
//!
//! ```text
//!   save     daemon: state ─sealed with the passphrase─> bytes ─socket─> command line ─> FILE
//!   inspect  FILE ─> header, checksum; no passphrase, no daemon
//!   restore  FILE ─passphrase─> state, new epoch, this machine alone ─> empty data folder
//! ```
//!
//! `file` is its layout (PURE), `seal` the passphrase, `write` how it gets on a disk, `restore`
//! what becomes of it.

mod file;
mod restore;
mod seal;
mod write;

#[cfg(test)]
mod tests;

pub use file::{Counts, FileError, Header, MemberLine, Sealing, inspect};
pub use restore::{RestoreError, Restored, check_place, restore};
pub use seal::{PASSPHRASE_CHARS_MIN, open, seal};
pub use write::{Draft, WriteError};
