//! Orders about who is a member: init, remove, leave, and the words of join. Each may be
//! interrupted and run again.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use farmux_raft::codec;
use farmux_raft::consensus::{Change, ChangeError, Consensus, ProposeError};
use farmux_raft::id::{ClusterId, NodeId, RevisionId};
use farmux_raft::peer::certificate::{Bearer, Ca, CertificateError};
use farmux_raft::peer::join::{JoinRequest, JoinStep, Version};
use farmux_raft::peer::joiner::JoinError;
use farmux_raft::peer::key::{NodeKey, random};
use farmux_raft::peer::token::{JoinToken, TokenError};
use farmux_raft::peer::{Identity, PeerReply, PeerRequest};
use farmux_raft::state::{
    Author, Command, Config, LeaseKey, Node as NodeRecord, NodeCondition, NodeRole, OnQuorumLoss,
    Secrets, Vip,
};

use super::{InitOrder, InitVip, Member, OrderError, proposal, wall_clock};
use crate::settings::Settings;

/// How long a request to be let go may take: a hand-over, two changes of the membership.
const LEAVE_DEADLINE: Duration = Duration::from_secs(60);

/// How long the first election of a cluster of one may take; it has nobody to wait for.
const FIRST_LEADER_DEADLINE: Duration = Duration::from_secs(10);

/// The first member, as it will stand in the log.
pub(super) struct FirstMember {
    /// Who it is.
    pub identity: Identity,
    /// What the cluster keeps secret.
    pub secrets: Secrets,
}

/// Draws a new cluster with its CA, and this machine as its node 1.
///
/// **Errors**: the clock shows a year that no certificate can bear.
pub(super) fn found(
    settings: &Settings,
    order: &InitOrder,
    key: NodeKey,
) -> Result<FirstMember, OrderError> {
    let local = |error: CertificateError| OrderError::Local(error.to_string());
    let now = wall_clock();
    let cluster = ClusterId(u128::from_be_bytes(random()));
    let ca = Ca::create(cluster, &order.name, now).map_err(local)?;
    let bearer = Bearer::Node {
        node: FIRST,
        role: NodeRole::Balancer,
        name: settings.name.clone(),
    };
    let mut addresses: Vec<_> = settings.peer.iter().map(|peer| peer.ip()).collect();
    addresses.push(settings.admin.ip());
    addresses.sort();
    addresses.dedup();
    let request = key.request().key().map_err(local)?;
    let leaf = ca.sign(&request, &bearer, &addresses, now).map_err(local)?;
    let identity = Identity::new(order.name.clone(), 0, key, leaf, ca.certificate().clone())
        .map_err(|error| OrderError::Local(error.to_string()))?;
    Ok(FirstMember {
        identity,
        secrets: ca.secrets(LeaseKey(random())),
    })
}

/// The first node of every cluster.
const FIRST: NodeId = NodeId(1);

/// This machine, as the others shall know it.
pub(crate) fn describe(settings: &Settings, role: NodeRole) -> NodeRecord {
    NodeRecord {
        name: settings.name.clone(),
        role,
        peer_addresses: settings.peer.clone(),
        admin_address: settings.admin,
        joined: wall_clock(),
        condition: NodeCondition::Reachable,
    }
}

/// Writes the first entries of a new cluster's log.
///
/// **Errors**: the log did not take them; nothing of the cluster is of use then.
pub(super) async fn write_first(
    consensus: &Consensus,
    settings: &Settings,
    order: &InitOrder,
    secrets: Secrets,
) -> Result<(), OrderError> {
    consensus
        .initialize()
        .await
        .map_err(|error| OrderError::Local(error.to_string()))?;
    let mut standing = consensus.standing();
    let leads = standing.wait_for(|standing| standing.leader == Some(standing.me));
    match tokio::time::timeout(FIRST_LEADER_DEADLINE, leads).await {
        Ok(Ok(_)) => {}
        Ok(Err(_)) | Err(_) => {
            return Err(OrderError::Local(
                "the first election did not end".to_owned(),
            ));
        }
    }
    let init = Command::Init {
        cluster: consensus.config().cluster,
        name: order.name.clone(),
        secrets,
        node: describe(settings, NodeRole::Balancer),
    };
    propose(consensus, init).await?;
    // Whoever is alone need not wait for others to read what this version writes.
    let newest = codec::reads();
    if newest > codec::OLDEST {
        propose(consensus, Command::RaiseFormat(newest)).await?;
    }
    if let Some(vip) = &order.vip {
        propose(consensus, first_vip(vip)).await?;
    }
    Ok(())
}

fn first_vip(order: &InitVip) -> Command {
    let same = |gateway: &IpAddr| gateway.is_ipv6() == order.address.is_ipv6();
    let proposed = || super::route::default_gateway(None).filter(same);
    let gateway = order.gateway.or_else(proposed);
    let vip = Vip {
        address: order.address,
        network: order.network.clone(),
        gateway,
        // Without a reference there is nobody to ask whether the network is there.
        on_quorum_loss: match gateway {
            Some(_) => OnQuorumLoss::Hold,
            None => OnQuorumLoss::Release,
        },
        group: None,
        prefer: None,
    };
    Command::Configure {
        author: Author("cluster init".to_owned()),
        base: RevisionId(0),
        config: Box::new(Config {
            vips: BTreeMap::from([(order.name.clone(), vip)]),
            ..Config::default()
        }),
        note: String::new(),
    }
}

/// What this machine asks of a cluster that it wants to join.
pub(super) fn join_request(settings: &Settings, token: &JoinToken) -> JoinRequest {
    JoinRequest {
        secret: token.secret.clone(),
        version: Version::ours(),
        clock: wall_clock(),
        node: describe(settings, token.role),
        networks: settings.networks.keys().cloned().collect(),
        step: JoinStep::Preflight,
    }
}

/// A token that is none, for its operator.
pub(super) fn bad_token(error: TokenError) -> OrderError {
    OrderError::Join {
        what: error.to_string(),
        mend: "copy the whole token again, or on a member: farmux cluster token create".to_owned(),
    }
}

/// A token for the other role.
pub(super) fn wrong_role(token: NodeRole) -> OrderError {
    let mend = match token {
        NodeRole::Witness => "join with --witness",
        NodeRole::Balancer => "join without --witness",
    };
    OrderError::Join {
        what: format!("the token is for a {token}"),
        mend: mend.to_owned(),
    }
}

/// This machine does not sit in the networks of the cluster's VIPs.
pub(super) fn wrong_network(why: String) -> OrderError {
    OrderError::Join {
        what: why,
        mend: "mend [networks] in node.toml or the interface, systemctl restart farmux, then run \
               join again"
            .to_owned(),
    }
}

/// A joiner's failure, for its operator.
pub(super) fn join_failed(error: &JoinError) -> OrderError {
    let mend = match error {
        JoinError::Refused(refusal) => refusal.mend().to_owned(),
        JoinError::ForeignCluster(_) => {
            "on a member of the cluster you mean: farmux cluster token create".to_owned()
        }
        JoinError::Clock(_) => "set the clocks of both machines, for example with NTP".to_owned(),
        JoinError::Unreachable(_) => "check that TCP and UDP port 7946 pass between the \
             machines, then run join again"
            .to_owned(),
        JoinError::Removed => "on a member: farmux cluster token create, then join anew".to_owned(),
        JoinError::Nonsense(_)
        | JoinError::Identity(_)
        | JoinError::Tls(_)
        | JoinError::Stalled(_) => {
            "look at `farmux status` on a member, then run join again with the same token"
                .to_owned()
        }
    };
    OrderError::Join {
        what: error.to_string(),
        mend,
    }
}

/// Takes a node out: first of the membership, then of the state. Done again, it goes on.
///
/// **Errors**: [`OrderError`]; run it again.
pub(super) async fn remove(consensus: &Consensus, node: NodeId) -> Result<(), OrderError> {
    consensus
        .change(Change::Remove(node))
        .await
        .map_err(change_failed)?;
    let lease_key = LeaseKey(random());
    match propose(consensus, Command::RemoveNode { node, lease_key }).await {
        Err(OrderError::Rejected(farmux_raft::state::Reject::UnknownNode(_))) => Ok(()),
        other => other,
    }
}

fn change_failed(error: ChangeError) -> OrderError {
    match error {
        ChangeError::LastVoter(node) => OrderError::LastNode(node),
        ChangeError::Full(_) => OrderError::Full(error.to_string()),
        ChangeError::NotLeader(_)
        | ChangeError::NoQuorum
        | ChangeError::InProgress
        | ChangeError::NotMember(_)
        | ChangeError::NotCaughtUp { .. }
        | ChangeError::WouldLoseQuorum(_)
        | ChangeError::NoSuccessor
        | ChangeError::Undecided
        | ChangeError::Stopped => OrderError::Agreement(error.to_string()),
    }
}

/// Has a command of an order decided.
///
/// **Errors**: refused, or not decided.
pub(super) async fn propose(consensus: &Consensus, command: Command) -> Result<(), OrderError> {
    match consensus.propose(proposal(command)).await {
        Ok(_) => Ok(()),
        Err(ProposeError::Rejected(reject)) => Err(OrderError::Rejected(reject)),
        Err(error @ ProposeError::Full(_)) => Err(OrderError::Full(error.to_string())),
        Err(error) => Err(OrderError::Agreement(error.to_string())),
    }
}

/// Whether this node may go at all.
///
/// **Errors**: it is the last one.
pub(super) fn check_leave(member: &Member) -> Result<(), OrderError> {
    match member.consensus().membership().borrow().voters().len() {
        0 | 1 => Err(OrderError::LastNode(member.me())),
        _ => Ok(()),
    }
}

/// Hands the leadership over, and asks the leader to take this node out.
///
/// **Errors**: [`OrderError`]; it is a member still.
pub(super) async fn leave(member: &Member) -> Result<(), OrderError> {
    let me = member.me();
    let consensus = member.consensus();
    check_leave(member)?;
    if consensus.standing().borrow().leader == Some(me) {
        consensus
            .change(Change::HandOver(None))
            .await
            .map_err(change_failed)?;
    }
    let end = tokio::time::Instant::now() + LEAVE_DEADLINE;
    let mut last = "nobody leads".to_owned();
    while tokio::time::Instant::now() < end {
        if member.peers().removed().borrow().is_some() {
            // An earlier attempt did it, and its answer was lost.
            return Ok(());
        }
        let leader = consensus
            .standing()
            .borrow()
            .leader
            .filter(|leader| *leader != me);
        if let Some(leader) = leader {
            match member
                .peers()
                .ask(leader, &PeerRequest::Leave, LEAVE_DEADLINE)
                .await
            {
                Ok(PeerReply::Gone) => return Ok(()),
                Ok(PeerReply::Failed(why)) => last = why,
                Ok(_) => {}
                Err(error) => last = error.to_string(),
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Err(OrderError::Agreement(last))
}
