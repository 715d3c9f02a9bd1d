//! What a conductor does, one thing at a time: says a word to a node, or writes into the log.

use std::time::Duration;

use farmux_raft::id::NodeId;

use crate::rehearsal::{Tether, Word};

/// What the conductor does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Deed {
    /// Something is said to a node.
    Say(Say),
    /// One that hears no words is told by its tether to end its failure.
    Pull(NodeId, Tether),
    /// Something is written into the log.
    Book(Entry),
    /// It is planned once more: what was true ten seconds ago need not be now.
    Plan,
}

/// Something to be said to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Say {
    /// To whom.
    pub(in super::super) to: NodeId,
    /// What it is about.
    pub(in super::super) lane: Lane,
    /// What.
    pub(in super::super) word: Word,
}

/// What a word is about: a node is asked one thing of each at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum Lane {
    /// Measuring.
    Measure,
    /// Making the failure.
    Inject,
    /// Ending it.
    Undo,
}

/// What the log is told of a run while it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Entry {
    /// The failure is about to be made: pages within its radius are marked from here on.
    Injecting,
    /// It is over: they are not any more.
    Undone,
}

/// What the log does not know yet.
#[derive(Debug, Default)]
pub(super) struct Bookings(Vec<Booking>);

#[derive(Debug)]
struct Booking {
    entry: Entry,
    tried: Option<Duration>,
    under_way: bool,
}

impl Bookings {
    /// The log shall know this, too.
    pub(super) fn add(&mut self, entry: Entry) {
        self.0.push(Booking {
            entry,
            tried: None,
            under_way: false,
        });
    }

    /// It need not know any more.
    pub(super) fn drop(&mut self, entry: Entry) {
        self.0.retain(|booking| booking.entry != entry);
    }

    /// What is to be written now.
    pub(super) fn due(&mut self, now: Duration) -> impl Iterator<Item = Entry> {
        let due = move |booking: &&mut Booking| {
            let tried = booking.tried;
            let due = tried.is_none_or(|tried| now.saturating_sub(tried) >= AGAIN);
            due && !booking.under_way
        };
        self.0.iter_mut().filter(due).map(move |booking| {
            booking.tried = Some(now);
            booking.under_way = true;
            booking.entry
        })
    }

    /// It was written, or it was not: then it is written again.
    pub(super) fn came(&mut self, entry: Entry, done: bool) {
        match done {
            true => self.drop(entry),
            false => {
                let same = self.0.iter_mut().filter(|booking| booking.entry == entry);
                same.for_each(|booking| booking.under_way = false);
            }
        }
    }
}

/// A leader that lost its majority for a moment has it again by then.
const AGAIN: Duration = Duration::from_millis(200);
