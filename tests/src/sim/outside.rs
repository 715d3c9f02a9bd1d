//! What is outside of the cluster: servers and watches that are well or not, nodes that do not see
//! them, and relays that take mail, or not, or do not say so.
//!
//! ```text
//!   dice ─> turns, blindness, blackouts ─> Outside ─ answers ─> probe (each node's prober)
//!                                             └───── moods ───> post (each node's courier)
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU16, NonZeroU32};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use farmux_netplane::probe::{Failure, Outcome, Phase, Success};
use farmux_raft::consensus::Role;
use farmux_raft::state::{
    Check, CheckKind, Config, Contact, Farm, MailChannel, Paging, Relay, RelaySecurity, Server,
    Service, ServiceKind, State, Subject, Watch,
};

use super::dice::nanos;
use super::executor::Moment;
use super::leases::front;
use super::pages::{Mail, Seen};
use super::plan::Plan;
use super::site::Site;
use super::world::{Event, World};

/// What nodes see of it.
#[derive(Default)]
pub(super) struct Outside(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    down: BTreeSet<IpAddr>,
    /// Who reaches no target, until when.
    blind: BTreeMap<usize, Moment>,
    /// Relays are as they like.
    moody: bool,
}

/// What is probed, and what it is called.
const SERVERS: [&str; 2] = ["s1", "s2"];
const WATCHES: [&str; 2] = ["fs1", "dns1"];
/// How many there are.
pub(super) const TARGETS: usize = SERVERS.len() + WATCHES.len();

/// Failures in a row until down.
pub(super) const FALL: u32 = 2;

fn address(target: usize) -> IpAddr {
    let last = u8::try_from(target).expect("few targets");
    [10, 0, 9, 1 + last].into()
}

/// What a page about it is about.
pub(super) fn subject(target: usize) -> Subject {
    let name = "a name";
    match SERVERS.get(target) {
        Some(server) => Subject::Server("shop".parse().expect(name), server.parse().expect(name)),
        None => Subject::Watch(WATCHES[target - SERVERS.len()].parse().expect(name)),
    }
}

impl Outside {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("no holder of this lock can panic")
    }

    /// What a node's probe finds.
    pub(super) fn answer(
        &self,
        (node, now): (usize, Moment),
        target: SocketAddr,
        after: Duration,
    ) -> Outcome {
        let inner = self.lock();
        let during = Phase::Connecting;
        if inner.blind.get(&node).is_some_and(|until| *until > now) {
            return Outcome::Fail(Failure::Timeout { after, during });
        }
        match inner.down.contains(&target.ip()) {
            true => Outcome::Fail(Failure::Refused),
            false => Outcome::Pass(Success::Connected),
        }
    }

    /// Whether a target is down in truth.
    pub(super) fn is_down(&self, target: usize) -> bool {
        self.lock().down.contains(&address(target))
    }

    /// Whether relays are as they like.
    pub(super) fn is_moody(&self) -> bool {
        self.lock().moody
    }

    /// A node reaches no target until then.
    pub(super) fn blind(&self, node: usize, until: Moment) {
        let mut inner = self.lock();
        let known = inner.blind.entry(node).or_default();
        *known = until.max(*known);
    }

    fn turn(&self, target: usize) -> bool {
        let mut inner = self.lock();
        let falls = inner.down.insert(address(target));
        if !falls {
            inner.down.remove(&address(target));
        }
        falls
    }
}

impl World {
    /// Begins to let servers fall, nodes go blind and relays have moods.
    pub(super) fn begin_outside(&mut self) {
        self.outside.lock().moody = true;
        for target in 0..TARGETS {
            let span = self.dice.between(Duration::ZERO, Duration::from_secs(4));
            self.after(span, Event::Turn(target));
        }
        self.after(Duration::from_secs(1), Event::Blind);
        if self.plan.blackout {
            let most = Duration::from_secs(2);
            let span = self.dice.between(Duration::ZERO, most);
            self.after(span, Event::Blackout);
        }
    }

    /// Everybody sees, and relays take what they get; who is down stays down.
    pub(super) fn end_outside(&mut self) {
        let mut inner = self.outside.lock();
        inner.moody = false;
        inner.blind.clear();
    }

    /// A target falls, or comes back.
    pub(super) fn turn(&mut self, target: usize) {
        if !self.storming {
            return;
        }
        let falls = self.turn_now(target);
        let millis = match (falls, self.dice.percent(30)) {
            // Some are over before anybody can tell.
            (true, true) => (10, 600),
            (true, false) => (500, 8_000),
            (false, _) => (300, 4_000),
        };
        let (least, most) = (
            Duration::from_millis(millis.0),
            Duration::from_millis(millis.1),
        );
        let span = self.dice.between(least, most);
        self.after(span, Event::Turn(target));
    }

    /// The same, whatever else happens.
    pub(super) fn turn_now(&mut self, target: usize) -> bool {
        let falls = self.outside.turn(target);
        let word = if falls { "falls" } else { "is back" };
        let line = format_args!("{:?} {word}", subject(target));
        self.trace.note(self.now, line);
        *self
            .faults
            .entry(if falls { "falls" } else { "returns" })
            .or_default() += 1;
        falls
    }

    /// A node reaches no target for a while.
    pub(super) fn mishap_blind(&mut self) {
        if !self.storming {
            return;
        }
        let node = self.dice.below(self.sites.len());
        let span = self.dice.between(Duration::ZERO, Duration::from_secs(3));
        self.outside.blind(node, self.now + nanos(span));
        let id = self.sites[node].id;
        self.trace
            .note(self.now, format_args!("{id} is blind for {span:?}"));
        *self.faults.entry("blind").or_default() += 1;
        let again = self.dice.between(Duration::ZERO, Duration::from_secs(4));
        self.after(again, Event::Blind);
    }

    /// Nobody hears anybody for so long that nodes call humans by their own word.
    pub(super) fn mishap_blackout(&mut self) {
        if !self.storming {
            return;
        }
        let (least, most) = (Duration::from_millis(6_500), Duration::from_secs(8));
        let until = self.now + nanos(self.dice.between(least, most));
        for node in 0..self.sites.len() {
            self.isolate(node, until);
        }
        self.quiet_until = until;
        self.trace.note(self.now, format_args!("blackout"));
        *self.faults.entry("blackout").or_default() += 1;
    }
}

impl World {
    /// A prober has a verdict.
    pub(super) fn saw(&mut self, seen: &Seen) {
        let (id, key, health) = (self.sites[seen.node].id, &seen.key, seen.health);
        self.trace
            .note(self.now, format_args!("{id} sees {key} {health:?}"));
        let judged = self.pages.seen(seen);
        self.judged(judged);
    }

    /// The log reaches an entry.
    pub(super) fn note_health(&mut self, index: u64, state: &State) {
        match self.pages.logged(state) {
            Ok(turned) => {
                for entry in turned {
                    let (what, how) = state.journal_words(&entry);
                    let line = format_args!("entry {index} at most: {what} {how}");
                    self.trace.note(self.now, line);
                }
            }
            Err(why) => self.wrong(why),
        }
    }

    /// A mail arrived.
    pub(super) fn mailed(&mut self, mail: &Mail) {
        let id = self.sites[mail.node].id;
        let how = if mail.by_own_word {
            " by its own word"
        } else {
            ""
        };
        for page in &mail.pages {
            let (kind, subject, number) = (page.kind, &page.subject, page.transition);
            let line = format_args!("{id} tells{how}: {subject:?} {kind:?}, its change {number}");
            self.trace.note(self.now, line);
        }
        let judged = self.pages.arrived(mail);
        self.judged(judged);
    }

    /// Once all is well: whoever is down is called so, then each target turns once more, and each
    /// of those changes is told as one; whether all of it is so.
    pub(super) fn must_tell(&mut self) -> bool {
        if !self.settles() {
            return false;
        }
        let Some(knew) = self.state_of_leader() else {
            return false;
        };
        let before: Vec<usize> = (0..TARGETS).map(|one| self.pages.arrivals(one)).collect();
        for target in 0..TARGETS {
            self.turn_now(target);
        }
        if !self.tells_all() {
            return false;
        }
        for (target, before) in before.into_iter().enumerate() {
            let told = self.pages.told_since(target, before, &knew);
            if told != 1 {
                let subject = subject(target);
                self.wrong(format!(
                    "{subject:?} changed once, and was told {told} times"
                ));
                return false;
            }
        }
        true
    }

    /// Whether all is told, and nothing more comes for as long as a report may take: one that was
    /// held up may still tell of a short fall before everything was mended.
    fn settles(&mut self) -> bool {
        while self.tells_all() {
            let mails = self.pages.mails;
            self.run(self.now + nanos(REPORTED_WITHIN), |_| false);
            if self.pages.mails == mails {
                return self.tells_all();
            }
        }
        false
    }

    fn tells_all(&mut self) -> bool {
        let end = self.now + nanos(TOLD_WITHIN);
        while self.now < end && self.verdict.is_none() {
            if self.lacks_pages().is_ok() {
                return true;
            }
            self.run(self.now + nanos(Duration::from_millis(250)), |_| false);
        }
        if let Err(why) = self.lacks_pages() {
            self.stuck(format!("{TOLD_WITHIN:?} after all was well: {why}"));
        }
        false
    }

    fn state_of_leader(&self) -> Option<Arc<State>> {
        let leads = |site: &&Site| {
            let standing = site.process.as_ref().and_then(|p| p.standing.as_ref());
            standing.is_some_and(|standing| standing.role == Role::Leader)
        };
        self.sites.iter().find(leads).and_then(Site::state)
    }

    fn lacks_pages(&self) -> Result<(), String> {
        let state = self.state_of_leader().ok_or("nobody leads")?;
        self.pages.complete(&state, &self.outside)
    }
}

/// What failed often in the storm waits for up to 300 s, and a node which is gone does not take its
/// turn: the leader takes it after 210 s.
const TOLD_WITHIN: Duration = Duration::from_secs(600);

/// What could not be committed for so long is told by a node's own word.
const REPORTED_WITHIN: Duration = Duration::from_secs(5);

/// What there is to be balanced, watched and called.
pub(super) fn config(plan: Plan) -> Config {
    let name = "a name";
    let rule = || Check {
        kind: CheckKind::Tcp,
        interval: Duration::from_millis(200),
        timeout: Duration::from_millis(200),
        fall: NonZeroU32::new(FALL).expect("not zero"),
        rise: NonZeroU32::new(2).expect("not zero"),
    };
    let port = NonZeroU16::new(80).expect("not zero");
    let service = Service {
        check: Some(rule()),
        ..Service::plain(ServiceKind::Tcp, port)
    };
    let server = |(place, server): (usize, &&str)| {
        (server.parse().expect(name), Server::plain(address(place)))
    };
    let farm = Farm {
        services: [("web".parse().expect(name), service)].into(),
        servers: SERVERS.iter().enumerate().map(server).collect(),
        ..Farm::plain(front())
    };
    let watch = |(place, watch): (usize, &&str)| {
        let planned = Watch {
            address: address(SERVERS.len() + place),
            port: Some(port),
            group: None,
            labels: BTreeMap::new(),
            check: Some(rule()),
            depends_on: BTreeSet::new(),
            ladder: None,
        };
        (watch.parse().expect(name), planned)
    };
    let relay = Relay {
        host: "relay.example.com".to_owned(),
        port: 25,
        security: RelaySecurity::None,
        user: None,
        password: None,
    };
    let ops = Contact::by_mail(MailChannel {
        to: vec![RECIPIENT.to_owned()],
        from: None,
        relays: vec![relay],
    });
    Config {
        farms: [("shop".parse().expect(name), farm)].into(),
        watches: WATCHES.iter().enumerate().map(watch).collect(),
        contacts: [("ops".parse().expect(name), ops)].into(),
        paging: Paging {
            storm: plan.gather,
            repeat: Duration::ZERO,
            // Whoever flaps is told of once: here each change shall be.
            flap_changes: NonZeroU32::new(100).expect("not zero"),
            second_opinion: plan.second_opinion,
            ..Paging::default()
        },
        ..Config::default()
    }
}

/// Who is called.
pub(super) const RECIPIENT: &str = "ops@example.com";

/// Shared by all nodes.
pub(super) type SharedOutside = Arc<Outside>;
