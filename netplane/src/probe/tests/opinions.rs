//! What another node wants to know, and what this machine does while it suspects itself.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::mpsc::Receiver;

use super::{Server, Silent, key, next, plan, refusing, until};
use crate::health::HealthOverlay;
use crate::plan::{Health, ProbeKey, ProbePlan, SuspicionPlan};
use crate::probe::{Found, Opinion, ProbeSettings, Probing, Suspicion, Verdict};

/// Half of them is what it takes.
const MANY: usize = 20;

struct Bench {
    probing: Probing,
    verdicts: Receiver<Verdict>,
    overlay: Arc<HealthOverlay>,
}

impl Bench {
    fn new() -> Bench {
        let overlay = Arc::new(HealthOverlay::new());
        let settings = ProbeSettings::plain(vec![]);
        let (probing, verdicts) = Probing::start(Arc::clone(&overlay), settings).expect("a thread");
        Bench {
            probing,
            verdicts,
            overlay,
        }
    }

    fn seen(&self, server: &str) -> Option<Health> {
        let seen = self.overlay.load().get("shop", "web", server);
        seen.map(|seen| seen.health)
    }

    fn suspicion(&self) -> Option<Arc<Suspicion>> {
        self.probing.suspicion().borrow().clone()
    }

    fn rule(&self, wait: Duration, told: Option<u64>) {
        let rule = SuspicionPlan {
            percent: 33,
            least: 10,
            wait,
            told,
        };
        self.probing.apply_beside(BTreeMap::new(), Some(rule));
    }

    /// Servers that are well, behind one address; dropping it kills them all.
    fn many(&self) -> Server {
        let server = Server::start(drop);
        let plan = ProbePlan {
            // Twice what half of them need to fail, on a busy machine.
            interval: Duration::from_millis(500),
            ..plan(server.address, Health::Up)
        };
        let probes = (0..MANY).map(|n| (key(&format!("s{n}")), plan.clone()));
        self.probing.apply(probes.collect(), BTreeSet::new());
        until(
            || (self.probing.counts().passed >= 40).then_some(()),
            || format!("{:?}", self.probing.counts()),
        );
        server
    }

    fn until_suspected(&self) -> Arc<Suspicion> {
        until(|| self.suspicion(), || "it suspects nothing".to_owned())
    }

    /// Everything failed often enough to be down, though nobody may hear of it.
    fn until_all_failed(&self) {
        until(
            || {
                let results = self.probing.results();
                let down = results.values().filter(|it| it.health == Health::Down);
                (down.count() == MANY).then_some(())
            },
            || "not all of them failed".to_owned(),
        );
    }
}

fn ask(target: SocketAddr, asked: u64) -> BTreeMap<ProbeKey, ProbePlan> {
    let plan = ProbePlan {
        asked,
        ..plan(target, Health::Down)
    };
    BTreeMap::from([(key("s1"), plan)])
}

fn given(opinions: &mut Receiver<Opinion>) -> Opinion {
    until(|| opinions.try_recv().ok(), || "no opinion".to_owned())
}

/// One probe for each new number, and nothing but an opinion comes of it.
#[test]
fn an_opinion_is_one_probe_that_changes_nothing() {
    let mut bench = Bench::new();
    let mut opinions = bench.probing.opinions().expect("nobody has it");
    assert!(
        bench.probing.opinions().is_none(),
        "whoever comes first has it all"
    );
    let count = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&count);
    let server = Server::start(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    bench.probing.apply_beside(ask(server.address, 7), None);
    let first = given(&mut opinions);
    assert_eq!((first.answers, first.found), (7, Found::Well));
    assert_eq!(first.reason, "connected");
    // The same question again, and others: nothing is asked anew.
    bench.probing.apply_beside(ask(server.address, 6), None);
    bench.probing.apply_beside(ask(server.address, 8), None);
    let second = given(&mut opinions);
    assert_eq!(second.answers, 8);
    assert!(opinions.try_recv().is_err());
    until(
        || (count.load(Ordering::SeqCst) == 2).then_some(()),
        || format!("{count:?} probes"),
    );
    bench.probing.apply_beside(ask(refusing(), 9), None);
    let third = given(&mut opinions);
    assert_eq!(third.found, Found::Unwell { reached: true });
    assert_eq!(bench.seen("s1"), None);
    assert!(bench.probing.results().is_empty());
    assert!(bench.verdicts.try_recv().is_err());
}

/// Silence is not waited for longer than half a second, whatever the check allows.
#[test]
fn an_opinion_comes_soon() {
    let bench = Bench::new();
    let mut opinions = bench.probing.opinions().expect("nobody has it");
    let silent = Silent::start();
    let mut asked = ask(silent.address, 1);
    for plan in asked.values_mut() {
        plan.timeout = Duration::from_secs(30);
    }
    let begun = Instant::now();
    bench.probing.apply_beside(asked, None);
    let opinion = given(&mut opinions);
    assert_eq!(opinion.found, Found::Unwell { reached: false });
    assert!(
        begun.elapsed() >= Duration::from_millis(450),
        "{:?}",
        begun.elapsed()
    );
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
}

/// Frozen until it is told; then everything goes through.
#[test]
fn what_fails_together_is_held_back_until_it_is_decided() {
    let mut bench = Bench::new();
    bench.rule(Duration::from_secs(60), None);
    let server = bench.many();
    while bench.verdicts.try_recv().is_ok() {}
    drop(server);
    let suspicion = bench.until_suspected();
    assert_eq!(suspicion.total, MANY);
    assert!(suspicion.failed >= 10 && suspicion.sample.len() == suspicion.failed);
    bench.until_all_failed();
    assert!(bench.verdicts.try_recv().is_err(), "nobody hears of it");
    assert_eq!(
        bench.seen("s1"),
        Some(Health::Up),
        "and no farm loses a server"
    );

    bench.rule(Duration::from_secs(60), Some(suspicion.id + 1));
    bench.rule(Duration::from_secs(60), Some(suspicion.id));
    let told: BTreeSet<ProbeKey> = (0..MANY)
        .map(|_| {
            let verdict = next(&mut bench.verdicts);
            assert_eq!(verdict.health, Health::Down);
            verdict.key
        })
        .collect();
    assert_eq!(told.len(), MANY);
    assert_eq!(bench.seen("s1"), Some(Health::Down));
    assert!(bench.suspicion().is_some(), "it lasts while so much fails");
}

/// Whatever becomes of the log: after a while it says what it sees.
#[test]
fn nothing_is_held_back_for_longer_than_the_wait() {
    let mut bench = Bench::new();
    let wait = Duration::from_millis(700);
    bench.rule(wait, None);
    let server = bench.many();
    while bench.verdicts.try_recv().is_ok() {}
    drop(server);
    let suspicion = bench.until_suspected();
    let first = next(&mut bench.verdicts);
    assert_eq!(first.health, Health::Down);
    let arose = SystemTime::UNIX_EPOCH + Duration::from_millis(suspicion.id);
    let held = arose.elapsed().expect("it arose before");
    assert!(held + Duration::from_millis(100) >= wait, "{held:?}");
}

/// What is well again meanwhile was never down, and the suspicion is over.
#[test]
fn a_disturbance_that_passes_leaves_nothing() {
    let mut bench = Bench::new();
    bench.rule(Duration::from_secs(60), None);
    let server = bench.many();
    let address = server.address;
    while bench.verdicts.try_recv().is_ok() {}
    drop(server);
    bench.until_suspected();
    bench.until_all_failed();
    let listener = std::net::TcpListener::bind(address).expect("the port is free again");
    let _again = Server::on(listener, drop);
    until(
        || bench.suspicion().is_none().then_some(()),
        || "it suspects itself for ever".to_owned(),
    );
    until(
        || {
            let results = bench.probing.results();
            results
                .values()
                .all(|it| it.health == Health::Up)
                .then_some(())
        },
        || "not all of them are well".to_owned(),
    );
    assert_eq!(bench.seen("s1"), Some(Health::Up));
}

/// A node alone believes what it sees.
#[test]
fn without_a_rule_nothing_is_held_back() {
    let mut bench = Bench::new();
    let server = bench.many();
    while bench.verdicts.try_recv().is_ok() {}
    drop(server);
    assert_eq!(next(&mut bench.verdicts).health, Health::Down);
    assert!(bench.suspicion().is_none());
}
