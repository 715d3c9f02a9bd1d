//! What a revision changes, and the revisions so far.

use super::super::terminal::Paint;
use super::table::{Columns, Word};
use crate::api::types::{ApplyAnswer, Reading, RevisionReport};

/// The diff and what became of it.
pub fn applied(answer: &ApplyAnswer, dry_run: bool) -> String {
    let lines: String = answer.diff.iter().map(|line| format!("{line}\n")).collect();
    let verdict = match (answer.diff.is_empty(), answer.revision, dry_run) {
        (true, _, _) => "nothing changes: it is so already\n".to_owned(),
        (false, Some(revision), _) => format!("revision r{revision}\n"),
        (false, None, true) => "nothing was changed: --dry-run\n".to_owned(),
        (false, None, false) => "applied\n".to_owned(),
    };
    lines + &verdict
}

/// The revisions, a line each with the diff below.
pub fn history(reading: &Reading<Vec<RevisionReport>>, paint: Paint) -> String {
    let header = [
        "REVISION",
        "WHEN (UTC)",
        "AUTHOR",
        "CHANGES",
        "FIRST CHANGE",
        "NOTE",
    ];
    let mut columns = Columns::new(paint, &header);
    for revision in &reading.data {
        columns.row([
            Word::from(format!("r{}", revision.id)),
            Word::from(revision.at.to_the_second()),
            Word::from(&revision.author),
            Word::from(revision.diff.len()),
            Word::from(revision.diff.first().map_or("", String::as_str)),
            Word::from(&revision.note),
        ]);
    }
    let none = "no revisions yet: farmux config apply FILE";
    format!("{}\n{}\n", columns.finish(none), reading.fresh.in_words())
}
