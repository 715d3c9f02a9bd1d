//! What happened, as lines and as a hash of them, so that two runs can be compared.

use std::fmt::{Arguments, Write as _};
use std::time::Duration;

/// The record of one round.
pub(super) struct Trace {
    /// Where the lines go, if anybody wants them.
    lines: Option<Vec<String>>,
    hash: u64,
    line: String,
}

impl Trace {
    pub(super) fn new(keep: bool) -> Trace {
        Trace {
            lines: keep.then(Vec::new),
            hash: 0xcbf2_9ce4_8422_2325,
            line: String::new(),
        }
    }

    /// Something worth reading happened.
    pub(super) fn note(&mut self, now: u64, what: Arguments<'_>) {
        self.line.clear();
        let at = Duration::from_nanos(now).as_secs_f64();
        write!(self.line, "{at:>12.6} {what}").expect("a string takes all");
        let line = std::mem::take(&mut self.line);
        line.bytes().for_each(|byte| self.mix(u64::from(byte)));
        if let Some(lines) = &mut self.lines {
            lines.push(line.clone());
        }
        self.line = line;
    }

    /// Something happened that only counts for equality.
    pub(super) fn mix(&mut self, number: u64) {
        // FNV-1a, a word at a time.
        self.hash = (self.hash ^ number).wrapping_mul(0x0100_0000_01b3);
        self.hash ^= self.hash >> 29;
    }

    /// The hash, and the lines.
    pub(super) fn finish(self) -> (u64, Vec<String>) {
        (self.hash, self.lines.unwrap_or_default())
    }
}
