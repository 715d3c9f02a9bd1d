//! Those at which the failure is made, as the conductor knows them.
//!
//! ```text
//!   announce ─(the log knows)─▶ inject ─all injected─▶ nothing ─undo─▶ undo ─all undone─▶ nothing
//!                                  └────────────────────────undo───────▲
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use farmux_raft::id::NodeId;

use super::deed::{Lane, Say};
use crate::rehearsal::{Answer, Tether, Word};

/// All of them, and what is said to them.
#[derive(Debug)]
pub(super) struct Targets {
    nodes: BTreeMap<NodeId, Target>,
    hit: Hit,
    /// Whoever is hit can say nothing more.
    silences: bool,
    /// Why one of them was silent without having been hit.
    never_was: Option<String>,
}

/// One of them.
#[derive(Debug, Default)]
struct Target {
    /// When the failure was asked for last, and whether that is not answered yet.
    asked: Option<Duration>,
    waiting: bool,
    /// The same of its end.
    asked_to_end: Option<Duration>,
    waiting_for_end: bool,
    /// When it said last that it is about to make it.
    began: Option<Duration>,
    /// How it is told to end it, once it hears no words any more; and when that was tried last.
    tether: Option<Tether>,
    pulled: Option<Duration>,
    injected: bool,
    undone: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hit {
    Nothing,
    Announced,
    Inject,
    Undo { ordered: Duration },
}

/// What follows from what they say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum News {
    /// The failure is there, since then.
    Injected(Duration),
    /// It is not, or not all of it.
    NotInjected(String),
    /// It is over.
    Undone,
    /// It is over, and never was, although it seemed to be.
    NeverWas(String),
}

impl Targets {
    /// These; `silences`: whoever is hit can say nothing more.
    pub(super) fn new(nodes: &BTreeSet<NodeId>, silences: bool) -> Targets {
        let target = |node: &NodeId| (*node, Target::default());
        Targets {
            nodes: nodes.iter().map(target).collect(),
            hit: Hit::Nothing,
            silences,
            never_was: None,
        }
    }

    /// The failure shall be made as soon as the log knows.
    pub(super) fn announce(&mut self) {
        self.hit = Hit::Announced;
    }

    /// Whether it shall be made, and the log does not know yet.
    pub(super) fn is_announced(&self) -> bool {
        self.hit == Hit::Announced
    }

    /// The log knows.
    pub(super) fn announced(&mut self) {
        if self.hit == Hit::Announced {
            self.hit = Hit::Inject;
        }
    }

    /// It shall be ended: said once to whoever has not confirmed, whenever it is ordered.
    pub(super) fn undo(&mut self, now: Duration) {
        self.hit = Hit::Undo { ordered: now };
    }

    /// What is to be said now; `inject`: the word that makes it, `undo`: the one that ends it.
    pub(super) fn says(&mut self, now: Duration, inject: &Word, undo: &Word) -> Vec<Say> {
        let due = |asked: Option<Duration>| {
            asked.is_none_or(|asked| now.saturating_sub(asked) >= ASK_EVERY)
        };
        let mut says = Vec::new();
        for (node, target) in &mut self.nodes {
            let (lane, word) = match self.hit {
                Hit::Inject if !target.injected && !target.waiting && due(target.asked) => {
                    target.asked = Some(now);
                    target.waiting = true;
                    (Lane::Inject, inject.clone())
                }
                Hit::Undo { ordered }
                    if !target.undone
                        && !target.waiting_for_end
                        && target.asked_to_end < Some(ordered) =>
                {
                    target.asked_to_end = Some(now);
                    target.waiting_for_end = true;
                    (Lane::Undo, undo.clone())
                }
                Hit::Nothing | Hit::Announced | Hit::Inject | Hit::Undo { .. } => continue,
            };
            let to = *node;
            says.push(Say { to, lane, word });
        }
        says
    }

    /// Whose tethers are to be pulled now.
    pub(super) fn pulls(&mut self, now: Duration) -> Vec<(NodeId, Tether)> {
        if !matches!(self.hit, Hit::Undo { .. }) {
            return vec![];
        }
        let due = |pulled: Option<Duration>| {
            pulled.is_none_or(|pulled| now.saturating_sub(pulled) >= PULL_EVERY)
        };
        let mut pulls = Vec::new();
        for (node, target) in &mut self.nodes {
            if let Some(tether) = target.tether.filter(|_| !target.undone)
                && due(target.pulled)
            {
                target.pulled = Some(now);
                pulls.push((*node, tether));
            }
        }
        pulls
    }

    /// A node that said it would silence itself, and is silent, has done it.
    pub(super) fn take_silence(&mut self, now: Duration) -> Option<News> {
        if self.hit != Hit::Inject || !self.silences {
            return None;
        }
        let mut at = None;
        for target in self.nodes.values_mut().filter(|target| !target.injected) {
            let silent = |began: &Duration| now.saturating_sub(*began) >= SILENT;
            let silent = target.began.filter(silent);
            target.injected = silent.is_some();
            at = at.max(silent);
        }
        self.all_injected(at?)
    }

    /// What one answers to the word that makes it.
    pub(super) fn heard_inject(
        &mut self,
        now: Duration,
        from: NodeId,
        answer: Result<Answer, String>,
    ) -> Option<News> {
        let target = self.nodes.get_mut(&from)?;
        target.waiting = false;
        if self.hit != Hit::Inject {
            // It was called off meanwhile.
            return None;
        }
        match answer {
            Ok(Answer::Injecting { tether }) => {
                target.began = Some(now);
                target.tether = tether;
                None
            }
            Ok(Answer::Injected) => {
                target.injected = true;
                self.all_injected(now)
            }
            Ok(Answer::Failed { why }) => Some(News::NotInjected(why)),
            Ok(
                Answer::Reading { .. }
                | Answer::Measured { .. }
                | Answer::Undoing
                | Answer::Undone
                | Answer::Progress(_)
                | Answer::Track(_)
                | Answer::Unknown,
            )
            | Err(_) => None,
        }
    }

    /// The last one was injected at `at`.
    fn all_injected(&mut self, at: Duration) -> Option<News> {
        let all = self.nodes.values().all(|target| target.injected);
        all.then(|| {
            self.hit = Hit::Nothing;
            News::Injected(at)
        })
    }

    /// What one answers to the word that ends it.
    pub(super) fn heard_undo(
        &mut self,
        from: NodeId,
        answer: &Result<Answer, String>,
    ) -> Option<News> {
        let target = self.nodes.get_mut(&from)?;
        target.waiting_for_end = false;
        target.undone |= is_undone(answer);
        if let Ok(Answer::Failed { why }) = answer {
            self.never_was = Some(why.clone());
        }
        let all = self.nodes.values().all(|target| target.undone);
        let news = all && self.hit != Hit::Nothing;
        news.then(|| {
            self.hit = Hit::Nothing;
            self.never_was.take().map_or(News::Undone, News::NeverWas)
        })
    }
}

/// Whether nothing of a failure is left; a node that knows nothing of it has nothing of it, and one
/// whose failure was not made neither.
pub(in super::super) fn is_undone(answer: &Result<Answer, String>) -> bool {
    matches!(
        answer,
        Ok(Answer::Undone | Answer::Failed { .. } | Answer::Unknown)
    )
}

/// A failure that is being made is asked for as often: a node that is about to be killed must be
/// heard before.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// A datagram may be lost, and is small.
const PULL_EVERY: Duration = Duration::from_millis(100);

/// A node that answers does so within milliseconds; two questions that it does not answer are no
/// accident.
const SILENT: Duration = Duration::from_millis(500);
