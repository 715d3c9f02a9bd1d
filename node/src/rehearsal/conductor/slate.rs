//! PURE. What a conductor reads: what was agreed on about drills, who leads, and what it is to do
//! about it.

use std::time::Duration;

use farmux_raft::id::{NodeName, UnixMillis};
use farmux_raft::state::drill::Running;

use crate::drill::{DrillKind, PageCount};

/// What is agreed on, as one node knows it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slate {
    /// Who conducts.
    pub(crate) lead: Lead,
    /// Who has locked drills, and why.
    pub(crate) lock: Option<(String, String)>,
    /// The run that is under way.
    pub(crate) running: Option<Running>,
}

/// Who leads the log, and with it the runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lead {
    /// This node.
    Here,
    /// Another.
    Elsewhere,
    /// Nobody, as far as this node knows: whoever conducts goes on, for somebody must.
    Nobody,
}

/// What a conductor sees of the world beside what its nodes tell it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Seen {
    /// Who owns the VIP through which it is measured.
    pub(crate) owner: Option<NodeName>,
    /// Its pages.
    pub(crate) paged: Paged,
}

/// The pages of a run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Paged {
    /// What they say, in the order in which they were opened.
    pub(crate) opened: Vec<String>,
    /// What became of them.
    pub(crate) count: PageCount,
}

/// What is to be done about a run that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Duty {
    /// Nothing: there is none, or another node conducts it.
    None,
    /// It is young enough that nobody has injected anything: conduct it.
    Conduct,
    /// Whoever conducted it is gone: undo, and record.
    Rescue,
}

/// How long this node has known a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// It was there when this node began to look.
    Before,
    /// It appeared so long ago.
    For(Duration),
}

/// What this node does about a run that it does not conduct yet; `outlives`: whoever conducts it
/// may do so still, although it leads no more.
pub(super) fn duty(lead: Lead, known: Option<Known>, outlives: bool) -> Duty {
    match (lead, known) {
        (Lead::Elsewhere | Lead::Nobody, _) | (_, None) => Duty::None,
        (Lead::Here, Some(Known::For(age))) if age < YOUNG => Duty::Conduct,
        (Lead::Here, Some(Known::For(_) | Known::Before)) if outlives => Duty::None,
        (Lead::Here, Some(Known::For(_) | Known::Before)) => Duty::Rescue,
    }
}

/// Whether whoever conducts a run may live although it leads no more: its failure takes the
/// majority from everybody.
pub(super) fn outlives(running: &Running, now: UnixMillis) -> bool {
    running.order.kind == DrillKind::QuorumLoss && now < running.order.until
}

/// Half of the steady state that goes before every injection: a run that has been known for less
/// has done nothing yet, whoever conducted it. A hand-over of the leadership takes far less.
pub(super) const YOUNG: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_leads_conducts_what_is_young_and_undoes_the_rest() {
        let s = |seconds| Some(Known::For(Duration::from_secs(seconds)));
        let table = [
            (Lead::Here, None, Duty::None),
            (Lead::Here, s(0), Duty::Conduct),
            (Lead::Here, s(4), Duty::Conduct),
            (Lead::Here, s(5), Duty::Rescue),
            (Lead::Here, Some(Known::Before), Duty::Rescue),
            (Lead::Elsewhere, s(0), Duty::None),
            (Lead::Elsewhere, Some(Known::Before), Duty::None),
            (Lead::Nobody, s(9), Duty::None),
        ];
        for (lead, known, wanted) in table {
            assert_eq!(duty(lead, known, false), wanted, "{lead:?} {known:?}");
            let waits = match wanted {
                Duty::Rescue => Duty::None,
                other @ (Duty::None | Duty::Conduct) => other,
            };
            assert_eq!(duty(lead, known, true), waits, "{lead:?} {known:?}");
        }
    }
}
