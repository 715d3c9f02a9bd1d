//! Outages from scripts and against a slow twin, percentiles against sorting, series that widen.

use std::time::Duration;

use proptest::prelude::*;

use super::{Bucket, End, Latency, Miss, MissKind, Outages, Series, Tally};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// What is expected of an outage, in milliseconds: its beginning, its length, failed requests,
/// resolution.
type Told = (u64, u64, u64, u64);

/// Sent, ended, good; in milliseconds.
type Script<'a> = &'a [(u64, u64, bool)];

fn outages(script: Script<'_>) -> Vec<Told> {
    let mut outages = Outages::default();
    for &(sent, ended, good) in script {
        outages.add(ms(sent), ms(ended), good);
    }
    outages.close();
    let told = |millis: Duration| u64::try_from(millis.as_millis()).expect("small");
    let listed = outages.listed().iter();
    listed
        .map(|outage| {
            (
                told(outage.began),
                told(outage.length()),
                outage.failed,
                told(outage.resolution),
            )
        })
        .collect()
}

#[test]
fn an_outage_lasts_from_the_first_failed_to_the_first_good_answer() {
    let table: [(&str, Script<'_>, &[Told]); 7] = [
        ("none", &[(0, 1, true), (10, 11, true)], &[]),
        (
            "one, refused at once",
            &[
                (0, 1, true),
                (10, 10, false),
                (20, 20, false),
                (30, 32, true),
            ],
            &[(10, 22, 2, 10)],
        ),
        (
            "failures that hang end no later for it",
            &[
                (0, 1, true),
                (10, 510, false),
                (20, 520, false),
                (30, 31, true),
            ],
            &[(10, 21, 2, 10)],
        ),
        (
            "a request that hangs through it and is answered does not lengthen it",
            &[
                (0, 1, true),
                (10, 10, false),
                (20, 900, true),
                (30, 31, true),
            ],
            &[(10, 21, 1, 10)],
        ),
        (
            "nor does it end it while others still fail",
            &[
                (10, 10, false),
                (20, 900, true),
                (30, 30, false),
                (40, 41, true),
            ],
            &[(10, 31, 2, 10)],
        ),
        (
            "two, and the client was late before the second",
            &[
                (0, 0, false),
                (10, 11, true),
                (20, 21, true),
                (65, 65, false),
                (75, 76, true),
            ],
            &[(0, 11, 1, 10), (65, 11, 1, 45)],
        ),
        (
            "one that is not over counts to its last failure",
            &[(0, 1, true), (10, 10, false), (40, 40, false)],
            &[(10, 30, 2, 10)],
        ),
    ];
    for (what, script, expected) in table {
        assert_eq!(outages(script), expected, "{what}");
    }
}

fn miss() -> End {
    End::Missed(Miss::new(MissKind::Refused, "connection refused"))
}

#[test]
fn ends_come_in_any_order() {
    let mut tally = Tally::new();
    let numbers: Vec<u64> = (0..5).map(|n| tally.asked(ms(n * 10))).collect();
    tally.ended(numbers[0], ms(1), End::Good);
    tally.ended(numbers[4], ms(41), End::Good);
    tally.ended(numbers[3], ms(44), End::Good);
    assert_eq!(tally.outages().count(), 0, "two are under way");
    tally.ended(numbers[2], ms(520), miss());
    tally.ended(numbers[1], ms(510), miss());
    tally.ended(numbers[1], ms(511), End::Good);
    tally.ended(99, ms(511), End::Good);
    assert_eq!((tally.requests(), tally.failed()), (5, 2));
    tally.close(ms(45));
    let longest = tally.outages().longest().expect("there was one");
    assert_eq!((longest.began, longest.length()), (ms(10), ms(31)));
    assert_eq!(tally.longest_gap(), ms(40));
    assert_eq!(tally.longest_pause(), ms(10));
}

#[test]
fn what_we_could_not_ask_says_nothing_of_the_service() {
    let mut tally = Tally::new();
    let first = tally.asked(ms(0));
    let second = tally.asked(ms(10));
    tally.ended(first, ms(1), End::Unasked("too many open files".to_owned()));
    tally.ended(second, ms(11), End::Good);
    tally.close(ms(12));
    assert_eq!((tally.requests(), tally.failed()), (1, 0));
    assert_eq!(tally.not_asked(), (1, Some("too many open files")));
    assert_eq!(tally.outages().count(), 0);
    let all: u32 = tally.series().buckets().iter().map(|b| b.answered).sum();
    assert_eq!(all, 1);
}

#[test]
fn the_longest_silence_counts_and_so_do_both_ends() {
    let mut tally = Tally::new();
    for (at, end) in [(5, true), (10, true), (60, false), (150, true), (155, true)] {
        let number = tally.asked(ms(at));
        tally.ended(number, ms(at), if end { End::Good } else { miss() });
    }
    assert_eq!(tally.longest_gap(), ms(140));
    tally.close(ms(400));
    assert_eq!(tally.longest_gap(), ms(245));
}

#[test]
fn ways_to_fail_are_counted_up_to_a_bound() {
    let mut tally = Tally::new();
    for status in 0..20 {
        let number = tally.asked(ms(status));
        let miss = Miss::new(MissKind::Answer, format!("status {}", 500 + status));
        tally.ended(number, ms(status), End::Missed(miss));
    }
    let told = tally.misses().told();
    assert_eq!(told.len(), 17);
    assert_eq!(told.last(), Some(&("in other ways".to_owned(), 4)));
    assert_eq!(tally.failed(), 20);
}

#[test]
fn a_long_series_widens_and_loses_nothing() {
    let mut series = Series::default();
    for second in 0..7_200 {
        series.add(Duration::from_secs(second), second % 3 != 0);
    }
    assert!(series.buckets().len() <= super::series::BUCKETS_MAX);
    assert_eq!(series.width(), ms(1_280));
    let sum = |series: &Series| {
        let buckets = series.buckets().iter();
        buckets.fold((0, 0), |(a, f), b: &Bucket| (a + b.answered, f + b.failed))
    };
    assert_eq!(sum(&series), (4_800, 2_400));
    let narrow = series.within(60);
    assert!(narrow.buckets().len() <= 60);
    assert_eq!(sum(&narrow), (4_800, 2_400));
    let mut far = Series::default();
    far.add(Duration::from_secs(u64::from(u32::MAX)), true);
    assert!(far.buckets().len() <= super::series::BUCKETS_MAX);
}

/// The slow twin: every failed request belongs to a run of sent ones; a run ends at the earliest
/// good answer among those sent after its last failure.
fn slow(script: Script<'_>) -> Vec<(u64, u64, u64)> {
    let mut found = Vec::new();
    let mut next = 0;
    while let Some(first) = (next..script.len()).find(|&at| !script[at].2) {
        let mut last = first;
        let ended = loop {
            let good = script[last + 1..].iter().filter(|(_, _, good)| *good);
            let over = good.map(|(_, ended, _)| *ended).min();
            // Failures before that answer came belong to the same outage.
            let more = (last + 1..script.len())
                .rev()
                .find(|&at| !script[at].2 && over.is_none_or(|over| script[at].0 < over));
            match more {
                Some(more) => last = more,
                None => break over,
            }
        };
        let failed = script[first..=last].iter().filter(|(_, _, good)| !good);
        let (began, failed) = (script[first].0, failed.count());
        let ended = ended.unwrap_or(script[last].0);
        found.push((began, ended - began, u64::try_from(failed).expect("few")));
        next = last + 1;
    }
    found
}

/// Times beyond the last step were told as its beginning; they are told as the longest since.
#[test]
fn an_answer_beyond_the_last_step_is_not_shortened() {
    let mut latency = Latency::default();
    for us in [0, 1 << 32] {
        latency.add(Duration::from_micros(us));
    }
    assert_eq!(latency.within(1_000), Duration::from_micros(1 << 32));
}

proptest! {
    #[test]
    fn outages_are_those_of_the_slow_twin(
        script in prop::collection::vec((1_u64..30, 0_u64..120, any::<bool>()), 0..40)
    ) {
        let mut at = 0;
        let script: Vec<_> = script.into_iter().map(|(pause, took, good)| {
            at += pause;
            (at, at + took, good)
        }).collect();
        let fast: Vec<_> = outages(&script).into_iter()
            .map(|(began, length, failed, _)| (began, length, failed))
            .collect();
        prop_assert_eq!(fast, slow(&script));
    }

    #[test]
    fn percentiles_are_those_of_sorting_and_three_in_a_hundred(
        mut took in prop::collection::vec(0_u64..5_000_000_000, 1..300)
    ) {
        let mut latency = Latency::default();
        for &us in &took {
            latency.add(Duration::from_micros(us));
        }
        took.sort_unstable();
        for thousandths in [1, 500, 900, 990, 999, 1_000] {
            let rank = (took.len() * thousandths).div_ceil(1_000).max(1);
            let exact = took[rank - 1];
            let got = latency.within(u64::try_from(thousandths).expect("small")).as_micros();
            let got = u64::try_from(got).expect("small");
            prop_assert!(got >= exact, "{got} {exact}");
            prop_assert!(exact >= 63 << 26 || got <= exact + exact / 31, "{got} {exact}");
        }
        let all = latency.percentiles().expect("there is one");
        prop_assert_eq!(all.longest, Duration::from_micros(*took.last().expect("one")));
        prop_assert_eq!(all.shortest, Duration::from_micros(took[0]));
    }
}
