//! PURE. How requests fail, told apart by what a client would make of it, and counted by words.

use std::fmt;

use farmux_netplane::probe::Failure;

/// One failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Miss {
    /// What kind of failure.
    pub kind: MissKind,
    /// In words of our own: never a byte that a server sent.
    pub words: String,
}

/// What a client would make of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MissKind {
    /// No connection came about, and it was said so at once.
    Refused,
    /// Nothing came in time.
    Late,
    /// A connection that stood was torn down.
    Cut,
    /// There was an answer, and it says no or is none.
    Answer,
}

/// Failures, counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Misses {
    kinds: Vec<(Miss, u64)>,
    others: u64,
    cut: u64,
    count: u64,
}

impl Misses {
    /// One more.
    pub fn add(&mut self, miss: Miss) {
        self.count += 1;
        if miss.kind == MissKind::Cut {
            self.cut += 1;
        }
        let room = self.kinds.len() < WORDS_MAX;
        match self.kinds.iter_mut().find(|(known, _)| *known == miss) {
            Some((_, count)) => *count += 1,
            None if room => self.kinds.push((miss, 1)),
            None => self.others += 1,
        }
    }

    /// All of them.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Connections that were torn down.
    pub fn cut(&self) -> u64 {
        self.cut
    }

    /// Each kind in words with its count, the first seen first.
    pub fn told(&self) -> Vec<(String, u64)> {
        let known = self.kinds.iter();
        let mut told: Vec<_> = known
            .map(|(miss, count)| (miss.words.clone(), *count))
            .collect();
        if self.others > 0 {
            told.push(("in other ways".to_owned(), self.others));
        }
        told
    }
}

/// Ways to fail that are told apart; nobody reads more.
const WORDS_MAX: usize = 16;

impl Miss {
    /// A failure of this kind.
    pub fn new(kind: MissKind, words: impl fmt::Display) -> Miss {
        Miss {
            kind,
            words: words.to_string(),
        }
    }
}

impl From<&Failure> for Miss {
    fn from(failure: &Failure) -> Miss {
        Miss::new(kind(failure), failure)
    }
}

fn kind(failure: &Failure) -> MissKind {
    match failure {
        Failure::Refused | Failure::Unreachable(_) => MissKind::Refused,
        Failure::Timeout { .. } | Failure::PluginStuck => MissKind::Late,
        Failure::Reset(_)
        | Failure::ClosedSilently
        | Failure::ClosedEarly
        | Failure::Closed(_)
        | Failure::Other { .. } => MissKind::Cut,
        Failure::Beside { failure, .. } => kind(failure),
        Failure::HeadTooLong
        | Failure::NotHttp
        | Failure::Status { .. }
        | Failure::TextMissing
        | Failure::PageNotOk
        | Failure::PageUnknown
        | Failure::Dns(_)
        | Failure::Unexpected
        | Failure::Tls(_)
        | Failure::Greeting(_)
        | Failure::Ftp(_)
        | Failure::Rpc(_)
        | Failure::Critical(_) => MissKind::Answer,
    }
}
