//! PURE. The proposer of one group: stand-by, candidate, owner.
//!
//! ```text
//!   stand-by --own acceptor's lease ran out--> Prepare --majority promised--> Propose
//!      ^  \___ back-off (refused, or R over) ___/  \______ back-off ________/  | majority accepted
//!      |                                                                       v
//!      +---- its own time is over, or released ---------------------------- owner --R--> Propose
//!                                                     refused: higher ballot  `--> Prepare above
//! ```
//!
//! A round is one question to everybody; it is over after R, and until then whoever did not answer
//! is asked again. Answers are counted for the round whose question they repeat, for no other.
//!
//! **Source**: `vip-protocol.md`, section 4.

use std::collections::BTreeSet;
use std::time::Duration;

use super::acceptor::{Answer, Refusal};
use super::counters::{HoldEnd, Ignored};
use super::dice::Dice;
use super::hold::{Outlook, Pair, Solo};
use super::time::{BACK_OFF_MAX, BACK_OFF_MIN, BootTime, RANK_STEP, RESEND, Timing};
use super::{Held, Roster};
use crate::id::{Ballot, NodeId};

/// What a proposer asks all acceptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// To let no lower ballot through.
    Prepare(Ballot),
    /// To lend.
    Propose(Ballot),
    /// To forget what was lent, in favour of a node if one is named.
    Release(Ballot, Option<NodeId>),
}

/// What a proposer wants done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Send this to these, this node's own acceptor among them.
    Ask(Ask, BTreeSet<NodeId>),
    /// It owns, until then.
    Own(Held),
    /// Tell everybody that it goes on under this ballot without a majority.
    Tell(Ballot),
    /// A hold is over, for this reason; [`Step::Lost`] follows.
    HoldOver(HoldEnd),
    /// It owns no more.
    Lost,
}

/// What a proposer has to know of the moment.
pub(crate) struct View<'a> {
    /// Now: before anything that is decided here is sent.
    pub(crate) now: BootTime,
    pub(crate) roster: &'a Roster,
    pub(crate) timing: &'a Timing,
    /// When the own acceptor's lease ran out, or will.
    pub(crate) free_at: BootTime,
    /// The highest ballot that the own acceptor promised.
    pub(crate) promised: Ballot,
    /// The highest ballot that the log heard of.
    pub(crate) floor: Ballot,
    /// The last owner left it to this node.
    pub(crate) invited: bool,
    /// How many candidates are to be preferred to this node.
    pub(crate) rank: u32,
    /// Serving, and nobody with better legs was heard lately.
    pub(crate) fit: bool,
    /// The number that the next datagram gets.
    pub(crate) counter: u64,
    /// Without a majority it goes on.
    pub(crate) hold: bool,
    /// The other one, where a pair without a witness may take.
    pub(crate) pair: Option<Pair>,
    /// How the VIP's network looks.
    pub(crate) outlook: Outlook,
}

/// The proposer of one group.
#[derive(Debug, Clone)]
pub(crate) struct Proposer {
    /// The highest ballot counter used or heard of.
    pub(super) highest: u64,
    pub(super) lease: Option<Held>,
    /// Somebody promised a higher ballot: the next question must be a Prepare above it.
    contested: bool,
    pub(super) round: Option<Round>,
    /// An owner's next renewal; a stand-by's earliest next attempt.
    pub(super) next: BootTime,
    /// The shortest pause after the next attempt that nobody answers.
    pub(super) pause: Duration,
    /// It proposes nothing until then.
    pub(super) quiet_until: BootTime,
    /// Nor until then, having let go itself; unless another leaves the VIP to it.
    let_go_until: BootTime,
    pub(super) solo: Solo,
    /// When another answered last.
    heard_at: BootTime,
    /// Nobody else answered its last attempt.
    lonely: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Round {
    ask: Ask,
    /// t0: before its first datagram left.
    started: BootTime,
    /// The number of its first datagram: what answers a lower one is late.
    first: u64,
    answered: BTreeSet<NodeId>,
    granted: BTreeSet<NodeId>,
    resend_at: BootTime,
    won: bool,
}

impl Ask {
    pub(crate) fn ballot(self) -> Ballot {
        match self {
            Ask::Prepare(ballot) | Ask::Propose(ballot) | Ask::Release(ballot, _) => ballot,
        }
    }
}

impl Proposer {
    /// A stand-by that proposes nothing before `quiet_until`.
    pub(crate) fn new(quiet_until: BootTime) -> Proposer {
        Proposer {
            highest: 0,
            lease: None,
            contested: false,
            round: None,
            next: BootTime(0),
            pause: BACK_OFF_MIN,
            quiet_until,
            let_go_until: BootTime(0),
            solo: Solo::default(),
            heard_at: BootTime(0),
            lonely: false,
        }
    }

    /// What it owns.
    pub(crate) fn lease(&self) -> Option<Held> {
        self.lease
    }

    /// Whether a question of its waits for answers.
    pub(crate) fn is_asking(&self) -> bool {
        self.round.is_some()
    }

    /// When [`Proposer::poll`] has something to do, if nothing arrives before.
    pub(crate) fn due(&self, view: &View<'_>) -> Option<BootTime> {
        let expiry = self.lease.map(|lease| lease.until);
        let work = match &self.round {
            Some(round) => Some(round.due(view)),
            None if self.lease.is_some() => Some(self.next),
            None => self.attempt_at(view),
        };
        let alone = self.alone_due(view);
        expiry.into_iter().chain(work).chain(alone).min()
    }

    /// Does what is due: ends, sends again, renews, attempts.
    pub(crate) fn poll(&mut self, view: &View<'_>, dice: &mut Dice) -> Vec<Step> {
        let mut steps = self.stand_alone(view);
        steps.extend(self.expire(view));
        if let Some(round) = &mut self.round {
            if view.now >= round.started + view.timing.renewal() {
                steps.extend(self.end_round(view, dice));
            } else if view.now >= round.resend_at {
                steps.extend(round.ask_again(view));
            }
        }
        if self.round.is_none() {
            steps.extend(self.begin(view));
        }
        steps
    }

    /// Takes an answer to the question with the number `counter`; [`Proposer::poll`] came first,
    /// with the same view, so that no lease outlives its time here.
    ///
    /// **Errors**: [`Ignored::StaleAnswer`] where that question is no longer asked.
    pub(crate) fn answer(
        &mut self,
        view: &View<'_>,
        dice: &mut Dice,
        from: NodeId,
        (counter, ballot): (u64, Ballot),
        answer: Answer,
    ) -> Result<Vec<Step>, Ignored> {
        let round = self.round.as_ref().ok_or(Ignored::StaleAnswer)?;
        if counter < round.first || ballot != round.ask.ballot() || !round.fits(answer) {
            return Err(Ignored::StaleAnswer);
        }
        if from != view.roster.me {
            self.heard_at = view.now;
            if self.listens_first(view) {
                return Ok(Vec::new());
            }
        }
        let round = self.round.as_mut().ok_or(Ignored::StaleAnswer)?;
        round.answered.insert(from);
        match answer {
            // A learner accepts, uncounted; so does it refuse.
            Answer::Promised | Answer::Accepted | Answer::Refused(_)
                if !view.roster.is_voter(from) => {}
            Answer::Promised | Answer::Accepted => {
                round.granted.insert(from);
            }
            Answer::Refused(Refusal::HigherBallot(higher)) => {
                self.highest = self.highest.max(higher.counter);
                // A holder asks again with its next round: two of them would chase each other up.
                let lent = self.lease.is_some_and(|lease| lease.alone_since.is_none());
                if lent && !matches!(round.ask, Ask::Release(..)) {
                    self.contested = true;
                    return Ok(vec![self.prepare(view)]);
                }
            }
            Answer::Refused(Refusal::LiveLease(live)) => {
                self.highest = self.highest.max(live.counter);
                let over = self.heard_bar(view, HoldEnd::OthersLease);
                if !over.is_empty() {
                    return Ok(over);
                }
            }
            Answer::Refused(Refusal::NotAVoter) => {
                let over = self.heard_bar(view, HoldEnd::NotAVoter);
                if !over.is_empty() {
                    return Ok(over);
                }
            }
        }
        Ok(self.decide(view, dice).into_iter().collect())
    }

    /// Gives up what it owns or is about to own, and proposes nothing for a while.
    pub(crate) fn release(&mut self, view: &View<'_>, to: Option<NodeId>) -> Vec<Step> {
        let lease = self.lease.take();
        let asked = match self.round.take().map(|round| round.ask) {
            Some(Ask::Propose(ballot)) => Some(ballot),
            Some(Ask::Prepare(_) | Ask::Release(..)) | None => None,
        };
        self.let_go_until = view.now + view.timing.start_quiet();
        self.contested = false;
        self.solo.forget_reasons();
        let Some(ballot) = asked.max(lease.map(|lease| lease.ballot)) else {
            return Vec::new();
        };
        let alone = lease.is_some_and(|lease| lease.alone_since.is_some());
        let over = alone.then_some(Step::HoldOver(HoldEnd::Released));
        let lost = lease.map(|_| Step::Lost);
        let mut steps: Vec<Step> = over.into_iter().chain(lost).collect();
        steps.push(self.ask(view, Ask::Release(ballot, to)));
        steps
    }

    /// What it owned is over at once, without a word to anybody: the cluster went on without it.
    pub(crate) fn drop_lease(&mut self) -> Vec<Step> {
        let alone = self.lease.is_some_and(|lease| lease.alone_since.is_some());
        let over = alone.then_some(Step::HoldOver(HoldEnd::Epoch));
        self.solo.forget_reasons();
        over.into_iter().chain(self.end_lease()).collect()
    }

    /// What it owned is over.
    pub(super) fn end_lease(&mut self) -> Option<Step> {
        self.round = None;
        self.contested = false;
        self.lease.take().map(|_| Step::Lost)
    }

    fn expire(&mut self, view: &View<'_>) -> Option<Step> {
        if self.lease.is_some_and(|lease| lease.until <= view.now) {
            self.stand_back(view);
            return self.end_lease();
        }
        None
    }

    /// Whoever nobody answered, and is answered again, was cut off: before it goes on it listens,
    /// for as long as a holder may be silent (H4), so that a heal steals nothing.
    fn listens_first(&mut self, view: &View<'_>) -> bool {
        let healed = std::mem::take(&mut self.lonely);
        let wait = healed && view.hold && view.timing.heeds_holding() && self.lease.is_none();
        if wait {
            self.round = None;
            let until = view.now + 2 * view.timing.renewal();
            self.quiet_until = self.quiet_until.max(until);
        }
        wait
    }

    /// When whoever owned may attempt again: at once, unless nobody answered it lately. Then it may
    /// be heard and hear nobody, and its questions would only get in the way of whoever does.
    pub(super) fn stand_back(&mut self, view: &View<'_>) {
        if self.is_deaf(view) {
            self.pause = view.timing.lease() / 2;
            self.next = view.now + self.pause;
        } else {
            (self.next, self.pause) = (view.now, BACK_OFF_MIN);
        }
    }

    /// Whether nobody answered for a whole round.
    fn is_deaf(&self, view: &View<'_>) -> bool {
        let others = view.roster.members.len() > 1;
        others && view.now.since(self.heard_at) > view.timing.renewal()
    }

    /// Until when it proposes nothing by itself.
    pub(super) fn quiet_until(&self) -> BootTime {
        self.hushed_until().max(self.let_go_until)
    }

    /// When a stand-by may attempt; `None` while it may not own.
    fn attempt_at(&self, view: &View<'_>) -> Option<BootTime> {
        if !view.fit || !view.roster.may_own(view.roster.me) {
            return None;
        }
        if view.invited {
            return Some(self.next.max(self.hushed_until()));
        }
        let free = view.free_at.max(self.quiet_until());
        Some(self.next.max(free + RANK_STEP * view.rank))
    }

    fn begin(&mut self, view: &View<'_>) -> Option<Step> {
        match self.lease {
            Some(_) if view.now < self.next => None,
            Some(lease) if lease.alone_since.is_some() => {
                self.next = view.now + view.timing.renewal();
                Some(self.prepare(view))
            }
            // What it reports under a ballot below the log's would be refused there.
            Some(lease) if self.contested || lease.ballot < view.floor => Some(self.prepare(view)),
            Some(lease) => {
                self.next = view.now + view.timing.renewal();
                // Whoever hears nothing may be heard, and every Propose of its would keep the VIP
                // from others for another T. The answer to a Prepare lends nothing.
                Some(match self.is_deaf(view) {
                    true => self.ask(view, Ask::Prepare(lease.ballot)),
                    false => self.ask(view, Ask::Propose(lease.ballot)),
                })
            }
            None if self.attempt_at(view).is_some_and(|at| at <= view.now) => {
                Some(self.prepare(view))
            }
            None => None,
        }
    }

    fn prepare(&mut self, view: &View<'_>) -> Step {
        let ballot = self.above(view);
        self.highest = ballot.counter;
        self.ask(view, Ask::Prepare(ballot))
    }

    /// This node's ballot above all that it used or heard of.
    pub(super) fn above(&self, view: &View<'_>) -> Ballot {
        let heard = view.promised.counter.max(view.floor.counter);
        Ballot {
            counter: self.highest.max(heard).saturating_add(1),
            node: view.roster.me,
        }
    }

    pub(super) fn ask(&mut self, view: &View<'_>, ask: Ask) -> Step {
        self.round = Some(Round {
            ask,
            started: view.now,
            first: view.counter,
            answered: BTreeSet::new(),
            granted: BTreeSet::new(),
            resend_at: view.now + RESEND,
            won: false,
        });
        Step::Ask(ask, view.roster.members.keys().copied().collect())
    }

    fn decide(&mut self, view: &View<'_>, dice: &mut Dice) -> Option<Step> {
        let round = self.round.as_mut()?;
        if !view.roster.is_majority(&round.granted) {
            // Not only once it is hopeless: whoever has not answered by now may be the dead owner,
            // and waiting for it would cost the rest of the round.
            if self.lease.is_none() && round.is_refused(view) {
                return self.end_round(view, dice);
            }
            return None;
        }
        match round.ask {
            Ask::Prepare(ballot) => {
                self.next = view.now + view.timing.renewal();
                Some(self.ask(view, Ask::Propose(ballot)))
            }
            Ask::Propose(ballot) if !round.won => {
                let until = round.started + view.timing.own();
                if until <= view.now {
                    return None;
                }
                round.won = true;
                self.pause = BACK_OFF_MIN;
                self.contested = false;
                self.settle_alone();
                let held = Held {
                    ballot,
                    until,
                    alone_since: None,
                    taken: false,
                };
                self.lease = Some(held);
                Some(Step::Own(held))
            }
            Ask::Propose(_) | Ask::Release(..) => None,
        }
    }

    /// A round that is over without having won: a stand-by pauses, an owner goes on at once.
    ///
    /// Some may have accepted what a stand-by proposed, its own acceptor first of all, and would
    /// lend nothing to anybody else for T: they are told to forget it.
    fn end_round(&mut self, view: &View<'_>, dice: &mut Dice) -> Option<Step> {
        let round = self.round.take()?;
        if self.lease.is_some() || matches!(round.ask, Ask::Release(..)) {
            return None;
        }
        self.lonely = round.answered.iter().all(|node| *node == view.roster.me);
        if !self.lonely {
            self.pause = BACK_OFF_MIN;
        }
        let pause = self.pause + dice.span(self.pause);
        self.next = view.now + pause.min(BACK_OFF_MAX);
        self.pause = (self.pause * 2).min(BACK_OFF_MAX);
        let Ask::Propose(ballot) = round.ask else {
            return None;
        };
        let everybody = view.roster.members.keys().copied().collect();
        Some(Step::Ask(Ask::Release(ballot, None), everybody))
    }
}

impl Round {
    fn due(&self, view: &View<'_>) -> BootTime {
        let end = self.started + view.timing.renewal();
        if self.unanswered(view).is_empty() {
            end
        } else {
            end.min(self.resend_at)
        }
    }

    fn ask_again(&mut self, view: &View<'_>) -> Option<Step> {
        self.resend_at = view.now + RESEND;
        let to = self.unanswered(view);
        (!to.is_empty()).then_some(Step::Ask(self.ask, to))
    }

    fn unanswered(&self, view: &View<'_>) -> BTreeSet<NodeId> {
        let members = view.roster.members.keys().copied();
        members
            .filter(|node| !self.answered.contains(node))
            .collect()
    }

    /// Whether the answer is one to this question.
    fn fits(&self, answer: Answer) -> bool {
        match (self.ask, answer) {
            (Ask::Prepare(_), Answer::Promised)
            | (Ask::Propose(_) | Ask::Release(..), Answer::Accepted)
            | (_, Answer::Refused(_)) => true,
            (Ask::Prepare(_), Answer::Accepted)
            | (Ask::Propose(_) | Ask::Release(..), Answer::Promised) => false,
        }
    }

    /// Whether a voter said no.
    fn is_refused(&self, view: &View<'_>) -> bool {
        let refused = |node: &NodeId| view.roster.is_voter(*node) && !self.granted.contains(node);
        self.answered.iter().any(refused)
    }
}
