//! PURE. A report for a wiki or a ticket: CommonMark with tables as GitHub has them.

use std::fmt::Write as _;

use super::Report;
use crate::api::types::Moment;

/// The report as Markdown.
pub fn markdown(report: &Report<'_>) -> String {
    let mut text = format!(
        "# Drill {}\n\n{}\n\n| | |\n|---|---|\n",
        escaped(&report.title()),
        escaped(report.record.kind.hypothesis())
    );
    // Writing to a string cannot fail.
    for (name, words) in report.facts() {
        let _ = writeln!(text, "| {name} | {} |", escaped(&words));
    }
    let mut previous = report.shown().peekable();
    if previous.peek().is_some() {
        text.push_str("\n## Previous runs\n\n| began (UTC) | outage | verdict |\n|---|---:|---|\n");
    }
    for run in previous {
        let _ = writeln!(
            text,
            "| {} | {} ms | {} |",
            Moment(run.began).to_the_second(),
            run.numbers.outage_ms,
            run.verdict.word()
        );
    }
    text
}

/// Nothing that anybody said is markup, a link or the end of a cell.
///
/// **Source**: CommonMark 0.31, 2.4: any ASCII punctuation may be escaped by a backslash.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        if "\\`*_{}[]<>()#!|~&".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    // What looks like an address becomes a link by itself; a break within a word prevents it.
    escaped.replace("://", ":\\//").replace("www.", "www\\.")
}
