//! A proposer on a bench: told what to know, asked what it does.

use crate::id::{Ballot, NodeId};
use crate::lease::acceptor::Answer;
use crate::lease::dice::Dice;
use crate::lease::hold::{Pair, Resumable};
use crate::lease::proposer::{Ask, Proposer, Step, View};
use crate::lease::tests::roster;
use crate::lease::{BootTime, Ignored, Outlook, Roster, Timing, Wanted};

/// A proposer on node 1, and what it is told of the world.
pub(super) struct Bench {
    pub(super) proposer: Proposer,
    pub(super) roster: Roster,
    pub(super) dice: Dice,
    pub(super) asked: Option<Ask>,
    /// The number of the next datagram; the questions asked last have one below.
    pub(super) counter: u64,
    pub(super) free_at: u64,
    pub(super) promised: Ballot,
    pub(super) floor: Ballot,
    pub(super) invited: bool,
    pub(super) rank: u32,
    pub(super) fit: bool,
    pub(super) hold: bool,
    pub(super) pair: Option<Pair>,
    pub(super) outlook: Outlook,
}

pub(super) fn at(millis: u64) -> BootTime {
    BootTime(millis * 1_000_000)
}

pub(super) fn ballot(counter: u64, node: u64) -> Ballot {
    Ballot {
        counter,
        node: NodeId(node),
    }
}

impl Bench {
    pub(super) fn new() -> Bench {
        Bench {
            proposer: Proposer::new(at(450)),
            roster: roster(1, 3, 0),
            dice: Dice::new(1),
            asked: None,
            counter: 1,
            free_at: 500,
            promised: Ballot::default(),
            floor: Ballot::default(),
            invited: false,
            rank: 0,
            fit: true,
            hold: false,
            pair: None,
            outlook: Outlook {
                carrier: true,
                ..Outlook::default()
            },
        }
    }

    /// One that asked 1, 2 and 3 to promise at 500.
    pub(super) fn preparing() -> Bench {
        let mut bench = Bench::new();
        assert_eq!(bench.poll(500), "prepare 1 to 123");
        bench
    }

    /// One that asked them to lend at 503.
    pub(super) fn proposing() -> Bench {
        let mut bench = Bench::preparing();
        assert_eq!(bench.answer(501, 1, Answer::Promised), "-");
        assert_eq!(bench.answer(503, 2, Answer::Promised), "propose 1 to 123");
        bench
    }

    /// One that owns from 505 to 503 + 0.9 T = 638.
    pub(super) fn owner() -> Bench {
        let mut bench = Bench::proposing();
        assert_eq!(bench.answer(504, 1, Answer::Accepted), "-");
        assert_eq!(bench.answer(505, 2, Answer::Accepted), "own 1 until 638");
        assert_eq!(bench.answer(506, 3, Answer::Accepted), "-");
        bench
    }

    fn run<T>(
        &mut self,
        millis: u64,
        act: impl FnOnce(&mut Proposer, &View<'_>, &mut Dice) -> T,
    ) -> T {
        let timing = Timing::default();
        let view = View {
            now: at(millis),
            roster: &self.roster,
            timing: &timing,
            free_at: at(self.free_at),
            promised: self.promised,
            floor: self.floor,
            invited: self.invited,
            rank: self.rank,
            fit: self.fit,
            counter: self.counter,
            hold: self.hold,
            pair: self.pair,
            outlook: self.outlook,
        };
        act(&mut self.proposer, &view, &mut self.dice)
    }

    pub(super) fn poll(&mut self, millis: u64) -> String {
        let steps = self.run(millis, Proposer::poll);
        self.describe(steps)
    }

    pub(super) fn release(&mut self, millis: u64, to: Option<u64>) -> String {
        let steps = self.run(millis, |proposer, view, _| {
            proposer.release(view, to.map(NodeId))
        });
        self.describe(steps)
    }

    pub(super) fn answer(&mut self, millis: u64, from: u64, answer: Answer) -> String {
        let question = (
            self.counter - 1,
            self.asked.expect("something was asked").ballot(),
        );
        match self.try_answer(millis, from, question, answer) {
            Ok(steps) => steps,
            Err(reason) => reason.label().to_owned(),
        }
    }

    pub(super) fn try_answer(
        &mut self,
        millis: u64,
        from: u64,
        question: (u64, Ballot),
        answer: Answer,
    ) -> Result<String, Ignored> {
        let from = NodeId(from);
        let steps = self.run(millis, |proposer, view, dice| {
            proposer.answer(view, dice, from, question, answer)
        })?;
        Ok(self.describe(steps))
    }

    pub(super) fn hear_holding(&mut self, millis: u64, theirs: Ballot) -> String {
        let steps = self.run(millis, |proposer, view, _| {
            proposer.heard_holding(view, theirs)
        });
        self.describe(steps)
    }

    pub(super) fn remember(&mut self, ballot: Ballot, since: u64) {
        self.proposer.remember(Resumable {
            ballot,
            since: at(since),
        });
    }

    pub(super) fn wanted(&mut self, millis: u64) -> Wanted {
        self.run(millis, |proposer, view, _| proposer.wanted(view))
    }

    pub(super) fn due(&mut self, millis: u64) -> Option<u64> {
        self.run(millis, |proposer, view, _| proposer.due(view))
            .map(|due| due.0 / 1_000_000)
    }

    fn describe(&mut self, steps: Vec<Step>) -> String {
        let text = |step: Step| match step {
            Step::Own(held) => {
                let what = match held.alone_since {
                    Some(_) => "hold",
                    None => "own",
                };
                let until = held.until.0 / 1_000_000;
                format!("{what} {} until {until}", held.ballot.counter)
            }
            Step::Tell(ballot) => format!("tell {}", ballot.counter),
            Step::HoldOver(why) => why.label().to_owned(),
            Step::Lost => "lost".to_owned(),
            Step::Ask(ask, to) => {
                self.asked = Some(ask);
                self.counter += 1;
                let to: String = to.iter().map(|node| node.0.to_string()).collect();
                let counter = ask.ballot().counter;
                match ask {
                    Ask::Prepare(_) => format!("prepare {counter} to {to}"),
                    Ask::Propose(_) => format!("propose {counter} to {to}"),
                    Ask::Release(_, None) => format!("release {counter} to {to}"),
                    Ask::Release(_, Some(heir)) => format!("release {counter} for {heir} to {to}"),
                }
            }
        };
        let all: Vec<String> = steps.into_iter().map(text).collect();
        if all.is_empty() {
            "-".to_owned()
        } else {
            all.join(", ")
        }
    }
}
