//! A page that is obeyed, rewritten while it is probed: what the data path and the log are told.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};

use super::{Server, key, next, plan, read_request, until};
use crate::health::{HealthOverlay, Seen};
use crate::plan::{Advice, Health, ProbeKind, ProbePlan};
use crate::probe::{ProbeSettings, Probing, Verdict};

fn obeying() -> ProbeKind {
    ProbeKind::Http {
        obey: true,
        tls: None,
        path: "/status".into(),
        host: "h".into(),
        status: 200,
        text: None,
    }
}

/// A server whose page is what stands in here.
fn paged(page: &Arc<Mutex<&'static str>>) -> Server {
    let page = Arc::clone(page);
    Server::start(move |mut stream| {
        read_request(&mut stream);
        let page = *page.lock().expect("nobody panicked");
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{page}",
            page.len()
        );
        let _ = stream.write_all(answer.as_bytes());
    })
}

fn told(verdict: &Verdict) -> (Health, Advice, &str) {
    (verdict.health, verdict.advice, &verdict.reason)
}

#[test]
fn a_change_of_advice_alone_is_told() {
    let page = Arc::new(Mutex::new("OK\n"));
    let server = paged(&page);
    let overlay = Arc::new(HealthOverlay::new());
    let (probing, mut verdicts) =
        Probing::start(Arc::clone(&overlay), ProbeSettings::plain(vec![])).expect("a thread");
    let probed = ProbePlan {
        kind: obeying(),
        ..plan(server.address, Health::Unknown)
    };
    probing.apply(BTreeMap::from([(key("s1"), probed)]), BTreeSet::new());
    let seven = Advice::Weight(NonZeroU32::new(7).expect("not 0"));
    for (says, health, advice, reason) in [
        (
            "OK",
            Health::Up,
            Advice::None,
            "status 200, the page says OK",
        ),
        (
            "WEIGHT=7",
            Health::Up,
            seven,
            "status 200, the page says WEIGHT=7",
        ),
        (
            "OVERLOAD",
            Health::Up,
            Advice::Overload,
            "status 200, the page says OVERLOAD",
        ),
        (
            "QUIESCE",
            Health::Up,
            Advice::Quiesce,
            "status 200, the page says QUIESCE",
        ),
        (
            "NOT OK",
            Health::Down,
            Advice::None,
            "the server's page says NOT OK",
        ),
        (
            "OVERLOAD",
            Health::Up,
            Advice::Overload,
            "status 200, the page says OVERLOAD",
        ),
        (
            "what?",
            Health::Down,
            Advice::None,
            "the server's page says nothing that is known",
        ),
    ] {
        *page.lock().expect("nobody panicked") = says;
        let verdict = next(&mut verdicts);
        assert_eq!(told(&verdict), (health, advice, reason), "{says}");
        let seen = overlay.load().get("shop", "web", "s1");
        assert_eq!(seen, Some(Seen { health, advice }), "{says}");
    }
}

/// A failure that turns nothing yet takes no word back; and what the log remembers is no news.
#[test]
fn advice_stays_until_the_server_says_otherwise() {
    let page = Arc::new(Mutex::new("QUIESCE"));
    let server = paged(&page);
    let overlay = Arc::new(HealthOverlay::new());
    let (probing, mut verdicts) =
        Probing::start(Arc::clone(&overlay), ProbeSettings::plain(vec![])).expect("a thread");
    let probed = ProbePlan {
        kind: obeying(),
        advised: Advice::Quiesce,
        fall: 1_000,
        ..plan(server.address, Health::Up)
    };
    probing.apply(BTreeMap::from([(key("s1"), probed)]), BTreeSet::new());
    let seen = || overlay.load().get("shop", "web", "s1");
    let quiesces = Seen {
        health: Health::Up,
        advice: Advice::Quiesce,
    };
    let fails = |count| {
        let failed = || (probing.counts().failed >= count).then_some(());
        until(failed, || format!("{:?}", probing.counts()));
    };
    let passed = || (probing.counts().passed >= 2).then_some(());
    until(passed, || format!("{:?}", probing.counts()));
    *page.lock().expect("nobody panicked") = "NOT OK";
    fails(2);
    assert_eq!(seen(), Some(quiesces));
    assert!(verdicts.try_recv().is_err(), "nothing is news");
    *page.lock().expect("nobody panicked") = "OK";
    assert_eq!(next(&mut verdicts).advice, Advice::None);
    assert_eq!(seen(), Some(Health::Up.into()));
}
