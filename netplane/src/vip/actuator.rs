//! The VIP thread: makes this machine's addresses match plans and leases.
//!
//! ```text
//!   plans, leases, news of the kernel, time --> compare wish and world --> steps --> world
//! ```
//!
//! It wakes up for a new plan, a gain, a loss, a deadline, a renewal, an announcement, and when the
//! kernel says that an address or an interface changed; each time it compares the whole wish with
//! what is here, so that nothing that was missed stays missed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::meddling::Meddling;
use super::world::{Plans, World, spot};
use super::{Leases, VipStatus, nanos};
use crate::diff::{Spot, Step, diff};
use crate::fence::{Owner, Rooms};
use crate::plan::VipPlan;
use crate::sys::{Told, boottime_ns};

/// Everything the VIP thread has.
pub(super) struct Actuator {
    pub(super) plans: watch::Receiver<Plans>,
    pub(super) leases: Leases,
    pub(super) on_lost: Box<dyn FnMut(IpAddr) + Send>,
    pub(super) status: watch::Sender<BTreeMap<Arc<str>, VipStatus>>,
    pub(super) stop: Arc<Notify>,
    pub(super) world: World,
    pub(super) fence: Owner,
}

impl Actuator {
    /// Works until it is told to stop or nobody makes plans any more; then takes everything away.
    pub(super) async fn run(mut self) {
        loop {
            // A loss that waits while a new plan is prepared would leave two owners.
            self.settle().await;
            if self.adopt_plan().await {
                self.settle().await;
            }
            let told = self.world.news.take();
            let links = told.missed || !told.links.is_empty();
            // What a link took along is put back first, for it is nobody's deed. What was done to
            // an address is looked for first, for a renewal would hide it.
            if links {
                self.renew(&told).await;
            }
            self.mend(&told).await;
            if boottime_ns() >= self.world.renew_at {
                self.renew(&told).await;
            }
            self.world.answer_rivals(&self.leases);
            self.world.announce(&self.leases);
            self.publish();
            let wait = self.until_next();
            tokio::select! {
                changed = self.plans.changed() => if changed.is_err() { break },
                () = self.leases.changed() => {}
                () = self.world.news.changed() => {}
                () = tokio::time::sleep(wait) => {}
                () = self.stop.notified() => break,
            }
        }
        self.step(diff(&self.have(), &BTreeSet::new())).await;
        // The addresses are gone; what stays of the fence is closed, and stays so.
        self.leases.bind(Rooms::default());
        self.publish();
    }

    /// Takes the newest plan over; whether it is another one.
    async fn adopt_plan(&mut self) -> bool {
        let plan = self.plans.borrow_and_update().clone();
        if plan == self.world.plan {
            return false;
        }
        // What has to be withdrawn still needs its interface.
        let used = self.have().into_iter().map(|spot| spot.interface).collect();
        self.world.adopt(plan, &used).await;
        self.fence().await;
        true
    }

    /// Makes what is here match what is wanted.
    async fn settle(&mut self) {
        let want = self.want();
        self.world.refused.retain(|spot, _| want.contains(spot));
        // A leftover that is wanted is shown like any other: it has to be renewed and announced.
        let anew = |spot: &Spot| want.contains(spot) && !self.world.shown.contains_key(spot);
        let have: BTreeSet<Spot> = self.have().into_iter().filter(|spot| !anew(spot)).collect();
        let steps = diff(&have, &want);
        self.step(steps).await;
        self.open();
    }

    async fn step(&mut self, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Withdraw(spot) => {
                    (self.on_lost)(spot.address);
                    self.world.withdraw(spot).await;
                }
                Step::Show(spot) => {
                    // A withdrawal before it may have taken longer than what was left of the lease.
                    if self.want().contains(&spot) {
                        self.world.show(spot).await;
                        self.open();
                    }
                }
            }
        }
    }

    fn have(&self) -> BTreeSet<Spot> {
        self.world
            .shown
            .keys()
            .chain(&self.world.leftovers)
            .cloned()
            .collect()
    }

    /// What the plan names and a lease allows at this moment.
    fn want(&self) -> BTreeSet<Spot> {
        let (now, deadlines) = (boottime_ns(), self.leases.deadlines());
        let lent = |name: &Arc<str>| deadlines.get(name).is_some_and(|until| *until > now);
        let held = self.world.plan.iter().filter(|(name, _)| lent(name));
        held.filter_map(|(_, vip)| spot(vip)).collect()
    }

    /// Looks at the interfaces again, and gives what is here another lifetime.
    async fn renew(&mut self, told: &Told) {
        self.world.renew_at = boottime_ns() + nanos(RENEWAL);
        for address in self.world.look_at_ports(&told.fell).await {
            (self.on_lost)(address);
        }
        self.fence().await;
        // A fence that is there only now is closed, around what is being served.
        self.open();
        for spot in self.world.shown.keys().cloned().collect::<Vec<_>>() {
            // Each for itself, and only now: looking and renewing took their time.
            if self.want().contains(&spot) {
                self.world.lend(&spot).await;
            }
        }
    }

    /// Puts right what another program did to our addresses.
    async fn mend(&mut self, told: &Told) {
        for (vip, spot, meddling) in self.world.meddled(told).await {
            // What was found may be the world of a moment ago: the lease may be over by now.
            match meddling {
                Meddling::Removed | Meddling::Changed => {
                    if self.want().contains(&spot) && self.world.lend(&spot).await {
                        self.world.refresh(&spot);
                    }
                }
                // Done by whoever found it, with the prefix that it had.
                Meddling::Added => (self.on_lost)(spot.address),
            }
            self.world.count(&vip, &spot, meddling);
        }
    }

    /// How long nothing has to be done.
    fn until_next(&self) -> Duration {
        let deadlines = self.leases.deadlines();
        let shown =
            |vip: &VipPlan| spot(vip).is_some_and(|spot| self.world.shown.contains_key(&spot));
        let lent = self.world.plan.iter().filter(|(_, vip)| shown(vip));
        let ends = lent.filter_map(|(name, _)| deadlines.get(name).copied());
        let announcements = self.world.announce_at(&self.leases);
        let next = ends.chain(announcements).chain([self.world.renew_at]).min();
        Duration::from_nanos(next.unwrap_or(0).saturating_sub(boottime_ns()))
    }

    fn publish(&self) {
        let status = |(name, vip): (&Arc<str>, &VipPlan)| {
            let status = self.world.status(name, vip);
            (name.clone(), status)
        };
        let new: BTreeMap<_, _> = self.world.plan.iter().map(status).collect();
        self.status.send_if_modified(|old| {
            let differs = *old != new;
            if differs {
                *old = new;
            }
            differs
        });
    }
}

/// Four times in a lifetime: three renewals may be late.
const RENEWAL: Duration = Duration::from_millis(500);
