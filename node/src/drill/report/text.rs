//! PURE. A report for a terminal.

use std::fmt::Write as _;

use super::Report;
use crate::api::types::Moment;

/// The report as plain text, at most a few columns wider than a terminal.
pub fn text(report: &Report<'_>) -> String {
    let mut text = format!(
        "{}\n{}\n\n",
        report.title(),
        report.record.kind.hypothesis()
    );
    // Writing to a string cannot fail.
    for (name, words) in report.facts() {
        let _ = writeln!(text, "{name:<12} {words}");
    }
    for (place, run) in report.shown().enumerate() {
        let name = if place == 0 { "previous" } else { "" };
        let _ = writeln!(
            text,
            "{name:<12} {}  {:>6} ms  {}",
            Moment(run.began).to_the_second(),
            run.numbers.outage_ms,
            run.verdict.word()
        );
    }
    text
}
