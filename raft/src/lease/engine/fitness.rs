//! PURE. Who is fit to own, and who comes first.

use super::Engine;
use crate::id::{NodeId, VipName};
use crate::lease::time::LEGS_MOVE_GAP;
use crate::lease::{BootTime, Legs, Roster};

impl Engine {
    /// An owner with bad legs leaves its VIP to the best candidate.
    pub(super) fn move_by_legs(&mut self, now: BootTime, group: &VipName) {
        let Some(table) = &self.table else { return };
        let Some(seat) = table.seats.get(group) else {
            return;
        };
        let resting = seat.moved.is_some_and(|moved| now < moved + LEGS_MOVE_GAP);
        if seat.proposer.lease().is_none() || resting {
            return;
        }
        if let Some(better) = self.better_legs(now, &table.roster) {
            if let Some(seat) = self
                .table
                .as_mut()
                .and_then(|table| table.seats.get_mut(group))
            {
                seat.moved = Some(now);
            }
            self.release(now, group, Some(better));
        }
    }

    /// The candidate with the best legs, if they are better than ours.
    pub(super) fn better_legs(&self, now: BootTime, roster: &Roster) -> Option<NodeId> {
        let candidates = roster.others().filter(|node| roster.may_own(*node));
        let legs = |node: NodeId| Some((self.heard.of(node, now)?.count(), node));
        let best = candidates
            .filter_map(legs)
            .max_by_key(|(count, _)| *count)?;
        (best.0 > self.own_legs().count()).then_some(best.1)
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
        let prefer = roster
            .groups
            .get(group)
            .map_or(&[][..], |group| &group.prefer);
        let key = |node: NodeId, legs: Legs| {
            let wish = prefer
                .iter()
                .position(|wanted| *wanted == node)
                .unwrap_or(prefer.len());
            (std::cmp::Reverse(legs.count()), wish, node)
        };
        let mine = key(roster.me, self.own_legs());
        let candidates = roster.others().filter(|node| roster.may_own(*node));
        let fresh = candidates.filter_map(|node| Some(key(node, self.heard.of(node, now)?)));
        u32::try_from(fresh.filter(|theirs| *theirs < mine).count()).unwrap_or(u32::MAX)
    }
}
