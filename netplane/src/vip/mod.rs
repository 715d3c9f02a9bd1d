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

mod actuator;
pub mod arp;
mod leases;
mod port;
mod schedule;

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::SystemTime;

use tokio::runtime::Builder;
use tokio::sync::{Notify, watch};

use self::actuator::Actuator;
pub use self::leases::{Claim, Leases, Lent};
use crate::plan::VipPlan;
use crate::sys;

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
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

/// Why there is no actuator.
#[derive(Debug, thiserror::Error)]
pub enum VipsError {
    /// The system refused the thread or its netlink socket.
    #[error("cannot start the VIP thread: {0}")]
    System(#[from] io::Error),
}

impl Vips {
    /// Starts the actuator: it shows what `plans` name and `leases` allow, and calls `on_lost` for
    /// each VIP that goes, before its address does. [`VipPlan::held`] is not asked: it is a copy of
    /// the leases that has taken a detour.
    ///
    /// **Errors**: [`VipsError`]; no VIP can be shown here.
    pub fn start(
        plans: watch::Receiver<BTreeMap<Arc<str>, VipPlan>>,
        leases: Leases,
        on_lost: Box<dyn FnMut(IpAddr) + Send>,
    ) -> Result<Vips, VipsError> {
        let (out, status) = watch::channel(BTreeMap::new());
        let stop = Arc::new(Notify::new());
        let told = Arc::clone(&stop);
        let (started, result) = mpsc::sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("vip".into())
            .spawn(move || {
                if let Err(error) = sys::hurry() {
                    tracing::debug!(%error, "the VIP thread has no priority");
                }
                let runtime = match Builder::new_current_thread().enable_all().build() {
                    Ok(runtime) => runtime,
                    // Nobody listens where the caller is gone as well.
                    Err(error) => return started.send(Err(error)).unwrap_or(()),
                };
                runtime.block_on(async move {
                    let netlink = match sys::Netlink::open() {
                        Ok(netlink) => netlink,
                        Err(error) => return started.send(Err(error)).unwrap_or(()),
                    };
                    let _ = started.send(Ok(()));
                    Actuator::new(plans, leases, on_lost, out, told, netlink)
                        .run()
                        .await;
                });
            })?;
        let gone = |_| io::Error::other("the VIP thread ended before it began");
        result.recv().map_err(gone)??;
        Ok(Vips {
            status,
            stop,
            thread: Some(thread),
        })
    }

    /// What became of each VIP.
    pub fn status(&self) -> watch::Receiver<BTreeMap<Arc<str>, VipStatus>> {
        self.status.clone()
    }
}

impl Drop for Vips {
    fn drop(&mut self) {
        self.stop.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic there has already ended the process.
            let _ = thread.join();
        }
    }
}
