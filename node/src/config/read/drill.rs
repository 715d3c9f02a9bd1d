//! Reads schedules of drills.

use farmux_raft::id::DrillName;
use farmux_raft::state::drill::{Drill, DrillKind, ZoneName};

use super::super::document::DrillTable;
use super::super::reader::Reader;
use super::optional;

pub(super) fn drill(reader: &mut Reader<'_>, table: &DrillTable) -> Option<(DrillName, Drill)> {
    let at = format!("drill[{}]", table.name.get_ref());
    let name = reader.name(&at, &table.name);
    let (here, kind) = match &table.kind {
        Some(kind) => (format!("{at}.kind"), kind),
        None => (at.clone(), &table.name),
    };
    let kinds = DrillKind::ALL.map(|kind| (kind.word(), kind));
    let kind = reader.choice(&here, kind, &kinds, &[]);
    let target = optional(table.target.as_ref(), |word| {
        reader.mark(&format!("{at}.target"), &word.span());
        Some(word.get_ref().clone())
    });
    let weekly = reader.name(&format!("{at}.weekly"), &table.weekly);
    // Which zones there are is for whoever writes it to hear: two releases may know different ones.
    let zone = match &table.tz {
        None => Some(ZoneName::utc()),
        Some(word) => reader.name(&format!("{at}.tz"), word),
    };
    let drill = Drill {
        kind: kind?,
        target: target?,
        weekly: weekly?,
        tz: zone?,
    };
    Some((name?, drill))
}
