//! The network: which way is cut, what is lost, late, doubled; and questions under way.
//!
//! ```text
//!   datagrams   lost, doubled, late, reordered; a cut goes one way
//!   questions   as over TCP: what is lost comes later, what is cut comes to nothing
//! ```

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use farmux_raft::consensus::{BoxFuture, Request, Rpc, RpcReply, Transport, TransportError};
use farmux_raft::id::NodeId;
use tokio::sync::oneshot;

use super::dice::{Dice, nanos};
use super::executor::Moment;

/// How bad the network is, in percent of what is sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weather {
    pub(super) loss: u64,
    pub(super) twice: u64,
    pub(super) late: u64,
}

impl Weather {
    /// Nothing is lost, and nothing late.
    pub(super) const CALM: Weather = Weather {
        loss: 0,
        twice: 0,
        late: 0,
    };
}

/// All ways from one node to another.
pub(super) struct Links {
    pub(super) weather: Weather,
    /// What is not late takes up to so long.
    usual_delay: Duration,
    cut: BTreeMap<(usize, usize), Moment>,
}

/// What becomes of something that is sent over a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// It arrives then.
    Arrives(Moment),
    /// Nobody hears of it any more; its sender learns that then.
    Lost(Moment),
}

impl Links {
    pub(super) fn new(usual_delay: Duration) -> Links {
        Links {
            weather: Weather::CALM,
            usual_delay,
            cut: BTreeMap::new(),
        }
    }

    /// Cuts one way.
    pub(super) fn cut(&mut self, from: usize, to: usize, until: Moment) {
        let known = self.cut.entry((from, to)).or_default();
        *known = until.max(*known);
    }

    /// Mends everything.
    pub(super) fn mend(&mut self) {
        self.cut.clear();
        self.weather = Weather::CALM;
    }

    pub(super) fn is_cut(&self, from: usize, to: usize, now: Moment) -> bool {
        self.cut.get(&(from, to)).is_some_and(|until| *until > now)
    }

    /// When a datagram arrives: never, once or twice.
    pub(super) fn datagram(
        &self,
        from: usize,
        to: usize,
        now: Moment,
        dice: &mut Dice,
    ) -> Vec<Moment> {
        if self.is_cut(from, to, now) {
            return Vec::new();
        }
        let copies = 1 + usize::from(dice.percent(self.weather.twice));
        let mut arrivals = Vec::new();
        for _ in 0..copies {
            if !dice.percent(self.weather.loss) {
                arrivals.push(now + nanos(self.delay(dice)));
            }
        }
        arrivals
    }

    /// What becomes of a question or an answer.
    pub(super) fn stream(&self, from: usize, to: usize, now: Moment, dice: &mut Dice) -> Way {
        // A connection needs both ways.
        if self.is_cut(from, to, now) || self.is_cut(to, from, now) {
            let patience = dice.between(Duration::from_millis(50), Duration::from_secs(2));
            return Way::Lost(now + nanos(patience));
        }
        let mut delay = self.delay(dice);
        while dice.percent(self.weather.loss) {
            // Sent again, as TCP does it.
            delay += RETRANSMISSION;
        }
        Way::Arrives(now + nanos(delay))
    }

    fn delay(&self, dice: &mut Dice) -> Duration {
        let most = match dice.percent(self.weather.late) {
            true => Duration::from_millis(300),
            false => self.usual_delay,
        };
        dice.between(Duration::from_micros(50), most)
    }
}

/// TCP's shortest timeout on Linux.
const RETRANSMISSION: Duration = Duration::from_millis(200);

/// A question on its way out.
pub(super) struct Call {
    pub(super) from: usize,
    pub(super) to: NodeId,
    pub(super) bytes: Vec<u8>,
    /// The term in which whoever asks claims to lead by it.
    pub(super) leads: Option<u64>,
    pub(super) sender: Answering,
}

/// Where the answer to a question is awaited.
pub(super) type Answering = oneshot::Sender<Result<Vec<u8>, TransportError>>;

/// The questions that a node's consensus asked since the last look.
pub(super) type Calls = Arc<Mutex<Vec<Call>>>;

/// A node's end of all connections.
pub(super) struct Cable {
    pub(super) me: usize,
    pub(super) calls: Calls,
}

impl Transport for Cable {
    fn call(
        &self,
        to: NodeId,
        rpc: Rpc,
        _deadline: Duration,
    ) -> BoxFuture<'_, Result<RpcReply, TransportError>> {
        let (sender, answer) = oneshot::channel();
        let call = Call {
            from: self.me,
            to,
            bytes: rpc.encode().expect("it is bounded"),
            leads: leads_in(&rpc.request),
            sender,
        };
        let mut calls = self.calls.lock().expect("no holder of this lock can panic");
        calls.push(call);
        Box::pin(async move {
            let lost = |_| TransportError::Lost {
                node: to,
                reason: "the connection ended".to_owned(),
            };
            let bytes = answer.await.map_err(lost)??;
            Ok(RpcReply::decode(&bytes).expect("we wrote it"))
        })
    }
}

fn leads_in(request: &Request) -> Option<u64> {
    match request {
        Request::Append { vote, .. } | Request::Snapshot { vote, .. } => Some(vote.term),
        // Whoever wants a vote has not given its own yet.
        Request::Vote { .. }
        | Request::PreVote { .. }
        | Request::ElectNow { .. }
        | Request::Propose(_)
        | Request::Change(_)
        | Request::Newest
        | Request::Follow { .. } => None,
    }
}
