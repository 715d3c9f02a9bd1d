//! PURE. A report for programs.

use serde::Serialize;

use super::Report;
use crate::api::types::Moment;
use crate::drill::DrillRecord;
use crate::drill::track::Track;

/// **Shape** (JSON): as the fields say.
#[derive(Serialize)]
struct Shape<'a> {
    cluster: &'a str,
    hypothesis: &'static str,
    passed: bool,
    began: Moment,
    ended: Moment,
    run: &'a DrillRecord,
    /// Null: it was not kept.
    track: Option<&'a Track>,
    previous: Vec<&'a DrillRecord>,
}

/// The report as JSON; times twice, as RFC 3339 and as milliseconds since 1970.
pub fn json(report: &Report<'_>) -> String {
    let record = report.record;
    let shape = Shape {
        cluster: report.cluster,
        hypothesis: record.kind.hypothesis(),
        passed: record.verdict == crate::drill::Verdict::Pass,
        began: Moment(record.began),
        ended: Moment(record.ended),
        run: record,
        track: report.track,
        previous: report.shown().collect(),
    };
    serde_json::to_string_pretty(&shape).expect("a report is plain data") + "\n"
}
