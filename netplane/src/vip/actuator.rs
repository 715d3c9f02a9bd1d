//! The VIP thread: makes this machine's addresses match plans and leases.
//!
//! It wakes up for a new plan, a gain, a loss, a deadline, a renewal, an announcement; each time
//! it compares the whole wish with what is here, so that nothing that was missed stays missed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, watch};

use super::port::Port;
use super::{Leases, VipStatus, schedule};
use crate::diff::{Spot, Step, diff};
use crate::plan::VipPlan;
use crate::sys::{Link, Netlink, NetlinkError, boottime_ns};

type Plans = BTreeMap<Arc<str>, VipPlan>;

/// Everything the VIP thread has.
pub(super) struct Actuator {
    pub(super) plans: watch::Receiver<Plans>,
    pub(super) leases: Leases,
    pub(super) on_lost: Box<dyn FnMut(IpAddr) + Send>,
    pub(super) status: watch::Sender<BTreeMap<Arc<str>, VipStatus>>,
    pub(super) stop: Arc<Notify>,
    world: World,
}

/// What is here, as far as this thread knows.
struct World {
    netlink: Netlink,
    plan: Plans,
    /// Interfaces of the plan, or why they cannot be used.
    ports: BTreeMap<Arc<str>, Result<Port, String>>,
    shown: BTreeMap<Spot, Shown>,
    /// VIPs of the plan that somebody left on an interface; they go.
    leftovers: BTreeSet<Spot>,
    /// What the kernel said against a VIP when it was last tried.
    refused: BTreeMap<Spot, String>,
    renew_at: u64,
}

/// An address that is here.
struct Shown {
    since: SystemTime,
    /// From when the announcements are counted; later than `since` after a heal.
    fresh_ns: u64,
    sent: u32,
    announced: u64,
}

impl Actuator {
    pub(super) fn new(
        plans: watch::Receiver<Plans>,
        leases: Leases,
        on_lost: Box<dyn FnMut(IpAddr) + Send>,
        status: watch::Sender<BTreeMap<Arc<str>, VipStatus>>,
        stop: Arc<Notify>,
        netlink: Netlink,
    ) -> Actuator {
        let world = World {
            netlink,
            plan: Plans::new(),
            ports: BTreeMap::new(),
            shown: BTreeMap::new(),
            leftovers: BTreeSet::new(),
            refused: BTreeMap::new(),
            renew_at: 0,
        };
        Actuator {
            plans,
            leases,
            on_lost,
            status,
            stop,
            world,
        }
    }

    /// Works until it is told to stop or nobody makes plans any more; then takes everything away.
    pub(super) async fn run(mut self) {
        loop {
            // A loss that waits while a new plan is prepared would leave two owners.
            self.settle().await;
            if self.adopt_plan().await {
                self.settle().await;
            }
            if boottime_ns() >= self.world.renew_at {
                self.renew().await;
            }
            self.world.announce();
            self.publish();
            let wait = self.until_next();
            tokio::select! {
                changed = self.plans.changed() => if changed.is_err() { break },
                () = self.leases.changed() => {}
                () = tokio::time::sleep(wait) => {}
                () = self.stop.notified() => break,
            }
        }
        self.step(diff(&self.have(), &BTreeSet::new())).await;
        self.publish();
    }

    /// Takes the newest plan over; whether it is another one.
    async fn adopt_plan(&mut self) -> bool {
        let plan = self.plans.borrow_and_update().clone();
        if plan == self.world.plan {
            return false;
        }
        self.world.plan = plan;
        let names: BTreeSet<Arc<str>> = self
            .world
            .plan
            .values()
            .filter_map(|vip| vip.interface.clone())
            .collect();
        // What has to be withdrawn still needs its interface.
        let used: BTreeSet<Arc<str>> = self.have().into_iter().map(|spot| spot.interface).collect();
        let wanted = |name: &Arc<str>| names.contains(name) || used.contains(name);
        self.world.ports.retain(|name, _| wanted(name));
        for name in names {
            if !matches!(self.world.ports.get(&name), Some(Ok(_))) {
                let port = Port::open(&self.world.netlink, &name).await;
                self.world
                    .ports
                    .insert(name.clone(), port.map_err(|error| error.to_string()));
            }
            self.world.find_leftovers(&name).await;
        }
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
        let held = self
            .world
            .plan
            .iter()
            .filter(|(name, vip)| lent(name) && vip.address.is_ipv4());
        held.filter_map(|(_, vip)| spot(vip)).collect()
    }

    /// Looks at the interfaces again, and gives what is here another lifetime.
    async fn renew(&mut self) {
        self.world.renew_at = boottime_ns() + nanos(RENEWAL);
        for address in self.world.look_at_ports().await {
            (self.on_lost)(address);
        }
        for spot in self.world.shown.keys().cloned().collect::<Vec<_>>() {
            // Each for itself, and only now: looking and renewing took their time.
            if self.want().contains(&spot) {
                self.world.lend(&spot).await;
            }
        }
    }

    /// How long nothing has to be done.
    fn until_next(&self) -> Duration {
        let deadlines = self.leases.deadlines();
        let shown =
            |vip: &VipPlan| spot(vip).is_some_and(|spot| self.world.shown.contains_key(&spot));
        let lent = self.world.plan.iter().filter(|(_, vip)| shown(vip));
        let ends = lent.filter_map(|(name, _)| deadlines.get(name).copied());
        let announcements = self.world.shown.values().map(Shown::announce_at);
        let next = ends.chain(announcements).chain([self.world.renew_at]).min();
        Duration::from_nanos(next.unwrap_or(0).saturating_sub(boottime_ns()))
    }

    fn publish(&self) {
        let status = |(name, vip): (&Arc<str>, &VipPlan)| (name.clone(), self.world.status(vip));
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

impl World {
    /// VIPs of the plan that an earlier start of this daemon left on an interface.
    async fn find_leftovers(&mut self, name: &Arc<str>) {
        let Some(Ok(port)) = self.ports.get(name) else {
            return;
        };
        let lent = self.netlink.lent(port.link.index).await.unwrap_or_default();
        let planned: BTreeSet<IpAddr> = self.plan.values().map(|vip| vip.address).collect();
        let spots = lent.into_iter().filter(|address| planned.contains(address));
        let spots = spots.map(|address| Spot {
            interface: name.clone(),
            address,
        });
        self.leftovers
            .extend(spots.filter(|spot| !self.shown.contains_key(spot)));
    }

    async fn show(&mut self, spot: Spot) {
        if !self.lend(&spot).await {
            return;
        }
        tracing::info!(address = %spot.address, interface = %spot.interface, "VIP is here");
        let fresh_ns = boottime_ns();
        let shown = Shown {
            since: SystemTime::now(),
            fresh_ns,
            sent: 0,
            announced: 0,
        };
        self.shown.insert(spot, shown);
        self.announce();
    }

    /// Adds or renews an address; whether it is there.
    async fn lend(&mut self, spot: &Spot) -> bool {
        let Some(Ok(port)) = self.ports.get(&spot.interface) else {
            return false;
        };
        let result = self
            .netlink
            .lend(port.link.index, spot.address, LIFETIME)
            .await;
        match result {
            Ok(()) => {
                self.leftovers.remove(spot);
                self.refused.remove(spot);
                true
            }
            Err(error) => {
                let text = format!("{} on {}: {error}", spot.address, spot.interface);
                if self.refused.insert(spot.clone(), text).is_none() {
                    tracing::warn!(address = %spot.address, %error, "VIP cannot be added");
                }
                false
            }
        }
    }

    async fn withdraw(&mut self, spot: Spot) {
        self.shown.remove(&spot);
        self.leftovers.remove(&spot);
        let Some(Ok(port)) = self.ports.get(&spot.interface) else {
            // Perhaps still in the kernel: withdrawn as soon as the interface can be looked at.
            self.leftovers.insert(spot);
            return;
        };
        match self.netlink.withdraw(port.link.index, spot.address).await {
            Ok(()) => tracing::info!(address = %spot.address, "VIP is gone"),
            Err(NetlinkError::NoAddress | NetlinkError::NoInterface) => {}
            Err(error @ (NetlinkError::Forbidden | NetlinkError::Other(_))) => {
                // Tried again at the next renewal, and gone by itself after its lifetime.
                tracing::warn!(address = %spot.address, %error, "VIP cannot be removed");
                self.leftovers.insert(spot);
            }
        }
    }

    /// Finds out what became of the interfaces; the VIPs that went with one are returned.
    async fn look_at_ports(&mut self) -> Vec<IpAddr> {
        let mut gone = Vec::new();
        for (name, port) in std::mem::take(&mut self.ports) {
            let before = port.as_ref().ok().map(|port| port.link.clone());
            let after = match port {
                Ok(port) => port.look(&self.netlink, &name).await,
                Err(_) => Port::open(&self.netlink, &name).await,
            };
            let after = after.map_err(|error| error.to_string());
            let now = after.as_ref().ok().map(|port| port.link.clone());
            let index = |link: &Option<Link>| link.as_ref().map(|link| link.index);
            if index(&before) != index(&now) {
                // With the interface they went; without a clear answer they may be there still.
                let lost = self.shown.extract_if(.., |spot, _| spot.interface == name);
                let lost: Vec<Spot> = lost.map(|(spot, _)| spot).collect();
                self.leftovers.extend(lost.iter().cloned());
                gone.extend(lost);
            } else if before != now && now.is_some_and(|link| link.carrier) {
                let here = self
                    .shown
                    .iter_mut()
                    .filter(|(spot, _)| spot.interface == name);
                here.for_each(|(_, shown)| shown.refresh());
            }
            self.ports.insert(name, after);
        }
        gone.into_iter().map(|spot| spot.address).collect()
    }

    /// Sends the announcements that are due.
    fn announce(&mut self) {
        let now = boottime_ns();
        for (spot, shown) in self
            .shown
            .iter_mut()
            .filter(|(_, s)| s.announce_at() <= now)
        {
            shown.sent += 1;
            let Some(Ok(port)) = self.ports.get(&spot.interface) else {
                continue;
            };
            match port.announce(spot.address) {
                Ok(()) => shown.announced += 1,
                Err(error) => {
                    tracing::debug!(address = %spot.address, %error, "announcement not sent");
                }
            }
        }
    }

    fn status(&self, vip: &VipPlan) -> VipStatus {
        let Some(spot) = spot(vip) else {
            let trouble = "this machine has no interface for its network: see [networks] of \
                           node.toml";
            return VipStatus {
                trouble: Some(trouble.to_owned()),
                ..VipStatus::default()
            };
        };
        let shown = self.shown.get(&spot);
        let port = match self.ports.get(&spot.interface) {
            Some(Ok(port)) if !port.link.carrier => {
                Some(format!("interface {} has no carrier", spot.interface))
            }
            Some(Ok(port)) => port.advice.clone(),
            Some(Err(trouble)) => Some(trouble.clone()),
            None => None,
        };
        let refused = self.refused.get(&spot).cloned();
        VipStatus {
            shown_since: shown.map(|shown| shown.since),
            announced: shown.map_or(0, |shown| shown.announced),
            trouble: refused.or(port),
        }
    }
}

impl Shown {
    fn announce_at(&self) -> u64 {
        self.fresh_ns
            .saturating_add(nanos(schedule::due(self.sent)))
    }

    /// Begins the announcements anew: who was cut off has to hear them.
    fn refresh(&mut self) {
        (self.fresh_ns, self.sent) = (boottime_ns(), 0);
    }
}

/// Where a VIP belongs on this machine.
fn spot(vip: &VipPlan) -> Option<Spot> {
    let interface = vip.interface.clone()?;
    Some(Spot {
        interface,
        address: vip.address,
    })
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// How long an address stays when nobody renews it: a killed daemon's kernel answers no longer.
/// The kernel counts in seconds, so that less than two might end a lease that is alive.
const LIFETIME: Duration = Duration::from_secs(2);
/// Four times in a lifetime: three renewals may be late.
const RENEWAL: Duration = Duration::from_millis(500);
