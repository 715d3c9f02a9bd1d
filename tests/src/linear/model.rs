//! PURE. What a watch's label may do, as one register with a revision, and whether a history fits.
//!
//! ```text
//!   get            -> value, revision         the revision of the whole configuration, which other
//!   set value      -> revision                changes raise too: it never falls, and a change of
//!   compare base   -> revision | moved        this label makes one that nothing had before
//! ```
//!
//! The search is `todc-utils`' (Wing and Gong, with Lowe's cache). An operation whose outcome
//! nobody knows stays open to the end of its history: it may have come about at any moment since
//! it was asked for, or never.

use todc_utils::linearizability::WGLChecker;
use todc_utils::linearizability::history::{Action, History};
use todc_utils::specifications::Specification;

/// What a client asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// What is it?
    Get,
    /// Be this, whatever you were.
    Set(u64),
    /// Be this, if that revision is the newest.
    Compare {
        /// Which.
        base: u64,
        /// What to be.
        value: u64,
    },
}

/// What it was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// To a get.
    Read {
        /// The value.
        value: u64,
        /// As of which revision.
        revision: u64,
    },
    /// It came about, as this revision.
    Made(u64),
    /// Another revision is the newest: nothing came about.
    Moved(u64),
    /// No answer, or one that leaves it open.
    Unknown,
}

/// One of them, with when it was asked and answered.
///
/// **Units**: nanoseconds since the start of its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// What.
    pub asked: Asked,
    /// And the answer.
    pub said: Said,
    /// When it was asked.
    pub from: u64,
    /// When it was answered; that of [`Said::Unknown`] does not count.
    pub to: u64,
}

/// The label, and the last revision that anybody can have seen.
struct Register;

impl Specification for Register {
    type State = (u64, u64);
    type Operation = (Asked, Said);

    fn init() -> Self::State {
        (0, 0)
    }

    fn apply(&(asked, said): &Self::Operation, state: &Self::State) -> (bool, Self::State) {
        let (value, seen) = *state;
        let next = match (asked, said) {
            (
                Asked::Get,
                Said::Read {
                    value: read,
                    revision,
                },
            ) => (read == value && revision >= seen).then_some((value, revision)),
            (Asked::Set(value), Said::Made(made)) => (made > seen).then_some((value, made)),
            (Asked::Compare { base, value }, Said::Made(made)) => {
                (base >= seen && made == base + 1).then_some((value, made))
            }
            (Asked::Compare { base, .. }, Said::Moved(newest)) => {
                (newest != base && newest >= seen).then_some((value, newest))
            }
            (Asked::Set(value), Said::Unknown) => Some((value, seen + 1)),
            (Asked::Compare { base, value }, Said::Unknown) if base >= seen => {
                Some((value, base + 1))
            }
            (Asked::Compare { .. } | Asked::Get, Said::Unknown) => Some(*state),
            (Asked::Get, Said::Made(_) | Said::Moved(_))
            | (Asked::Set(_), Said::Read { .. } | Said::Moved(_))
            | (Asked::Compare { .. }, Said::Read { .. }) => None,
        };
        (next.is_some(), next.unwrap_or(*state))
    }
}

/// Whether there is an order of the operations, each at one moment between question and answer, in
/// which a single register would have answered the same. Each value must be asked for at most once.
pub fn is_linearizable(operations: &[Operation]) -> bool {
    let counted: Vec<&Operation> = operations
        .iter()
        .filter(|one| counts(one, operations))
        .collect();
    if counted.is_empty() {
        return true;
    }
    let mut events = Vec::new();
    for (number, one) in counted.iter().enumerate() {
        let open = one.said == Said::Unknown;
        // Of two things at the same moment, whatever was asked came before what was answered: that
        // forbids less.
        events.push(((one.from, 0, number), Action::Call((one.asked, one.said))));
        let end = if open { u64::MAX } else { one.to };
        events.push(((end, 1, number), Action::Response((one.asked, one.said))));
    }
    events.sort_by_key(|(at, _)| *at);
    let actions = events
        .into_iter()
        .map(|((_, _, number), action)| (number, action));
    WGLChecker::<Register>::is_linearizable(History::from_actions(actions.collect()))
}

/// Whether an operation can make a difference. One whose outcome is unknown and whose value nobody
/// read can always stand at the end, where nothing comes after it: leaving it out changes no
/// verdict, and spares the search its worst case.
fn counts(one: &Operation, all: &[Operation]) -> bool {
    let value = match (one.said, one.asked) {
        (Said::Unknown, Asked::Set(value) | Asked::Compare { value, .. }) => value,
        (Said::Unknown, Asked::Get) => return false,
        (Said::Read { .. } | Said::Made(_) | Said::Moved(_), _) => return true,
    };
    let reads =
        |other: &Operation| matches!(other.said, Said::Read { value: read, .. } if read == value);
    all.iter().any(reads)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(from: u64, to: u64, asked: Asked, said: Said) -> Operation {
        Operation {
            asked,
            said,
            from,
            to,
        }
    }

    fn get(from: u64, to: u64, value: u64, revision: u64) -> Operation {
        at(from, to, Asked::Get, Said::Read { value, revision })
    }

    fn set(from: u64, to: u64, value: u64, revision: u64) -> Operation {
        at(from, to, Asked::Set(value), Said::Made(revision))
    }

    fn compare(from: u64, to: u64, base: u64, value: u64, said: Said) -> Operation {
        at(from, to, Asked::Compare { base, value }, said)
    }

    /// What one register would have answered, with two clients at once.
    fn good() -> Vec<Operation> {
        vec![
            get(0, 10, 0, 7),
            set(5, 20, 1, 8),
            get(21, 30, 1, 8),
            compare(22, 40, 8, 2, Said::Made(9)),
            compare(23, 41, 8, 3, Said::Moved(9)),
            get(42, 50, 2, 9),
            set(43, 60, 4, 10),
            get(61, 70, 4, 10),
        ]
    }

    #[test]
    fn what_a_register_does_is_accepted() {
        assert!(is_linearizable(&good()));
        assert!(is_linearizable(&[]));
    }

    /// One answer is changed: each of them is noticed.
    #[test]
    fn a_corrupted_history_is_rejected() {
        let corruptions: [(&str, usize, Said); 9] = [
            (
                "a value that nobody wrote",
                2,
                Said::Read {
                    value: 9,
                    revision: 8,
                },
            ),
            (
                "a value of before",
                2,
                Said::Read {
                    value: 0,
                    revision: 7,
                },
            ),
            (
                "a revision of before",
                7,
                Said::Read {
                    value: 4,
                    revision: 9,
                },
            ),
            (
                "the value of a refused change",
                5,
                Said::Read {
                    value: 3,
                    revision: 9,
                },
            ),
            (
                "a change lost",
                7,
                Said::Read {
                    value: 2,
                    revision: 10,
                },
            ),
            ("two changes of one base", 4, Said::Made(9)),
            ("refused for the base itself", 4, Said::Moved(8)),
            ("a revision made twice", 6, Said::Made(9)),
            ("an answer to another question", 6, Said::Moved(10)),
        ];
        for (what, number, said) in corruptions {
            let mut history = good();
            history[number].said = said;
            assert!(!is_linearizable(&history), "{what}");
        }
    }

    #[test]
    fn an_unknown_outcome_may_be_either_and_late() {
        let open = |asked| at(5, 6, asked, Said::Unknown);
        let never = [open(Asked::Set(1)), get(10, 20, 0, 7), get(30, 40, 0, 7)];
        assert!(is_linearizable(&never));
        let late = [open(Asked::Set(1)), get(10, 20, 0, 7), get(30, 40, 1, 8)];
        assert!(is_linearizable(&late));
        let undone = [open(Asked::Set(1)), get(10, 20, 1, 8), get(30, 40, 0, 9)];
        assert!(!is_linearizable(&undone), "it came about and went again");
        let early = [get(0, 4, 1, 8), open(Asked::Set(1))];
        assert!(!is_linearizable(&early), "read before it was asked for");
        let compared = open(Asked::Compare { base: 7, value: 1 });
        let stale = [set(0, 4, 2, 8), compared, get(10, 20, 1, 9)];
        assert!(!is_linearizable(&stale), "its base was over");
    }

    /// Many open ones at once end the search of a naive checker; here they cost nothing.
    #[test]
    fn thirty_open_outcomes_of_five_hundred_are_decided() {
        let mut history = Vec::new();
        let mut revision = 0;
        for number in 1..=235_u64 {
            let at_ns = number * 10;
            revision += 1;
            history.push(set(at_ns, at_ns + 3, number, revision));
            history.push(get(at_ns + 4, at_ns + 12, number, revision));
            if number % 8 == 0 {
                let asked = Asked::Set(1_000 + number);
                history.push(at(at_ns + 1, 0, asked, Said::Unknown));
            }
        }
        assert!(is_linearizable(&history));
        let Said::Read { revision, .. } = history[1].said else {
            panic!("a get")
        };
        history.push(get(5_000, 5_001, 1, revision));
        assert!(!is_linearizable(&history));
    }
}
