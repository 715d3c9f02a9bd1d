//! The VIP thread's part of the fence: it follows the plan, and opens for what was announced.
//!
//! ```text
//!   gain ─▶ slot: claiming ─▶ address shown ─▶ announced ─ 10 ms ─▶ slot: open
//! ```

use std::sync::Arc;
use std::time::Duration;

use super::actuator::Actuator;
use super::nanos;
use super::world::spot;
use crate::fence::Wanted;
use crate::plan::VipPlan;
use crate::sys::boottime_ns;

impl Actuator {
    /// Makes the fence match the plan, and has the lease thread write where the kernel reads.
    pub(super) async fn fence(&mut self) {
        let Some(settings) = self.leases.settings().cloned() else {
            return;
        };
        let world = &self.world;
        // A VIP whose interface is not known has nothing that could answer for it.
        let wanted = |(name, vip): (&Arc<str>, &VipPlan)| {
            let port = world.ports.get(vip.interface.as_ref()?)?.as_ref().ok()?;
            let (address, interface) = (vip.address, port.link.index);
            Some((Arc::clone(name), Wanted { address, interface }))
        };
        let wanted = world.plan.iter().filter_map(wanted).collect();
        // Without an answer what is attached stays so, and is looked at the next time.
        let links = world.netlink.links().await.unwrap_or_default();
        let rooms = self.fence.follow(&settings, &wanted, &links, boottime_ns());
        self.leases.bind(rooms);
    }

    /// Announces what is here by a lease that nobody was told of yet, and opens its fence a moment
    /// later: whoever answered for it before has heard of us by then.
    pub(super) fn open(&mut self) {
        for name in self.leases.unopened() {
            let Some(spot) = self.world.plan.get(&name).and_then(spot) else {
                continue;
            };
            if self.world.begin_announcing(&spot) {
                self.world.announce(&self.leases);
                let from = boottime_ns().saturating_add(nanos(CLAIMS_FOR));
                self.leases.open(&name, from);
            }
        }
    }
}

/// How long a VIP is claimed before its fence opens.
///
/// **Source**: `vip-protocol.md`, section 7.
const CLAIMS_FOR: Duration = Duration::from_millis(10);
