//! Operators and clients: how the cluster is formed, joins and removals, changes that are asked
//! for, and what came of them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use farmux_raft::clockwork::sleep;
use farmux_raft::consensus::{Change, Consensus, ProposeError};
use farmux_raft::id::{NodeId, RequestId, RevisionId, UnixMillis};
use farmux_raft::state::{
    Applied, Author, Command, Config, LeaseKey, Node, NodeCondition, NodeRole, Proposal, Secret,
    Secrets, Token, TokenId, Vip,
};

use super::executor::Job;
use super::judge::Known;
use super::leases::front;
use super::outside;
use super::pages::{Mail, Seen};
use super::plan::Plan;
use super::rpc::Voted;
use super::site::CLUSTER;
use super::world::{Event, World};

/// What an operator may want.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// The leadership goes to somebody else.
    HandOver,
    /// One more node.
    Join,
    /// One node less.
    Remove,
    /// A disk is mended.
    MendDisk(usize),
}

impl Order {
    /// For the count of what happened.
    pub(super) fn word(self) -> &'static str {
        match self {
            Order::HandOver => "leadership handed over",
            Order::Join => "join",
            Order::Remove => "removal",
            Order::MendDisk(_) => "disk mended",
        }
    }
}

/// What tasks tell the world.
pub(super) enum Said {
    /// A node answers a question.
    Answered {
        call: u64,
        bytes: Vec<u8>,
        voted: Option<Voted>,
    },
    /// A token was made, or not, or nobody knows.
    Made(u64, Clearly),
    /// A token was revoked, or not, or nobody knows.
    Revoked(u64, Clearly),
    /// A joiner has its number.
    Joined(NodeId, NodeRole),
    /// A join came to its end.
    JoinOver,
    /// The membership does without it.
    Removed(NodeId),
    /// A removal came to its end.
    RemovalOver,
    /// The cluster is as it was planned.
    Formed,
    /// A prober has a verdict.
    Seen(Seen),
    /// A mail arrived.
    Mail(Mail),
}

/// How clear an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clearly {
    /// It is done.
    Yes,
    /// It is not, and never will be.
    No,
    /// It may come about.
    Unknown,
}

/// What operators and clients have under way.
#[derive(Default)]
pub(super) struct Desk {
    pub(super) formed: bool,
    next_token: u64,
    joining: bool,
    removing: bool,
    joins: u64,
}

type Telling = Arc<Mutex<Vec<Said>>>;

fn tell(telling: &Telling, said: Said) {
    telling.lock().expect("not poisoned").push(said);
}

/// Join tokens have numbers of their own, far from those that clients make.
const JOIN_TOKENS: u64 = 1 << 40;
/// Above it, clients revoke: the state takes a hundred.
const TOKENS_MAX: usize = 60;
const DAY_MS: u64 = 24 * 3_600_000;

impl World {
    /// Has the first node found a cluster, and the others join.
    pub(super) fn form(&mut self) {
        self.add_site(NodeId(1), NodeRole::Balancer);
        let (plan, said, mind) = (self.plan, self.said.clone(), self.mind_of(0));
        let at = self.sites[0].wall(0);
        let work = async move {
            let first = loop {
                if let Some(first) = mind() {
                    break first;
                }
                sleep(Duration::from_millis(10)).await;
            };
            first.initialize().await.expect("its store is empty");
            let raise = Command::RaiseFormat(farmux_raft::codec::NEWEST);
            let founding = [init(), raise, configure(plan)];
            for command in founding {
                let done = insist(&first, at, command).await;
                done.expect("the founder's commands are good");
            }
            let (balancers, all) = (plan.balancers, plan.balancers + plan.witnesses);
            for number in 2..=all {
                let role = match number <= balancers {
                    true => NodeRole::Balancer,
                    false => NodeRole::Witness,
                };
                join(&first, at, number, role, &said).await;
            }
            tell(&said, Said::Formed);
        };
        self.core.spawn(0, Box::pin(work));
    }

    /// Reads a node's consensus from within a task.
    fn mind_of(&self, node: usize) -> impl Fn() -> Option<Consensus> + Send + use<> {
        let process = self.sites[node].process.as_ref().expect("it runs");
        let mind = process.mind.clone();
        move || mind.lock().expect("not poisoned").consensus.clone()
    }

    /// A task told something.
    pub(super) fn hear(&mut self, said: Said) {
        match said {
            Said::Answered { call, bytes, voted } => self.answered(call, bytes, voted),
            Said::Made(number, clearly) => self.learn(number, clearly, Known::There),
            Said::Revoked(number, clearly) => self.learn(number, clearly, Known::Gone),
            Said::Joined(id, role) => {
                if self.place(id).is_none() {
                    self.trace.note(self.now, format_args!("{id} joins"));
                    self.add_site(id, role);
                }
            }
            Said::JoinOver => self.desk.joining = false,
            Said::Removed(id) => {
                self.trace.note(self.now, format_args!("{id} was removed"));
                if let Some(node) = self.place(id) {
                    self.sites[node].removed_at = Some(self.now);
                }
            }
            Said::RemovalOver => self.desk.removing = false,
            Said::Formed => self.desk.formed = true,
            Said::Seen(seen) => self.saw(&seen),
            Said::Mail(mail) => self.mailed(&mail),
        }
    }

    fn learn(&mut self, number: u64, clearly: Clearly, done: Known) {
        let known = match clearly {
            Clearly::Yes => {
                self.judge.acknowledged += 1;
                self.trace
                    .note(self.now, format_args!("token {number} {done:?}"));
                done
            }
            // Whatever was asked for was not done: it is as before.
            Clearly::No if done == Known::There => Known::Gone,
            Clearly::No => Known::There,
            Clearly::Unknown => Known::Open,
        };
        self.judge.tokens.insert(number, known);
    }

    /// Somebody who runs its consensus, at random.
    fn somebody(&mut self) -> Option<(usize, Consensus)> {
        let node = self.dice.below(self.sites.len());
        let site = &self.sites[node];
        let serves = site.removed_at.is_none() && !site.is_paused(self.now);
        Some((node, site.consensus().filter(|_| serves)?))
    }

    /// A client wants something changed, and asks any node.
    pub(super) fn client(&mut self) {
        let most = self.plan.client_every * 2;
        let span = self.dice.between(Duration::ZERO, most);
        self.after(span, Event::Client);
        if let Some((node, consensus)) = self.somebody() {
            self.change_something(node, consensus);
        }
    }

    /// Asks a node to make one token more, or one less; returns its number.
    pub(super) fn change_something(&mut self, node: usize, consensus: Consensus) -> u64 {
        let there: Vec<u64> = {
            let tokens = self.judge.tokens.iter();
            let there = tokens.filter(|(_, known)| **known == Known::There);
            there.map(|(number, _)| *number).collect()
        };
        let open = self.judge.tokens.values();
        let open = open.filter(|known| **known == Known::Open).count();
        let id = RequestId((u128::from(self.dice.roll()) << 64) | u128::from(self.dice.roll()));
        let at = self.sites[node].wall(self.now);
        let said = self.said.clone();
        let (number, command) = if there.len() + open.min(30) >= TOKENS_MAX && !there.is_empty() {
            let number = there[self.dice.below(there.len())];
            (number, Command::RevokeToken(TokenId(number)))
        } else {
            self.desk.next_token += 1;
            let number = self.desk.next_token;
            (number, make_token(number, at, NodeRole::Balancer))
        };
        let revokes = matches!(command, Command::RevokeToken(_));
        self.judge.tokens.insert(number, Known::Open);
        let work = async move {
            let proposal = Proposal { id, at, command };
            let clearly = match consensus.propose(proposal).await {
                Ok(_) => Clearly::Yes,
                Err(ProposeError::Deadline | ProposeError::Stopped) => Clearly::Unknown,
                Err(_) => Clearly::No,
            };
            tell(
                &said,
                match revokes {
                    true => Said::Revoked(number, clearly),
                    false => Said::Made(number, clearly),
                },
            );
        };
        self.core.spawn(node, Box::pin(work));
        number
    }

    /// An operator wants something, and asks any node.
    pub(super) fn operate(&mut self, order: Order) {
        if let Order::MendDisk(node) = order {
            return self.sites[node].disk.suffer(super::disk::Trouble::None);
        }
        let Some((node, consensus)) = self.somebody() else {
            return;
        };
        let at = self.sites[node].wall(self.now);
        let work = match order {
            Order::HandOver => hand_over(consensus),
            Order::Join => match self.begin_join(at, consensus) {
                Some(work) => work,
                None => return,
            },
            Order::Remove => match self.begin_removal(at, consensus) {
                Some(work) => work,
                None => return,
            },
            Order::MendDisk(_) => return,
        };
        self.core.spawn(node, work);
    }

    fn begin_join(&mut self, at: UnixMillis, consensus: Consensus) -> Option<Job> {
        if self.desk.joining || self.sites.len() >= 7 {
            return None;
        }
        self.desk.joining = true;
        self.desk.joins += 1;
        let (number, said) = (100 + self.desk.joins, self.said.clone());
        Some(Box::pin(async move {
            join(&consensus, at, number, NodeRole::Balancer, &said).await;
            tell(&said, Said::JoinOver);
        }))
    }

    fn begin_removal(&mut self, at: UnixMillis, consensus: Consensus) -> Option<Job> {
        let voters: Vec<NodeId> = consensus
            .membership()
            .borrow()
            .voters()
            .into_iter()
            .collect();
        if self.desk.removing || voters.len() < 4 {
            return None;
        }
        self.desk.removing = true;
        let node = voters[self.dice.below(voters.len())];
        let key = self.dice.roll().to_le_bytes().repeat(4);
        let lease_key = LeaseKey(key.try_into().expect("32 bytes"));
        let said = self.said.clone();
        Some(Box::pin(async move {
            if consensus.change(Change::Remove(node)).await.is_ok() {
                tell(&said, Said::Removed(node));
                // Undecided, it stays in the state, and is no member all the same.
                _ = insist(&consensus, at, Command::RemoveNode { node, lease_key }).await;
            }
            tell(&said, Said::RemovalOver);
        }))
    }
}

fn hand_over(consensus: Consensus) -> Job {
    Box::pin(async move {
        // Nobody may be able to: then everything stays as it is.
        _ = consensus.transfer_leadership(None).await;
    })
}

/// Proposes until it is decided, a few times.
async fn insist(
    consensus: &Consensus,
    at: UnixMillis,
    command: Command,
) -> Result<Applied, ProposeError> {
    let proposal = Proposal {
        id: RequestId::random(),
        at,
        command,
    };
    let mut outcome = Err(ProposeError::NoLeader);
    for _ in 0..10 {
        outcome = consensus.propose(proposal.clone()).await;
        let again = !matches!(
            outcome,
            Ok(_) | Err(ProposeError::Rejected(_) | ProposeError::Stopped)
        );
        if !again {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    outcome
}

/// A node joins: a token, a number, a learner, a voter.
async fn join(
    consensus: &Consensus,
    at: UnixMillis,
    number: u64,
    role: NodeRole,
    said: &Telling,
) -> Option<()> {
    let token = JOIN_TOKENS + number;
    insist(consensus, at, make_token(token, at, role))
        .await
        .ok()?;
    let claim = Command::ClaimToken {
        hash: hash_of(token),
        key: hash_of(token),
        node: machine(number, role),
    };
    let Ok(Applied::Node(id)) = insist(consensus, at, claim).await else {
        return None;
    };
    tell(said, Said::Joined(id, role));
    for change in [Change::AddLearner(id), Change::Promote(id)] {
        let mut tries = 0;
        while consensus.change(change).await.is_err() {
            tries += 1;
            if tries > 5 {
                return None;
            }
            sleep(Duration::from_millis(200)).await;
        }
    }
    // Whoever leads next may find it open, and closes it.
    _ = insist(consensus, at, Command::FinishJoin(id)).await;
    Some(())
}

fn hash_of(number: u64) -> [u8; 32] {
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&number.to_be_bytes());
    hash
}

fn make_token(number: u64, at: UnixMillis, role: NodeRole) -> Command {
    Command::CreateToken(Token {
        hash: hash_of(number),
        role,
        created: at,
        expires: UnixMillis(at.0 + 5 * DAY_MS),
        claimed: None,
        used: false,
    })
}

fn machine(number: u64, role: NodeRole) -> Node {
    let last = u8::try_from(number).expect("few nodes");
    let path = |net: u8| SocketAddr::from(([10, 0, net, last], 7946));
    Node {
        name: format!("lb{number}").parse().expect("a name"),
        role,
        peer_addresses: vec![path(1), path(2)],
        admin_address: SocketAddr::from(([10, 0, 1, last], 9443)),
        joined: UnixMillis(0),
        condition: NodeCondition::Reachable,
    }
}

fn init() -> Command {
    Command::Init {
        cluster: CLUSTER,
        name: "prod".parse().expect("a name"),
        secrets: Secrets {
            ca_certificate: "certificate".to_owned(),
            ca_key: Secret::new("key".to_owned()),
            lease_key: LeaseKey([1; 32]),
        },
        node: machine(1, NodeRole::Balancer),
    }
}

fn configure(plan: Plan) -> Command {
    let vip = Vip {
        address: [10, 0, 1, 200].into(),
        network: "lan".parse().expect("a name"),
        gateway: Some([10, 0, 1, 254].into()),
        on_quorum_loss: plan.policy,
        group: None,
        prefer: None,
    };
    let config = Config {
        vips: [(front(), vip)].into(),
        ..outside::config(plan)
    };
    Command::Configure {
        author: Author("operator".to_owned()),
        base: RevisionId(0),
        config: Box::new(config),
        note: String::new(),
    }
}
