//! What a node knows when it is asked: its own state, log and leases, and what the others say.
//!
//! ```text
//!   Member --state, standing, membership, leases--> Gathered --view--> status (PURE)
//!   peers  --NodeReport, within 500 ms------------>
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use farmux_netplane::fence::{FenceMode, FenceStatus};
use farmux_netplane::plan::ProbeKey;
use farmux_netplane::sys::boottime_ns;
use farmux_netplane::vip::{Claim, VipStatus, mac_text};
use farmux_raft::codec;
use farmux_raft::id::{Ballot, NodeId, NodeName, UnixMillis, VipName};
use farmux_raft::lease::{BootTime, Legs};
use farmux_raft::peer::{PeerClient, PeerReply, PeerRequest};
use farmux_raft::state::State;
use tokio::task::JoinSet;

use super::report::{NodeReport, OwnVip, ServerCount, Unfenced};
use super::status::{LogView, VERSION, View};
use super::types::{ClaimReport, FenceReport, Moment, Right};
use crate::daemon::{Member, Node, wall_clock};

/// Everything that one node knows, taken at one moment.
pub(crate) struct Gathered {
    me: NodeId,
    name: NodeName,
    state: Arc<State>,
    log: LogView,
    halves: Vec<BTreeSet<NodeId>>,
    learners: BTreeSet<NodeId>,
    leases: BTreeMap<VipName, NodeId>,
    reports: BTreeMap<NodeId, NodeReport>,
}

impl Gathered {
    /// For the pure projections.
    pub(crate) fn view(&self) -> View<'_> {
        View {
            me: self.me,
            name: &self.name,
            state: &self.state,
            now: wall_clock(),
            log: self.log.clone(),
            halves: self.halves.clone(),
            learners: self.learners.clone(),
            leases: self.leases.clone(),
            reports: self.reports.clone(),
        }
    }
}

/// What this node knows by itself; the others are not asked.
pub(super) fn gather_here(node: &Node, member: &Member) -> Gathered {
    alone_as(&node.settings().name, member)
}

fn alone_as(name: &NodeName, member: &Member) -> Gathered {
    let standing = member.consensus().standing().borrow().clone();
    let membership = member.consensus().membership().borrow().clone();
    let seen = member.lease().seen().borrow().clone();
    let lag = standing
        .lag
        .iter()
        .filter_map(|(node, lag)| lag.map(|lag| (*node, lag)));
    Gathered {
        me: member.me(),
        name: name.clone(),
        state: member.state(),
        log: LogView {
            term: standing.term,
            leader: standing.leader,
            applied: standing.applied_index.unwrap_or(0),
            removed: member.peers().removed().borrow().is_some(),
            lag: lag.collect(),
        },
        halves: membership.halves,
        learners: membership.learners,
        leases: seen
            .into_iter()
            .map(|(vip, (owner, _))| (vip, owner))
            .collect(),
        reports: BTreeMap::from([(member.me(), report(member))]),
    }
}

/// How long another node may take to answer; a healthy one needs two milliseconds, and a person who
/// typed `status` should not wait for a dead one.
pub(super) const ANSWER_DEADLINE: Duration = Duration::from_millis(500);

/// What this node knows, and what the others that answer say of themselves.
pub(super) async fn gather(node: &Node, member: &Member) -> Gathered {
    gather_as(&node.settings().name, member).await
}

/// The same for whoever knows the machine's name only.
pub(crate) async fn gather_as(name: &NodeName, member: &Member) -> Gathered {
    let mut gathered = alone_as(name, member);
    let mut questions = JoinSet::new();
    for &other in gathered
        .state
        .nodes
        .keys()
        .filter(|other| **other != gathered.me)
    {
        let peers = member.peers().clone();
        questions.spawn(async move { (other, ask_report(&peers, other, ANSWER_DEADLINE).await) });
    }
    while let Some(answer) = questions.join_next().await {
        if let Ok((other, Some(report))) = answer {
            gathered.reports.insert(other, report);
        }
    }
    gathered
}

/// A node's report; one that is silent or makes no sense has none.
pub(crate) async fn ask_report(
    peers: &PeerClient,
    node: NodeId,
    within: Duration,
) -> Option<NodeReport> {
    let before = wall_clock();
    match peers.ask(node, &PeerRequest::Status, within).await {
        Ok(PeerReply::Status(bytes)) => match NodeReport::decode(&bytes) {
            Ok(report) => Some(NodeReport {
                clock_offset_ms: clock_offset(report.clock_ms, before, wall_clock()),
                ..report
            }),
            Err(error) => {
                tracing::debug!(%node, %error, "its report is not understood");
                None
            }
        },
        Ok(_) => None,
        Err(error) => {
            tracing::debug!(%node, %error, "it does not report");
            None
        }
    }
}

/// PURE. How far another clock is before ours: its answer was given between our question and our
/// reading of it, in the middle as far as we know.
fn clock_offset(theirs: u64, before: UnixMillis, after: UnixMillis) -> Option<i64> {
    let middle = before.0.midpoint(after.0);
    let offset = i64::try_from(i128::from(theirs) - i128::from(middle)).ok()?;
    (theirs != 0).then_some(offset)
}

/// What this node says of itself.
pub(super) fn report(member: &Member) -> NodeReport {
    let standing = member.consensus().standing().borrow().clone();
    let blind = member.probing().blind();
    let of_blind = |(check, why): &(ProbeKey, String)| format!("{check} ({why})");
    NodeReport {
        version: VERSION.to_owned(),
        reads: codec::reads(),
        clock_ms: wall_clock().0,
        clock_offset_ms: None,
        term: standing.term,
        leader: standing.leader,
        applied: standing.applied_index.unwrap_or(0),
        settling: member.lease().is_silent(),
        held: member.held().into_keys().collect(),
        alone_ms: alone(member),
        troubles: troubles(member),
        unfenced: unfenced(member),
        disturbances: disturbances(member),
        shortages: member
            .probing()
            .shortages()
            .iter()
            .map(ToString::to_string)
            .collect(),
        full: member
            .full_disk()
            .map(|folder| folder.display().to_string()),
        blind: blind.len(),
        blind_some: blind.iter().take(BLIND_SHOWN_MAX).map(of_blind).collect(),
        servers: counts(member),
        vips: own_vips(member),
        legs: Some(member.legs().bits()),
    }
}

fn own_vips(member: &Member) -> BTreeMap<VipName, OwnVip> {
    let Some(wire) = member.wire() else {
        return BTreeMap::new();
    };
    let (state, fences) = (member.state(), wire.vips.fences());
    let alone = member.lease().alone().borrow().clone();
    let own = |(name, ballot): (VipName, Ballot)| {
        let vip = state.config.vips.get(&name)?;
        let own = OwnVip {
            ballot: ballot.to_string(),
            right: Some(match alone.contains_key(&name) {
                true => Right::Hold,
                false => Right::Lease,
            }),
            work: wire.serving.work(vip.address).into(),
            fence: fences.get(name.as_str()).map(fence_report),
        };
        Some((name, own))
    };
    member.held().into_iter().filter_map(own).collect()
}

fn fence_report(fence: &FenceStatus) -> FenceReport {
    let claim = |claim: Claim| {
        let ago = boottime_ns().saturating_sub(claim.at_ns) / 1_000_000;
        ClaimReport {
            at: Moment(UnixMillis(wall_clock().0.saturating_sub(ago))),
            mac: mac_text(claim.mac),
        }
    };
    let drops = fence.drops.iter();
    let drops = drops.filter(|(_, count)| **count > 0);
    FenceReport {
        mode: fence.mode.name().to_owned(),
        drops: drops
            .map(|(reason, count)| (reason.name().to_owned(), *count))
            .collect(),
        claims: fence.claims,
        last_claim: fence.claim.map(claim),
        trouble: fence.trouble.clone(),
    }
}

/// A reader who saw five knows what they have in common.
const BLIND_SHOWN_MAX: usize = 5;

/// What this node holds without a majority, and for how long.
fn alone(member: &Member) -> BTreeMap<VipName, u64> {
    let now = BootTime(farmux_netplane::sys::boottime_ns());
    let span = |(vip, since): (&VipName, &BootTime)| {
        let millis = u64::try_from(now.since(*since).as_millis());
        (vip.clone(), millis.unwrap_or(u64::MAX))
    };
    member.lease().alone().borrow().iter().map(span).collect()
}

fn troubles(member: &Member) -> BTreeMap<VipName, String> {
    let shown = member
        .wire()
        .map(|wire| wire.vips.status().borrow().clone());
    let trouble = |(name, status): (Arc<str>, VipStatus)| name.parse().ok().zip(status.trouble);
    shown.into_iter().flatten().filter_map(trouble).collect()
}

/// What disturbs the VIPs of this node, and what it lacks beside others.
fn disturbances(member: &Member) -> Vec<String> {
    let shown = member
        .wire()
        .map(|wire| wire.vips.status().borrow().clone());
    let vips = shown.iter().flatten();
    let disturbed = vips.filter_map(|(name, status)| {
        let text = disturbance_of(status)?;
        Some(format!("VIP {name}: {text}"))
    });
    let legs = member.legs();
    let lacks = (legs != Legs::ALL).then(|| {
        let words = legs.words();
        format!("{words}: a VIP goes to a node that stands better, if there is one")
    });
    disturbed.chain(lacks).collect()
}

/// What disturbs a VIP, in one line; the worst where it is several.
fn disturbance_of(status: &VipStatus) -> Option<String> {
    let macs = status.rivals.iter().map(|rival| mac_text(rival.mac));
    let macs: Vec<String> = macs.collect();
    let rivals = (!macs.is_empty()).then(|| {
        let macs = macs.join(" and ");
        format!("a foreign machine claims it: {macs}")
    });
    let meddling = status.meddling.episode.map(|times| {
        let last = &status.meddling.last;
        format!("another program changes its address, {times} times by now; last: {last}")
    });
    let carrier = status.carrier_lost.episode.map(|times| {
        let interface = &status.carrier_lost.last;
        format!("{interface} lost its carrier {times} times")
    });
    rivals.or(meddling).or(carrier)
}

fn unfenced(member: &Member) -> BTreeMap<VipName, Unfenced> {
    let fences = member.wire().map(|wire| wire.vips.fences());
    let lost = |(name, fence): (Arc<str>, FenceStatus)| {
        let at_all = fence.mode == FenceMode::None;
        let why = fence.trouble?;
        Some((name.parse().ok()?, Unfenced { at_all, why }))
    };
    fences.into_iter().flatten().filter_map(lost).collect()
}

fn counts(member: &Member) -> Vec<ServerCount> {
    let Some(wire) = member.wire() else {
        return Vec::new();
    };
    let mut servers = Vec::new();
    for (service, counts) in wire.serving.counts() {
        for (server, count) in counts.servers {
            // Names went into the plan as names; one that is none any more is not ours to report.
            let names = (
                service.farm.parse(),
                service.service.parse(),
                server.parse(),
            );
            if let (Ok(farm), Ok(service), Ok(server)) = names {
                let (active, total) = (count.active, count.taken);
                servers.push(ServerCount {
                    farm,
                    service,
                    server,
                    active,
                    total,
                });
            }
        }
    }
    servers
}

#[cfg(test)]
mod tests {
    use farmux_netplane::vip::{Rival, Tally};

    use super::*;

    #[test]
    fn the_worst_of_what_disturbs_a_vip_is_said() {
        let often = |last: &str| Tally {
            total: 4,
            episode: Some(4),
            last: last.to_owned(),
        };
        let mut status = VipStatus {
            meddling: Tally {
                total: 2,
                ..Tally::default()
            },
            ..VipStatus::default()
        };
        assert_eq!(disturbance_of(&status), None, "put right, and no quarrel");
        status.carrier_lost = often("eth0");
        let said = |status: &VipStatus| disturbance_of(status).unwrap_or_default();
        assert_eq!(said(&status), "eth0 lost its carrier 4 times");
        status.meddling = often("10.0.0.100 was removed from eth0");
        assert_eq!(
            said(&status),
            "another program changes its address, 4 times by now; last: 10.0.0.100 was removed \
             from eth0"
        );
        status.rivals = vec![Rival {
            mac: [2, 0, 0, 0, 0, 7],
            times: 1,
        }];
        let rival = "a foreign machine claims it: 02:00:00:00:00:07";
        assert_eq!(said(&status), rival);
    }

    #[test]
    fn another_clock_is_compared_with_the_middle_of_the_question() {
        let (before, after) = (UnixMillis(1_000), UnixMillis(1_100));
        assert_eq!(clock_offset(1_050, before, after), Some(0));
        assert_eq!(clock_offset(3_050, before, after), Some(2_000));
        assert_eq!(clock_offset(50, before, after), Some(-1_000));
        assert_eq!(
            clock_offset(0, before, after),
            None,
            "an older node says nothing"
        );
        assert_eq!(clock_offset(u64::MAX, before, after), None, "nonsense");
    }
}
