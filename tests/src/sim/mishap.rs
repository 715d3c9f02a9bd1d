//! What goes wrong: pauses, kills, power cuts, cut links, disks, clocks; drawn one after the other.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::dice::nanos;
use super::disk::Trouble;
use super::operate::Order;
use super::world::{Event, World};

impl World {
    /// Begins to let things go wrong.
    pub(super) fn begin_storm(&mut self) {
        self.storming = true;
        self.links.weather = self.plan.weather;
        self.after(self.plan.mishap_every, Event::Mishap);
        self.begin_outside();
    }

    /// Mends everything; whoever is down is started.
    pub(super) fn end_storm(&mut self) {
        self.storming = false;
        self.links.mend();
        self.lan.mend();
        self.mend_disks();
        self.end_outside();
        for node in 0..self.sites.len() {
            if self.sites[node].is_paused(self.now) {
                self.sites[node].paused_until = self.now;
                self.after(Duration::ZERO, Event::Resume);
            }
            self.start(node);
        }
    }

    pub(super) fn mishap(&mut self) {
        if !self.storming {
            return;
        }
        if self.quiet_until > self.now {
            return self.at(self.quiet_until, Event::Mishap);
        }
        // Whoever owns is what leases are about.
        let owner = self.sites.iter().position(|site| site.owns);
        let any = self.dice.below(self.sites.len());
        let node = owner.filter(|_| self.dice.percent(35)).unwrap_or(any);
        let name = match self.dice.below(20) {
            0 | 1 => self.pause(node, self.timing.lease() * 3),
            2 => self.pause(node, Duration::from_secs(2)),
            3 | 4 => self.mishap_kill(node),
            5 => self.mishap_power(node),
            6 if self.dice.percent(25) => self.mishap_power_of_all(),
            6 | 7 => self.mishap_cut(node, false),
            8 | 9 => self.mishap_cut(node, true),
            10..=12 => self.mishap_of_lan(node),
            13 | 14 => self.mishap_move(node),
            15 => self.mishap_disk(node),
            16 => self.mishap_clock(node),
            17 => self.order(Order::HandOver),
            18 if self.dice.percent(30) => self.order(Order::Join),
            18 if self.dice.percent(50) => self.order(Order::Remove),
            18 => self.mishap_cut(node, false),
            _ => self.mishap_restarts(node),
        };
        *self.faults.entry(name).or_default() += 1;
        let id = self.sites[node].id;
        self.trace.note(self.now, format_args!("{name} ({id})"));
        let most = self.plan.mishap_every * 2;
        let span = self.dice.between(Duration::ZERO, most);
        self.after(span, Event::Mishap);
    }

    fn order(&mut self, order: Order) -> &'static str {
        self.operate(order);
        order.word()
    }

    fn pause(&mut self, node: usize, most: Duration) -> &'static str {
        let span = self.dice.between(Duration::from_millis(1), most);
        let until = self.now + nanos(span);
        if self.sites[node].is_paused(self.now) {
            return "paused already";
        }
        self.sites[node].paused_until = until;
        self.sites[node].pauses.push((self.now, until));
        self.at(until, Event::Resume);
        "paused"
    }

    fn mishap_kill(&mut self, node: usize) -> &'static str {
        if self.sites[node].process.is_none() {
            return "killed again";
        }
        self.kill(node);
        // A supervisor may be quicker than a lease, or slower than an election.
        let most = match self.dice.percent(60) {
            true => Duration::from_millis(40),
            false => Duration::from_secs(1),
        };
        self.start_within(node, most);
        "killed"
    }

    fn start_within(&mut self, node: usize, most: Duration) {
        let span = self.dice.between(Duration::from_millis(1), most);
        let life = self.sites[node].life;
        self.after(span, Event::Start { node, life });
    }

    fn cut_power(&mut self, node: usize) {
        self.kill(node);
        let site = &mut self.sites[node];
        // The kernel is gone, and the fence with it.
        site.owns_until = site.owns_until.min(self.now);
        site.paused_until = self.now;
        site.disk.power_cut(&mut self.dice);
    }

    fn mishap_power(&mut self, node: usize) -> &'static str {
        self.cut_power(node);
        self.start_within(node, Duration::from_secs(2));
        "power cut"
    }

    fn mishap_power_of_all(&mut self) -> &'static str {
        for node in 0..self.sites.len() {
            self.cut_power(node);
            self.start_within(node, Duration::from_secs(1));
        }
        "power cut of all"
    }

    /// All but one are restarted by their supervisors, as after a bad package.
    fn mishap_restarts(&mut self, but: usize) -> &'static str {
        for node in (0..self.sites.len()).filter(|node| *node != but) {
            self.kill(node);
            self.start_within(node, Duration::from_millis(30));
        }
        "all but one restarted"
    }

    fn mishap_cut(&mut self, node: usize, both: bool) -> &'static str {
        let other = self.dice.below(self.sites.len());
        let span = self.dice.between(Duration::ZERO, Duration::from_secs(2));
        let until = self.now + nanos(span);
        self.links.cut(node, other, until);
        if both {
            self.links.cut(other, node, until);
            return "cut";
        }
        "one-way cut"
    }

    fn mishap_move(&mut self, node: usize) -> &'static str {
        let owner = self.sites.iter().position(|site| site.owns);
        let to = self.dice.below(self.sites.len() + 1);
        let to = self.sites.get(to).map(|site| site.id);
        self.release(owner.unwrap_or(node), to);
        "moved"
    }

    fn mishap_disk(&mut self, node: usize) -> &'static str {
        let span = self.dice.between(Duration::ZERO, Duration::from_secs(2));
        let until = self.now + nanos(span);
        match self.dice.below(3) {
            0 => {
                self.sites[node].slow_until = until;
                "slow disk"
            }
            1 => {
                self.sites[node].disk.suffer(Trouble::Full);
                self.at(until, Event::Operate(Order::MendDisk(node)));
                "full disk"
            }
            _ => {
                self.sites[node].disk.suffer(Trouble::Broken);
                self.at(until, Event::Operate(Order::MendDisk(node)));
                "broken disk"
            }
        }
    }

    fn mishap_clock(&mut self, node: usize) -> &'static str {
        let (day, hour) = (24 * 3_600_000, 3_600_000);
        let wall = &self.sites[node].wall_ms;
        match self.dice.percent(50) {
            true => wall.fetch_add(day, Relaxed),
            false => wall.fetch_sub(hour, Relaxed),
        };
        "wall clock jumped"
    }
}
