//! PURE. What is left out on purpose, to see that it is missed.

use std::collections::BTreeSet;

use farmux_raft::clockwork::Safeguard;
use farmux_raft::lease::{Margins, Timing};

/// A safeguard that a world lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quirk {
    /// A started acceptor answers at once.
    NoSilence,
    /// An owner owns for all of T.
    NoMargin,
    /// Who hears somebody hold proposes all the same.
    NoHeeding,
    /// Votes and entries are answered for before they are durable.
    NoBarrier,
    /// A voter votes against a leader that it has just heard.
    NoVoteGuard,
    /// A page's id comes from the log's entry that opens it.
    NoPageId,
}

impl Quirk {
    /// All of them.
    pub const ALL: [Quirk; 6] = [
        Quirk::NoSilence,
        Quirk::NoMargin,
        Quirk::NoHeeding,
        Quirk::NoBarrier,
        Quirk::NoVoteGuard,
        Quirk::NoPageId,
    ];

    /// As the command line says it: `--without silence`.
    pub fn word(self) -> &'static str {
        match self {
            Quirk::NoSilence => "silence",
            Quirk::NoMargin => "margin",
            Quirk::NoHeeding => "h4",
            Quirk::NoBarrier => "barrier",
            Quirk::NoVoteGuard => "vote-guard",
            Quirk::NoPageId => "page-id",
        }
    }
}

/// The times of leases, without what the quirk leaves out.
pub(super) fn timing(quirk: Option<Quirk>) -> Timing {
    let safe = Margins::default();
    let margins = match quirk {
        Some(Quirk::NoSilence) => Margins {
            silence_percent: 0,
            ..safe
        },
        Some(Quirk::NoMargin) => Margins {
            own_percent: 100,
            ..safe
        },
        Some(Quirk::NoHeeding) => Margins {
            heeds_holding: false,
            ..safe
        },
        Some(Quirk::NoBarrier | Quirk::NoVoteGuard | Quirk::NoPageId) | None => safe,
    };
    Timing::default().with_margins(margins)
}

/// What consensus, store and pages lack.
pub(super) fn lacking(quirk: Option<Quirk>) -> BTreeSet<Safeguard> {
    match quirk {
        Some(Quirk::NoBarrier) => [Safeguard::Barrier].into(),
        Some(Quirk::NoVoteGuard) => [Safeguard::VoteGuard].into(),
        Some(Quirk::NoPageId) => [Safeguard::PageId].into(),
        Some(Quirk::NoSilence | Quirk::NoMargin | Quirk::NoHeeding) | None => [].into(),
    }
}
