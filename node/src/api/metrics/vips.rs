//! PURE. What this machine sees around its VIPs, as metrics.

use std::collections::BTreeMap;
use std::sync::Arc;

use farmux_netplane::vip::VipStatus;
use prometheus_client::registry::Registry;

use super::wire::counters;
use super::{Labels, gauges, number};

/// All of it; nothing on a witness, which has no VIPs.
pub(super) fn expose(registry: &mut Registry, vips: &BTreeMap<Arc<str>, VipStatus>) {
    let each = || {
        let labels = |vip: &Arc<str>| -> Labels { vec![("vip", vip.to_string())] };
        vips.iter().map(move |(vip, status)| (labels(vip), status))
    };
    let meddled = each().map(|(labels, status)| (labels, status.meddling.total));
    let help = "Times another program changed the address of a VIP here; each was put right";
    counters(registry, "vip_meddled", help, meddled);
    let lost = each().map(|(labels, status)| (labels, status.carrier_lost.total));
    let help = "Times the interface of a VIP lost its carrier here";
    counters(registry, "vip_carrier_lost", help, lost);
    let rivals = each().map(|(labels, status)| (labels, number(status.rivals.len() as u64)));
    let help = "Foreign machines that claimed a VIP of this node within the last five minutes";
    gauges(registry, "vip_rivals", help, rivals);
}
