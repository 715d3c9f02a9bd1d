//! Reads ladders: who is paged after whom.

use std::time::Duration;

use farmux_raft::id::LadderName;
use farmux_raft::state::{Ladder, Step};

use super::super::document::{LadderTable, Word};
use super::super::reader::Reader;
use super::optional;

pub(super) fn ladder(reader: &mut Reader<'_>, table: &LadderTable) -> Option<(LadderName, Ladder)> {
    let at = format!("ladder[{}]", table.name.get_ref());
    let name = reader.name(&at, &table.name);
    let here = format!("{at}.steps");
    reader.mark(&here, &table.steps.span());
    let mut steps = Vec::new();
    for step in table.steps.get_ref() {
        let after = reader.duration(&here, step.after.as_ref(), Duration::ZERO);
        let contacts = reader.list(&here, &step.contacts);
        let (after, contacts) = (after?, contacts?);
        steps.push(Step { after, contacts });
    }
    // What is wrong with a step is told at the first of them.
    reader.mark(&here, &table.steps.span());
    Some((name?, Ladder { steps }))
}

/// The ladder that a farm or a watch names.
pub(super) fn named(
    reader: &mut Reader<'_>,
    at: &str,
    word: Option<&Word>,
) -> Option<Option<LadderName>> {
    optional(word, |word| reader.name(&format!("{at}.ladder"), word))
}
