//! A floating address and what the cluster knows of who answers for it.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::fault::Faults;
use super::incident::Event;
use super::{Applied, FaultKind, NodeRole, Now, Reject, State, Subject, address};
use crate::id::{Ballot, NetworkName, NodeId, NodeName, UnixMillis, VipGroupName, VipName};

/// A floating address; at most one node answers for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vip {
    /// Becomes a /32 or /128 on its owner's interface.
    pub address: IpAddr,
    /// The layer-2 network it lives in; `node.toml` maps it to an interface.
    pub network: NetworkName,
    /// The reference address of that network.
    pub gateway: Option<IpAddr>,
    /// What its owner does when no majority answers.
    pub on_quorum_loss: OnQuorumLoss,
    /// VIPs of one group move together: they are lent as one.
    pub group: Option<VipGroupName>,
    /// Who takes it first where all are equally fit; it never moves there by itself. A node of that
    /// name need not exist, or not yet.
    pub prefer: Option<NodeName>,
}

/// What becomes of a VIP without a majority.
///
/// **Source**: `vip-protocol.md`, section 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnQuorumLoss {
    /// The owner's deadline passes and the address goes: never two owners, at the price of none.
    #[default]
    Release,
    /// The owner goes on while the gateway answers, and yields to any claim; nobody takes.
    Hold,
    /// The same; and the survivor of a pair without a witness takes. In a file it is
    /// `on_quorum_loss = "hold"` and `pair_takeover = "gateway"`.
    HoldOrTake,
}

impl fmt::Display for OnQuorumLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OnQuorumLoss::Release => "release",
            OnQuorumLoss::Hold => "hold",
            OnQuorumLoss::HoldOrTake => "hold, and a survivor of two takes",
        })
    }
}

impl OnQuorumLoss {
    /// Whether the owner goes on without a majority.
    pub fn holds(self) -> bool {
        match self {
            OnQuorumLoss::Release => false,
            OnQuorumLoss::Hold | OnQuorumLoss::HoldOrTake => true,
        }
    }

    /// Whether the survivor of a pair takes.
    pub fn takes(self) -> bool {
        match self {
            OnQuorumLoss::Release | OnQuorumLoss::Hold => false,
            OnQuorumLoss::HoldOrTake => true,
        }
    }
}

/// Who was last reported to own a VIP. For people and pages; the lease itself is never in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VipStanding {
    /// The owner that reported itself.
    pub owner: NodeId,
    /// Under which ballot.
    pub ballot: Ballot,
    /// Since when.
    pub since: UnixMillis,
}

/// The newest ballot under which anybody reported about a VIP, and in which term of the log.
///
/// Ballots rise as long as a majority of acceptors remembers them. They live in memory only: when a
/// majority restarts they begin anew, mostly after an election, that is in a higher term. Where the
/// leader stays, whoever owns goes above this one: `lease::Group::floor`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BallotFloor {
    /// The term.
    pub term: u64,
    /// The ballot.
    pub ballot: Ballot,
}

impl Vip {
    /// What is wrong with it by itself.
    pub(super) fn check(&self, at: &str, faults: &mut Faults) {
        let here = format!("{at}.address");
        faults.check(&here, address::ordinary(self.address));
        let Some(gateway) = self.gateway else {
            if self.on_quorum_loss.holds() {
                faults.add(format!("{at}.on_quorum_loss"), FaultKind::NoReference);
            }
            return;
        };
        let here = format!("{at}.gateway");
        faults.check(&here, address::ordinary(gateway));
        if gateway.is_ipv6() != self.address.is_ipv6() {
            faults.add(&here, FaultKind::Family(gateway));
        }
        if gateway == self.address {
            let owner = "the VIP itself".to_owned();
            faults.add(
                &here,
                FaultKind::AddressTaken {
                    address: gateway,
                    owner,
                },
            );
        }
    }
}

impl State {
    pub(super) fn report_vip(
        &mut self,
        now: Now,
        name: VipName,
        ballot: Ballot,
    ) -> Result<Applied, Reject> {
        if !self.config.vips.contains_key(&name) {
            return Err(Reject::UnknownVip(name));
        }
        self.check_owner(now, &name, ballot)?;
        let before = self.vips.get(&name).cloned();
        let same = before
            .as_ref()
            .filter(|standing| standing.owner == ballot.node);
        if same.is_some_and(|standing| standing.ballot == ballot) {
            return Ok(Applied::Unchanged);
        }
        self.raise_ballot(now, &name, ballot);
        let since = same.map_or(now.at, |standing| standing.since);
        self.vips.insert(
            name.clone(),
            VipStanding {
                owner: ballot.node,
                ballot,
                since,
            },
        );
        let moved = before.filter(|standing| standing.owner != ballot.node);
        if let Some(standing) = moved {
            let (from, to) = (self.node_name(standing.owner), self.node_name(ballot.node));
            let cause = format!("moved from {from} to {to}");
            let left = self.nodes_left();
            let evidence = vec![format!(
                "lease ballot {ballot}, before it {}",
                standing.ballot
            )];
            self.notice(
                Subject::Vip(name),
                Event {
                    left,
                    evidence,
                    ..Event::plain(now.at, cause)
                },
            );
        }
        Ok(Applied::Done)
    }

    /// Whether a ballot can be that of the VIP's owner now.
    pub(super) fn check_owner(
        &self,
        now: Now,
        vip: &VipName,
        ballot: Ballot,
    ) -> Result<(), Reject> {
        let node = self
            .nodes
            .get(&ballot.node)
            .ok_or(Reject::UnknownNode(ballot.node))?;
        if node.role == NodeRole::Witness {
            return Err(Reject::Witness(ballot.node));
        }
        match self.ballots.get(vip) {
            Some(floor) if floor.term == now.term && ballot < floor.ballot => {
                let newest = floor.ballot;
                Err(Reject::StaleBallot {
                    vip: vip.clone(),
                    given: ballot,
                    newest,
                })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Remembers a checked ballot.
    pub(super) fn raise_ballot(&mut self, now: Now, vip: &VipName, ballot: Ballot) {
        self.ballots.insert(
            vip.clone(),
            BallotFloor {
                term: now.term,
                ballot,
            },
        );
    }
}
