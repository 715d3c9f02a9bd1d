//! A world without machines or clocks, in which nodes answer as a test says.

use farmux_raft::id::{NodeId, UnixMillis};

use super::super::course::{Course, Deed, Entry, Lane, Say};
use super::super::places::Places;
use super::super::slate::{Seen, Slate};
use super::*;
use crate::drill::{DrillRecord, Plan, Refusal, Track};
use crate::rehearsal::{Answer, Word};

pub(super) type Reply = Result<Answer, String>;

/// Nodes that answer as a test says, each a little later.
pub(super) struct World {
    pub(super) course: Course,
    pub(super) slate: Slate,
    pub(super) seen: Seen,
    pub(super) now: Duration,
    /// What is said: when, to whom, which word.
    pub(super) said: Vec<(Duration, NodeId, &'static str)>,
    pub(super) on_the_way: Vec<(Duration, NodeId, Lane, Reply)>,
    /// What was written into the log, and until when that fails.
    pub(super) booked: Vec<(Duration, Entry)>,
    pub(super) log_fails_until: Duration,
    /// What it is when it is planned once more.
    pub(super) again: Result<(Plan, Places), Refusal>,
}

/// A node without a tether makes its failure.
pub(super) const INJECTING: Answer = Answer::Injecting { tether: None };

/// What it takes an answer to arrive.
pub(super) const TRIP: Duration = Duration::from_millis(5);

impl World {
    pub(super) fn new(plan: Plan, places: &Places) -> World {
        let kind = plan.kind;
        World {
            again: Ok((plan.clone(), places.clone())),
            course: Course::begin(begun(kind), plan, places),
            slate: slate(kind),
            seen: Seen::default(),
            now: Duration::ZERO,
            said: Vec::new(),
            on_the_way: Vec::new(),
            booked: Vec::new(),
            log_fails_until: Duration::ZERO,
        }
    }

    /// Goes on until a time, or the end; whether it is over.
    pub(super) fn until(
        &mut self,
        end: Duration,
        reply: &mut dyn FnMut(Duration, &Say) -> Reply,
    ) -> bool {
        while self.now < end && !self.course.is_over(self.now) {
            let seen = self.seen.clone();
            for deed in self.course.tick(self.now, &self.slate, seen) {
                let say = match deed {
                    Deed::Say(say) => say,
                    Deed::Book(entry) => {
                        self.book(entry);
                        continue;
                    }
                    Deed::Pull(node, _) => {
                        self.said.push((self.now, node, "pull"));
                        continue;
                    }
                    Deed::Plan => {
                        self.course.replanned(self.now, self.again.clone());
                        continue;
                    }
                };
                self.said.push((self.now, say.to, word(&say.word)));
                let answer = reply(self.now, &say);
                let arrives = self.now + if answer.is_ok() { TRIP } else { s(1) };
                self.on_the_way.push((arrives, say.to, say.lane, answer));
            }
            self.now += ms(20);
            let (now, mut later) = (self.now, Vec::new());
            for (arrives, from, lane, answer) in std::mem::take(&mut self.on_the_way) {
                match arrives <= now {
                    true => self.course.heard(now, from, lane, answer),
                    false => later.push((arrives, from, lane, answer)),
                }
            }
            self.on_the_way = later;
        }
        self.course.is_over(self.now)
    }

    pub(super) fn book(&mut self, entry: Entry) {
        let done = match self.now < self.log_fails_until {
            true => Err("no majority".to_owned()),
            false => Ok(()),
        };
        self.course.booked(entry, &done);
        if done.is_ok() {
            self.booked.push((self.now, entry));
        }
    }

    pub(super) fn end(self) -> (DrillRecord, Track) {
        self.course.end(UnixMillis(60_000))
    }

    /// When a word was said first, and how often.
    pub(super) fn times(&self, wanted: &str) -> (Option<Duration>, usize) {
        let times = self.said.iter().filter(|(_, _, word)| *word == wanted);
        (times.clone().next().map(|(at, ..)| *at), times.count())
    }
}

pub(super) fn word(word: &Word) -> &'static str {
    match word {
        Word::Measure { .. } => "measure",
        Word::Look { .. } => "look",
        Word::Close { .. } => "close",
        Word::Inject { .. } => "inject",
        Word::Undo { .. } => "undo",
        Word::Progress { .. } => "progress",
        Word::Track { .. } => "track",
    }
}

/// A world in which all goes well.
pub(super) fn well(_: Duration, say: &Say) -> Reply {
    Ok(match say.word {
        Word::Measure { .. } | Word::Look { .. } => reading(0, 5),
        Word::Close { .. } => measured(),
        Word::Inject { .. } => Answer::Injected,
        Word::Undo { .. } => Answer::Undone,
        Word::Progress { .. } | Word::Track { .. } => Answer::Unknown,
    })
}
