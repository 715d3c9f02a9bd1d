//! A world of engines: a network that loses, delays, repeats and reorders, clocks of different
//! rates, pauses and restarts; all of it from one seed.
//!
//! A LAN with a gateway beside it, where VIPs are held without a majority, is in `lan`.
//!
//! Ownership is judged by what a kernel fence would do: a deadline that was written stands until
//! it has passed or was withdrawn, whether its writer is paused or dead.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::lan::Lan;
use super::{front, roster};
use crate::id::NodeId;
use crate::lease::dice::Dice;
use crate::lease::engine::{Drawn, Engine, Output, Source};
use crate::lease::{BootTime, Counters, Held, Roster, Timing};

/// How bad a world is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weather {
    /// Datagrams lost, in percent, each way.
    pub(super) loss: u64,
    /// Datagrams that arrive twice, in percent.
    pub(super) twice: u64,
    /// Datagrams that are late, in percent, by up to 300 ms; the others take up to 2 ms.
    pub(super) late: u64,
    /// A pause, a restart, a cut link or a release every so often; never when zero.
    pub(super) mishap_every: Duration,
}

/// A moment of the world's own clock, in nanoseconds.
pub(super) type Moment = u64;

pub(super) enum Event {
    Deliver {
        to: usize,
        from: usize,
        bytes: Vec<u8>,
    },
    Wake {
        node: usize,
        round: u64,
    },
    Mishap,
    /// A node looks at its network.
    Look(usize),
    /// An owner announces itself, so many milliseconds after its gain, if it is the same gain.
    Claim {
        node: usize,
        gain: u64,
    },
    /// By now it must have yielded.
    Judge(usize),
}

pub(super) struct Site {
    pub(super) engine: Engine,
    /// Its clock runs this many per mille of the world's.
    rate: u64,
    pub(super) paused_until: Moment,
    /// Stale wake-ups are told by it.
    round: u64,
    pub(super) owns_until: Moment,
    pub(super) owns: bool,
    /// Without a majority.
    pub(super) alone: bool,
}

pub(super) struct World {
    weather: Weather,
    timing: Timing,
    pub(super) rosters: Vec<Roster>,
    pub(super) sites: Vec<Site>,
    pub(super) now: Moment,
    /// The LAN of the VIPs, where they are held.
    pub(super) lan: Option<Lan>,
    events: BTreeMap<(Moment, u64), Event>,
    sequence: u64,
    pub(super) dice: Dice,
    pub(super) cut: BTreeMap<(usize, usize), Moment>,
    pub(super) gains: u64,
    pub(super) losses: u64,
    /// When somebody came to own, and nobody did any more.
    pub(super) history: Vec<(Moment, usize, bool)>,
    pub(super) violation: Option<String>,
}

impl World {
    pub(super) fn new(
        seed: u64,
        timing: Timing,
        weather: Weather,
        (balancers, witnesses): (u64, u64),
    ) -> World {
        World::with_lan(seed, timing, weather, (balancers, witnesses), None)
    }

    pub(super) fn with_lan(
        seed: u64,
        timing: Timing,
        weather: Weather,
        (balancers, witnesses): (u64, u64),
        lan: Option<Lan>,
    ) -> World {
        let mut world = World {
            weather,
            timing,
            rosters: (1..=balancers + witnesses)
                .map(|n| roster(n, balancers, witnesses))
                .collect(),
            sites: Vec::new(),
            now: 0,
            lan,
            events: BTreeMap::new(),
            sequence: 0,
            dice: Dice::new(seed),
            cut: BTreeMap::new(),
            gains: 0,
            losses: 0,
            history: Vec::new(),
            violation: None,
        };
        world.lay_lan();
        for node in 0..world.rosters.len() {
            // Any two rates differ by at most 5 %; the ends are as likely as all between them.
            let rate = match world.dice.roll() % 3 {
                0 => 1000,
                1 => 1050,
                _ => 1000 + world.dice.roll() % 51,
            };
            let engine = world.start(node, rate);
            let (paused_until, round, owns_until) = (0, 0, 0);
            world.sites.push(Site {
                engine,
                rate,
                paused_until,
                round,
                owns_until,
                owns: false,
                alone: false,
            });
            world.settle(node);
            if world.lan.is_some() {
                world.after(Duration::from_millis(30), Event::Look(node));
            }
        }
        if !weather.mishap_every.is_zero() {
            world.after(weather.mishap_every, Event::Mishap);
        }
        world
    }

    /// Lets the world go on for so long, or to the first violation.
    pub(super) fn run(&mut self, span: Duration) {
        let end = self.now + nanos(span);
        while self.violation.is_none() {
            let Some(entry) = self.events.first_entry() else {
                break;
            };
            if entry.key().0 > end {
                break;
            }
            let ((at, _), event) = entry.remove_entry();
            self.now = at;
            self.happen(event);
        }
        self.now = end;
    }

    /// Who owns at this moment.
    pub(super) fn owner(&self) -> Option<usize> {
        self.sites
            .iter()
            .position(|site| site.owns && site.owns_until > self.now)
    }

    /// Who may be reached, whether it owns with a majority or alone.
    pub(super) fn owners(&self) -> Vec<usize> {
        let owns = |(_, site): &(usize, &Site)| site.owns && site.owns_until > self.now;
        let sites = self.sites.iter().enumerate().filter(owns);
        sites.map(|(node, _)| node).collect()
    }

    /// Stops a node for so long.
    pub(super) fn pause(&mut self, node: usize, span: Duration) {
        self.sites[node].paused_until = self.now + nanos(span);
    }

    pub(super) fn release(&mut self, node: usize, to: Option<usize>) {
        let to = to.map(|to| self.rosters[to].me);
        let now = self.local(node);
        self.sites[node].engine.poll(now);
        self.sites[node].engine.release(now, &front(), to);
        self.settle(node);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Mishap => {
                self.mishap();
                let span = self.dice.span(self.weather.mishap_every * 2);
                self.after(span, Event::Mishap);
            }
            Event::Wake { node, round } if self.sites[node].round == round => {
                if self.is_running(node, Event::Wake { node, round }) {
                    let now = self.local(node);
                    self.sites[node].engine.poll(now);
                    self.settle(node);
                }
            }
            Event::Wake { .. } => {}
            Event::Look(node) => self.look(node),
            Event::Claim { node, gain } => self.claim(node, gain),
            Event::Judge(node) => self.judge(node),
            Event::Deliver { to, from, bytes } => {
                let again = Event::Deliver {
                    to,
                    from,
                    bytes: bytes.clone(),
                };
                if self.is_running(to, again) {
                    let now = self.local(to);
                    let address = ([127, 0, 0, 1], 7946).into();
                    // As the thread does it: timers first.
                    self.sites[to].engine.poll(now);
                    self.sites[to]
                        .engine
                        .receive(now, Source { path: 0, address }, &bytes);
                    self.settle(to);
                }
            }
        }
    }

    /// Whether a node runs; if not, the event comes again when it does.
    pub(super) fn is_running(&mut self, node: usize, event: Event) -> bool {
        let until = self.sites[node].paused_until;
        if until > self.now {
            self.sequence += 1;
            self.events.insert((until, self.sequence), event);
        }
        until <= self.now
    }

    fn mishap(&mut self) {
        let nodes = self.sites.len();
        let node = self.pick(nodes);
        if self.lan.is_some() && self.dice.roll().is_multiple_of(3) {
            return self.mishap_of_lan();
        }
        match self.dice.roll() % 4 {
            0 => {
                let span = self.dice.span(self.timing.lease() * 3);
                self.pause(node, span);
            }
            1 => {
                let rate = self.sites[node].rate;
                self.sites[node].engine = self.start(node, rate);
                self.sites[node].owns = false;
                self.settle(node);
            }
            2 => {
                let other = self.pick(nodes);
                let until = self.now + nanos(self.dice.span(Duration::from_secs(1)));
                self.cut.insert((node.min(other), node.max(other)), until);
            }
            _ => {
                let to = self.pick(nodes + 1);
                self.release(node, (to < nodes).then_some(to));
            }
        }
    }

    pub(super) fn pick(&mut self, count: usize) -> usize {
        usize::try_from(self.dice.roll() % u64::try_from(count).expect("small")).expect("small")
    }

    fn start(&mut self, node: usize, rate: u64) -> Engine {
        let now = BootTime(local(self.now, node, rate));
        let drawn = Drawn {
            nonce: self.dice.roll().max(1),
            seed: self.dice.roll(),
        };
        let mut engine = Engine::new(self.timing, Arc::new(Counters::default()), now, drawn);
        engine.set_roster(now, Some(self.rosters[node].clone()));
        engine
    }

    /// Carries out what a node wants, and plans its next wake-up.
    pub(super) fn settle(&mut self, node: usize) {
        for output in self.sites[node].engine.take_outputs() {
            match output {
                Output::Send(to, bytes) => self.send(node, to, bytes),
                Output::Reply(..) => {}
                Output::Change(_, held) => self.change(node, held),
            }
        }
        let now = self.local(node);
        let due = self.sites[node]
            .engine
            .due(now)
            .unwrap_or(now + Duration::from_millis(100));
        let at = self.world_time(node, due).max(self.now + 1);
        self.sites[node].round += 1;
        let round = self.sites[node].round;
        self.sequence += 1;
        self.events
            .insert((at, self.sequence), Event::Wake { node, round });
    }

    fn send(&mut self, from: usize, to: NodeId, bytes: Vec<u8>) {
        let to = usize::try_from(to.0 - 1).expect("small");
        let link = (from.min(to), from.max(to));
        let is_cut = self.cut.get(&link).is_some_and(|until| *until > self.now);
        let copies = 1 + u64::from(self.dice.roll() % 100 < self.weather.twice);
        for _ in 0..copies {
            if is_cut || self.dice.roll() % 100 < self.weather.loss {
                continue;
            }
            let is_late = self.dice.roll() % 100 < self.weather.late;
            let most = Duration::from_millis(if is_late { 300 } else { 2 });
            let delay = Duration::from_micros(50) + self.dice.span(most);
            self.after(
                delay,
                Event::Deliver {
                    to,
                    from,
                    bytes: bytes.clone(),
                },
            );
        }
    }

    fn change(&mut self, node: usize, held: Option<Held>) {
        let Some(held) = held else {
            self.losses += 1;
            self.history.push((self.now, node, false));
            let site = &mut self.sites[node];
            (site.owns, site.owns_until) = (false, self.now.min(site.owns_until));
            site.alone = false;
            return;
        };
        let until = self.world_time(node, held.until);
        let alone = held.alone_since.is_some();
        if self.lan.is_some() {
            self.change_on_lan(node, alone, held.taken);
        } else {
            self.check_single(node);
        }
        if !self.sites[node].owns {
            self.gains += 1;
            self.history.push((self.now, node, true));
        }
        let site = &mut self.sites[node];
        (site.owns, site.owns_until, site.alone) = (true, until, alone);
    }

    /// Nobody else may own at this moment.
    pub(super) fn check_single(&mut self, node: usize) {
        // What a dead holder left open is a hold still.
        let second = |(other, site): (usize, &Site)| {
            other != node && site.owns_until > self.now && !site.alone
        };
        if let Some(other) = self.sites.iter().enumerate().position(second) {
            let left = Duration::from_nanos(self.sites[other].owns_until - self.now);
            let now = Duration::from_nanos(self.now);
            self.violation.get_or_insert(format!(
                "at {now:?} node {node} came to own while node {other} had {left:?} left"
            ));
        }
    }

    pub(super) fn after(&mut self, span: Duration, event: Event) {
        self.sequence += 1;
        self.events
            .insert((self.now + nanos(span), self.sequence), event);
    }

    pub(super) fn local(&self, node: usize) -> BootTime {
        BootTime(local(self.now, node, self.sites[node].rate))
    }

    /// When a node's clock shows `time`: the first moment at which it does.
    fn world_time(&self, node: usize, time: BootTime) -> Moment {
        let since = time.0.saturating_sub(offset(node));
        (since * 1000).div_ceil(self.sites[node].rate)
    }
}

fn local(now: Moment, node: usize, rate: u64) -> u64 {
    offset(node) + now * rate / 1000
}

/// Boot clocks have nothing to do with each other.
fn offset(node: usize) -> u64 {
    1_000_000_000 * (1 + 977 * u64::try_from(node).expect("small"))
}

pub(super) fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).expect("short")
}
