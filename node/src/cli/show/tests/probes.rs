//! Golden texts of `farmux probe`.

use std::time::Duration;

use super::super::super::terminal::Paint;
use super::super::{measured, measuring};
use super::{THEN, golden};
use crate::measure::client::{Asking, Done};
use crate::measure::tally::{End, Miss, MissKind, Tally};
use crate::measure::{Measured, Target};

/// Three seconds of a takeover: what fails hangs until its timeout, or is refused.
fn book(fails: impl Fn(u64) -> Option<MissKind>) -> Tally {
    let mut tally = Tally::new();
    for step in 0..300 {
        let at = Duration::from_millis(step * 10);
        let number = tally.asked(at);
        let (took, end) = match fails(step) {
            None => (600 + step % 7 * 100, End::Good),
            Some(MissKind::Late) => {
                let miss = Miss::new(MissKind::Late, "timeout after 500 ms while connecting");
                (500_000, End::Missed(miss))
            }
            Some(kind) => (200, End::Missed(Miss::new(kind, "connection refused"))),
        };
        tally.ended(number, at + Duration::from_micros(took), end);
    }
    tally.close(Duration::from_secs(3));
    tally
}

fn told(tally: Tally) -> Measured {
    let target: Target = "http://10.0.0.100/".parse().expect("a URL");
    let asking = Asking {
        target,
        every: Duration::from_millis(10),
        timeout: Duration::from_millis(500),
        lasts: Some(Duration::from_secs(3)),
        keep_alive: false,
        status: None,
        host: None,
        verify: true,
        until_outage: false,
    };
    let done = Done {
        address: "10.0.0.100:80".parse().expect("an address"),
        tally,
        lasted: Duration::from_secs(3),
    };
    Measured::new(&asking, &done, THEN)
}

fn takeover(step: u64) -> Option<MissKind> {
    match step {
        120..134 => Some(MissKind::Late),
        200 => Some(MissKind::Refused),
        _ => None,
    }
}

#[test]
fn golden_probe_without_an_outage() {
    let mut tally = book(|_| None);
    tally.unasked("too many open files");
    golden("probe-well.txt", &measured(&told(tally), Paint::Plain));
}

#[test]
fn golden_probe_of_a_takeover() {
    let told = told(book(takeover));
    golden("probe-outage.txt", &measured(&told, Paint::Plain));
    golden("probe-outage-colour.txt", &measured(&told, Paint::Colour));
    let json = serde_json::to_string(&told).expect("plain data");
    let back: Measured = serde_json::from_str(&json).expect("what was written");
    assert_eq!(back, told);
    assert_eq!(
        (told.outages, told.outage_ms, told.resolution_ms),
        (2, 141, 10)
    );
}

#[test]
fn the_live_line_says_when_nobody_answers() {
    let tally = book(takeover);
    let at = |ms| measuring(&tally, Duration::from_millis(ms), Paint::Plain);
    assert_eq!(
        at(3_000),
        "3.0 s  300 requests  15 failed  half within 0.9 ms  longest gap 150 ms  answers"
    );
    assert!(
        at(3_500).ends_with("  NO ANSWER for 500 ms"),
        "{}",
        at(3_500)
    );
}
