//! PURE. Without a majority: going on with a lease, taking it up again, and the survivor of a pair.
//!
//! ```text
//!   owner --R before its lease ends, nobody renewed it--> holder --majority--> owner
//!                                                           | every R: deadline + 0.9 T, Holding,
//!                                                           |     Prepare, echo of the gateway
//!           claim, another's lease, higher Holding,         |
//!   stand-by <-- no voter, higher epoch ---------------------+
//!      ^                                                    |
//!      `-- vacant, gateway answers --> holder <-- dormant <-+ 5 echoes missed
//!   stand-by of a pair -- peer silent, vacant, gateway answers --> holder
//! ```
//!
//! What it sees of the network comes in as an [`Outlook`]; it asks nobody by itself.
//!
//! **Source**: `vip-protocol.md`, section 5.

use std::collections::BTreeMap;
use std::time::Duration;

use super::counters::HoldEnd;
use super::proposer::{Ask, Proposer, Step, View};
use super::time::{BootTime, RESEND};
use super::{Held, Timing};
use crate::id::{Ballot, NodeId};

/// How a VIP's network looks to this machine, apart from what the other nodes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outlook {
    /// Echoes of the reference that did not come back, in a row.
    pub missed: u32,
    /// When the last question that the reference answered was asked.
    pub answered_at: Option<BootTime>,
    /// When another machine last claimed the VIP.
    pub claimed_at: Option<BootTime>,
    /// That nobody answers for the VIP, as far as it was asked.
    pub vacancy: Option<Vacancy>,
    /// Whether the interface has a carrier.
    pub carrier: bool,
    /// The reference is silent towards the VIP and answers this machine: another has the VIP.
    pub elsewhere: bool,
}

/// Nobody answered for an address: two probes, 30 ms apart, and the time after them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vacancy {
    /// When the first of the two was sent.
    pub from: BootTime,
    /// When it was clear that nobody answered.
    pub to: BootTime,
}

/// What has to be asked for an [`Outlook`] now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Wanted {
    /// Nothing out of turn.
    #[default]
    Nothing,
    /// An echo from the reference every R, asked from this machine's own address.
    Echoes,
    /// That, and whether anybody answers for the VIP.
    Probes,
    /// An echo from the reference every R, asked from the VIP: it is held.
    EchoesFromVip,
}

/// A hold that may be taken up again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Resumable {
    /// Under which ballot.
    pub(crate) ballot: Ballot,
    /// Since when it held.
    pub(crate) since: BootTime,
}

/// The other one of a pair without a witness, where its VIP may be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pair {
    /// When it was last heard since our start, on any path.
    pub(crate) heard: Option<BootTime>,
    /// Before this, one that was never heard is waited for.
    pub(crate) cold_until: BootTime,
}

/// What a proposer remembers of standing alone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Solo {
    /// It was told that another's lease lives, or that it is no voter, since it last won.
    barred: bool,
    /// A hold that ended because the reference was silent, or with an earlier start.
    dormant: Option<Resumable>,
    /// Who said that it holds, and until when nothing is proposed for its sake.
    hushed: BTreeMap<NodeId, BootTime>,
    /// Since when it has had a reason to go on alone, and asks who is there.
    asking_since: Option<BootTime>,
    /// A holder's next extension; a stand-by's next look.
    next: BootTime,
}

impl Proposer {
    /// Does what is due without a majority: extends, begins, ends, takes up again, takes.
    pub(super) fn stand_alone(&mut self, view: &View<'_>) -> Vec<Step> {
        match self.lease {
            Some(lease) if lease.until <= view.now => {
                // It was not able to act in time: the fence has closed.
                let Some(since) = lease.alone_since else {
                    return Vec::new();
                };
                self.rest(view, lease, since);
                vec![Step::HoldOver(HoldEnd::Late)]
            }
            Some(lease) => match lease.alone_since {
                Some(since) => self.hold_on(view, lease, since),
                None => self.begin_hold(view, lease),
            },
            None => self.look_around(view),
        }
    }

    /// When [`Proposer::stand_alone`] has something to do.
    pub(super) fn alone_due(&self, view: &View<'_>) -> Option<BootTime> {
        let Some(lease) = self.lease else {
            let wants = self.solo.dormant.is_some() || view.pair.is_some();
            let silent = view.pair.and_then(|pair| pair.silent_at(view.timing));
            let reason = match self.solo.dormant {
                Some(_) => Some(self.solo.next),
                None => silent.map(|at| at.max(self.solo.next)),
            };
            return reason.filter(|_| wants && view.hold);
        };
        match lease.alone_since {
            Some(_) => Some(self.solo.next),
            None if !view.hold || self.solo.barred => None,
            // Once it has come, what could begin has begun.
            None => Some(lease.until.before(view.timing.renewal())).filter(|at| *at > view.now),
        }
    }

    /// What the proposer needs to know of its network now.
    pub(crate) fn wanted(&self, view: &View<'_>) -> Wanted {
        match self.lease {
            Some(lease) if lease.alone_since.is_some() => Wanted::EchoesFromVip,
            Some(lease) if view.hold && !self.solo.barred && is_late(view, lease) => {
                Wanted::EchoesFromVip
            }
            Some(_) => Wanted::Nothing,
            None if self.solo.asking_since.is_none() => Wanted::Nothing,
            None if view.outlook.answers(view.now) => Wanted::Probes,
            None => Wanted::Echoes,
        }
    }

    /// Takes over what an earlier start held; [`Proposer::stand_alone`] decides about it.
    pub(crate) fn remember(&mut self, held: Resumable) {
        self.highest = self.highest.max(held.ballot.counter);
        self.solo.dormant = Some(held);
    }

    /// Heard somebody hold: whoever heals or boots steals nothing, and of two holders the one with
    /// the lower ballot yields.
    pub(crate) fn heard_holding(&mut self, view: &View<'_>, theirs: Ballot) -> Vec<Step> {
        let quiet_until = view.now + view.timing.holding_quiet();
        if view.timing.heeds_holding() {
            self.solo.hushed.insert(theirs.node, quiet_until);
        }
        self.solo.forget_reasons();
        match self.lease {
            Some(lease) if lease.alone_since.is_some() && lease.ballot < theirs => {
                self.end_hold(view, HoldEnd::HigherHolding)
            }
            Some(_) | None => Vec::new(),
        }
    }

    /// Heard somebody let go of what it held.
    pub(crate) fn heard_release(&mut self, theirs: Ballot) {
        self.solo.hushed.remove(&theirs.node);
    }

    /// Until when it proposes nothing, not even if it is asked to.
    pub(super) fn hushed_until(&self) -> BootTime {
        let hushed = self.solo.hushed.values().copied();
        hushed.fold(self.quiet_until, BootTime::max)
    }

    /// Heard that it may not own: a hold is over, and none begins before it won again.
    pub(super) fn heard_bar(&mut self, view: &View<'_>, why: HoldEnd) -> Vec<Step> {
        self.solo.barred = true;
        self.solo.forget_reasons();
        self.end_hold(view, why)
    }

    /// It won by a majority: whatever was before is settled.
    pub(super) fn settle_alone(&mut self) {
        self.solo.barred = false;
        self.solo.forget_reasons();
    }

    fn hold_on(&mut self, view: &View<'_>, lease: Held, since: BootTime) -> Vec<Step> {
        let claimed = view.outlook.claimed_at.is_some_and(|at| at > since);
        if claimed {
            return self.end_hold(view, HoldEnd::Claimed);
        }
        if view.outlook.is_silent(view.now, since) {
            let mut steps = self.end_hold(view, HoldEnd::ReferenceSilent);
            self.rest(view, lease, since);
            steps.push(self.ask(view, Ask::Release(lease.ballot, None)));
            return steps;
        }
        if view.now < self.solo.next {
            return Vec::new();
        }
        // Another may have taken it as well: two that both say so would draw the neighbours to and
        // fro; the gateway, told last by one of them, decides.
        let taken = lease.taken && !view.outlook.elsewhere;
        self.extend(view, Held { taken, ..lease })
    }

    fn begin_hold(&mut self, view: &View<'_>, lease: Held) -> Vec<Step> {
        let in_time = lease.until > view.now + view.timing.renewal();
        if in_time || !view.hold || self.solo.barred {
            return Vec::new();
        }
        if view.outlook.is_silent(view.now, view.now) {
            self.rest(view, lease, view.now);
            return Vec::new();
        }
        let alone_since = Some(view.now);
        self.extend(
            view,
            Held {
                alone_since,
                ..lease
            },
        )
    }

    /// Without a lease: is there a reason to go on alone, and does nothing speak against it?
    fn look_around(&mut self, view: &View<'_>) -> Vec<Step> {
        if view.now < self.solo.next {
            return Vec::new();
        }
        self.solo.next = view.now + RESEND;
        let claimed = |since| view.outlook.claimed_at.is_some_and(|at| at > since);
        if self
            .solo
            .dormant
            .is_some_and(|dormant| claimed(dormant.since))
        {
            self.solo.dormant = None;
        }
        let may = view.hold && view.fit && view.roster.may_own(view.roster.me);
        let free = view.free_at <= view.now && self.quiet_until() <= view.now;
        let taken = |pair: Pair| pair.silent_at(view.timing).is_some_and(|at| at <= view.now);
        let ballot = match self.solo.dormant {
            Some(dormant) => Some(dormant.ballot),
            None if view.pair.is_some_and(taken) => Some(self.above(view)),
            None => None,
        };
        let Some(ballot) = ballot.filter(|_| may && free) else {
            self.solo.asking_since = None;
            return Vec::new();
        };
        let since = *self.solo.asking_since.get_or_insert(view.now);
        if claimed(since) {
            self.solo.asking_since = None;
            return Vec::new();
        }
        if !view.outlook.is_vacant(view.now, since) {
            return Vec::new();
        }
        self.highest = self.highest.max(ballot.counter);
        let held = Held {
            ballot,
            until: view.now,
            alone_since: Some(view.now),
            // Where it was ours, the neighbours know; a claim would only draw away whoever was
            // told of another meanwhile.
            taken: self.solo.dormant.is_none(),
        };
        self.extend(view, held)
    }

    /// Writes the next deadline, and says so to everybody.
    ///
    /// It is never further ahead than the reference's last answer allows: where this thread is not
    /// able to act, the fence ends the hold as soon as it would.
    fn extend(&mut self, view: &View<'_>, held: Held) -> Vec<Step> {
        let since = held.alone_since.unwrap_or(view.now);
        let silent_at = view.outlook.seen_at(since) + SILENCE_MAX;
        let until = silent_at.min(view.now + view.timing.own());
        let held = Held { until, ..held };
        self.solo.forget_reasons();
        self.solo.next = view.now + view.timing.renewal().min(ECHO_EVERY);
        if self.lease.is_none() {
            // What a stand-by was asking is asked again, by a holder.
            (self.round, self.next) = (None, view.now);
        }
        self.lease = Some(held);
        vec![Step::Own(held), Step::Tell(held.ballot)]
    }

    /// Remembers a hold, to take it up again; unless the reference was told of another.
    fn rest(&mut self, view: &View<'_>, lease: Held, since: BootTime) {
        let ballot = lease.ballot;
        let may = !view.outlook.elsewhere;
        self.solo.dormant = may.then_some(Resumable { ballot, since });
    }

    /// Its own acceptor lent the VIP to another: somebody owned it since.
    pub(crate) fn heard_lent(&mut self) {
        self.solo.forget_reasons();
    }

    /// Ends a hold, if there is one.
    fn end_hold(&mut self, view: &View<'_>, why: HoldEnd) -> Vec<Step> {
        if self.lease.is_none_or(|lease| lease.alone_since.is_none()) {
            return Vec::new();
        }
        self.stand_back(view);
        self.solo.next = view.now;
        let mut steps = vec![Step::HoldOver(why)];
        steps.extend(self.end_lease());
        steps
    }
}

impl Solo {
    /// Forgets whatever would let it go on alone.
    pub(super) fn forget_reasons(&mut self) {
        self.dormant = None;
        self.asking_since = None;
    }
}

impl Pair {
    /// When the other one has been silent for long enough.
    fn silent_at(&self, timing: &Timing) -> Option<BootTime> {
        Some(self.heard.map_or(self.cold_until, |at| at + timing.lease()))
    }
}

impl Outlook {
    /// Whether the reference has been silent towards the VIP for too long, in a hold since then.
    fn is_silent(&self, now: BootTime, since: BootTime) -> bool {
        let most = match self.elsewhere {
            true => MISSED_MAX - 1,
            false => MISSED_MAX,
        };
        self.missed >= most || now.since(self.seen_at(since)) >= SILENCE_MAX
    }

    /// When the reference answered last, or else the beginning of the hold.
    fn seen_at(&self, since: BootTime) -> BootTime {
        self.answered_at.map_or(since, |at| at.max(since))
    }

    /// Whether the reference answers at this time.
    fn answers(&self, now: BootTime) -> bool {
        let fresh = |at: BootTime| now.since(at) <= FRESH;
        self.missed == 0 && self.answered_at.is_some_and(fresh)
    }

    /// Whether nobody has the VIP: asked since `since`, and known lately.
    fn is_vacant(&self, now: BootTime, since: BootTime) -> bool {
        let asked = |vacancy: Vacancy| vacancy.from >= since && now.since(vacancy.to) <= FRESH;
        self.carrier && self.answers(now) && self.vacancy.is_some_and(asked)
    }
}

/// Whether a whole round of renewal went by without a majority: a hold may be about to begin, and
/// whether the reference still answers the VIP should be known by then.
fn is_late(view: &View<'_>, lease: Held) -> bool {
    lease.until <= view.now + view.timing.own().saturating_sub(2 * view.timing.renewal())
}

/// How often the reference is asked while a VIP is held.
const ECHO_EVERY: Duration = Duration::from_millis(30);
/// A question that was answered, and [`MISSED_MAX`] that were not, and are known not to be.
const SILENCE_MAX: Duration = Duration::from_millis(30 * 6);
/// Echoes missed in a row that end a hold: 150 ms, well below the 200 within which a holder has to
/// yield, and more than a gateway that is busy for a moment misses. One fewer where it answered
/// this machine meanwhile: it is not busy, it has been told of another.
pub const MISSED_MAX: u32 = 5;
/// An answer of the network counts for so long; also the longest that a reference may take.
const FRESH: Duration = Duration::from_millis(100);
