//! The event loop with real probes: verdicts, their order, and punctuality.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use super::{PATIENCE, Server, key, next, plan, refusing, until};
use crate::health::HealthOverlay;
use crate::plan::{Health, ProbeKind, ProbePlan};
use crate::probe::outcome::{Outcome, Success};
use crate::probe::{ProbeCounts, ProbeSettings, Probing};

/// Down, back, and each verdict is in the overlay before anybody else hears of it.
#[test]
fn a_server_goes_down_and_comes_back() {
    let overlay = Arc::new(HealthOverlay::new());
    let (probing, mut verdicts) =
        Probing::start(Arc::clone(&overlay), ProbeSettings::plain(vec![])).expect("a thread");
    let server = Server::start(drop);
    let address = server.address;
    let seen = || {
        overlay
            .load()
            .get("shop", "web", "s1")
            .map(|seen| seen.health)
    };
    probing.apply(
        BTreeMap::from([(key("s1"), plan(address, Health::Unknown))]),
        BTreeSet::new(),
    );
    let first = next(&mut verdicts);
    assert_eq!(
        (first.health, first.reason.as_str()),
        (Health::Up, "connected")
    );
    assert_eq!(seen(), Some(Health::Up));

    drop(server);
    let down = next(&mut verdicts);
    assert_eq!(
        (down.health, down.reason.as_str()),
        (Health::Down, "connection refused")
    );
    assert_eq!(seen(), Some(Health::Down));

    let listener = TcpListener::bind(address).expect("the port is free again");
    let _again = Server::on(listener, drop);
    assert_eq!(next(&mut verdicts).health, Health::Up);
    let result = probing.results().remove(&key("s1")).expect("probed");
    assert_eq!(result.outcome, Outcome::Pass(Success::Connected));

    probing.apply(BTreeMap::new(), BTreeSet::new());
    until(
        || (seen().is_none() && probing.results().is_empty()).then_some(()),
        || "a check that is gone leaves something behind".to_owned(),
    );
}

/// Looks until the prober has counted so much.
fn counted(probing: &Probing, enough: impl Fn(&ProbeCounts) -> bool) {
    until(
        || enough(&probing.counts()).then_some(()),
        || format!("{:?}", probing.counts()),
    );
}

/// What the log remembers is no news; only what differs from it is told.
#[test]
fn probing_goes_on_from_what_the_log_remembers() {
    let overlay = Arc::new(HealthOverlay::new());
    let (probing, mut verdicts) =
        Probing::start(Arc::clone(&overlay), ProbeSettings::plain(vec![])).expect("a thread");
    let server = Server::start(drop);
    let probes = BTreeMap::from([
        (key("as-remembered"), plan(server.address, Health::Up)),
        (key("died-meanwhile"), plan(refusing(), Health::Up)),
        (key("still-down"), plan(refusing(), Health::Down)),
    ]);
    probing.apply(probes, BTreeSet::new());
    let told = next(&mut verdicts);
    assert_eq!(
        (told.key, told.health),
        (key("died-meanwhile"), Health::Down)
    );
    counted(&probing, |counts| counts.started >= 30);
    assert!(
        verdicts.try_recv().is_err(),
        "the others are as the log has them"
    );
    assert_eq!(
        overlay.load().get("shop", "web", "still-down"),
        Some(Health::Down.into())
    );
    assert_eq!(
        overlay.load().get("shop", "web", "as-remembered"),
        Some(Health::Up.into())
    );
}

/// Nobody reads the verdicts: probing goes on, and the newest of each check is what comes out.
#[test]
fn an_unread_channel_blocks_nothing() {
    let overlay = Arc::new(HealthOverlay::new());
    let (probing, mut verdicts) =
        Probing::start(Arc::clone(&overlay), ProbeSettings::plain(vec![])).expect("a thread");
    let target = refusing();
    let names: Vec<String> = (0..600).map(|n| format!("s{n}")).collect();
    let probes = names
        .iter()
        .map(|name| (key(name), plan(target, Health::Up)))
        .collect();
    probing.apply(probes, BTreeSet::new());
    counted(&probing, |counts| counts.verdicts >= 600);
    let mut told = BTreeSet::new();
    while told.len() < 600 {
        let verdict = next(&mut verdicts);
        assert_eq!(verdict.health, Health::Down);
        assert!(told.insert(verdict.key), "told twice");
    }
}

/// 200 checks, a tenth of which hang: the others are probed on time.
#[test]
fn a_hanging_target_holds_nobody_up() {
    let overlay = Arc::new(HealthOverlay::new());
    let (probing, _verdicts) =
        Probing::start(Arc::clone(&overlay), ProbeSettings::plain(vec![])).expect("a thread");
    let silent = Server::start(|stream| {
        std::thread::park_timeout(PATIENCE);
        drop(stream);
    });
    let quick = Server::says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let http = |target| ProbePlan {
        kind: ProbeKind::Http {
            obey: false,
            tls: None,
            path: "/".into(),
            host: "h".into(),
            status: 200,
            text: None,
        },
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        ..plan(target, Health::Up)
    };
    let probes = (0..200)
        .map(|n| {
            (
                key(&format!("s{n}")),
                http(if n < 20 {
                    silent.address
                } else {
                    quick.address
                }),
            )
        })
        .collect();
    probing.apply(probes, BTreeSet::new());
    counted(&probing, |counts| counts.passed >= 3 * 180);
    let counts = probing.counts();
    let mean = counts.lag.sum / u32::try_from(counts.started).expect("few");
    assert!(
        mean < Duration::from_millis(300),
        "late by {mean:?} in the mean"
    );
    assert!(counts.failed > 0, "the silent ones were asked, too");
}

/// The size of a large site, for a minute's measurement by hand: `--run-ignored only`.
#[test]
#[ignore = "takes a minute and measures this machine"]
fn five_thousand_checks_start_on_time() {
    let overlay = Arc::new(HealthOverlay::new());
    let (probing, _verdicts) =
        Probing::start(Arc::clone(&overlay), ProbeSettings::plain(vec![])).expect("a thread");
    let quick = Server::start(drop);
    let check = ProbePlan {
        interval: Duration::from_secs(5),
        timeout: Duration::from_secs(5),
        ..plan(quick.address, Health::Up)
    };
    let probes = (0..5_000)
        .map(|n| (key(&format!("s{n}")), check.clone()))
        .collect();
    probing.apply(probes, BTreeSet::new());
    std::thread::sleep(Duration::from_secs(20));
    let counts = probing.counts();
    let mean = counts.lag.sum / u32::try_from(counts.started.max(1)).expect("few");
    assert!(counts.started > 18_000, "{counts:?}");
    assert!(
        mean < Duration::from_millis(20),
        "late by {mean:?} in the mean: {counts:?}"
    );
    assert_eq!(counts.failed, 0, "{counts:?}");
}
