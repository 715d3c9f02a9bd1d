//! The simulator: 200 seeds in which all is well, equal rounds of equal seeds, and a judge who
//! misses every safeguard that is left out.

use std::sync::atomic::{AtomicU64, Ordering};

use farmux_tests::sim::{Quirk, Report, Verdict, round};

/// What is played in CI; ten thousand by command.
const SEEDS: u64 = 200;

/// So many seeds at most until a missing safeguard is seen.
const SEARCHED: u64 = 500;

/// Plays seeds on two threads until `stop`; what `stop` wanted, of the lowest seed that is known.
fn search(seeds: u64, quirk: Option<Quirk>, stop: impl Fn(&Report) -> bool + Sync) -> Vec<Report> {
    let next = AtomicU64::new(1);
    let play = || {
        let mut found = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::SeqCst);
            if seed > seeds {
                return found;
            }
            let report = round(seed, quirk, false);
            if stop(&report) {
                next.store(seeds + 1, Ordering::SeqCst);
            }
            found.push(report);
        }
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(play);
        let mut reports = play();
        reports.extend(other.join().expect("a round that panics says so itself"));
        reports
    })
}

#[test]
fn two_hundred_seeds_are_well() {
    let reports = search(SEEDS, None, |report| report.verdict.is_some());
    for report in &reports {
        assert_eq!(
            report.verdict, None,
            "again: cargo run --release -p farmux-tests --bin sim -- --seed {} --trace",
            report.seed
        );
    }
    let sum = |count: fn(&Report) -> u64| reports.iter().map(count).sum::<u64>();
    // Rounds in which nothing happens prove nothing.
    let faults = sum(|report| report.faults.values().sum());
    assert!(faults > 20 * SEEDS, "only {faults} faults");
    assert!(sum(|report| report.acknowledged) > 20 * SEEDS, "few writes");
    assert!(sum(|report| report.gains) > 3 * SEEDS, "few owners");
    assert!(sum(|report| report.holds) > SEEDS / 4, "few holds");
    assert!(sum(|report| report.mails) > 10 * SEEDS, "few pages");
    // They need five seconds without a leader: a blackout, and whoever may report all through it.
    let by_own_word = sum(|report| report.by_own_word);
    assert!(by_own_word > 0, "no page by a node's own word");
}

#[test]
fn equal_seeds_are_equal_rounds() {
    for seed in [3, 14, 15] {
        let (first, second) = (round(seed, None, true), round(seed, None, true));
        for (place, (one, other)) in first.trace.iter().zip(&second.trace).enumerate() {
            assert_eq!(one, other, "seed {seed}, line {place}");
        }
        assert_eq!(first, second, "seed {seed}");
    }
}

/// The judge finds what is wrong where `quirk` is missing, and says what.
fn is_missed(quirk: Quirk, words: &str) {
    let wrong = |report: &Report| matches!(report.verdict, Some(Verdict::Wrong(_)));
    let reports = search(SEARCHED, Some(quirk), wrong);
    let found = reports.iter().find_map(|report| match &report.verdict {
        Some(Verdict::Wrong(why)) => Some((report.seed, why.clone())),
        Some(Verdict::Stuck(_)) | None => None,
    });
    let (seed, why) = found.expect("not seen, so the search is too weak");
    assert!(why.contains(words), "seed {seed}: {why}");
}

#[test]
fn a_missing_silence_is_seen() {
    is_missed(Quirk::NoSilence, "came to own while");
}

#[test]
fn a_missing_margin_is_seen() {
    is_missed(Quirk::NoMargin, "came to own while");
}

#[test]
fn a_missing_rule_for_whoever_hears_a_holder_is_seen() {
    is_missed(Quirk::NoHeeding, "though it heard that");
}

#[test]
fn a_missing_barrier_is_seen() {
    is_missed(Quirk::NoBarrier, "");
}

#[test]
fn a_missing_vote_guard_is_seen() {
    is_missed(Quirk::NoVoteGuard, "though it had just heard a leader");
}

#[test]
fn a_page_id_from_the_log_index_is_seen() {
    is_missed(Quirk::NoPageId, "was told under two ids");
}
