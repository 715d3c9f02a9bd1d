//! PURE. What another program did to a VIP's address, judged by what is found.
//!
//! The kernel says that *something* became of an address; by the time it is looked at, more may
//! have. So what is there now is compared with what should be, and what we do ourselves never
//! looks like somebody else's deed: we know of it before we look.

/// What we know of an address on an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// We show it there, and renewed it lately.
    Shown,
    /// We show it there, but its time may have run out, or its interface is down: it may be gone
    /// for reasons of our own.
    Late,
    /// We are about to take it away.
    Going,
    /// It was there to stay before we were told of it.
    ByHand,
    /// It does not belong there.
    Unwanted,
}

/// What is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing.
    Nothing,
    /// The address as we give it: one host wide, with an end.
    Ours,
    /// The address in another way: it will stay.
    Theirs,
}

/// What another program did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meddling {
    /// Took the address away where it belongs.
    Removed,
    /// Made it stay where it belongs for a while.
    Changed,
    /// Added it where it does not belong.
    Added,
}

/// What somebody did; `None`: nobody did anything.
pub(super) fn judge(known: Known, found: Found) -> Option<Meddling> {
    match (known, found) {
        (Known::Shown, Found::Nothing) => Some(Meddling::Removed),
        (Known::Shown | Known::Late, Found::Theirs) => Some(Meddling::Changed),
        (Known::Unwanted, Found::Ours | Found::Theirs) => Some(Meddling::Added),
        (Known::Shown, Found::Ours)
        | (Known::Late, Found::Nothing | Found::Ours)
        | (Known::Going | Known::ByHand, Found::Nothing | Found::Ours | Found::Theirs)
        | (Known::Unwanted, Found::Nothing) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_known_and_found() {
        use Found::{Nothing, Ours, Theirs};
        use Known::{ByHand, Going, Late, Shown, Unwanted};
        use Meddling::{Added, Changed, Removed};
        let table = [
            (Shown, Nothing, Some(Removed)),
            (Shown, Ours, None),
            (Shown, Theirs, Some(Changed)),
            (Late, Nothing, None),
            (Late, Ours, None),
            (Late, Theirs, Some(Changed)),
            (Going, Nothing, None),
            (Going, Ours, None),
            (Going, Theirs, None),
            (ByHand, Nothing, None),
            (ByHand, Ours, None),
            (ByHand, Theirs, None),
            (Unwanted, Nothing, None),
            (Unwanted, Ours, Some(Added)),
            (Unwanted, Theirs, Some(Added)),
        ];
        for (known, found, expected) in table {
            assert_eq!(judge(known, found), expected, "{known:?} {found:?}");
        }
    }
}
