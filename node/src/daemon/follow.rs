//! What follows the state: the lease's roster, the wire's plan, the peers' addresses.
//!
//! Each task waits for any of its inputs to change, computes the whole wish anew, and hands it on
//! when it differs from the last one. A restart needs no replay.

use std::collections::BTreeMap;
use std::sync::Arc;

use farmux_netplane::plan::{Plan, VipPlan};
use farmux_netplane::reference::{References, Target};
use farmux_raft::id::{NetworkName, VipName};
use farmux_raft::peer::Addresses;
use farmux_raft::state::{State, Vip};
use tokio::sync::watch;

use super::Member;
use super::roster::roster;
use crate::plan::{Standpoint, plan};

/// Keeps the lease thread's roster equal to what the log says.
pub(super) async fn follow_roster(member: Arc<Member>) {
    let mut state = member.consensus.state();
    let mut membership = member.consensus.membership();
    let mut last = None;
    loop {
        let voting = membership.borrow_and_update().clone();
        let newest = state.borrow_and_update().clone();
        let next = roster(&newest, member.me(), &voting);
        if next != last {
            member.lease.set_roster(next.clone());
            last = next;
        }
        tokio::select! {
            Ok(()) = state.changed() => {}
            Ok(()) = membership.changed() => {}
            else => return,
        }
    }
}

/// Keeps the gateways that are asked equal to what the state says.
pub(super) async fn follow_references(
    mut state: watch::Receiver<Arc<State>>,
    references: References,
    interfaces: BTreeMap<NetworkName, String>,
) {
    let mut last = None;
    loop {
        let newest = state.borrow_and_update().clone();
        let next = targets(&newest, &interfaces);
        if last.as_ref() != Some(&next) {
            references.apply(&next);
            last = Some(next);
        }
        if state.changed().await.is_err() {
            return;
        }
    }
}

/// Whom to ask about each VIP that has a gateway, and an interface here.
fn targets(
    state: &State,
    interfaces: &BTreeMap<NetworkName, String>,
) -> BTreeMap<Arc<str>, Target> {
    let target = |(name, vip): (&VipName, &Vip)| {
        let target = Target {
            address: vip.address,
            gateway: vip.gateway?,
            interface: interfaces.get(&vip.network)?.as_str().into(),
        };
        Some((name.as_str().into(), target))
    };
    state.config.vips.iter().filter_map(target).collect()
}

/// Keeps the wire equal to what the state and the leases say.
pub(super) async fn follow_plan(
    member: Arc<Member>,
    interfaces: BTreeMap<NetworkName, String>,
    vips: watch::Sender<BTreeMap<Arc<str>, VipPlan>>,
) {
    let mut state = member.consensus.state();
    let mut standing = member.consensus.standing();
    let mut held = member.lease.held();
    let mut seen = member.lease.seen();
    let mut last: Option<Plan> = None;
    loop {
        let newest = state.borrow_and_update().clone();
        let leads = standing.borrow_and_update().leads();
        let stand = Standpoint {
            me: member.me(),
            role: member.role(),
            held: &held.borrow_and_update().clone(),
            seen: &seen.borrow_and_update().clone(),
            interfaces: &interfaces,
            leads,
        };
        let next = plan(&newest, &stand);
        hand_on(&member, &vips, last.as_ref(), &next);
        last = Some(next);
        tokio::select! {
            Ok(()) = state.changed() => {}
            Ok(()) = held.changed() => {}
            Ok(()) = seen.changed() => {}
            Ok(_) = standing.wait_for(|now| now.leads() != leads) => {}
            else => return,
        }
    }
}

/// Hands on the parts that differ.
fn hand_on(
    member: &Member,
    vips: &watch::Sender<BTreeMap<Arc<str>, VipPlan>>,
    last: Option<&Plan>,
    next: &Plan,
) {
    if let Some(wire) = &member.wire
        && last.is_none_or(|last| last.services != next.services)
    {
        wire.serving.apply(next.services.clone());
    }
    if last.is_none_or(|last| last.vips != next.vips) {
        vips.send_replace(next.vips.clone());
    }
    if last.is_none_or(|last| last.probes != next.probes || last.vips != next.vips) {
        let addresses = next.vips.values().map(|vip| vip.address).collect();
        member.probing.apply(next.probes.clone(), addresses);
    }
    let beside = |plan: &Plan| (plan.opinions.clone(), plan.suspicion);
    if last.is_none_or(|last| beside(last) != beside(next)) {
        let (opinions, suspicion) = beside(next);
        member.probing.apply_beside(opinions, suspicion);
    }
}

/// Keeps the addresses of the peers equal to what the state says; before it says any, to `seeds`.
pub(super) async fn follow_addresses(
    mut state: watch::Receiver<Arc<State>>,
    mut seeds: watch::Receiver<Addresses>,
    addresses: watch::Sender<Addresses>,
) {
    loop {
        let newest = state.borrow_and_update().clone();
        let known = farmux_raft::peer::issue::addresses(&newest);
        let seeded = seeds.borrow_and_update().clone();
        let next = if known.is_empty() { seeded } else { known };
        addresses.send_if_modified(|old| {
            let differs = *old != next;
            *old = next;
            differs
        });
        tokio::select! {
            Ok(()) = state.changed() => {}
            Ok(()) = seeds.changed() => {}
            else => return,
        }
    }
}
