//! PURE. Gains and losses, and what the engine knows of standing alone.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

use super::{Engine, Output};
use crate::epoch::{Epoch, Era};
use crate::id::NodeId;
use crate::id::{Ballot, VipName};
use crate::lease::hold::{Outlook, Pair, Resumable, Wanted};
use crate::lease::proposer::{Proposer, Step};
use crate::lease::time::{COLD_RANK_STEP, COLD_WAIT};
use crate::lease::wire::{Body, Kind};
use crate::lease::{BootTime, Held, Roster};

impl Engine {
    /// What has to be known of the network of each VIP before the next [`Engine::poll`].
    pub fn wanted(&self, now: BootTime) -> BTreeMap<VipName, Wanted> {
        let seats = self.table.iter().flat_map(|table| &table.seats);
        seats
            .filter_map(|(group, seat)| {
                let view = self.view(now, group)?;
                Some((group.clone(), seat.proposer.wanted(&view)))
            })
            .collect()
    }

    /// Says how the network of a VIP looks.
    pub fn set_outlook(&mut self, group: &VipName, outlook: Outlook) {
        let table = self.table.as_mut();
        if let Some(seat) = table.and_then(|table| table.seats.get_mut(group)) {
            seat.outlook = outlook;
        }
    }

    /// Says since when an earlier start of this process held a VIP. Its ballot went with it: the
    /// lowest stands in for it, so that it yields to every other holder.
    pub fn remember(&mut self, group: &VipName, since: BootTime) {
        let Some(table) = self.table.as_mut() else {
            return;
        };
        let (counter, node) = (0, table.roster.me);
        if let Some(seat) = table.seats.get_mut(group) {
            let ballot = Ballot { counter, node };
            seat.proposer.remember(Resumable { ballot, since });
        }
    }

    /// The other one, where this node and it are a pair whose survivor may take the VIP.
    pub(super) fn pair(&self, roster: &Roster, group: &VipName) -> Option<Pair> {
        if !roster.takes(group) {
            return None;
        }
        let other = roster.other_of_pair()?;
        let wait = match roster.comes_first(group, other) {
            true => COLD_WAIT,
            false => COLD_WAIT + COLD_RANK_STEP,
        };
        Some(Pair {
            heard: self.heard.last(other),
            cold_until: self.started + wait,
        })
    }

    /// Remembers the newest epoch that was heard of.
    pub(super) fn hear_epoch(&mut self, epoch: Epoch) {
        if epoch.beside(Epoch(self.epoch_heard)) == Era::Newer {
            self.epoch_heard = epoch.0;
        }
    }

    pub(super) fn heard_holding(&mut self, now: BootTime, group: &VipName, theirs: Ballot) {
        self.with_seat(now, group, |proposer, view, _| {
            proposer.heard_holding(view, theirs)
        });
    }

    /// A holder lets go: whoever was quiet for its sake need not be.
    pub(super) fn heard_release(&mut self, now: BootTime, group: &VipName, theirs: Ballot) {
        self.with_seat(now, group, |proposer, _, _| {
            proposer.heard_release(theirs);
            Vec::new()
        });
    }

    pub(super) fn tell_holding(&mut self, group: &VipName, ballot: Ballot) {
        let others: Vec<NodeId> = match &self.table {
            Some(table) => table.roster.others().collect(),
            None => Vec::new(),
        };
        for node in others {
            self.ask(node, Kind::About(group.clone(), Body::Holding(ballot)));
        }
    }

    pub(super) fn gained(&mut self, group: &VipName, held: Held) {
        let table = self.table.as_ref();
        let seat = table.and_then(|table| table.seats.get(group));
        let before = seat.and_then(|seat| seat.proposer.lease());
        if before.is_none() {
            self.counters.gained.fetch_add(1, Relaxed);
        }
        let was_alone = before.is_some_and(|before| before.alone_since.is_some());
        if held.alone_since.is_some() && !was_alone {
            self.counters.holds.fetch_add(1, Relaxed);
        }
        self.outputs.push(Output::Change(group.clone(), Some(held)));
    }

    pub(super) fn lost(&mut self, group: &VipName) {
        self.counters.lost.fetch_add(1, Relaxed);
        self.outputs.push(Output::Change(group.clone(), None));
    }

    /// Ends leases at once, without a word to anybody.
    pub(super) fn drop_leases(&mut self, which: impl Fn(&VipName) -> bool) {
        let seats = self.table.iter_mut().flat_map(|table| &mut table.seats);
        let dropped: Vec<(VipName, Vec<Step>)> = seats
            .filter(|(group, _)| which(group))
            .map(|(group, seat)| (group.clone(), Proposer::drop_lease(&mut seat.proposer)))
            .collect();
        for (group, steps) in dropped {
            for step in steps {
                // Neither says anything to anybody.
                self.carry_out(&group, step);
            }
        }
    }
}
