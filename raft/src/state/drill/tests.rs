//! Records are bounded and come back as written; a thousand are remembered.

use proptest::prelude::*;

use super::*;
use crate::codec;
use crate::consensus::record::{EntryRecord, LogIdRecord, PayloadRecord, SNAPSHOT_BYTES_MAX};
use crate::id::{NodeId, RequestId};
use crate::state::{Command, Proposal};

/// A run that passed.
fn record(id: u64) -> DrillRecord {
    let kind = DrillKind::OwnerCrash;
    DrillRecord {
        id: RunId(id),
        kind,
        target: "front".to_owned(),
        injection: "farmux on lb1 is killed".to_owned(),
        by: "anna".to_owned(),
        scheduled: false,
        began: UnixMillis(1_772_366_400_000 + id * 86_400_000),
        ended: UnixMillis(1_772_366_440_000 + id * 86_400_000),
        revision: 12,
        url: "http://10.0.0.100:80".to_owned(),
        client: Some("w1".parse().expect("a name")),
        bounds: kind.bounds(),
        verdict: Verdict::Pass,
        numbers: Numbers {
            requests: 4_012,
            failed: 14,
            cut: 1,
            failed_in_outage: 14,
            outage_ms: 139,
            resolution_ms: 10,
            outages: 1,
            answers_again: true,
            gap_ms: 148,
            half_us: 612,
            ninety_nine_us: 2_104,
            pages: PageCount {
                sent: 1,
                doubled: 0,
                late: 0,
                acknowledged: 0,
            },
        },
    }
}

#[test]
fn a_thousand_are_kept_and_the_newest_of_each() {
    let mut past = PastDrills::default();
    let mut once = record(1);
    once.kind = DrillKind::Restore;
    past.add(once);
    for id in 2..=1_500 {
        past.add(record(id));
    }
    assert_eq!(past.newest_first().count(), RUNS_MAX);
    assert!(past.get(RunId(1)).is_some(), "the only restore");
    assert!(past.get(RunId(2)).is_none());
    let ended: Vec<_> = past.ended().map(|(_, ended)| ended.passed).collect();
    assert_eq!(ended, [1_499, 1], "the forgotten ones too");
    assert_eq!(
        past.before(DrillKind::OwnerCrash, RunId(1_500)).count(),
        998
    );
}

#[test]
fn a_drill_is_due_when_it_never_ran_or_long_ago() {
    let mut past = PastDrills::default();
    let day = |day: u64| UnixMillis(record(1).ended.0 + day * 86_400_000);
    let kind = DrillKind::OwnerCrash;
    assert_eq!(past.due(kind, day(0)), Due::Never);
    assert_eq!(past.line(kind, day(0)), "last owner-crash: never");
    past.add(record(1));
    let mut aborted = record(2);
    aborted.verdict = Verdict::Aborted(Aborted::NotSteady);
    past.add(aborted);
    assert_eq!(past.due(kind, day(90)), Due::Fresh(90));
    assert_eq!(past.due(kind, day(91)), Due::Old(91));
    assert_eq!(
        past.line(kind, day(12)),
        "last owner-crash: 139 ms, passed, 12 days ago"
    );
    let mut failed = record(3);
    failed.verdict = Verdict::Fail(vec![Lapse::Silent]);
    failed.ended = day(1);
    past.add(failed);
    assert_eq!(
        past.line(kind, day(2)),
        "last owner-crash: 139 ms, FAILED, 1 day ago"
    );
}

fn verdict() -> impl Strategy<Value = Verdict> {
    let text = "\\PC{0,300}";
    prop_oneof![
        Just(Verdict::Pass),
        prop::collection::vec(Just(Lapse::Doubled(u64::MAX)), 1..40).prop_map(Verdict::Fail),
        (text, text).prop_map(|(who, why)| Verdict::Aborted(Aborted::Locked { who, why })),
        text.prop_map(|why| Verdict::Aborted(Aborted::NotInjected { why })),
    ]
}

fn bytes(record: &DrillRecord) -> Vec<u8> {
    let entry = EntryRecord {
        id: LogIdRecord {
            term: 1,
            node: NodeId(1),
            index: 1,
        },
        payload: PayloadRecord::Proposal(Box::new(Proposal {
            id: RequestId(1),
            at: UnixMillis(1),
            command: Command::RecordDrill(Box::new(record.clone())),
        })),
    };
    codec::encode(&entry).expect("it is short")
}

fn read(bytes: &[u8]) -> Option<DrillRecord> {
    let entry: EntryRecord = codec::decode(bytes).ok()?;
    match entry.payload {
        PayloadRecord::Proposal(proposal) => {
            if let Command::RecordDrill(record) = proposal.command {
                return Some(*record);
            }
            None
        }
        PayloadRecord::Blank | PayloadRecord::Membership(_) => None,
    }
}

#[test]
fn it_is_written_as_short_as_it_is_and_in_the_newest_format() {
    let written = bytes(&record(7));
    assert!(written.len() < 300, "{} bytes", written.len());
    assert_eq!(codec::format_of(&written), Some(2));
    assert_eq!(read(&written), Some(record(7)));
}

#[test]
fn a_thousand_of_the_longest_are_a_small_part_of_a_snapshot() {
    let long = "\u{10ffff}".repeat(400);
    let longest = DrillRecord {
        target: long.clone(),
        injection: long.clone(),
        by: long.clone(),
        url: long.clone(),
        verdict: Verdict::Aborted(Aborted::Locked {
            who: long.clone(),
            why: long,
        }),
        ..record(1 << 37)
    };
    let one = u64::try_from(bytes(&longest.bounded()).len()).expect("it is short");
    let runs = u64::try_from(RUNS_MAX).expect("a thousand");
    assert!(one <= 4_096, "{one} bytes");
    assert!(one * runs * 50 < SNAPSHOT_BYTES_MAX);
}

proptest! {
    #[test]
    fn whatever_is_bounded_is_kept_and_comes_back(
        texts in prop::array::uniform4("\\PC{0,400}"),
        verdict in verdict(),
    ) {
        let [target, injection, by, url] = texts;
        let long = DrillRecord { target, injection, by, url, verdict, ..record(1 << 37) };
        let bounded = long.bounded();
        prop_assert_eq!(&bounded.clone().bounded(), &bounded);
        let bytes = bytes(&bounded);
        prop_assert!(bytes.len() <= 4_096);
        prop_assert_eq!(read(&bytes), Some(bounded));
    }
}
