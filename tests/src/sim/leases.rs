//! The leases of the world: engines fed with datagrams, times and rosters; and the judge of who
//! owns.
//!
//! Ownership is judged by what a kernel fence would do: a deadline that was written stands until
//! it has passed or was withdrawn, whether its writer is paused or dead.

use std::time::Duration;

use farmux_node::daemon::lease_roster;
use farmux_raft::id::{NodeId, VipName};
use farmux_raft::lease::{BootTime, Held, Output, Roster, Source};
use farmux_raft::state::OnQuorumLoss;
use tokio::sync::watch;

use super::dice::nanos;
use super::executor::Moment;
use super::site::{HeardHolding, Process, Site};
use super::world::{Event, World};

/// The one VIP of every world.
pub(super) fn front() -> VipName {
    "front".parse().expect("a name")
}

impl Site {
    /// The roster that its log says.
    pub(super) fn wanted_roster(&self) -> Option<Roster> {
        let consensus = self.consensus()?;
        let membership = consensus.membership().borrow().clone();
        lease_roster(&*self.state()?, self.id, &membership)
    }
}

impl World {
    /// The lease engine learns what the log says, as `follow_roster` does it.
    pub(super) fn set_roster(&mut self, node: usize) {
        let site = &mut self.sites[node];
        if site.is_paused(self.now) {
            return self.at(self.sites[node].paused_until, Event::Roster(node));
        }
        let (wanted, local) = (site.wanted_roster(), site.local(self.now));
        let Some(process) = site.process.as_mut().filter(|p| p.roster != wanted) else {
            return;
        };
        process.roster = wanted.clone();
        process.engine.set_roster(local, wanted);
        process.engine.poll(local);
        self.settle(node);
    }

    pub(super) fn wake(&mut self, node: usize, round: u64) {
        let site = &mut self.sites[node];
        if site.round != round {
            return;
        }
        if site.is_paused(self.now) {
            return self.at(self.sites[node].paused_until, Event::Wake { node, round });
        }
        let local = site.local(self.now);
        if let Some(process) = &mut site.process {
            process.engine.poll(local);
            self.settle(node);
        }
    }

    pub(super) fn datagram_arrives(
        &mut self,
        to: usize,
        (from, sent): (usize, Moment),
        bytes: Vec<u8>,
    ) {
        let site = &mut self.sites[to];
        if site.is_paused(self.now) {
            let until = site.paused_until;
            let again = Event::Datagram {
                to,
                from,
                sent,
                bytes,
            };
            return self.at(until, again);
        }
        let (local, before) = (site.local(self.now), site.holding_count());
        let Some(process) = &mut site.process else {
            return;
        };
        let last = u8::try_from(from).expect("few nodes");
        let address = ([10, 0, 0, last], 7946).into();
        // As the thread does it: timers first.
        process.engine.poll(local);
        process
            .engine
            .receive(local, Source { path: 0, address }, &bytes);
        if self.sites[to].holding_count() > before {
            let (now, long) = (self.now, nanos(Duration::from_secs(1)));
            let heard = &mut self.sites[to].heard_holding;
            heard.retain(|heard| heard.at + long > now);
            heard.push(HeardHolding {
                at: now,
                from,
                sent,
            });
        }
        self.settle(to);
    }

    /// Gives a VIP up, in favour of somebody or of whoever takes it.
    pub(super) fn release(&mut self, node: usize, to: Option<NodeId>) {
        let site = &mut self.sites[node];
        let local = site.local(self.now);
        if site.is_paused(self.now) {
            return;
        }
        if let Some(process) = &mut site.process {
            process.engine.poll(local);
            process.engine.release(local, &front(), to);
            self.settle(node);
        }
    }

    /// Carries out what an engine wants, and plans its next wake-up.
    pub(super) fn settle(&mut self, node: usize) {
        let Some(process) = &mut self.sites[node].process else {
            return;
        };
        for output in process.engine.take_outputs() {
            match output {
                Output::Send(to, bytes) => {
                    if let Some(to) = self.place(to) {
                        self.send(node, to, &bytes);
                    }
                }
                Output::Reply(source, bytes) => {
                    let to = match source.address.ip() {
                        std::net::IpAddr::V4(v4) => usize::from(v4.octets()[3]),
                        std::net::IpAddr::V6(_) => node,
                    };
                    self.send(node, to, &bytes);
                }
                Output::Change(_, held) => self.change(node, held),
            }
        }
        let site = &mut self.sites[node];
        let local = site.local(self.now);
        let Some(process) = &site.process else { return };
        show_leases(process, local);
        let due = process.engine.due(local);
        site.round += 1;
        if let Some(due) = due {
            let at = site.clock.moment(due).max(self.now + 1);
            let round = site.round;
            self.at(at, Event::Wake { node, round });
        }
    }

    fn send(&mut self, from: usize, to: usize, bytes: &[u8]) {
        for at in self.links.datagram(from, to, self.now, &mut self.dice) {
            let (bytes, sent) = (bytes.to_vec(), self.now);
            let datagram = Event::Datagram {
                to,
                from,
                sent,
                bytes,
            };
            self.at(at, datagram);
        }
    }

    /// A lease was gained, extended or lost.
    fn change(&mut self, node: usize, held: Option<Held>) {
        let (now, id) = (self.now, self.sites[node].id);
        let Some(held) = held else {
            self.trace.note(now, format_args!("{id} owns no more"));
            let site = &mut self.sites[node];
            (site.owns, site.alone) = (false, false);
            site.owns_until = now.min(site.owns_until);
            return;
        };
        let site = &self.sites[node];
        let (until, alone) = (site.clock.moment(held.until), held.alone_since.is_some());
        let (owned, was_alone) = (site.owns, site.alone);
        if !owned || was_alone != alone {
            let how = if alone { "alone" } else { "by a majority" };
            self.trace.note(now, format_args!("{id} owns {how}"));
        }
        self.check_owner(node, alone, owned);
        self.change_on_lan(node, alone, held.taken);
        let site = &mut self.sites[node];
        if alone && !(owned && was_alone) {
            site.alone_since = now;
        }
        self.gains += u64::from(!owned);
        (site.owns, site.owns_until, site.alone) = (true, until, alone);
    }

    /// Whether it may own at this moment.
    fn check_owner(&mut self, node: usize, alone: bool, owned: bool) {
        let (now, id) = (self.now, self.sites[node].id);
        if alone && self.plan.policy == OnQuorumLoss::Release {
            return self.wrong(format!("{id} owns alone where that is forbidden"));
        }
        if let Some(at) = self.sites[node].removed_at.filter(|_| !alone)
            && now > at + nanos(GONE_WITHIN)
        {
            return self.wrong(format!("{id} owns though it was removed"));
        }
        if !alone {
            // What a holder left open is a hold still: `lan` judges it.
            let second = |(other, site): (usize, &Site)| {
                other != node && site.owns_until > now && !site.alone
            };
            if let Some(other) = self.sites.iter().enumerate().position(second) {
                let left = Duration::from_nanos(self.sites[other].owns_until - now);
                let other = self.sites[other].id;
                return self.wrong(format!("{id} came to own while {other} had {left:?} left"));
            }
        }
        if !owned && let Some(from) = self.stolen_from(node) {
            self.wrong(format!(
                "{id} came to own though it heard that {from} holds"
            ));
        }
    }

    /// Who holds and was heard in time by one that comes to own all the same (H4).
    fn stolen_from(&self, node: usize) -> Option<NodeId> {
        let site = &self.sites[node];
        // What was under way when it was heard may still succeed; after 2 T it may ask again.
        let quiet = nanos(self.timing.holding_quiet()) * 1000 / site.clock.rate;
        let rounds = nanos(self.timing.renewal()) * 3;
        let heard = |heard: &&HeardHolding| {
            let holder = &self.sites[heard.from];
            let holds = holder.owns && holder.alone && holder.owns_until > self.now;
            // What was said of an earlier hold may have been taken back since.
            let said = holds && heard.sent >= holder.alone_since;
            said && self.now > heard.at + rounds && self.now < heard.at + quiet
        };
        let heard = site.heard_holding.iter().find(heard)?;
        Some(self.sites[heard.from].id)
    }
}

/// As the lease thread does it after each turn.
fn show_leases(process: &Process, local: BootTime) {
    let held = process.engine.held().into_iter();
    let held = held.map(|(lease, held)| (lease, held.ballot)).collect();
    replace(&process.leases.held, held);
    replace(&process.leases.seen, process.engine.seen(local));
}

fn replace<T: PartialEq>(sender: &watch::Sender<T>, new: T) {
    sender.send_if_modified(|old| {
        let differs = *old != new;
        *old = new;
        differs
    });
}

/// A removed owner's last lease: T, by the slowest clock, from the last acceptor that learned of
/// the removal.
const GONE_WITHIN: Duration = Duration::from_millis(250);
