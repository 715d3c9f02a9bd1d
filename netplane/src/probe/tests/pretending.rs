//! What a drill pretends, as probes find it: with a verdict like any other, from real servers that
//! are well.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::{Server, TIMEOUT, key, next, plan};
use crate::health::HealthOverlay;
use crate::plan::{Health, ProbeKey, ProbeKind, ProbePlan};
use crate::pretend::{Pretend, Whom};
use crate::probe::{ProbeSettings, Probing};

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(600);

fn http(plan: ProbePlan) -> ProbePlan {
    ProbePlan {
        kind: ProbeKind::Http {
            path: "/".into(),
            host: "h".into(),
            status: 200,
            text: None,
            obey: false,
            tls: None,
        },
        ..plan
    }
}

#[test]
fn what_seems_down_or_slow_goes_down_and_comes_back() {
    let overlay = Arc::new(HealthOverlay::new());
    let (probing, mut verdicts) =
        Probing::start(Arc::clone(&overlay), ProbeSettings::plain(vec![])).expect("a thread");
    let server = Server::says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let watch = ProbeKey::Watch("fs1".into());
    let slow = ProbePlan {
        timeout: TIMEOUT,
        ..http(plan(server.address, Health::Up))
    };
    let probes = BTreeMap::from([
        (key("s1"), plan(server.address, Health::Up)),
        (key("s2"), slow),
        (watch.clone(), plan(server.address, Health::Up)),
    ]);
    probing.apply(probes, BTreeSet::new());
    let of = |name: &str| Whom::Server {
        farm: "shop".into(),
        server: name.into(),
    };
    let cases = [
        (key("s1"), of("s1"), Pretend::Down, "connection refused"),
        (key("s2"), of("s2"), Pretend::Slow, "timeout after"),
        (
            watch,
            Whom::Watch("fs1".into()),
            Pretend::Down,
            "connection refused",
        ),
    ];
    for (key, whom, how, reason) in cases {
        overlay
            .pretend(whom.clone(), how, LONG)
            .expect("there is room");
        let down = next(&mut verdicts);
        assert_eq!((&down.key, down.health), (&key, Health::Down));
        assert!(down.reason.starts_with(reason), "{down:?}");
        overlay.pretend_no_more(&whom);
        let up = next(&mut verdicts);
        assert_eq!((&up.key, up.health), (&key, Health::Up));
    }
}
