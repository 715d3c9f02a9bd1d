//! What is here, as far as the VIP thread knows: interfaces, addresses, whoever disturbs them.
//!
//! ```text
//!   netlink <-- add, renew, remove -- shown     news --> meddling: judged, put right, counted
//!   ARP, NA <------- announcements --'          fence's last claim --> rivals: told, answered
//! ```
//!
//! What shall be here it does not know: the actuator compares.

mod meddled;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::port::Port;
use super::repeats::Repeats;
use super::rivals::{Rivals, mac_text};
use super::schedule::{self, Right};
use super::{Leases, Tally, VipStatus, nanos};
use crate::diff::Spot;
use crate::plan::VipPlan;
use crate::sys::{Link, Netlink, NetlinkError, News, boottime_ns};

pub(super) type Plans = BTreeMap<Arc<str>, VipPlan>;

/// What is here, as far as this thread knows.
pub(super) struct World {
    pub(super) netlink: Netlink,
    pub(super) news: News,
    pub(super) plan: Plans,
    /// Interfaces of the plan, or why they cannot be used.
    pub(super) ports: BTreeMap<Arc<str>, Result<Port, String>>,
    pub(super) shown: BTreeMap<Spot, Shown>,
    /// VIPs of the plan that somebody left on an interface; they go.
    pub(super) leftovers: BTreeSet<Spot>,
    /// What the kernel said against a VIP when it was last tried.
    pub(super) refused: BTreeMap<Spot, String>,
    pub(super) renew_at: u64,
    /// VIPs that were here to stay before a plan named them: whoever configured them by hand may
    /// reach this machine by them, so that they are said, and not removed.
    by_hand: BTreeSet<Spot>,
    /// What other programs did, by VIP, with the last of it in words.
    meddling: BTreeMap<Arc<str>, (Repeats, String)>,
    /// Carriers that were lost, by interface.
    carriers: BTreeMap<Arc<str>, Repeats>,
    rivals: BTreeMap<Arc<str>, Rivals>,
}

/// An address that is here.
pub(super) struct Shown {
    since: SystemTime,
    /// When it was last given a lifetime.
    renewed_ns: u64,
    /// From when the announcements are counted; later than `since` after a heal.
    fresh_ns: u64,
    sent: u32,
    announced: u64,
    right: Right,
}

impl World {
    pub(super) fn new(netlink: Netlink, news: News) -> World {
        World {
            netlink,
            news,
            plan: Plans::new(),
            ports: BTreeMap::new(),
            shown: BTreeMap::new(),
            leftovers: BTreeSet::new(),
            refused: BTreeMap::new(),
            renew_at: 0,
            by_hand: BTreeSet::new(),
            meddling: BTreeMap::new(),
            carriers: BTreeMap::new(),
            rivals: BTreeMap::new(),
        }
    }

    /// Takes a plan over: interfaces are opened, and what an earlier start left is found. Those of
    /// `used` stay open.
    pub(super) async fn adopt(&mut self, plan: Plans, used: &BTreeSet<Arc<str>>) {
        self.plan = plan;
        let interfaces = self.plan.values().filter_map(|vip| vip.interface.clone());
        let names: BTreeSet<Arc<str>> = interfaces.collect();
        let wanted = |name: &Arc<str>| names.contains(name) || used.contains(name);
        self.ports.retain(|name, _| wanted(name));
        self.carriers.retain(|name, _| names.contains(name));
        self.meddling.retain(|vip, _| self.plan.contains_key(vip));
        self.rivals.retain(|vip, _| self.plan.contains_key(vip));
        for name in names {
            if !matches!(self.ports.get(&name), Some(Ok(_))) {
                let port = Port::open(&self.netlink, &name).await;
                let port = port.map_err(|error| error.to_string());
                self.ports.insert(name.clone(), port);
            }
            self.find_leftovers(&name).await;
        }
        self.find_by_hand().await;
    }

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

    pub(super) async fn show(&mut self, spot: Spot) {
        let before = boottime_ns();
        if !self.lend(&spot).await {
            return;
        }
        tracing::info!(address = %spot.address, interface = %spot.interface, "VIP is here");
        let now = boottime_ns();
        let shown = Shown {
            since: SystemTime::now(),
            renewed_ns: before,
            fresh_ns: now,
            sent: 0,
            announced: 0,
            right: Right::Lent,
        };
        self.shown.insert(spot, shown);
    }

    /// Adds or renews an address; whether it is there.
    pub(super) async fn lend(&mut self, spot: &Spot) -> bool {
        let Some(Ok(port)) = self.ports.get(&spot.interface) else {
            return false;
        };
        // Its time runs from within the call; whoever hears of it late may not think it younger.
        let before = boottime_ns();
        let result = self
            .netlink
            .lend(port.link.index, spot.address, LIFETIME)
            .await;
        match result {
            Ok(()) => {
                self.leftovers.remove(spot);
                self.refused.remove(spot);
                if let Some(shown) = self.shown.get_mut(spot) {
                    shown.renewed_ns = before;
                }
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

    pub(super) async fn withdraw(&mut self, spot: Spot) {
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

    /// Finds out what became of the interfaces, of which some (`fell`) had no carrier in between;
    /// the VIPs that went with one are returned.
    pub(super) async fn look_at_ports(&mut self, fell: &BTreeSet<u32>) -> Vec<IpAddr> {
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
            let had_carrier = before.as_ref().is_some_and(|link| link.carrier);
            let has_carrier = now.as_ref().is_some_and(|link| link.carrier);
            let fell = index(&before).is_some_and(|index| fell.contains(&index));
            if had_carrier && (!has_carrier || fell) {
                tracing::warn!(interface = %name, "carrier lost");
                let carriers = self.carriers.entry(name.clone()).or_default();
                carriers.note(boottime_ns());
            }
            if index(&before) != index(&now) {
                // With the interface they went; without a clear answer they may be there still.
                let lost = self.shown.extract_if(.., |spot, _| spot.interface == name);
                let lost: Vec<Spot> = lost.map(|(spot, _)| spot).collect();
                self.leftovers.extend(lost.iter().cloned());
                gone.extend(lost);
            } else if has_carrier && (before != now || fell) {
                let here = self.shown.iter_mut();
                let here = here.filter(|(spot, _)| spot.interface == name);
                here.for_each(|(_, shown)| shown.refresh());
            }
            self.ports.insert(name, after);
        }
        gone.into_iter().map(|spot| spot.address).collect()
    }

    /// Takes note of other machines' claims, and answers them.
    pub(super) fn answer_rivals(&mut self, leases: &Leases) {
        let now = boottime_ns();
        for (name, vip) in &self.plan {
            let rivals = self.rivals.entry(name.clone()).or_default();
            let before = rivals.known();
            let defend = rivals.note(now, leases.lent(name), leases.claim(name));
            for rival in rivals.known() {
                if !before.iter().any(|known| known.mac == rival.mac) {
                    let mac = mac_text(rival.mac);
                    tracing::warn!(vip = %name, mac, "another machine claims the VIP");
                }
            }
            let shown = spot(vip).and_then(|spot| Some((self.shown.get_mut(&spot)?, spot)));
            if let Some((shown, spot)) = shown.filter(|_| defend)
                && let Some(Ok(port)) = self.ports.get(&spot.interface)
                && port.announce(spot.address).is_ok()
            {
                shown.announced += 1;
            }
        }
    }

    /// Begins the announcements of an address anew.
    pub(super) fn refresh(&mut self, spot: &Spot) {
        if let Some(shown) = self.shown.get_mut(spot) {
            shown.refresh();
        }
    }

    /// Makes the first announcement of an address due, whatever was sent; whether it is here.
    pub(super) fn begin_announcing(&mut self, spot: &Spot) -> bool {
        let shown = self.shown.get_mut(spot);
        shown.is_some_and(|shown| {
            if shown.sent > 0 {
                shown.refresh();
            }
            true
        })
    }

    /// When each announcement is due, if any is.
    pub(super) fn announce_at(&self, leases: &Leases) -> impl Iterator<Item = u64> {
        let rights = self.rights(leases);
        let due = self.shown.iter();
        due.filter(move |(spot, shown)| {
            let right = rights.get(&spot.address).unwrap_or(&shown.right);
            right.announces(shown.sent)
        })
        .map(|(_, shown)| shown.announce_at())
    }

    /// By what right each address is here.
    fn rights(&self, leases: &Leases) -> BTreeMap<IpAddr, Right> {
        let right = |(name, vip): (&Arc<str>, &VipPlan)| {
            let lent = leases.lent(name)?;
            Some((vip.address, Right::of(lent)))
        };
        self.plan.iter().filter_map(right).collect()
    }

    /// Sends the announcements that are due.
    pub(super) fn announce(&mut self, leases: &Leases) {
        let (now, rights) = (boottime_ns(), self.rights(leases));
        for (spot, shown) in &mut self.shown {
            let before = shown.right;
            shown.right = rights.get(&spot.address).copied().unwrap_or(before);
            if before == Right::Continued && shown.right == Right::Lent {
                shown.refresh();
            }
            if !shown.right.announces(shown.sent) || shown.announce_at() > now {
                continue;
            }
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

    pub(super) fn status(&self, name: &str, vip: &VipPlan) -> VipStatus {
        let Some(spot) = spot(vip) else {
            let trouble = "this machine has no interface for its network: see [networks] of \
                           node.toml";
            return VipStatus {
                trouble: Some(trouble.to_owned()),
                ..VipStatus::default()
            };
        };
        let shown = self.shown.get(&spot);
        let (carrier, port) = match self.ports.get(&spot.interface) {
            Some(Ok(port)) if !port.link.carrier => {
                let trouble = format!("interface {} has no carrier", spot.interface);
                (false, Some(trouble))
            }
            Some(Ok(port)) => (true, port.advice.clone()),
            Some(Err(trouble)) => (false, Some(trouble.clone())),
            None => (false, None),
        };
        let refused = self.refused.get(&spot).cloned();
        let mut by_hand = self.by_hand.iter();
        let by_hand = by_hand.find(|spot| spot.address == vip.address).map(|spot| {
            let Spot { interface, address } = spot;
            format!(
                "{address} is configured on {interface} to stay, by another program or by hand: \
                 ip addr del"
            )
        });
        let meddling = self.meddling.get(name);
        let lost = self.carriers.get(&spot.interface);
        let rivals = self.rivals.get(name);
        VipStatus {
            shown_since: shown.map(|shown| shown.since),
            announced: shown.map_or(0, |shown| shown.announced),
            trouble: refused.or(port).or(by_hand),
            carrier,
            meddling: meddling.map_or_else(Tally::default, |(repeats, last)| tally(repeats, last)),
            carrier_lost: lost
                .map_or_else(Tally::default, |repeats| tally(repeats, &spot.interface)),
            rivals: rivals.map(Rivals::known).unwrap_or_default(),
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

    /// Whether it may have gone by itself.
    fn is_late(&self) -> bool {
        boottime_ns().saturating_sub(self.renewed_ns) >= nanos(LIVES_AT_LEAST)
    }
}

fn tally(repeats: &Repeats, last: &str) -> Tally {
    let mut now = repeats.clone();
    now.pass(boottime_ns());
    Tally {
        total: now.total(),
        episode: now.episode(),
        last: last.to_owned(),
    }
}

/// Where a VIP belongs on this machine.
pub(super) fn spot(vip: &VipPlan) -> Option<Spot> {
    let interface = vip.interface.clone()?;
    Some(Spot {
        interface,
        address: vip.address,
    })
}

/// How long an address stays when nobody renews it: a killed daemon's kernel answers no longer.
/// The kernel counts in seconds, so that less than two might end a lease that is alive.
const LIFETIME: Duration = Duration::from_secs(2);
/// The kernel was seen to end two seconds half a second early.
const LIVES_AT_LEAST: Duration = Duration::from_millis(1_500);
