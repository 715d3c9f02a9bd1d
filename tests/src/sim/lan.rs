//! The LAN of the VIP: a gateway, claims that are heard or hidden, and cables that are pulled. It
//! shows each node what its reference thread would, and judges who answers beside whom.
//!
//! A claim reaches whoever is on the same side of the LAN and has its cable in. The gateway
//! believes the last one that reached it, and echoes nobody else who asks from the VIP. By 200 ms
//! after a claim reached a holder, or the gateway, the holder must have yielded; a paused one so
//! much later (section 6 states it as a limit).
//!
//! **Source**: `vip-protocol.md`, section 5, the promise.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use farmux_raft::lease::{BootTime, Outlook, Vacancy, Wanted};
use farmux_raft::state::OnQuorumLoss;

use super::dice::nanos;
use super::executor::Moment;
use super::leases::front;
use super::world::{Event, World};

/// The LAN, and what each node saw of it.
pub(super) struct Lan {
    policy: OnQuorumLoss,
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
    /// How often somebody went on alone.
    pub(super) holds: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    outlook: Outlook,
    /// When the first of the probes that are under way was sent.
    probing: Option<(BootTime, u32)>,
}

fn lasts(troubles: &BTreeMap<usize, Moment>, node: usize, now: Moment) -> bool {
    troubles.get(&node).is_some_and(|until| *until > now)
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

    /// Mends everything.
    pub(super) fn mend(&mut self) {
        self.unplugged.clear();
        self.far_side.clear();
        self.apart.clear();
    }

    fn reaches_gateway(&self, node: usize, now: Moment) -> bool {
        !lasts(&self.unplugged, node, now) && !lasts(&self.far_side, node, now)
    }

    fn hear_each_other(&self, a: usize, b: usize, now: Moment) -> bool {
        let off = |node| lasts(&self.unplugged, node, now) || lasts(&self.apart, node, now);
        let far = |node| lasts(&self.far_side, node, now);
        !off(a) && !off(b) && far(a) == far(b)
    }

    /// What a node sees after one more question to its network.
    fn show(&mut self, node: usize, look: Look) -> Outlook {
        let seen = self.seen.entry(node).or_default();
        seen.outlook.carrier = look.carrier;
        if look.answers {
            (seen.outlook.missed, seen.outlook.answered_at) = (0, Some(look.local));
            seen.outlook.elsewhere = false;
        } else {
            seen.outlook.missed += 1;
            let from_vip = look.wanted == Wanted::EchoesFromVip;
            seen.outlook.elsewhere |= look.reaches && from_vip;
        }
        match (look.wanted, look.somebody, seen.probing) {
            (Wanted::Probes, false, Some((from, sent))) => {
                if sent >= 2 {
                    let to = look.local;
                    seen.outlook.vacancy = Some(Vacancy { from, to });
                }
                seen.probing = Some((from, sent + 1)).filter(|_| sent < 2);
            }
            (Wanted::Probes, false, None) => seen.probing = Some((look.local, 1)),
            (_, true, _) | (Wanted::Nothing | Wanted::Echoes | Wanted::EchoesFromVip, ..) => {
                (seen.probing, seen.outlook.vacancy) = (None, None);
            }
        }
        seen.outlook
    }
}

/// One question of a node to its network, and what came back.
struct Look {
    wanted: Wanted,
    local: BootTime,
    carrier: bool,
    /// It reaches the gateway.
    reaches: bool,
    /// The gateway answered.
    answers: bool,
    /// Somebody else answers for the VIP where it hears it.
    somebody: bool,
}

impl World {
    fn owns(&self, node: usize) -> bool {
        self.sites[node].owns && self.sites[node].owns_until > self.now
    }

    /// What a node's reference thread sees, every R.
    pub(super) fn look(&mut self, node: usize) {
        self.after(Duration::from_millis(30), Event::Look(node));
        let (now, local) = (self.now, self.sites[node].local(self.now));
        // A paused machine sees nothing, and goes on later.
        if self.sites[node].is_paused(now) {
            return;
        }
        let Some(process) = &self.sites[node].process else {
            self.lan.seen.remove(&node);
            return;
        };
        let wanted = process.engine.wanted(local);
        let wanted = wanted.get(&front()).copied().unwrap_or_default();
        let mut others = (0..self.sites.len()).filter(|other| *other != node);
        let hears = |other| self.owns(other) && self.lan.hear_each_other(node, other, now);
        let somebody = others.any(hears);
        let echoed = match wanted {
            Wanted::EchoesFromVip => self.lan.believes.is_none_or(|owner| owner == node),
            Wanted::Nothing | Wanted::Echoes | Wanted::Probes => true,
        };
        let reaches = self.lan.reaches_gateway(node, now);
        let look = Look {
            wanted,
            local,
            carrier: !lasts(&self.lan.unplugged, node, now),
            reaches,
            answers: echoed && reaches,
            somebody,
        };
        let outlook = self.lan.show(node, look);
        if let Some(process) = &mut self.sites[node].process {
            process.engine.set_outlook(&front(), outlook);
            process.engine.poll(local);
            self.settle(node);
        }
    }

    /// Somebody comes to own, or goes on.
    pub(super) fn change_on_lan(&mut self, node: usize, alone: bool, taken: bool) {
        let owned = self.sites[node].owns;
        let was_alone = owned && self.sites[node].alone;
        self.lan.holds += u64::from(alone && !was_alone);
        if alone && !taken {
            self.lan.mute.insert(node);
        } else {
            self.lan.mute.remove(&node);
        }
        // Whoever goes on alone announces nothing; whoever takes it, alone or not, does.
        if !owned || (was_alone && !alone) {
            let gain = self.lan.gains.entry(node).or_default();
            *gain += 1;
            let gain = *gain;
            for millis in ANNOUNCED_MS {
                self.after(Duration::from_millis(millis), Event::Claim { node, gain });
            }
        }
        if !alone {
            self.lan.yield_by.remove(&node);
        } else if !owned {
            // Taken up again where the gateway was told of another long ago: so long at most.
            self.lan.yield_by.remove(&node);
            self.owe(node);
        }
    }

    /// Whoever takes a hold up while the gateway believes another, who owns, must yield.
    fn owe(&mut self, node: usize) {
        let now = self.now;
        let by = self.lan.believes.filter(|by| *by != node);
        let Some(by) = by.filter(|by| self.sites[*by].owns && self.lan.reaches_gateway(node, now))
        else {
            return;
        };
        self.lan.yield_by.insert(node, (now, by));
        self.after(YIELD_WITHIN + Duration::from_millis(1), Event::Yield(node));
    }

    /// A claim goes out, and reaches whom it reaches.
    pub(super) fn claim(&mut self, node: usize, gain: u64) {
        let now = self.now;
        let speaks = self.owns(node) && !self.sites[node].is_paused(now);
        let same = self.lan.gains[&node] == gain;
        if !speaks || !same || self.lan.mute.contains(&node) {
            return;
        }
        // As every owner with a majority does, more often than in life, so that heals are found.
        if !self.sites[node].alone {
            self.after(Duration::from_secs(1), Event::Claim { node, gain });
        }
        let at_gateway = self.lan.reaches_gateway(node, now);
        if at_gateway {
            self.lan.believes = Some(node);
            self.lan.yield_by.remove(&node);
        }
        for other in (0..self.sites.len()).filter(|other| *other != node) {
            let heard = self.lan.hear_each_other(node, other, now);
            let local = self.sites[other].local(now);
            if heard {
                let seen = self.lan.seen.entry(other).or_default();
                seen.outlook.claimed_at = Some(local);
            }
            let holds = self.sites[other].owns && self.sites[other].alone;
            if holds && (heard || at_gateway) && !self.lan.yield_by.contains_key(&other) {
                self.lan.yield_by.insert(other, (now, node));
                self.after(YIELD_WITHIN + Duration::from_millis(1), Event::Yield(other));
            }
        }
    }

    /// A holder that was told of another owner must be gone.
    pub(super) fn must_have_yielded(&mut self, node: usize) {
        let Some((told, by)) = self.lan.yield_by.get(&node).copied() else {
            return;
        };
        // An earlier debt was paid, and this one is due later; or it was paused meanwhile, and its
        // questions to the gateway with it.
        let due = told + nanos(YIELD_WITHIN) + self.sites[node].paused_since(told, self.now);
        if self.now < due {
            return self.at(due + nanos(Duration::from_millis(1)), Event::Yield(node));
        }
        self.lan.yield_by.remove(&node);
        let both = self.owns(node) && self.owns(by);
        if both && self.sites[node].alone && !self.sites[node].is_paused(self.now) {
            let (holder, by) = (self.sites[node].id, self.sites[by].id);
            let told = Duration::from_nanos(told);
            self.wrong(format!(
                "{holder} still held, though a claim of {by} came at {told:?}"
            ));
        }
    }

    /// The cable, the gateway, or all the others are gone for a node.
    pub(super) fn mishap_of_lan(&mut self, node: usize) -> &'static str {
        let span = self.dice.between(Duration::ZERO, Duration::from_secs(2));
        let until = self.now + nanos(span);
        if self.lan.policy == OnQuorumLoss::Release {
            self.isolate(node, until);
            return "isolated";
        }
        match self.dice.below(4) {
            0 => {
                self.lan.unplugged.insert(node, until);
                self.outside.blind(node, until);
                "unplugged"
            }
            1 => {
                self.lan.far_side.insert(node, until);
                "far side"
            }
            2 => {
                self.lan.apart.insert(node, until);
                self.isolate(node, until);
                "apart"
            }
            _ => {
                self.isolate(node, until);
                "isolated"
            }
        }
    }

    /// Cuts a node from all others, both ways.
    pub(super) fn isolate(&mut self, node: usize, until: Moment) {
        for other in (0..self.sites.len()).filter(|other| *other != node) {
            self.links.cut(node, other, until);
            self.links.cut(other, node, until);
        }
    }
}

/// **Source**: `vip-protocol.md`, section 7.
const ANNOUNCED_MS: [u64; 6] = [0, 50, 250, 1_200, 2_500, 5_000];
/// **Source**: `vip-protocol.md`, section 5, the promise.
const YIELD_WITHIN: Duration = Duration::from_millis(200);
