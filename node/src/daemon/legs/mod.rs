//! What this node stands on: carrier, gateway, servers; the lease thread compares it with others.
//!
//! ```text
//!   vip thread --carrier (watch)--------\
//!   references --gateway, once a second--+--> stand (PURE) --> LeaseHandle::set_legs
//!   sample: a connect a farm, 2 s -------/
//! ```
//!
//! It only tells. That nothing moves while all nodes fail alike, that a move waits until the others
//! have had time to find out what this node found, and that 30 seconds pass between two moves, is
//! the lease's business (`raft/src/lease/engine/fitness.rs`). Serving runtimes are looked at there
//! as well.
//!
//! **Source**: `vip-protocol.md`, section 7.

mod sample;
mod stand;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use farmux_netplane::origin::Origin;
use farmux_netplane::vip::VipStatus;
use farmux_raft::id::VipName;
use tokio::sync::watch;

use self::sample::sample_servers;
use self::stand::{Seen, stand};
use super::Member;

/// Gateways are asked once a second.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Keeps the legs of the lease thread equal to what this node sees; runs for ever. `own` are this
/// machine's own addresses, from which it asks where the kernel would take a VIP.
pub(super) async fn follow_legs(member: Arc<Member>, own: Vec<IpAddr>) {
    let Some(wire) = member.wire() else { return };
    let mut statuses = wire.vips.status();
    let (sampled, mut samples) = watch::channel(BTreeMap::new());
    let state = member.consensus.state();
    let origin = Origin {
        own,
        never: BTreeSet::new(),
    };
    let sampling = sample_servers(state, origin, sampled);
    let telling = async {
        let mut last = None;
        loop {
            let seen = Seen {
                carriers: carriers(&statuses.borrow_and_update()),
                gateways: gateways(&member),
                farms: samples.borrow_and_update().clone(),
            };
            let legs = stand(&seen);
            if last.replace(legs) != Some(legs) {
                tracing::info!(legs = %legs.words(), "what this node stands on");
                member.legs.send_replace(legs);
                member.lease.set_legs(legs);
            }
            tokio::select! {
                changed = statuses.changed() => if changed.is_err() { return },
                changed = samples.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    };
    tokio::select! {
        () = sampling => {}
        () = telling => {}
    }
}

/// Whether the interface of each VIP is there and sees a carrier.
fn carriers(statuses: &BTreeMap<Arc<str>, VipStatus>) -> BTreeMap<VipName, bool> {
    let carrier =
        |(name, status): (&Arc<str>, &VipStatus)| Some((name.parse().ok()?, status.carrier));
    statuses.iter().filter_map(carrier).collect()
}

/// Whether the gateway of each VIP that has one answers; nothing where that is not known.
fn gateways(member: &Member) -> BTreeMap<VipName, bool> {
    let state = member.consensus.state();
    let vips: Vec<VipName> = state.borrow().config.vips.keys().cloned().collect();
    let answers = |vip: VipName| {
        let sight = member.wire()?.references.read(vip.as_str())?;
        Some((vip, sight.answers()?))
    };
    vips.into_iter().filter_map(answers).collect()
}
