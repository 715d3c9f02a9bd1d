//! PURE. The acceptor: one voter's memory of what it promised and to whom it lent what.
//!
//! ```text
//!   Prepare(b)  -> Promised | Refused     Propose(b) -> Accepted (for T) | Refused
//!   Release(b)  -> Accepted, and the lease of b is over
//! ```
//!
//! It never writes anything down: after a start it says nothing until whatever it may have accepted
//! before has run out. A request is its ballot's node asking; whoever calls has checked that.
//!
//! **Source**: `vip-protocol.md`, section 3.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::counters::Ignored;
use super::time::{BootTime, LEASE_MAX};
use crate::id::{Ballot, NodeId, VipName};

/// What is asked of an acceptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    /// To promise that no lower ballot gets through.
    Prepare(Ballot),
    /// To lend to the ballot's node for this long.
    Propose(Ballot, Duration),
    /// To forget what was lent under this ballot, in favour of a node if one is named.
    Release(Ballot, Option<NodeId>),
}

/// What an acceptor says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// To Prepare: no lower ballot will get through.
    Promised,
    /// To Propose: lent. To Release: forgotten.
    Accepted,
    /// No.
    Refused(Refusal),
}

/// Why an acceptor says no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It promised this higher ballot.
    HigherBallot(Ballot),
    /// It has lent to, or keeps it free for, the node of this ballot.
    LiveLease(Ballot),
    /// Whoever asks does not vote in its membership.
    NotAVoter,
}

/// Something lent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grant {
    /// To this ballot's node.
    pub(crate) ballot: Ballot,
    /// It is over at this time.
    pub(crate) expiry: BootTime,
    /// T, as its proposal said.
    pub(crate) lease: Duration,
}

/// Kept free for one node.
#[derive(Debug, Clone, Copy)]
struct Reservation {
    to: NodeId,
    until: BootTime,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    promised: Ballot,
    accepted: Option<Grant>,
    reserved: Option<Reservation>,
    /// It says nothing before: what was lent under another name may be of this lease now.
    silent_until: BootTime,
}

/// The acceptor's memory, by group.
#[derive(Debug, Clone)]
pub(crate) struct Acceptor {
    silent_until: BootTime,
    /// The groups of the last roster.
    groups: BTreeSet<VipName>,
    slots: BTreeMap<VipName, Slot>,
}

impl Acceptor {
    /// An acceptor without memory, silent until then.
    pub(crate) fn new(silent_until: BootTime) -> Acceptor {
        Acceptor {
            silent_until,
            groups: BTreeSet::new(),
            slots: BTreeMap::new(),
        }
    }

    /// Answers a request received at `now`.
    ///
    /// **Errors**: the reason for which it says nothing.
    pub(crate) fn handle(
        &mut self,
        now: BootTime,
        group: &VipName,
        request: Request,
    ) -> Result<Answer, Ignored> {
        if now < self.silent_until {
            return Err(Ignored::Silent);
        }
        let slot = self.slots.entry(group.clone()).or_default();
        if now < slot.silent_until {
            return Err(Ignored::Silent);
        }
        match request {
            Request::Prepare(ballot) => Ok(slot.prepare(now, ballot)),
            Request::Propose(_, lease) if lease > LEASE_MAX => Err(Ignored::LeaseTooLong),
            Request::Propose(ballot, lease) => Ok(slot.propose(now, ballot, lease)),
            Request::Release(ballot, to) => Ok(slot.release(now, ballot, to)),
        }
    }

    /// Since when, or from when on, this acceptor's lease has run out: nobody has it, nothing is
    /// kept free for somebody else, and the silence in which it cannot tell is over.
    pub(crate) fn free_at(&self, group: &VipName, me: NodeId) -> BootTime {
        let slot = self.slots.get(group).copied().unwrap_or_default();
        let lent = slot.accepted.map_or(BootTime(0), |grant| grant.expiry);
        let reserved = slot
            .reserved
            .filter(|r| r.to != me)
            .map_or(BootTime(0), |r| r.until);
        let silent = self.silent_until.max(slot.silent_until);
        silent.max(lent).max(reserved)
    }

    /// Whether the last owner left it to `me`.
    pub(crate) fn is_reserved_for(&self, group: &VipName, me: NodeId, now: BootTime) -> bool {
        let reserved = self.slots.get(group).and_then(|slot| slot.reserved);
        reserved.is_some_and(|r| r.to == me && now < r.until)
    }

    /// The highest ballot promised; zero before the first.
    pub(crate) fn promised(&self, group: &VipName) -> Ballot {
        self.slots
            .get(group)
            .map_or(Ballot::default(), |slot| slot.promised)
    }

    /// What is lent at this moment.
    pub(crate) fn live(&self, now: BootTime) -> impl Iterator<Item = (&VipName, Grant)> + '_ {
        self.slots
            .iter()
            .filter_map(move |(group, slot)| Some((group, slot.live(now)?)))
    }

    /// Forgets groups that are no more, once what they lent has run out; until then, new ones are
    /// met with silence: they may lend the same VIPs.
    pub(crate) fn adopt(&mut self, now: BootTime, groups: BTreeSet<VipName>) {
        self.slots
            .retain(|group, slot| groups.contains(group) || slot.live(now).is_some());
        let gone = self
            .slots
            .iter()
            .filter(|(group, _)| !groups.contains(*group));
        let lent = gone.filter_map(|(_, slot)| Some(slot.live(now)?.expiry));
        if let Some(until) = lent.max() {
            for group in groups.difference(&self.groups) {
                let slot = self.slots.entry(group.clone()).or_default();
                slot.silent_until = slot.silent_until.max(until);
            }
        }
        self.groups = groups;
    }
}

impl Slot {
    fn prepare(&mut self, now: BootTime, ballot: Ballot) -> Answer {
        if let Some(refusal) = self.refusal(now, ballot) {
            return Answer::Refused(refusal);
        }
        self.promised = ballot;
        Answer::Promised
    }

    fn propose(&mut self, now: BootTime, ballot: Ballot, lease: Duration) -> Answer {
        if let Some(refusal) = self.refusal(now, ballot) {
            return Answer::Refused(refusal);
        }
        self.promised = ballot;
        self.accepted = Some(Grant {
            ballot,
            expiry: now + lease,
            lease,
        });
        self.reserved = None;
        Answer::Accepted
    }

    /// A release of something that is not lent, or no longer, changes nothing: it is late.
    fn release(&mut self, now: BootTime, ballot: Ballot, to: Option<NodeId>) -> Answer {
        if let Some(grant) = self.live(now).filter(|grant| grant.ballot == ballot) {
            // A Propose of the released ballot that is still under way must not lend it again.
            let above = Ballot {
                counter: ballot.counter.saturating_add(1),
                node: NodeId(0),
            };
            self.promised = self.promised.max(above);
            self.reserved = to.map(|to| Reservation {
                to,
                until: now + grant.lease,
            });
            // It ends now, and is not forgotten: from now on the ranks of stand-bys count.
            self.accepted = Some(Grant {
                expiry: now,
                ..grant
            });
        }
        Answer::Accepted
    }

    fn refusal(&self, now: BootTime, ballot: Ballot) -> Option<Refusal> {
        let other = |node: NodeId| node != ballot.node;
        if let Some(grant) = self.live(now).filter(|grant| other(grant.ballot.node)) {
            return Some(Refusal::LiveLease(grant.ballot));
        }
        if let Some(kept) = self
            .reserved
            .filter(|kept| now < kept.until && other(kept.to))
        {
            let counter = self.promised.counter;
            return Some(Refusal::LiveLease(Ballot {
                counter,
                node: kept.to,
            }));
        }
        (ballot < self.promised).then_some(Refusal::HigherBallot(self.promised))
    }

    fn live(&self, now: BootTime) -> Option<Grant> {
        self.accepted.filter(|grant| now < grant.expiry)
    }
}
