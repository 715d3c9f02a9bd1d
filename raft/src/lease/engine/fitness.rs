//! PURE. Who is fit to own, and who comes first.

use std::cmp::Reverse;
use std::time::Duration;

use super::Engine;
use crate::id::{NodeId, VipName};
use crate::lease::time::LEGS_MOVE_GAP;
use crate::lease::{BootTime, Held, Legs, Roster};

impl Engine {
    /// An owner with bad legs leaves its VIP to the best candidate, once that has been the better
    /// one for long enough: what fails for all alike is not seen by all at the same moment.
    pub(super) fn move_by_legs(&mut self, now: BootTime, group: &VipName) {
        let Some(table) = &self.table else { return };
        let Some(seat) = table.seats.get(group) else {
            return;
        };
        // A holder has no majority that would lend it to the other: nobody would have it.
        let lent = |lease: Held| lease.alone_since.is_none();
        let better = match seat.proposer.lease().is_some_and(lent) {
            true => self.best_other(now, &table.roster, group),
            false => None,
        };
        let stays = table.roster.groups.get(group).is_some_and(|g| g.stays);
        let resting = seat.moved.is_some_and(|moved| now < moved + LEGS_MOVE_GAP);
        let since = seat.outdone_since.unwrap_or(now);
        let settled = better.filter(|(_, legs)| now >= since + self.settling(*legs));
        let to = settled.filter(|_| !resting && !stays);
        if let Some(seat) = self
            .table
            .as_mut()
            .and_then(|table| table.seats.get_mut(group))
        {
            seat.outdone_since = better.map(|_| since);
            if to.is_some() {
                (seat.moved, seat.outdone_since) = (Some(now), None);
            }
        }
        if let Some((node, _)) = to {
            self.release(now, group, Some(node));
        }
    }

    /// How long another's legs have to be better before ours yield to them.
    fn settling(&self, theirs: Legs) -> Duration {
        match theirs.lacks(self.own_legs(), Legs::CARRIER) {
            true => SETTLED_CARRIER,
            false => SETTLED,
        }
    }

    /// The candidate that comes first of those with better legs than ours.
    fn best_other(
        &self,
        now: BootTime,
        roster: &Roster,
        group: &VipName,
    ) -> Option<(NodeId, Legs)> {
        let candidates = self.candidates(now, roster);
        let better = candidates.filter(|(_, legs)| legs.count() > self.own_legs().count());
        better.min_by_key(|(node, legs)| key(roster, group, *node, *legs))
    }

    /// Whether a candidate with better legs than ours was heard lately.
    pub(super) fn is_outdone(&self, now: BootTime, roster: &Roster) -> bool {
        let mut candidates = self.candidates(now, roster);
        candidates.any(|(_, legs)| legs.count() > self.own_legs().count())
    }

    /// Who else might take, as heard lately: one whose runtimes are stuck takes nothing, however
    /// well its other legs are.
    fn candidates<'a>(
        &'a self,
        now: BootTime,
        roster: &'a Roster,
    ) -> impl Iterator<Item = (NodeId, Legs)> + 'a {
        let others = roster.others().filter(|node| roster.may_take(*node));
        let heard = others.filter_map(move |node| Some((node, self.heard.of(node, now)?)));
        heard.filter(|(_, legs)| legs.has(Legs::RUNTIMES))
    }

    pub(super) fn own_legs(&self) -> Legs {
        if self.serving {
            self.legs
        } else {
            self.legs.without(Legs::RUNTIMES)
        }
    }

    /// How many candidates are to be preferred to this node: by legs, then `prefer`, then id.
    pub(in crate::lease) fn rank(&self, now: BootTime, roster: &Roster, group: &VipName) -> u32 {
        let key = |node, legs| key(roster, group, node, legs);
        let mine = key(roster.me, self.own_legs());
        let candidates = self.candidates(now, roster);
        let theirs = candidates.map(|(node, legs)| key(node, legs));
        u32::try_from(theirs.filter(|theirs| *theirs < mine).count()).unwrap_or(u32::MAX)
    }
}

/// What candidates are compared by: legs, then `prefer`, then id; the lowest comes first.
fn key(
    roster: &Roster,
    group: &VipName,
    node: NodeId,
    legs: Legs,
) -> (Reverse<u32>, usize, NodeId) {
    (Reverse(legs.count()), roster.wish(group, node), node)
}

/// A switch that goes takes everybody's carrier within milliseconds; one cable takes ours, and
/// then nobody is served meanwhile.
const SETTLED_CARRIER: Duration = Duration::from_millis(200);
/// Gateways and servers are asked every second or two, each node in its own time: what fails for
/// all has failed for all within this.
const SETTLED: Duration = Duration::from_secs(5);
