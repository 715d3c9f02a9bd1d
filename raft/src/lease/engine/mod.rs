//! PURE. The engine: one node's part in all leases; bytes and times in, bytes and changes out.
//!
//! ```text
//!   bytes -> wire::open -> who is it (roster, epoch) -> session -> acceptor -> answer
//!                                                            \---> proposer -> own, lost, ask
//!   time  -> greet everybody, expire, renew, attempt
//! ```
//!
//! This node's own acceptor is asked like any other, without a datagram.
//!
//! **Source**: `vip-protocol.md`, sections 1 to 5.

mod alone;
mod fitness;
mod generations;
mod receive;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use ring::hmac;

use self::generations::Generations;
use super::acceptor::{Acceptor, Answer, Request};
use super::dice::Dice;
use super::hold::Outlook;
use super::legs::Heard;
use super::proposer::{Ask, Proposer, Step, View};
use super::session::Session;
use super::wire::{self, Body, Datagram, Header, HelloKind, Kind};
use super::{BootTime, Counters, Held, Ignored, Legs, Roster, Timing};
use crate::epoch::Epoch;
use crate::id::{Ballot, ClusterId, NodeId, VipName};

/// What the engine wants done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send to a member, on every path.
    Send(NodeId, Vec<u8>),
    /// Send to whoever is at this address, by the path on which it was heard.
    Reply(Source, Vec<u8>),
    /// A lease was gained, extended or lost.
    Change(VipName, Option<Held>),
}

/// Where a datagram came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// By which path.
    pub path: usize,
    /// From which address.
    pub address: SocketAddr,
}

/// What is drawn at random for one start.
#[derive(Debug, Clone, Copy)]
pub struct Drawn {
    /// Tells this start from every other; never zero, which means unknown.
    pub nonce: u64,
    /// For the pauses.
    pub seed: u64,
}

/// One node's part in all leases.
pub struct Engine {
    timing: Timing,
    counters: Arc<Counters>,
    nonce: u64,
    /// The highest number used.
    used: u64,
    dice: Dice,
    started: BootTime,
    /// Cluster and epoch of the last roster, kept while there is none.
    era: Option<(ClusterId, u64)>,
    /// The highest epoch heard of in that cluster.
    epoch_heard: u64,
    table: Option<Table>,
    generations: Generations,
    acceptor: Acceptor,
    sessions: BTreeMap<NodeId, Session>,
    heard: Heard,
    legs: Legs,
    serving: bool,
    greet_at: BootTime,
    outputs: Vec<Output>,
}

/// What there is while a membership is known.
struct Table {
    roster: Roster,
    key: hmac::Key,
    seats: BTreeMap<VipName, Seat>,
}

/// This node's part in one group.
struct Seat {
    proposer: Proposer,
    /// When the lease last came here by somebody's wish.
    moved: Option<BootTime>,
    /// How its network looked when it was last looked at.
    outlook: Outlook,
    /// Since when another node's legs are better than ours.
    outdone_since: Option<BootTime>,
}

impl Engine {
    /// An engine that has just started and knows no membership.
    ///
    /// **Panics**: when the nonce is zero.
    pub fn new(timing: Timing, counters: Arc<Counters>, now: BootTime, drawn: Drawn) -> Engine {
        assert!(drawn.nonce != 0, "zero means that no nonce is known");
        Engine {
            timing,
            counters,
            nonce: drawn.nonce,
            used: 0,
            dice: Dice::new(drawn.seed),
            started: now,
            era: None,
            epoch_heard: 0,
            table: None,
            generations: Generations::default(),
            acceptor: Acceptor::new(now + timing.silence()),
            sessions: BTreeMap::new(),
            heard: Heard::default(),
            legs: Legs::ALL,
            serving: true,
            greet_at: now,
            outputs: Vec::new(),
        }
    }

    /// What is to be done since the last call.
    pub fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// Replaces the roster. Another cluster or epoch is a new start: silence, and no memory.
    pub fn set_roster(&mut self, now: BootTime, roster: Option<Roster>) {
        let Some(roster) = roster else {
            self.drop_leases(|_| true);
            self.table = None;
            return;
        };
        let era = (roster.cluster, roster.epoch);
        if self.era.is_some_and(|old| old != era) {
            self.drop_leases(|_| true);
            self.table = None;
            self.started = now;
            self.acceptor = Acceptor::new(now + self.timing.silence());
            self.sessions.clear();
            self.generations = Generations::default();
        }
        if self
            .era
            .is_none_or(|(cluster, _)| cluster != roster.cluster)
        {
            self.epoch_heard = 0;
        }
        self.era = Some(era);
        self.hear_epoch(Epoch(roster.epoch));
        self.generations
            .enter(roster.membership_index, &roster.halves);
        let may_own = roster.may_own(roster.me);
        self.drop_leases(|group| !may_own || !roster.groups.contains_key(group));
        let groups: BTreeSet<VipName> = roster.groups.keys().cloned().collect();
        self.acceptor.adopt(now, groups);
        self.sessions
            .retain(|node, _| roster.members.contains_key(node));
        let quiet_until = self.started + self.timing.start_quiet();
        let mut old = self
            .table
            .take()
            .map(|table| table.seats)
            .unwrap_or_default();
        let mut seat = |group: &VipName| {
            let fresh = || Seat {
                proposer: Proposer::new(quiet_until),
                moved: None,
                outlook: Outlook::default(),
                outdone_since: None,
            };
            (group.clone(), old.remove(group).unwrap_or_else(fresh))
        };
        let seats = roster.groups.keys().map(&mut seat).collect();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &roster.key.0);
        self.table = Some(Table { roster, key, seats });
        self.greet_at = now;
    }

    /// Says how fit this node is.
    pub fn set_legs(&mut self, legs: Legs) {
        self.legs = legs;
    }

    /// Says whether the serving runtimes are alive; if not, everything is released.
    pub fn set_serving(&mut self, now: BootTime, serving: bool) {
        self.serving = serving;
        if !serving {
            self.release_all(now);
        }
    }

    /// Gives every lease up.
    pub fn release_all(&mut self, now: BootTime) {
        self.held()
            .into_keys()
            .for_each(|group| self.release(now, &group, None));
    }

    /// Gives a lease up, if there is one.
    pub fn release(&mut self, now: BootTime, group: &VipName, to: Option<NodeId>) {
        self.with_seat(now, group, |proposer, view, _| proposer.release(view, to));
    }

    /// The times by which it goes.
    pub fn timing(&self) -> &Timing {
        &self.timing
    }

    /// Whether anything is asked that not everybody has answered, for R at most.
    pub fn is_asking(&self) -> bool {
        let mut seats = self.table.iter().flat_map(|table| table.seats.values());
        seats.any(|seat| seat.proposer.is_asking())
    }

    /// What this node owns.
    pub fn held(&self) -> BTreeMap<VipName, Held> {
        let seats = self.table.iter().flat_map(|table| &table.seats);
        seats
            .filter_map(|(group, seat)| Some((group.clone(), seat.proposer.lease()?)))
            .collect()
    }

    /// What this node's acceptor has lent.
    pub fn seen(&self, now: BootTime) -> BTreeMap<VipName, (NodeId, Ballot)> {
        let live = self.acceptor.live(now);
        live.map(|(group, grant)| (group.clone(), (grant.ballot.node, grant.ballot)))
            .collect()
    }

    /// When [`Engine::poll`] has something to do, if nothing arrives before.
    pub fn due(&self, now: BootTime) -> Option<BootTime> {
        let table = self.table.as_ref()?;
        let seat = |(group, seat): (&VipName, &Seat)| seat.proposer.due(&self.view(now, group)?);
        let expiry = self.acceptor.live(now).map(|(_, grant)| grant.expiry);
        table
            .seats
            .iter()
            .filter_map(seat)
            .chain(expiry)
            .chain([self.greet_at])
            .min()
    }

    /// Does what is due.
    pub fn poll(&mut self, now: BootTime) {
        let Some(table) = &self.table else { return };
        if now >= self.greet_at {
            self.greet_at = now + GREETING;
            let others: Vec<NodeId> = table.roster.others().collect();
            for node in others {
                self.ask(node, Kind::Hello(HelloKind::Question));
            }
        }
        let Some(table) = &self.table else { return };
        let groups: Vec<VipName> = table.seats.keys().cloned().collect();
        for group in groups {
            self.poll_seat(now, &group);
            self.move_by_legs(now, &group);
        }
    }

    fn answered(
        &mut self,
        now: BootTime,
        group: &VipName,
        from: NodeId,
        question: (u64, Ballot),
        answer: Answer,
    ) -> Result<(), Ignored> {
        let mut result = Ok(());
        self.with_seat(now, group, |proposer, view, dice| {
            match proposer.answer(view, dice, from, question, answer) {
                Ok(steps) => steps,
                Err(reason) => {
                    result = Err(reason);
                    Vec::new()
                }
            }
        });
        result
    }

    fn poll_seat(&mut self, now: BootTime, group: &VipName) {
        self.with_seat(now, group, |proposer, view, dice| proposer.poll(view, dice));
    }

    fn view(&self, now: BootTime, group: &VipName) -> Option<View<'_>> {
        let table = self.table.as_ref()?;
        let roster = &table.roster;
        let in_time = roster.epoch == self.epoch_heard;
        Some(View {
            now,
            roster,
            timing: &self.timing,
            free_at: self.acceptor.free_at(group, roster.me),
            promised: self.acceptor.promised(group),
            floor: roster.groups.get(group)?.floor,
            invited: self.acceptor.is_reserved_for(group, roster.me, now),
            rank: self.rank(now, roster, group),
            fit: in_time
                && self.serving
                && !roster.resting.contains(&roster.me)
                && !self.is_outdone(now, roster),
            counter: self.used + 1,
            hold: roster.holds(group),
            pair: self.pair(roster, group),
            outlook: table.seats.get(group)?.outlook,
        })
    }

    /// Lets a proposer act and does what it wants, until nobody wants anything.
    fn with_seat(
        &mut self,
        now: BootTime,
        group: &VipName,
        act: impl FnOnce(&mut Proposer, &View<'_>, &mut Dice) -> Vec<Step>,
    ) {
        let seat = self.table.as_ref().and_then(|table| table.seats.get(group));
        let Some(mut proposer) = seat.map(|seat| seat.proposer.clone()) else {
            return;
        };
        let mut dice = self.dice.clone();
        let Some(view) = self.view(now, group) else {
            return;
        };
        let mut steps: VecDeque<Step> = act(&mut proposer, &view, &mut dice).into();
        while let Some(step) = steps.pop_front() {
            let Some((number, ballot, request)) = self.carry_out(group, step) else {
                continue;
            };
            // Our own acceptor answers at once; a silent one is asked again with the others.
            let Ok(answer) = self.acceptor.handle(now, group, request) else {
                continue;
            };
            let Some(view) = self.view(now, group) else {
                break;
            };
            let me = view.roster.me;
            let step = proposer.answer(&view, &mut dice, me, (number, ballot), answer);
            steps.extend(step.into_iter().flatten());
        }
        self.dice = dice;
        if let Some(seat) = self
            .table
            .as_mut()
            .and_then(|table| table.seats.get_mut(group))
        {
            seat.proposer = proposer;
        }
    }

    /// Does one step; what is left is the question to our own acceptor.
    fn carry_out(&mut self, group: &VipName, step: Step) -> Option<(u64, Ballot, Request)> {
        let (ask, to) = match step {
            Step::Own(held) => {
                self.gained(group, held);
                return None;
            }
            Step::Lost => {
                self.lost(group);
                return None;
            }
            Step::Tell(ballot) => {
                self.tell_holding(group, ballot);
                return None;
            }
            Step::HoldOver(why) => {
                self.counters.count_end(why);
                return None;
            }
            Step::Ask(ask, to) => (ask, to),
        };
        let (body, request) = match ask {
            Ask::Prepare(ballot) => (Body::Prepare(ballot), Request::Prepare(ballot)),
            Ask::Propose(ballot) => {
                let lease = self.timing.lease();
                (
                    Body::Propose(ballot, lease),
                    Request::Propose(ballot, lease),
                )
            }
            Ask::Release(ballot, to) => (Body::Release(ballot, to), Request::Release(ballot, to)),
        };
        let me = self.table.as_ref()?.roster.me;
        for node in to.iter().filter(|node| **node != me) {
            self.ask(*node, Kind::About(group.clone(), body));
        }
        if matches!(ask, Ask::Prepare(_)) {
            self.counters.attempts.fetch_add(1, Relaxed);
        }
        self.used += 1;
        to.contains(&me)
            .then_some((self.used, ask.ballot(), request))
    }

    /// Sends a question, under a number of its own.
    fn ask(&mut self, to: NodeId, kind: Kind) {
        self.used += 1;
        let theirs = self.sessions.get(&to).map_or(0, Session::theirs);
        let bytes = self.seal(to, self.used, theirs, kind);
        self.outputs
            .extend(bytes.map(|bytes| Output::Send(to, bytes)));
    }

    /// Sends an answer to the start of the peer that asked, under the number of its question.
    fn say(&mut self, to: NodeId, number: u64, to_nonce: u64, kind: Kind) {
        let bytes = self.seal(to, number, to_nonce, kind);
        self.outputs
            .extend(bytes.map(|bytes| Output::Send(to, bytes)));
    }

    fn seal(&self, to: NodeId, counter: u64, to_nonce: u64, kind: Kind) -> Option<Vec<u8>> {
        let table = self.table.as_ref()?;
        let header = Header {
            cluster: table.roster.cluster,
            epoch: table.roster.epoch,
            from: table.roster.me,
            to,
            from_nonce: self.nonce,
            to_nonce,
            counter,
            membership_index: table.roster.membership_index,
            legs: self.own_legs(),
        };
        Some(wire::seal(&Datagram { header, kind }, &table.key))
    }
}

/// Everybody greets everybody this often: three times within the second in which legs are fresh,
/// so that stand-bys, which have nothing else to say to each other, know each other's starts.
const GREETING: Duration = Duration::from_millis(300);
const GREETED: Kind = Kind::Hello(HelloKind::Answer);
