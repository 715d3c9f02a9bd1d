//! Two rounds of every fault under either policy: never two owners, never nobody for long.
//!
//! `tests/faults.sh fence` plays 20 of each, by the strict figures.

use std::time::Duration;

use farmux_tests::faults::{CASES, Policy, Scene};

/// A failover's bound on a busy machine; the promise is 300 ms.
const SILENCE_MAX: Duration = Duration::from_secs(1);
/// A stranger that claims at 100/s.
const CLAIMS_FOR: Duration = Duration::from_secs(5);
/// Of each.
const ROUNDS: usize = 2;

/// Plays the cases of one half of the table, so that no test takes longer than minutes.
fn play(policy: Policy, half: usize) {
    let mut scene = Scene::set(policy, CLAIMS_FOR).expect("a cluster");
    let cases = CASES.iter().filter(|case| case.policies.contains(&policy));
    for (number, case) in cases.enumerate() {
        if number % 2 != half {
            continue;
        }
        for round in 1..=ROUNDS {
            let mut play = || {
                let verdict = scene.round(case);
                verdict.unwrap_or_else(|error| panic!("{} {round}: {error:#}", case.name))
            };
            let mut verdict = play();
            // An owner that has no CPU for as long as a lease lasts loses it, and rightly.
            if verdict.complains_of_moves_alone(SILENCE_MAX) {
                verdict = play();
            }
            let complaints = verdict.complaints(SILENCE_MAX);
            assert!(
                complaints.is_empty(),
                "{} {round}: {complaints:?} {verdict}",
                case.name
            );
        }
    }
}

#[test]
fn with_release_nobody_ever_sees_two_owners() {
    play(Policy::Release, 0);
}

#[test]
fn with_release_nobody_ever_sees_two_owners_either() {
    play(Policy::Release, 1);
}

#[test]
fn with_hold_two_owners_overlap_no_longer_than_allowed() {
    play(Policy::Hold, 0);
}

#[test]
fn with_hold_two_owners_overlap_no_longer_than_allowed_either() {
    play(Policy::Hold, 1);
}
