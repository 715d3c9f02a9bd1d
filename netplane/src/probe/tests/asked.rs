//! Checks that are asked out of turn, and watches, through the whole runner.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::Receiver;

use super::{Server, Silent, next, read_request, refusing, until};
use crate::health::{HealthOverlay, OwnVerdicts};
use crate::plan::{Advice, Health, ProbeKey, ProbeKind, ProbePlan};
use crate::probe::outcome::{LocalTrouble, Outcome};
use crate::probe::{ProbeResult, ProbeSettings, Probing, Verdict};

/// How long an answer may take: 1.1 s by design, and what a busy machine may add; a check that was
/// not asked is silent for much longer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);

/// A check that is due once in a long while: what comes soon comes because it was asked.
struct Bench {
    probing: Probing,
    verdicts: Receiver<Verdict>,
    overlay: Arc<HealthOverlay>,
    plan: ProbePlan,
}

fn check() -> ProbeKey {
    ProbeKey::Watch("fs1".into())
}

fn get() -> ProbeKind {
    ProbeKind::Http {
        obey: false,
        tls: None,
        path: "/".into(),
        host: "h".into(),
        status: 200,
        text: None,
    }
}

impl Bench {
    fn new(target: SocketAddr, remembered: Health) -> Bench {
        let overlay = Arc::new(HealthOverlay::new());
        let settings = ProbeSettings::plain(vec![]);
        let (probing, verdicts) = Probing::start(Arc::clone(&overlay), settings).expect("a thread");
        let plan = ProbePlan {
            target,
            kind: ProbeKind::Tcp,
            proxy: None,
            interval: Duration::from_secs(60),
            timeout: Duration::from_secs(30),
            fall: 3,
            rise: 2,
            remembered,
            advised: Advice::None,
            asked: 0,
        };
        Bench {
            probing,
            verdicts,
            overlay,
            plan,
        }
    }

    fn apply(&self) {
        let probes = BTreeMap::from([(check(), self.plan.clone())]);
        self.probing.apply(probes, BTreeSet::new());
    }

    /// Lets the first probe, which comes within a second, begin.
    fn begin(&self) {
        self.apply();
        self.until_started(1);
    }

    fn until_started(&self, probes: u64) {
        self.until(|| (self.probing.counts().started >= probes).then_some(()));
    }

    /// Until an inquiry ended that did not wait for long enough.
    fn until_hurried(&self) -> ProbeResult {
        let hurried = |result: &ProbeResult| {
            let Outcome::Inconclusive(trouble) = &result.outcome else {
                return false;
            };
            matches!(trouble, LocalTrouble::Hurried(_))
        };
        self.until(|| self.probing.results().remove(&check()).filter(hurried))
    }

    fn until<T>(&self, seen: impl Fn() -> Option<T>) -> T {
        until(seen, || format!("{:?}", self.probing.counts()))
    }

    fn ask(&mut self) {
        self.plan.asked += 1;
        self.apply();
    }

    /// Asks; what is answered, and after how long.
    fn answer(&mut self) -> (Verdict, Duration) {
        let begun = Instant::now();
        self.ask();
        let verdict = next(&mut self.verdicts);
        (verdict, begun.elapsed())
    }
}

#[test]
fn who_is_well_says_so_though_nothing_changed() {
    let server = Server::start(drop);
    let mut bench = Bench::new(server.address, Health::Unknown);
    // An inquiry is one probe then, also where it comes too late to stop a second one.
    bench.plan.fall = 1;
    bench.begin();
    let first = next(&mut bench.verdicts);
    assert_eq!((first.health, first.answers), (Health::Up, None));
    for asked in [1, 2] {
        let (verdict, took) = bench.answer();
        assert_eq!((verdict.health, verdict.answers), (Health::Up, Some(asked)));
        assert_eq!(verdict.reason, "connected");
        assert!(took < ANSWERED_WITHIN, "{took:?}");
    }
    assert_eq!(bench.probing.counts().started, 3);
}

#[test]
fn who_refuses_is_down_at_once() {
    let mut bench = Bench::new(refusing(), Health::Up);
    bench.begin();
    let (verdict, took) = bench.answer();
    assert_eq!((verdict.health, verdict.answers), (Health::Down, Some(1)));
    assert_eq!(
        (verdict.key, verdict.reason.as_str()),
        (check(), "connection refused")
    );
    assert!(took < ANSWERED_WITHIN, "{took:?}");
    let failed = bench.probing.counts().failed;
    assert!(
        (3..=4).contains(&failed),
        "as many as ever, but closer together: {failed}"
    );

    // It is down already: one more look is enough to say that it still is.
    let (verdict, _) = bench.answer();
    assert_eq!((verdict.health, verdict.answers), (Health::Down, Some(2)));
    assert_eq!(bench.probing.counts().failed, failed + 1);
}

/// Coming back takes as many successes as ever, asked or not.
#[test]
fn who_was_down_comes_back_as_usual() {
    let server = Server::start(drop);
    let mut bench = Bench::new(server.address, Health::Down);
    bench.plan.rise = 3;
    bench.begin();
    let (verdict, _) = bench.answer();
    assert_eq!((verdict.health, verdict.answers), (Health::Down, Some(1)));
    assert_eq!(verdict.reason, "connected, but not often enough yet");
    let (mut verdict, mut asked) = (verdict, 1);
    while verdict.health == Health::Down && asked < 3 {
        verdict = bench.answer().0;
        asked += 1;
    }
    assert_eq!((verdict.health, verdict.answers), (Health::Up, Some(asked)));
    assert_eq!(verdict.reason, "connected");
}

/// The ordinary probe would hang for half a minute; it makes way.
#[test]
fn who_is_silent_is_down_in_time() {
    let silent = Silent::start();
    let mut bench = Bench::new(silent.address, Health::Up);
    bench.begin();
    let (verdict, took) = bench.answer();
    assert_eq!((verdict.health, verdict.answers), (Health::Down, Some(1)));
    assert_eq!(verdict.reason, "timeout after 1 s while connecting");
    assert!(took < ANSWERED_WITHIN, "{took:?}");
    assert!(took > Duration::from_secs(1), "{took:?}");
}

/// Answers every request well after `delay`, in milliseconds.
fn slow_server(delay: &Arc<AtomicU32>) -> Server {
    let delay = Arc::clone(delay);
    Server::start(move |mut stream| {
        read_request(&mut stream);
        let delay = Duration::from_millis(delay.load(Ordering::SeqCst).into());
        std::thread::sleep(delay);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    })
}

/// A server that usually answers at once, and hangs like a process that was stopped.
#[test]
fn who_hangs_after_a_quick_past_is_down_in_time() {
    let delay = Arc::new(AtomicU32::new(0));
    let server = slow_server(&delay);
    let mut bench = Bench::new(server.address, Health::Unknown);
    bench.plan.kind = get();
    bench.begin();
    assert_eq!(next(&mut bench.verdicts).health, Health::Up);
    delay.store(20_000, Ordering::SeqCst);
    let (verdict, took) = bench.answer();
    assert_eq!((verdict.health, verdict.answers), (Health::Down, Some(1)));
    assert_eq!(
        verdict.reason,
        "timeout after 1 s while waiting for the answer"
    );
    assert!(took < ANSWERED_WITHIN, "{took:?}");
}

/// A server that is slow by nature was given a second out of thirty and condemned for it: what is
/// cut short tells nothing, and what is no timeout tells as much as ever.
#[test]
fn who_is_slow_is_not_condemned_in_a_hurry() {
    let delay = Arc::new(AtomicU32::new(1_300));
    let server = slow_server(&delay);
    let mut bench = Bench::new(server.address, Health::Unknown);
    bench.plan.kind = get();
    // Nothing passed yet: how long it takes is not known.
    bench.begin();
    bench.ask();
    bench.until_hurried();

    bench.plan.interval = Duration::from_secs(50);
    bench.apply();
    let up = next(&mut bench.verdicts);
    assert_eq!((up.health, up.answers), (Health::Up, None));
    bench.ask();
    let result = bench.until_hurried();
    assert_eq!((result.health, result.against), (Health::Up, 0));
    assert_eq!(
        result.outcome.to_string(),
        "asked out of turn and not waited for: timeout after 1 s while waiting for the answer"
    );
    assert_eq!(bench.probing.counts().failed, 0);

    drop(server);
    let (verdict, _) = bench.answer();
    assert_eq!((verdict.health, verdict.answers), (Health::Down, Some(3)));
    assert_eq!(verdict.reason, "connection refused");
}

/// A server that fails once in a while is not down because somebody asked.
#[test]
fn one_success_is_enough() {
    let turn = Arc::new(AtomicU32::new(0));
    let server = Server::start(move |mut stream| {
        read_request(&mut stream);
        let status = match turn.fetch_add(1, Ordering::SeqCst) {
            0 | 3 => "200",
            _ => "500",
        };
        let _ = write!(stream, "HTTP/1.1 {status} So\r\nContent-Length: 0\r\n\r\n");
    });
    let mut bench = Bench::new(server.address, Health::Unknown);
    bench.plan.kind = get();
    bench.begin();
    assert_eq!(next(&mut bench.verdicts).health, Health::Up);
    let (verdict, _) = bench.answer();
    assert_eq!((verdict.health, verdict.answers), (Health::Up, Some(1)));
}

/// Whoever asks while an inquiry runs hears of one that began later; and is heard, however often.
#[test]
fn asked_again_meanwhile() {
    let silent = Silent::start();
    let mut bench = Bench::new(silent.address, Health::Up);
    bench.begin();
    bench.ask();
    bench.until_started(2);
    for _ in 0..3 {
        bench.ask();
    }
    let first = next(&mut bench.verdicts);
    assert_eq!((first.health, first.answers), (Health::Down, Some(1)));
    let second = next(&mut bench.verdicts);
    assert_eq!((second.health, second.answers), (Health::Down, Some(4)));
}

/// A change of its times does not lose a question.
#[test]
fn asked_while_its_times_change() {
    let silent = Silent::start();
    let mut bench = Bench::new(silent.address, Health::Up);
    bench.begin();
    bench.ask();
    bench.until_started(2);
    bench.plan.interval = Duration::from_secs(50);
    bench.apply();
    let verdict = next(&mut bench.verdicts);
    assert_eq!((verdict.health, verdict.answers), (Health::Down, Some(1)));
}

#[test]
fn the_ordinary_schedule_goes_on() {
    let server = Server::start(drop);
    let mut bench = Bench::new(server.address, Health::Up);
    bench.plan.interval = Duration::from_millis(100);
    bench.plan.timeout = Duration::from_millis(100);
    bench.begin();
    let (verdict, _) = bench.answer();
    assert_eq!(verdict.answers, Some(1));
    let so_far = bench.probing.counts().started;
    bench.until_started(so_far + 5);
    drop(server);
    let down = next(&mut bench.verdicts);
    assert_eq!((down.health, down.answers), (Health::Down, None));
}

/// The asker's question outlives the node that should have answered it, and what was probed then.
#[test]
fn a_new_check_answers_who_waits_already() {
    let (server, other) = (Server::start(drop), Server::start(drop));
    let mut bench = Bench::new(server.address, Health::Up);
    bench.plan.fall = 1;
    bench.plan.asked = 7;
    bench.apply();
    let verdict = next(&mut bench.verdicts);
    assert_eq!((verdict.health, verdict.answers), (Health::Up, Some(7)));
    bench.plan.target = other.address;
    bench.apply();
    let verdict = next(&mut bench.verdicts);
    assert_eq!((verdict.health, verdict.answers), (Health::Up, Some(7)));
    assert_eq!(bench.probing.counts().started, 2);
}

/// Who has its answer does not ask again, whatever else of the plan changes.
#[test]
fn an_answered_question_is_none() {
    let server = Server::start(drop);
    let mut bench = Bench::new(server.address, Health::Unknown);
    bench.plan.fall = 1;
    bench.plan.asked = 7;
    bench.apply();
    assert_eq!(next(&mut bench.verdicts).answers, Some(7));
    bench.plan.remembered = Health::Up;
    bench.apply();
    let (verdict, _) = bench.answer();
    assert_eq!(verdict.answers, Some(8));
    assert_eq!(bench.probing.counts().started, 2);
}

/// A watch is probed and judged like a server, and concerns no data path.
#[test]
fn a_watch_goes_down_and_comes_back() {
    let server = Server::start(drop);
    let address = server.address;
    let mut bench = Bench::new(address, Health::Unknown);
    bench.plan.interval = Duration::from_millis(100);
    bench.plan.timeout = Duration::from_millis(100);
    bench.apply();
    let up = next(&mut bench.verdicts);
    assert_eq!((up.key, up.health), (check(), Health::Up));
    drop(server);
    let down = next(&mut bench.verdicts);
    assert_eq!((down.key, down.health), (check(), Health::Down));
    assert_eq!(down.reason, "connection refused");
    let listener = std::net::TcpListener::bind(address).expect("the port is free again");
    let _again = Server::on(listener, drop);
    assert_eq!(next(&mut bench.verdicts).health, Health::Up);
    let result = bench.probing.results().remove(&check()).expect("probed");
    assert_eq!(result.health, Health::Up);
    assert_eq!(*bench.overlay.load(), OwnVerdicts::default());
    assert_eq!(
        bench.overlay.generation(),
        HealthOverlay::new().generation()
    );
}
