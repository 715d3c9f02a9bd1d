//! What other programs do to VIPs: found out, cleared away, counted.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::super::meddling::{Found, Known, Meddling, judge};
use super::{World, spot};
use crate::diff::Spot;
use crate::plan::VipPlan;
use crate::sys::{Placed, Told, boottime_ns};

impl World {
    /// VIPs of the plan that somebody configured here to stay.
    pub(super) async fn find_by_hand(&mut self) {
        let planned = self.plan.values().map(|vip| vip.address).collect();
        let places = self.netlink.places(&planned).await.unwrap_or_default();
        let here: Vec<Placed> = places.into_iter().filter(|place| !place.lent).collect();
        let mut by_hand = BTreeSet::new();
        for place in here.iter().filter(|place| place.index != LOOPBACK) {
            if let Some(spot) = self.spot_of(place).await
                && (self.by_hand.contains(&spot) || !self.shown.contains_key(&spot))
            {
                by_hand.insert(spot);
            }
        }
        self.by_hand = by_hand;
    }

    async fn spot_of(&self, place: &Placed) -> Option<Spot> {
        let name = self.netlink.name(place.index).await.ok()?;
        Some(Spot {
            interface: name.into(),
            address: place.address,
        })
    }

    /// What other programs did to VIPs of the plan, as far as the kernel told of it; what they
    /// added is removed here, the rest is the caller's.
    pub(in crate::vip) async fn meddled(&mut self, told: &Told) -> Vec<(Arc<str>, Spot, Meddling)> {
        let mut found = Vec::new();
        let looked_at: Vec<(Arc<str>, VipPlan)> = self
            .plan
            .iter()
            .filter(|(_, vip)| told.missed || self.is_worth_a_look(told, vip))
            .map(|(name, vip)| (name.clone(), vip.clone()))
            .collect();
        for (vip, planned) in looked_at {
            let Ok(places) = self.netlink.places(&[planned.address].into()).await else {
                // It goes by its lifetime, or comes back with the next renewal.
                continue;
            };
            let mut at: BTreeMap<Spot, Vec<Placed>> = BTreeMap::new();
            // Where it belongs is looked at also when nothing is there.
            at.extend(spot(&planned).map(|spot| (spot, Vec::new())));
            for place in places.iter().filter(|place| place.index != LOOPBACK) {
                if let Some(spot) = self.spot_of(place).await {
                    at.entry(spot).or_default().push(*place);
                }
            }
            self.by_hand
                .retain(|spot| spot.address != planned.address || at.contains_key(spot));
            for (spot, here) in at {
                if let Some(meddling) = judge(self.known(&spot), what_is(&here)) {
                    self.clear_away(&spot, &here, meddling).await;
                    found.push((vip.clone(), spot, meddling));
                }
            }
        }
        found
    }

    /// Whether what was told may be another program's deed; what we renew is told of as well.
    fn is_worth_a_look(&self, told: &Told, vip: &VipPlan) -> bool {
        let own = spot(vip).filter(|spot| self.shown.contains_key(spot));
        let own = own.and_then(|spot| self.index(&spot.interface));
        let about =
            |(index, address): &(u32, IpAddr)| *address == vip.address && *index != LOOPBACK;
        let mut news = told.addresses.iter().filter(|(place, _)| about(place));
        news.any(|((index, _), news)| news.went || news.stays || Some(*index) != own)
    }

    fn index(&self, interface: &str) -> Option<u32> {
        let port = self.ports.get(interface)?.as_ref().ok()?;
        Some(port.link.index)
    }

    fn known(&self, spot: &Spot) -> Known {
        let is_up = match self.ports.get(&spot.interface) {
            Some(Ok(port)) => port.link.carrier,
            Some(Err(_)) | None => false,
        };
        match self.shown.get(spot) {
            Some(shown) if is_up && !shown.is_late() => Known::Shown,
            Some(_) => Known::Late,
            None if self.leftovers.contains(spot) => Known::Going,
            None if self.by_hand.contains(spot) => Known::ByHand,
            None => Known::Unwanted,
        }
    }

    /// Removes what does not belong; what we gave ourselves is renewed, not removed.
    async fn clear_away(&mut self, spot: &Spot, here: &[Placed], meddling: Meddling) {
        for place in here.iter().filter(|place| is_foreign(meddling, place)) {
            let removed = self
                .netlink
                .remove(place.index, spot.address, place.prefix)
                .await;
            if let Err(error) = removed {
                tracing::debug!(address = %spot.address, %error, "what was added stays for now");
            }
        }
    }

    /// Counts another program's deed.
    pub(in crate::vip) fn count(&mut self, vip: &Arc<str>, spot: &Spot, meddling: Meddling) {
        let Spot { interface, address } = spot;
        let words = match meddling {
            Meddling::Removed => format!("{address} was removed from {interface}"),
            Meddling::Changed => format!("{address} was changed on {interface}"),
            Meddling::Added => format!("{address} was added to {interface}"),
        };
        tracing::warn!(vip = %vip, "another program meddles: {words}; put right");
        let (repeats, last) = self.meddling.entry(vip.clone()).or_default();
        repeats.note(boottime_ns());
        *last = words;
    }
}

/// What is found at one interface.
fn what_is(here: &[Placed]) -> Found {
    match (here.is_empty(), here.iter().all(|place| place.lent)) {
        (true, _) => Found::Nothing,
        (false, true) => Found::Ours,
        (false, false) => Found::Theirs,
    }
}

/// Whether a place is to be cleared: what stays with our own prefix is made ours by the next
/// renewal, which no client notices.
fn is_foreign(meddling: Meddling, place: &Placed) -> bool {
    match meddling {
        Meddling::Added => true,
        Meddling::Changed => !place.lent && !matches!(place.prefix, 32 | 128),
        Meddling::Removed => false,
    }
}

/// The first interface of every network namespace. What is on it answers nobody on a LAN while
/// `arp_ignore` is 1, and servers of a direct return have the VIP there by intention.
const LOOPBACK: u32 = 1;
