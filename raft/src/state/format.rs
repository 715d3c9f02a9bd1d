//! PURE. The format that the cluster agreed on: what every member can read.
//!
//! ```text
//!   members say what they read ─▶ leader: all of them read 2 ─RaiseFormat(2)─▶ State::format
//!   before: what only format 2 can say is not proposed; the log and snapshots stay readable
//! ```
//!
//! It never falls: what was written may need it.

use serde::{Deserialize, Serialize};

use super::{Applied, Command, State};
use crate::codec::OLDEST;

/// The number of a format.
///
/// A state that was made before there was such a number has none, and the oldest one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Format(u16);

impl Format {
    /// The number.
    pub fn number(self) -> u16 {
        self.0.max(OLDEST)
    }
}

impl Command {
    /// The format from which on this may stand in the log, where that is said and not only seen by
    /// what it holds.
    pub fn raises_to(&self) -> Option<u16> {
        if let Command::RaiseFormat(format) = self {
            Some(*format)
        } else {
            None
        }
    }
}

impl State {
    pub(super) fn raise_format(&mut self, format: u16) -> Applied {
        if format <= self.format.number() {
            return Applied::Unchanged;
        }
        self.format = Format(format);
        Applied::Done
    }
}

/// What a member reads, as far as it said so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reader {
    /// What it is called.
    pub name: String,
    /// The newest format that it reads; `None`: it does not answer.
    pub reads: Option<u16>,
}

/// The format that all of them read, if it is newer than this one; whoever is silent may be an
/// older one.
pub fn may_raise(now: Format, readers: &[Reader]) -> Option<u16> {
    let all: Option<Vec<u16>> = readers.iter().map(|reader| reader.reads).collect();
    let common = all?.into_iter().min()?;
    (common > now.number()).then_some(common)
}

/// Who holds a newer format back, each in words with what mends it.
///
/// `newest` is what the asker reads; nobody holds back what nobody has.
pub fn held_back(now: Format, newest: u16, readers: &[Reader]) -> Vec<String> {
    if newest <= now.number() {
        return Vec::new();
    }
    let words = |Reader { name, reads }: &Reader| match reads {
        Some(reads) if *reads >= newest => None,
        Some(reads) => Some(format!("{name} reads only format {reads}: upgrade it")),
        None => Some(format!(
            "{name} does not answer, so that nobody knows what it reads"
        )),
    };
    readers.iter().filter_map(words).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readers(all: &[(&str, Option<u16>)]) -> Vec<Reader> {
        let reader = |(name, reads): &(&str, Option<u16>)| Reader {
            name: (*name).to_owned(),
            reads: *reads,
        };
        all.iter().map(reader).collect()
    }

    #[test]
    fn it_is_raised_to_what_all_read_and_only_then() {
        let table = [
            (&[("a", Some(2)), ("b", Some(2))][..], Some(2)),
            (&[("a", Some(3)), ("b", Some(2))], Some(2)),
            (&[("a", Some(2)), ("b", Some(1))], None),
            (&[("a", Some(2)), ("b", None)], None),
            (&[("a", Some(1))], None),
            (&[], None),
        ];
        for (all, expected) in table {
            assert_eq!(may_raise(Format::default(), &readers(all)), expected);
        }
        let two = Format(2);
        assert_eq!(may_raise(two, &readers(&[("a", Some(2))])), None);
        assert_eq!(
            may_raise(two, &readers(&[("a", Some(1))])),
            None,
            "it never falls"
        );
    }

    #[test]
    fn who_holds_it_back_is_named() {
        let all = readers(&[("lb1", Some(2)), ("lb2", None), ("lb3", Some(1))]);
        assert_eq!(
            held_back(Format::default(), 2, &all),
            [
                "lb2 does not answer, so that nobody knows what it reads",
                "lb3 reads only format 1: upgrade it"
            ]
        );
        assert!(held_back(Format::default(), 1, &all).is_empty());
        assert!(held_back(Format(2), 2, &all).is_empty());
    }

    #[test]
    fn raising_again_changes_nothing_and_it_never_falls() {
        let mut state = State::default();
        assert_eq!(state.format.number(), 1);
        assert_eq!(state.raise_format(2), Applied::Done);
        assert_eq!(state.raise_format(2), Applied::Unchanged);
        assert_eq!(state.raise_format(1), Applied::Unchanged);
        assert_eq!(state.format.number(), 2);
    }
}
