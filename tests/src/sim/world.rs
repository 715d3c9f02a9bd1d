//! The world: true time, what will happen, and who is called when it does.
//!
//! Whatever happens is an event at a moment; after each, the tasks that it woke run until all wait
//! again, and what they asked of the world becomes events.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use farmux_raft::clockwork::drive;
use farmux_raft::consensus::Role;
use farmux_raft::id::NodeId;
use farmux_raft::lease::{Drawn, Timing};
use farmux_raft::state::NodeRole;
use farmux_store::OpenError;

use super::dice::{Dice, nanos};
use super::disk::Trouble;
use super::executor::{Clock, Core, Machine, Moment, Tasks};
use super::judge::Judge;
use super::lan::Lan;
use super::operate::{Desk, Order, Said};
use super::outside::SharedOutside;
use super::pages::Pages;
use super::plan::Plan;
use super::probe::Place;
use super::quirk::{Quirk, lacking, timing};
use super::rpc::Pending;
use super::site::Site;
use super::trace::Trace;
use super::wire::{Calls, Links};

/// Something that will happen.
pub(super) enum Event {
    /// A lease datagram arrives.
    Datagram {
        to: usize,
        from: usize,
        sent: Moment,
        bytes: Vec<u8>,
    },
    /// A lease engine has something to do.
    Wake { node: usize, round: u64 },
    /// A disk has synced what it was told to.
    Flush { node: usize, life: u64 },
    /// Writes that nobody waits for are synced.
    Idle { node: usize, life: u64 },
    /// A question arrives.
    Question { call: u64, bytes: Vec<u8> },
    /// An answer arrives.
    Answer { call: u64, bytes: Vec<u8> },
    /// A question came to nothing; whether it may have been delivered.
    Nothing { call: u64, delivered: bool },
    /// A process starts.
    Start { node: usize, life: u64 },
    /// A node goes on.
    Resume,
    /// The lease engine learns what the log says.
    Roster(usize),
    /// Something goes wrong.
    Mishap,
    /// A client wants something.
    Client,
    /// An operator wants something.
    Operate(Order),
    /// A node looks at its network.
    Look(usize),
    /// An owner announces itself, if it is the same gain.
    Claim { node: usize, gain: u64 },
    /// By now it must have yielded.
    Yield(usize),
    /// A server or a watch falls, or comes back.
    Turn(usize),
    /// A node sees no server.
    Blind,
    /// Nobody hears anybody.
    Blackout,
    /// What became due by timers of tasks.
    Timers,
}

/// How a round ended too early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Something that must always be true was not.
    Wrong(String),
    /// Nothing goes on any more.
    Stuck(String),
}

/// Everything there is.
pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) quirk: Option<Quirk>,
    pub(super) timing: Timing,
    pub(super) sites: Vec<Site>,
    pub(super) core: Arc<Core>,
    pub(super) tasks: Tasks,
    pub(super) now: Moment,
    events: BTreeMap<(Moment, u64), Event>,
    sequence: u64,
    pub(super) dice: Dice,
    order: Dice,
    pub(super) links: Links,
    pub(super) calls: Calls,
    pub(super) pending: BTreeMap<u64, Pending>,
    pub(super) next_call: u64,
    pub(super) said: Arc<Mutex<Vec<Said>>>,
    pub(super) lan: Lan,
    pub(super) judge: Judge,
    pub(super) pages: Pages,
    pub(super) outside: SharedOutside,
    /// Until then nothing else goes wrong.
    pub(super) quiet_until: Moment,
    pub(super) desk: Desk,
    pub(super) trace: Trace,
    pub(super) faults: BTreeMap<&'static str, u64>,
    pub(super) storming: bool,
    pub(super) gains: u64,
    pub(super) verdict: Option<Verdict>,
}

impl World {
    /// The world of a seed, before anybody started.
    pub(super) fn new(seed: u64, quirk: Option<Quirk>, keep_trace: bool) -> World {
        let mut dice = Dice::new(seed);
        let plan = Plan::draw(&mut dice);
        let core = Arc::new(Core::default());
        World {
            quirk,
            timing: timing(quirk),
            sites: Vec::new(),
            tasks: Tasks::new(core.clone()),
            core,
            now: 0,
            events: BTreeMap::new(),
            sequence: 0,
            order: dice.branch(),
            links: Links::new(plan.usual_delay),
            calls: Calls::default(),
            pending: BTreeMap::new(),
            next_call: 0,
            said: Arc::default(),
            lan: Lan::new(plan.policy),
            judge: Judge::default(),
            pages: Pages::default(),
            outside: SharedOutside::default(),
            quiet_until: 0,
            desk: Desk::default(),
            trace: Trace::new(keep_trace),
            faults: BTreeMap::new(),
            storming: false,
            gains: 0,
            verdict: None,
            plan,
            dice,
        }
    }

    /// Lets the world go on until then, or until `done`, or to its verdict; whether it was `done`.
    pub(super) fn run(&mut self, end: Moment, done: impl Fn(&World) -> bool) -> bool {
        while self.verdict.is_none() {
            if done(self) {
                return true;
            }
            let event = self.events.first_key_value().map(|((at, _), _)| *at);
            let timer = self.core.next_timer();
            let next = event.into_iter().chain(timer).min();
            let Some(at) = next.filter(|at| *at <= end) else {
                self.now = end;
                return false;
            };
            self.now = at.max(self.now);
            self.core.set_now(self.now);
            let event = match event {
                Some(first) if first <= at => self.events.pop_first().map(|(_, event)| event),
                Some(_) | None => Some(Event::Timers),
            };
            self.happen(event.unwrap_or(Event::Timers));
            self.let_run();
        }
        false
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Timers => self.core.fire(),
            Event::Datagram {
                to,
                from,
                sent,
                bytes,
            } => self.datagram_arrives(to, (from, sent), bytes),
            Event::Wake { node, round } => self.wake(node, round),
            Event::Flush { node, life } => self.flush(node, life),
            Event::Idle { node, life } => self.idle(node, life),
            Event::Question { call, bytes } => self.question_arrives(call, bytes),
            Event::Answer { call, bytes } => self.answer_arrives(call, bytes),
            Event::Nothing { call, delivered } => self.comes_to_nothing(call, delivered),
            Event::Start { node, life } if self.sites[node].life == life => self.start(node),
            Event::Start { .. } | Event::Resume => {}
            Event::Roster(node) => self.set_roster(node),
            Event::Mishap => self.mishap(),
            Event::Client => self.client(),
            Event::Operate(order) => self.operate(order),
            Event::Look(node) => self.look(node),
            Event::Claim { node, gain } => self.claim(node, gain),
            Event::Yield(node) => self.must_have_yielded(node),
            Event::Turn(target) => self.turn(target),
            Event::Blind => self.mishap_blind(),
            Event::Blackout => self.mishap_blackout(),
        }
    }

    /// Runs tasks until all wait, and looks after those who ran.
    pub(super) fn let_run(&mut self) {
        loop {
            let now = self.now;
            let paused: Vec<bool> = self.sites.iter().map(|site| site.is_paused(now)).collect();
            let ran = self.tasks.run(&mut self.order, |node| paused[node]);
            let Ok(touched) = ran else {
                return self.stuck("tasks run for ever, and no time passes".to_owned());
            };
            let calls = std::mem::take(&mut *self.calls.lock().expect("not poisoned"));
            let said = std::mem::take(&mut *self.said.lock().expect("not poisoned"));
            if touched.is_empty() && calls.is_empty() && said.is_empty() {
                return;
            }
            self.trace.mix(self.tasks.polls);
            calls.into_iter().for_each(|call| self.ask(call));
            said.into_iter().for_each(|said| self.hear(said));
            touched.into_iter().for_each(|node| self.look_after(node));
        }
    }

    /// What a node's process wants of its machine, and where it stands.
    fn look_after(&mut self, node: usize) {
        let site = &mut self.sites[node];
        let Some(process) = &mut site.process else {
            return;
        };
        if !process.flushing && process.pump.is_awaited() {
            process.flushing = true;
            let slow = site.slow_until > self.now;
            let (least, most) = if slow { (30, 500) } else { (0, 4) };
            let (least, most) = (Duration::from_millis(least), Duration::from_millis(most));
            let span = self.dice.between(least, most);
            let life = site.life;
            self.after(span, Event::Flush { node, life });
        }
        let (failed, applied) = {
            let process = self.sites[node].process.as_ref();
            let mind = process.expect("it was there").mind.lock();
            let mut mind = mind.expect("not poisoned");
            (mind.failed.clone(), std::mem::take(&mut mind.applied))
        };
        for (index, state) in applied {
            self.note_health(index, &state);
            let judged = self.judge.applied(self.sites[node].id, index, &state);
            self.judged(judged);
        }
        if let Some(why) = failed {
            return self.end_process(node, &why);
        }
        let Some(consensus) = self.sites[node].consensus() else {
            return;
        };
        let standing = consensus.standing().borrow().clone();
        if standing.role == Role::Stopped {
            return self.end_process(node, "consensus stopped");
        }
        let site = &self.sites[node];
        let process = site.process.as_ref().expect("it was there");
        let changed = site.wanted_roster() != process.roster;
        let old = process.standing.as_ref();
        let moved = old.is_none_or(|old| old.role != standing.role || old.term != standing.term);
        let (id, role, term) = (site.id, standing.role, standing.term);
        if moved {
            self.trace
                .note(self.now, format_args!("{id} {role:?} in term {term}"));
        }
        if moved && role == Role::Candidate {
            let judged = self.judge.voted(id, term, id);
            self.judged(judged);
        }
        if let Some(process) = &mut self.sites[node].process {
            process.standing = Some(standing);
        }
        if changed {
            let span = self.dice.between(Duration::ZERO, Duration::from_millis(20));
            self.after(span, Event::Roster(node));
        }
    }

    /// A new machine, in nobody's cluster.
    pub(super) fn add_site(&mut self, id: NodeId, role: NodeRole) -> usize {
        let node = self.sites.len();
        // Any two rates differ by at most 5 %; the ends are where margins are used up.
        let rate = match self.dice.below(5) {
            0 | 1 => 1000,
            2 | 3 => 1050,
            _ => 1000 + self.dice.roll() % 51,
        };
        // Boot clocks have nothing to do with each other.
        let offset = 1_000_000_000 * (1 + 977 * u64::try_from(node).expect("small"));
        self.sites.push(Site::new(id, role, Clock { rate, offset }));
        self.start(node);
        self.after(Duration::from_millis(30), Event::Look(node));
        node
    }

    /// Starts a node's process.
    pub(super) fn start(&mut self, node: usize) {
        let site = &self.sites[node];
        if site.process.is_some() || site.removed_at.is_some() {
            return;
        }
        if site.is_paused(self.now) {
            let (until, life) = (site.paused_until, site.life);
            return self.at(until, Event::Start { node, life });
        }
        let machine = Arc::new(Machine {
            node,
            clock: site.clock,
            core: self.core.clone(),
            dice: Mutex::new(self.dice.branch()),
            lacking: lacking(self.quirk),
            wall_ms: site.wall_ms.clone(),
            entry: AtomicU64::new(0),
        });
        let place = Place {
            node,
            role: site.role,
            core: self.core.clone(),
            outside: self.outside.clone(),
            said: self.said.clone(),
        };
        let drawn = Drawn {
            nonce: self.dice.roll().max(1),
            seed: self.dice.roll(),
        };
        self.tasks.boot(node, machine.clone());
        let calls = self.calls.clone();
        let site = &mut self.sites[node];
        match site.start(place, machine, calls, (self.timing, drawn)) {
            Ok(()) => {
                let (id, life) = (site.id, site.life);
                self.trace.note(self.now, format_args!("{id} starts"));
                self.after(IDLE_FLUSH, Event::Idle { node, life });
            }
            Err(OpenError::Damaged { reason, .. }) => {
                let id = site.id;
                self.wrong(format!("the store of {id} opens no more: {reason}"));
            }
            Err(error) => {
                let (id, life) = (site.id, site.life);
                self.trace.note(self.now, format_args!("{id}: {error}"));
                self.after(Duration::from_millis(500), Event::Start { node, life });
            }
        }
    }

    /// A process ended by itself; it is started again.
    pub(super) fn end_process(&mut self, node: usize, why: &str) {
        let id = self.sites[node].id;
        self.trace.note(self.now, format_args!("{id} ends: {why}"));
        self.kill(node);
        let least = Duration::from_millis(50);
        let span = self.dice.between(least, Duration::from_secs(1));
        let life = self.sites[node].life;
        self.after(span, Event::Start { node, life });
    }

    /// Ends a process at once; its kernel, with the fence in it, goes on.
    pub(super) fn kill(&mut self, node: usize) {
        self.tasks.kill(node);
        let site = &mut self.sites[node];
        site.life += 1;
        site.owns = false;
        site.heard_holding.clear();
        if let Some(process) = site.process.take() {
            let machine = process.machine.clone();
            drive(&machine, || drop(process));
        }
        self.tasks.kill(node);
        self.hang_up(node);
    }

    fn flush(&mut self, node: usize, life: u64) {
        let site = &mut self.sites[node];
        let Some(process) = site.process.as_mut().filter(|_| site.life == life) else {
            return;
        };
        if site.paused_until > self.now {
            return self.at(self.sites[node].paused_until, Event::Flush { node, life });
        }
        process.flushing = false;
        let machine = process.machine.clone();
        if let Err(error) = drive(&machine, || process.pump.flush()) {
            // What the kernel could not write it forgets.
            let forgotten = self.sites[node].disk.power_cut(&mut self.dice);
            self.end_process(node, &format!("{error}; {forgotten} writes forgotten"));
        } else {
            self.look_after(node);
        }
    }

    fn idle(&mut self, node: usize, life: u64) {
        if self.sites[node].process.is_some() && self.sites[node].life == life {
            self.flush(node, life);
            self.after(IDLE_FLUSH, Event::Idle { node, life });
        }
    }

    /// Heals every disk.
    pub(super) fn mend_disks(&mut self) {
        for site in &mut self.sites {
            site.disk.suffer(Trouble::None);
            site.slow_until = 0;
        }
    }

    pub(super) fn at(&mut self, moment: Moment, event: Event) {
        self.sequence += 1;
        self.events.insert((moment, self.sequence), event);
    }

    pub(super) fn after(&mut self, span: Duration, event: Event) {
        self.at(self.now + nanos(span), event);
    }

    /// The place of a node.
    pub(super) fn place(&self, id: NodeId) -> Option<usize> {
        self.sites.iter().position(|site| site.id == id)
    }

    pub(super) fn judged(&mut self, judged: Result<(), String>) {
        if let Err(why) = judged {
            self.wrong(why);
        }
    }

    pub(super) fn wrong(&mut self, why: String) {
        self.trace.note(self.now, format_args!("WRONG: {why}"));
        for site in &self.sites {
            let roster = site.process.as_ref().and_then(|p| p.roster.as_ref());
            let voters = roster.map(|roster| (roster.membership_index, &roster.halves));
            let line = format_args!("{} counts by {voters:?}", site.id);
            self.trace.note(self.now, line);
        }
        let at = Duration::from_nanos(self.now);
        self.verdict
            .get_or_insert(Verdict::Wrong(format!("at {at:?} {why}")));
    }

    pub(super) fn stuck(&mut self, why: String) {
        self.trace.note(self.now, format_args!("STUCK: {why}"));
        let at = Duration::from_nanos(self.now);
        self.verdict
            .get_or_insert(Verdict::Stuck(format!("at {at:?} {why}")));
    }
}

/// As the production's flusher does it.
const IDLE_FLUSH: Duration = Duration::from_millis(500);
