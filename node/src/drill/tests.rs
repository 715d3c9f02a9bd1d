//! A run to look at, and texts that tests compare byte by byte.
//!
//! After a wanted change: `FARMUX_GOLDEN=write cargo test -p farmux-node golden`, and read the
//! diff.

use std::path::Path;

use farmux_raft::id::UnixMillis;

use super::{DrillKind, DrillRecord, Numbers, PageCount, RunId, Verdict};

/// Compares with a file below this folder.
pub(super) fn golden(name: &str, shown: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/drill")
        .join(name);
    if std::env::var_os("FARMUX_GOLDEN").is_some_and(|value| value == "write") {
        std::fs::write(&file, shown).expect("the golden file can be written");
    }
    let wanted = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(shown == wanted, "{name} differs; it is now\n{shown}");
}

/// A run that passed.
pub(crate) fn record(id: u64) -> DrillRecord {
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
