//! Questions between nodes: asked, delivered, answered, lost; and what the judge sees of them.

use std::time::Duration;

use farmux_raft::clockwork;
use farmux_raft::consensus::{AppendReply, Request, Rpc, RpcReply, TransportError};
use farmux_raft::id::NodeId;

use super::dice::nanos;
use super::operate::Said;
use super::wire::{Answering, Call, Way};
use super::world::{Event, World};

/// A question that was asked and is not answered yet.
pub(super) struct Pending {
    from: usize,
    to: usize,
    sender: Answering,
}

/// A vote that was given.
#[derive(Debug, Clone, Copy)]
pub(super) struct Voted {
    pub(super) by: NodeId,
    pub(super) to: NodeId,
    pub(super) term: u64,
    /// It had just heard a leader, and that one had not told the other to stand.
    pub(super) against_leader: bool,
}

impl World {
    /// A node asks another.
    pub(super) fn ask(&mut self, call: Call) {
        if let Some(term) = call.leads {
            let judged = self.judge.leads(self.sites[call.from].id, term);
            self.judged(judged);
        }
        self.next_call += 1;
        let number = self.next_call;
        let Some(to) = self.place(call.to) else {
            return;
        };
        let pending = Pending {
            from: call.from,
            to,
            sender: call.sender,
        };
        self.pending.insert(number, pending);
        match self.links.stream(call.from, to, self.now, &mut self.dice) {
            Way::Arrives(at) => self.at(
                at,
                Event::Question {
                    call: number,
                    bytes: call.bytes,
                },
            ),
            Way::Lost(at) => self.at(
                at,
                Event::Nothing {
                    call: number,
                    delivered: false,
                },
            ),
        }
    }

    pub(super) fn question_arrives(&mut self, call: u64, bytes: Vec<u8>) {
        let Some((from, to)) = self.pending.get(&call).map(|p| (p.from, p.to)) else {
            return;
        };
        if self.sites[to].is_paused(self.now) {
            return self.at(self.sites[to].paused_until, Event::Question { call, bytes });
        }
        if self.links.is_cut(from, to, self.now) {
            let span = self.dice.between(Duration::ZERO, Duration::from_secs(1));
            return self.after(
                span,
                Event::Nothing {
                    call,
                    delivered: true,
                },
            );
        }
        let Some(consensus) = self.sites[to].consensus() else {
            return self.comes_to_nothing(call, false);
        };
        let (asker, me) = (self.sites[from].id, self.sites[to].id);
        let process = self.sites[to].process.as_ref().expect("it has consensus");
        let (mind, said) = (process.mind.clone(), self.said.clone());
        let work = async move {
            let rpc = Rpc::decode(&bytes).expect("we wrote it");
            let heard = mind.lock().expect("not poisoned").heard;
            let just = heard.is_some_and(|at| clockwork::elapsed(at) <= LEADER_LIVES);
            let wanted = wanted_vote(&rpc.request, just);
            let reply = consensus.handle(asker, rpc).await;
            if let RpcReply::Append(reply) = &reply
                && !matches!(reply, AppendReply::HigherVote(_))
            {
                mind.lock().expect("not poisoned").heard = Some(clockwork::now());
            }
            let granted = matches!(reply, RpcReply::Vote { granted: true, .. });
            let voted = wanted
                .filter(|_| granted)
                .map(|(term, against_leader)| Voted {
                    by: me,
                    to: asker,
                    term,
                    against_leader,
                });
            let bytes = reply.encode().expect("it is bounded");
            let mut said = said.lock().expect("not poisoned");
            said.push(Said::Answered { call, bytes, voted });
        };
        self.core.spawn(to, Box::pin(work));
    }

    /// A node answered.
    pub(super) fn answered(&mut self, call: u64, bytes: Vec<u8>, voted: Option<Voted>) {
        if let Some(voted) = voted {
            let judged = self.judge.voted(voted.by, voted.term, voted.to);
            self.judged(judged);
            if voted.against_leader {
                let (by, to) = (voted.by, voted.to);
                self.wrong(format!(
                    "{by} voted for {to} though it had just heard a leader"
                ));
            }
        }
        let Some((from, to)) = self.pending.get(&call).map(|p| (p.from, p.to)) else {
            return;
        };
        match self.links.stream(to, from, self.now, &mut self.dice) {
            Way::Arrives(at) => self.at(at, Event::Answer { call, bytes }),
            Way::Lost(at) => self.at(
                at,
                Event::Nothing {
                    call,
                    delivered: true,
                },
            ),
        }
    }

    pub(super) fn answer_arrives(&mut self, call: u64, bytes: Vec<u8>) {
        let Some(from) = self.pending.get(&call).map(|pending| pending.from) else {
            return;
        };
        if self.sites[from].is_paused(self.now) {
            return self.at(self.sites[from].paused_until, Event::Answer { call, bytes });
        }
        if let Some(pending) = self.pending.remove(&call) {
            // Whoever gave up listens no more.
            _ = pending.sender.send(Ok(bytes));
        }
    }

    pub(super) fn comes_to_nothing(&mut self, call: u64, delivered: bool) {
        let Some(pending) = self.pending.remove(&call) else {
            return;
        };
        let node = self.sites[pending.to].id;
        let reason = "simulated".to_owned();
        let error = match delivered {
            true => TransportError::Lost { node, reason },
            false => TransportError::Unreachable { node, reason },
        };
        _ = pending.sender.send(Err(error));
    }

    /// Whatever a node was asked, or asked, when it died.
    pub(super) fn hang_up(&mut self, node: usize) {
        self.pending.retain(|_, pending| pending.from != node);
        let asked = self.pending.iter().filter(|(_, p)| p.to == node);
        let asked: Vec<u64> = asked.map(|(call, _)| *call).collect();
        for call in asked {
            let span = self
                .dice
                .between(Duration::ZERO, Duration::from_millis(500));
            self.at(
                self.now + nanos(span),
                Event::Nothing {
                    call,
                    delivered: true,
                },
            );
        }
    }
}

/// The term of a vote that is asked for, and whether it would be against a leader that was just
/// heard.
fn wanted_vote(request: &Request, just: bool) -> Option<(u64, bool)> {
    if let Request::Vote {
        vote, sanctioned, ..
    } = request
    {
        return Some((vote.term, just && !sanctioned));
    }
    None
}

/// So long after a leader's word a follower votes for nobody: `consensus`, `ELECTION_MIN`.
const LEADER_LIVES: Duration = Duration::from_millis(300);
