//! How long a node that goes waits.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::super::WAIT_OF_STOP;
use super::super::errand::{ENDS_WITHIN, in_turn};
use super::super::order::Standing;
use crate::fault::{Code, Fault};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn another_move_and_our_own_have_one_end() {
    let (_never, story) = watch::channel(Standing::default());
    let (began, mut waits) = (Instant::now(), Vec::new());
    let ended = in_turn(SECOND, SECOND, |wait| {
        waits.push(wait);
        match began.elapsed() < SECOND * 3 / 2 {
            true => Err(Fault::new(Code::MoveUnderWay)),
            false => Ok(story.clone()),
        }
    });
    let why = ended.await.expect_err("it never ends");
    assert!(why.contains("in time"), "{why}");
    let took = began.elapsed();
    assert!(took >= SECOND * 2 && took < SECOND * 10, "{took:?}");
    assert!(
        waits[0] > SECOND / 2,
        "all of it is left at first: {waits:?}"
    );
    let last = waits.last().expect("it was asked");
    assert_eq!(*last, Duration::ZERO, "what is left is for the hand-over");
}

#[tokio::test]
async fn whoever_goes_does_not_wait_for_another_move_for_ever() {
    let began = Instant::now();
    let refused = in_turn(SECOND / 4, SECOND / 4, |_| {
        Err(Fault::new(Code::MoveUnderWay))
    });
    refused.await.expect_err("it is busy all the time");
    assert!(began.elapsed() >= SECOND / 2);
}

/// What comes after it: clients are told, addresses and leases go, the log is closed.
#[test]
fn a_stop_is_over_before_the_unit_kills_it() {
    let unit = include_str!("../../../../deploy/farmux.service");
    let given = unit
        .lines()
        .find_map(|line| line.strip_prefix("TimeoutStopSec=")?.strip_suffix('s'));
    let given = given.and_then(|seconds| seconds.parse().ok());
    let given = Duration::from_secs(given.expect("the unit says how long"));
    assert!(
        WAIT_OF_STOP + ENDS_WITHIN + SECOND * 10 < given,
        "{given:?}"
    );
}
