//! Tells the log file when this node goes on with a VIP without a majority, and when that is over.

use std::collections::BTreeMap;

use farmux_raft::id::{Ballot, VipName};
use farmux_raft::lease::BootTime;
use tokio::sync::watch;

/// Runs until the leases end.
pub(in crate::daemon) async fn tell_alone(
    mut alone: watch::Receiver<BTreeMap<VipName, BootTime>>,
    held: watch::Receiver<BTreeMap<VipName, Ballot>>,
) {
    let mut told: BTreeMap<VipName, BootTime> = BTreeMap::new();
    loop {
        let now = alone.borrow_and_update().clone();
        for vip in now.keys().filter(|vip| !told.contains_key(*vip)) {
            tracing::warn!(%vip, "no majority answers; this node goes on with the VIP");
        }
        for vip in told.keys().filter(|vip| !now.contains_key(*vip)) {
            match held.borrow().contains_key(vip) {
                true => tracing::info!(%vip, "a majority lends the VIP again"),
                false => tracing::warn!(%vip, "this node no longer holds the VIP alone"),
            }
        }
        told = now;
        if alone.changed().await.is_err() {
            return;
        }
    }
}
