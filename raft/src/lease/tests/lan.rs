//! The LAN of a world: a gateway, claims that are heard or hidden, and cables that are pulled. It
//! shows each node what its reference thread would, and judges who answers for the VIP beside whom.
//!
//! A claim reaches whoever is on the same side of the LAN and has its cable in. The gateway
//! believes the last one that reached it, and echoes nobody else who asks from the VIP. By 200 ms
//! after a claim reached a holder, or the gateway, the holder must have yielded.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::front;
use super::world::{Event, Moment, World, nanos};
use crate::lease::{BootTime, Outlook, Vacancy, Wanted};
use crate::state::OnQuorumLoss;

/// The LAN, and what each node saw of it.
#[derive(Debug, Clone)]
pub(super) struct Lan {
    pub(super) policy: OnQuorumLoss,
    /// Whose cable is out, until when.
    pub(super) unplugged: BTreeMap<usize, Moment>,
    /// Nodes on the side without the gateway, until when.
    pub(super) far_side: BTreeMap<usize, Moment>,
    /// Nodes that reach the gateway and no other node, until when.
    pub(super) apart: BTreeMap<usize, Moment>,
    /// Whom the gateway believes to have the VIP.
    believes: Option<usize>,
    seen: BTreeMap<usize, Seen>,
    /// Who goes on alone with what was lent to it: it announces nothing.
    mute: BTreeSet<usize>,
    /// The number of each node's newest gain: its announcements end with it.
    gains: BTreeMap<usize, u64>,
    /// When a holder must have yielded, because of whom.
    yield_by: BTreeMap<usize, (Moment, usize)>,
    pub(super) holds: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    outlook: Outlook,
    /// When the first of the probes that are under way was sent.
    probing: Option<(BootTime, u32)>,
}

impl Lan {
    pub(super) fn new(policy: OnQuorumLoss) -> Lan {
        Lan {
            policy,
            unplugged: BTreeMap::new(),
            far_side: BTreeMap::new(),
            apart: BTreeMap::new(),
            believes: None,
            seen: BTreeMap::new(),
            mute: BTreeSet::new(),
            gains: BTreeMap::new(),
            yield_by: BTreeMap::new(),
            holds: 0,
        }
    }

    fn is_plugged(&self, node: usize, now: Moment) -> bool {
        self.unplugged.get(&node).is_none_or(|until| *until <= now)
    }

    fn is_far(&self, node: usize, now: Moment) -> bool {
        self.far_side.get(&node).is_some_and(|until| *until > now)
    }

    fn is_apart(&self, node: usize, now: Moment) -> bool {
        self.apart.get(&node).is_some_and(|until| *until > now)
    }

    fn reaches_gateway(&self, node: usize, now: Moment) -> bool {
        self.is_plugged(node, now) && !self.is_far(node, now)
    }

    fn hear_each_other(&self, a: usize, b: usize, now: Moment) -> bool {
        let plugged = self.is_plugged(a, now) && self.is_plugged(b, now);
        let apart = self.is_apart(a, now) || self.is_apart(b, now);
        plugged && !apart && self.is_far(a, now) == self.is_far(b, now)
    }
}

impl World {
    /// Tells the nodes what the LAN's policy is, and gives a pair its two paths.
    pub(super) fn lay_lan(&mut self) {
        let Some(lan) = &self.lan else { return };
        for roster in &mut self.rosters {
            let group = roster.groups.get_mut(&front()).expect("there");
            group.on_quorum_loss = lan.policy;
            for (node, member) in &mut roster.members {
                let last = u8::try_from(node.0).expect("small");
                let path = |net| ([10, 0, net, last], 7946).into();
                member.addresses = vec![path(1), path(2)];
            }
        }
    }

    pub(super) fn unplug(&mut self, node: usize, span: Duration) {
        let until = self.now + nanos(span);
        let lan = self.lan.as_mut().expect("a LAN");
        lan.unplugged.insert(node, until);
    }

    /// Cuts a node from all others, for leases.
    pub(super) fn isolate(&mut self, node: usize, span: Duration) {
        let until = self.now + nanos(span);
        for other in 0..self.sites.len() {
            self.cut.insert((node.min(other), node.max(other)), until);
        }
    }

    pub(super) fn mishap_of_lan(&mut self) {
        let node = self.pick(self.sites.len());
        let span = self.dice.span(Duration::from_secs(2));
        let until = self.now + nanos(span);
        match self.dice.roll() % 4 {
            0 => self.unplug(node, span),
            1 => {
                let lan = self.lan.as_mut().expect("a LAN");
                lan.far_side.insert(node, until);
            }
            2 => {
                let lan = self.lan.as_mut().expect("a LAN");
                lan.apart.insert(node, until);
                self.isolate(node, span);
            }
            _ => self.isolate(node, span),
        }
    }

    /// What a node's reference thread sees, every R.
    pub(super) fn look(&mut self, node: usize) {
        self.after(Duration::from_millis(30), Event::Look(node));
        // A paused machine sees nothing, and goes on later.
        if self.sites[node].paused_until > self.now {
            return;
        }
        let (now, local) = (self.now, self.local(node));
        let wanted = self.sites[node].engine.wanted(local);
        let wanted = wanted.get(&front()).copied().unwrap_or_default();
        let owners = self.owners();
        let lan = self.lan.as_mut().expect("a LAN");
        let answers = match wanted {
            Wanted::EchoesFromVip => lan.believes.is_none_or(|owner| owner == node),
            Wanted::Nothing | Wanted::Echoes | Wanted::Probes => true,
        };
        let reaches = lan.reaches_gateway(node, now);
        let answers = answers && reaches;
        let somebody = owners
            .iter()
            .any(|owner| *owner != node && lan.hear_each_other(node, *owner, now));
        let carrier = lan.is_plugged(node, now);
        let seen = lan.seen.entry(node).or_default();
        seen.outlook.carrier = carrier;
        if answers {
            (seen.outlook.missed, seen.outlook.answered_at) = (0, Some(local));
            seen.outlook.elsewhere = false;
        } else {
            seen.outlook.missed += 1;
            seen.outlook.elsewhere |= reaches && wanted == Wanted::EchoesFromVip;
        }
        match (wanted, somebody, seen.probing) {
            (Wanted::Probes, false, Some((from, sent))) => {
                if sent >= 2 {
                    seen.outlook.vacancy = Some(Vacancy { from, to: local });
                }
                seen.probing = Some((from, sent + 1)).filter(|_| sent < 2);
            }
            (Wanted::Probes, false, None) => seen.probing = Some((local, 1)),
            (_, true, _) | (Wanted::Nothing | Wanted::Echoes | Wanted::EchoesFromVip, ..) => {
                (seen.probing, seen.outlook.vacancy) = (None, None);
            }
        }
        let outlook = seen.outlook;
        self.sites[node].engine.set_outlook(&front(), outlook);
        self.sites[node].engine.poll(local);
        self.settle(node);
    }

    /// Somebody comes to own, or goes on.
    pub(super) fn change_on_lan(&mut self, node: usize, alone: bool, taken: bool) {
        // Two that were lent it by majorities are never allowed.
        if !alone {
            self.check_single(node);
        }
        let owned = self.sites[node].owns;
        let was_alone = owned && self.sites[node].alone;
        let lan = self.lan.as_mut().expect("a LAN");
        lan.holds += u64::from(alone && !was_alone);
        if alone && !taken {
            lan.mute.insert(node);
        } else {
            lan.mute.remove(&node);
        }
        // Whoever goes on alone announces nothing; whoever takes it, alone or not, does.
        if !owned || (was_alone && !alone) {
            let gain = lan.gains.entry(node).or_default();
            *gain += 1;
            let gain = *gain;
            for millis in ANNOUNCED_MS {
                self.after(Duration::from_millis(millis), Event::Claim { node, gain });
            }
        }
        if !alone {
            self.lan.as_mut().expect("a LAN").yield_by.remove(&node);
        } else if !owned {
            // Taken up again where the gateway was told of another long ago: so long at most.
            self.lan.as_mut().expect("a LAN").yield_by.remove(&node);
            self.owe(node);
        }
    }

    /// Whoever takes a hold up while the gateway believes another, who owns, must yield.
    fn owe(&mut self, node: usize) {
        let now = self.now;
        let lan = self.lan.as_mut().expect("a LAN");
        let by = lan.believes.filter(|by| *by != node);
        let Some(by) = by.filter(|by| self.sites[*by].owns && lan.reaches_gateway(node, now))
        else {
            return;
        };
        lan.yield_by.insert(node, (now, by));
        self.after(YIELD_WITHIN + Duration::from_millis(1), Event::Judge(node));
    }

    /// A claim goes out, and reaches whom it reaches.
    pub(super) fn claim(&mut self, node: usize, gain: u64) {
        let (now, site) = (self.now, &self.sites[node]);
        let owns = site.owns && site.owns_until > now && site.paused_until <= now;
        let lan = self.lan.as_ref().expect("a LAN");
        let same = lan.gains[&node] == gain;
        if !owns || !same || lan.mute.contains(&node) {
            return;
        }
        // As every owner with a majority does, more often than in life, so that heals are found.
        if !self.sites[node].alone {
            self.after(Duration::from_secs(1), Event::Claim { node, gain });
        }
        let locals: Vec<BootTime> = (0..self.sites.len()).map(|node| self.local(node)).collect();
        let lan = self.lan.as_mut().expect("a LAN");
        let at_gateway = lan.reaches_gateway(node, now);
        if at_gateway {
            lan.believes = Some(node);
            lan.yield_by.remove(&node);
        }
        let mut late = Vec::new();
        for other in (0..self.sites.len()).filter(|other| *other != node) {
            let heard = lan.hear_each_other(node, other, now);
            if heard {
                lan.seen.entry(other).or_default().outlook.claimed_at = Some(locals[other]);
            }
            let holds = self.sites[other].owns && self.sites[other].alone;
            if holds && (heard || at_gateway) && !lan.yield_by.contains_key(&other) {
                lan.yield_by.insert(other, (now, node));
                late.push(other);
            }
        }
        for other in late {
            self.after(YIELD_WITHIN + Duration::from_millis(1), Event::Judge(other));
        }
    }

    /// A holder that was told of another owner must be gone.
    pub(super) fn judge(&mut self, node: usize) {
        let lan = self.lan.as_mut().expect("a LAN");
        let Some((told, by)) = lan.yield_by.get(&node).copied() else {
            return;
        };
        // An earlier debt was paid; this one is due later.
        if self.now < told + nanos(YIELD_WITHIN) {
            return;
        }
        lan.yield_by.remove(&node);
        let answers = |site: &super::world::Site| site.owns && site.owns_until > self.now;
        let both = answers(&self.sites[node]) && answers(&self.sites[by]);
        if both && self.sites[node].alone && self.sites[node].paused_until <= self.now {
            let (now, told) = (Duration::from_nanos(self.now), Duration::from_nanos(told));
            self.violation.get_or_insert(format!(
                "at {now:?} node {node} still held, though a claim of {by} got through at {told:?}"
            ));
        }
    }
}

/// **Source**: `vip-protocol.md`, section 7.
const ANNOUNCED_MS: [u64; 6] = [0, 50, 250, 1_200, 2_500, 5_000];
/// **Source**: `vip-protocol.md`, section 5, the promise.
const YIELD_WITHIN: Duration = Duration::from_millis(200);
