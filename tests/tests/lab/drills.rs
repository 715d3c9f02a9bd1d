//! Drills on the LAN: run, failed on purpose, locked, and with somebody dead in the middle; all of
//! them by `tests/drills.sh`.

use std::time::Duration;

use farmux_tests::drills::kills::{self, Victim};
use farmux_tests::drills::rows::{ROWS, Row};
use farmux_tests::drills::{Site, play, refuse};

/// A busy machine needs longer than the promised second; what is locked would go on for 15 s.
const STOPS_WITHIN: Duration = Duration::from_secs(5);

fn row(kind: &str) -> &'static Row {
    let row = ROWS.iter().find(|row| row.kind == kind);
    row.unwrap_or_else(|| panic!("no drill {kind}"))
}

#[test]
fn an_owner_that_crashes_a_server_that_is_down_and_a_lost_majority_are_rehearsed() {
    let site = Site::form().expect("a site");
    // A failover's bound on a busy machine; the promise is 300 ms.
    for (kind, words) in [
        ("owner-crash", &["--bound", "1000"][..]),
        ("server-down", row("server-down").words),
        ("quorum-loss", &["--force", "prod", "--bound", "1000"]),
    ] {
        let row = Row {
            words,
            ..*row(kind)
        };
        let outcome = play::play(&site, &row);
        let outcome = outcome.unwrap_or_else(|error| panic!("{kind}: {error:#}"));
        let complaints = outcome.complaints();
        assert!(complaints.is_empty(), "{complaints:?} {}", outcome.line());
    }
}

#[test]
fn what_may_cost_nothing_fails_and_a_lock_ends_what_runs() {
    let site = Site::form().expect("a site");
    for (name, guard) in refuse::GUARDS {
        if ["bound", "lock-isolated", "lock-paused"].contains(&name) {
            guard(&site, STOPS_WITHIN).unwrap_or_else(|error| panic!("{name}: {error:#}"));
        }
    }
}

#[test]
fn a_drill_ends_by_itself_whoever_dies() {
    let mut site = Site::form().expect("a site");
    for (kind, victim) in [
        ("node-isolate", Victim::Target),
        ("owner-pause", Victim::Leader),
    ] {
        let undone = kills::play(&mut site, row(kind), victim);
        let undone = undone.unwrap_or_else(|error| panic!("{kind}, {victim:?}: {error:#}"));
        assert_eq!(undone.complaint(), None, "{kind}, {victim:?}");
    }
}
