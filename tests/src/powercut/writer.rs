//! Whoever writes while the power goes: each one label, one higher each time, and a note of what
//! was tried and what was confirmed.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Result;

use crate::linear::{Asker, Failure};

/// A node without power does not answer; a change is decided within three seconds.
const PATIENCE: Duration = Duration::from_secs(4);

/// What one writer knows.
#[derive(Debug, Clone)]
pub(super) struct Note {
    /// The watch whose label it writes.
    pub(super) name: String,
    /// Which node it asks.
    node: usize,
    /// The highest value that was asked for.
    pub(super) tried: u64,
    /// The highest that was confirmed.
    pub(super) confirmed: u64,
}

impl Note {
    /// Of the writer with that number, from 1.
    pub(super) fn new(number: usize) -> Note {
        Note {
            name: format!("written{number}"),
            node: number - 1,
            tried: 0,
            confirmed: 0,
        }
    }

    /// The label with a value.
    pub(super) fn label(&self, value: u64) -> String {
        format!("{}-{value}", self.name)
    }
}

/// The value of a writer's label in a configuration.
pub(super) fn value_of(toml: &str, name: &str) -> Option<u64> {
    let (_, rest) = toml.split_once(&format!("\"{name}-"))?;
    rest.split_once('"')?.0.parse().ok()
}

/// All of them at work.
pub(super) struct Writers {
    stopped: Arc<AtomicBool>,
    confirmed: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Result<(Note, u64)>>>,
}

impl Writers {
    /// Begins to write.
    pub(super) fn start(sockets: &[PathBuf], notes: Vec<Note>) -> Writers {
        let stopped = Arc::new(AtomicBool::new(false));
        let confirmed = Arc::new(AtomicU64::new(0));
        let start = |note: Note| {
            let (stopped, confirmed) = (Arc::clone(&stopped), Arc::clone(&confirmed));
            let sockets = sockets.to_vec();
            std::thread::spawn(move || write(&sockets, note, &stopped, &confirmed))
        };
        Writers {
            threads: notes.into_iter().map(start).collect(),
            stopped,
            confirmed,
        }
    }

    /// How many writes were confirmed until now.
    pub(super) fn confirmed(&self) -> u64 {
        self.confirmed.load(Ordering::SeqCst)
    }

    /// Ends; the notes, how many writes were confirmed, and how many are open.
    pub(super) fn stop(self) -> Result<(Vec<Note>, u64, u64)> {
        self.stopped.store(true, Ordering::SeqCst);
        let mut notes = Vec::new();
        let mut open = 0;
        for thread in self.threads {
            let ended = thread.join();
            let ended = ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            let (note, left) = ended?;
            notes.push(note);
            open += left;
        }
        Ok((notes, self.confirmed.load(Ordering::SeqCst), open))
    }
}

/// Writes until it is stopped, or an outcome is open: one that came about late would be taken for a
/// loss of those after it.
fn write(
    sockets: &[PathBuf],
    mut note: Note,
    stopped: &AtomicBool,
    confirmed: &AtomicU64,
) -> Result<(Note, u64)> {
    let asker = Asker::new(sockets, PATIENCE)?;
    while !stopped.load(Ordering::SeqCst) {
        note.tried += 1;
        match asker.label(note.node, &note.name, &note.label(note.tried)) {
            Ok(_) => {
                note.confirmed = note.tried;
                confirmed.fetch_add(1, Ordering::SeqCst);
            }
            Err(Failure::Open(_)) => return Ok((note, 1)),
            Err(Failure::Refused(_) | Failure::Moved(_)) => {}
        }
    }
    Ok((note, 0))
}
