//! The disk: log, vote and snapshots, and the barrier through which everything durable goes.
//!
//! ```text
//!   openraft ─append, vote─> log ─write─> Kv (sled)            the log: entries, vote, purge point
//!                             └─job─> flusher: Kv.barrier(), then mark, then the answer
//!            ─apply────────> machine ─> watch<Arc<State>>      the state: in memory
//!                             └─> snapshot files                its start after the next boot
//!
//!   FOLDER/log/       sled's files          FOLDER/mark       vote and end of the log, synced
//!   FOLDER/snapshot   the newest snapshot   FOLDER/mark.new, snapshot.new   being written
//! ```
//!
//! sled calls `sync_file_range`, not `fsync`, and sometimes opens a damaged file cleanly with
//! records missing. So each answer waits for an `fdatasync` of its file, and a hash chain over the
//! log must reach the mark when it is opened. sled also gives up for good when it meets a full
//! disk: so room is made beforehand, and nothing is handed to it without. Nothing outside this
//! crate knows any of this but how much room there is.

mod chain;
mod error;
mod files;
mod flusher;
mod kv;
mod log;
mod machine;
mod mark;
mod media;
mod open;
mod record;
mod room;
mod saved;
#[doc(hidden)]
pub mod seam;
mod sled_kv;
mod snapshot;

pub use error::OpenError;
/// For a simulator, which brings its own disk.
#[doc(hidden)]
pub use flusher::{FlushError, Pump};
#[doc(hidden)]
pub use kv::{Batch, Kv, KvError, Visit};
pub use log::LogStore;
pub use machine::{Machine, Observer};
#[doc(hidden)]
pub use media::{Media, Slots};
pub use open::{Store, is_opening};
#[doc(hidden)]
pub use room::Reserve;
pub use room::{FREE_BYTES, PretendFull};
pub use saved::{Saved, SeedError};
