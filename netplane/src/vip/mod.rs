//! The VIPs of this machine: addresses on interfaces, and their announcement.
//!
//! ```text
//!   node   --plans (watch)-->            add, renew, remove (netlink)
//!   lease thread --Leases--> actuator -> announce (ARP, NA)
//!   kernel        --news--->   (loop)  -> put right what another program did
//!   fence    --last claim-->           -> defend against another machine
//!                                      -> status (watch) --> faces, pages
//! ```
//!
//! A VIP is shown while its lease lies in the future *and* the plan names it. It knows nothing of
//! who lends the lease.

mod actuator;
pub mod advertisement;
mod fencing;
mod leases;
mod meddling;
mod port;
mod repeats;
mod rivals;
mod schedule;
mod world;

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use tokio::runtime::Builder;
use tokio::sync::{Notify, watch};

use self::actuator::Actuator;
pub use self::leases::{Claim, Leases, Lent};
pub use self::rivals::{Rival, mac_text};
use self::world::World;
use crate::fence::{FenceStatus, Owner};
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
    /// Whether its interface is there and has a carrier.
    pub carrier: bool,
    /// What other programs did to its address; all of it was put right.
    pub meddling: Tally,
    /// Carriers that its interface lost.
    pub carrier_lost: Tally,
    /// Other machines that claimed it within the last minutes, while it was here.
    pub rivals: Vec<Rival>,
}

/// How often something happened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// Since the start, or since the plan named it.
    pub total: u64,
    /// How often in the episode that goes on: from three times in ten minutes on, until ten minutes
    /// have passed without.
    pub episode: Option<u64>,
    /// The last of it, or where, in an operator's words.
    pub last: String,
}

/// The running actuator; dropping it removes the addresses and ends it.
pub struct Vips {
    leases: Leases,
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
        let fenced = leases.clone();
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
                    let opened = sys::Netlink::open().and_then(|netlink| {
                        let news = sys::News::open()?;
                        Ok(World::new(netlink, news))
                    });
                    let world = match opened {
                        Ok(world) => world,
                        Err(error) => return started.send(Err(error)).unwrap_or(()),
                    };
                    let _ = started.send(Ok(()));
                    let actuator = Actuator {
                        plans,
                        leases,
                        on_lost,
                        status: out,
                        stop: told,
                        world,
                        fence: Owner::default(),
                    };
                    actuator.run().await;
                });
            })?;
        let gone = |_| io::Error::other("the VIP thread ended before it began");
        result.recv().map_err(gone)??;
        Ok(Vips {
            leases: fenced,
            status,
            stop,
            thread: Some(thread),
        })
    }

    /// What the fence does for each VIP of the plan, at this moment; empty without a fence.
    pub fn fences(&self) -> BTreeMap<Arc<str>, FenceStatus> {
        self.leases.fences()
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

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
