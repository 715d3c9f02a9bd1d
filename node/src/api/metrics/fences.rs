//! PURE. What the kernel's fence does for VIPs here, as metrics.

use std::collections::BTreeMap;
use std::sync::Arc;

use farmux_netplane::fence::{FenceMode, FenceStatus, Stand};
use prometheus_client::registry::Registry;

use super::wire::counters;
use super::{Labels, gauges, number};

/// All of it at one moment of the boot clock; nothing on a witness, which has no VIPs.
pub(super) fn expose(
    registry: &mut Registry,
    fences: &BTreeMap<Arc<str>, FenceStatus>,
    now_ns: u64,
) {
    let labels = |vip: &Arc<str>| -> Labels { vec![("vip", vip.to_string())] };
    let modes = fences.iter().flat_map(|(vip, status)| {
        [FenceMode::Tcx, FenceMode::Clsact, FenceMode::None].map(|mode| {
            let mut labels = labels(vip);
            labels.push(("mode", mode.name().to_owned()));
            (labels, i64::from(status.mode == mode))
        })
    });
    let help = "1 for how the kernel fences a VIP here; none: it may answer for 2.5 s too long";
    gauges(registry, "vip_fence", help, modes);
    let open = fences.iter().map(|(vip, status)| {
        let open = status.stand == Stand::Open;
        (labels(vip), i64::from(open))
    });
    let help = "1 while the fence lets a VIP answer here";
    gauges(registry, "vip_fence_open", help, open);
    let drops = fences.iter().flat_map(|(vip, status)| {
        status.drops.iter().map(move |(reason, count)| {
            let mut labels = labels(vip);
            labels.push(("reason", reason.name().to_owned()));
            (labels, *count)
        })
    });
    let help = "Frames about a VIP that the fence dropped here, by reason";
    counters(registry, "vip_fence_drops", help, drops);
    let claims = fences
        .iter()
        .map(|(vip, status)| (labels(vip), status.claims));
    let help = "Times another machine said a VIP was its own, the cluster's other nodes among them";
    counters(registry, "vip_claims", help, claims);
    let ages = fences.iter().filter_map(|(vip, status)| {
        let age_ns = now_ns.saturating_sub(status.claim?.at_ns);
        Some((labels(vip), number(age_ns / 1_000_000_000)))
    });
    let help = "Seconds since the last of them";
    gauges(registry, "vip_last_claim_age_seconds", help, ages);
}
