//! Transitions: how often each subject changed, so that each page has a number of its own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Subject;

/// Counts the changes of every subject that exists; a number is never given out twice.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Transitions {
    /// No subject that is gone had a higher number: who comes anew under its name starts above.
    floor: u64,
    /// The newest number of each subject.
    newest: BTreeMap<Subject, u64>,
}

impl Transitions {
    /// The number that the next change of a subject has.
    pub fn next(&self, subject: &Subject) -> u64 {
        self.newest.get(subject).copied().unwrap_or(self.floor) + 1
    }

    /// The subjects that changed and were not forgotten.
    pub(super) fn subjects(&self) -> impl Iterator<Item = &Subject> {
        self.newest.keys()
    }

    /// Counts a change.
    pub(super) fn advance(&mut self, subject: &Subject) -> u64 {
        let number = self.next(subject);
        self.newest.insert(subject.clone(), number);
        number
    }

    /// Forgets subjects that are gone, and remembers only that their numbers are used.
    pub(super) fn retain(&mut self, exists: impl Fn(&Subject) -> bool) {
        let floor = &mut self.floor;
        self.newest.retain(|subject, number| {
            let keep = exists(subject);
            if !keep {
                *floor = (*floor).max(*number);
            }
            keep
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::NodeId;

    #[test]
    fn a_number_is_never_used_twice_under_one_name() {
        let subject = Subject::Node(NodeId(3));
        let mut transitions = Transitions::default();
        assert_eq!(transitions.advance(&subject), 1);
        assert_eq!(transitions.advance(&subject), 2);
        transitions.retain(|_| false);
        assert_eq!(transitions.next(&subject), 3);
        assert_eq!(transitions.advance(&subject), 3);
    }
}
