//! Reads watches.
//!
//! A check with a kind is the watch's own, whole. One without a kind is its group's, with what is
//! written changed: resolved here and now, and the watch's own from then on.

use std::collections::BTreeMap;

use farmux_raft::id::{GroupName, WatchName};
use farmux_raft::state::{Check, Config, Group, Watch};

use super::super::change::check_table;
use super::super::document::{CheckTable, WatchTable, Word};
use super::super::reader::Reader;
use super::check::check;
use super::ladder::named;
use super::optional;

/// Reads a watch; its check's stored password is taken over for the same address only.
pub(in crate::config) fn watch(
    reader: &mut Reader<'_>,
    table: &WatchTable,
    current: &Config,
    groups: &BTreeMap<GroupName, Group>,
) -> Option<(WatchName, Watch)> {
    let at = format!("watch[{}]", table.name.get_ref());
    let name: Option<WatchName> = reader.name(&at, &table.name);
    let address = reader.address(&format!("{at}.address"), &table.address);
    let port = match &table.port {
        None => Some(None),
        Some(number) => reader.port(&format!("{at}.port"), number).map(Some),
    };
    let ladder = named(reader, &at, table.ladder.as_ref());
    let group: Option<Option<GroupName>> = optional(table.group.as_ref(), |word| {
        reader.name(&format!("{at}.group"), word)
    });
    let depends_on = reader.list(&format!("{at}.depends_on"), &table.depends_on);
    let labels = labels(reader, &at, &table.labels);
    let before = name.as_ref().and_then(|name| current.watches.get(name));
    let same = before.filter(|before| Some(before.address) == address);
    let stored = same.and_then(|watch| watch.check.as_ref());
    let inherited = group.as_ref().and_then(Option::as_ref);
    let inherited = inherited.and_then(|group| groups.get(group)?.check.as_ref());
    let check = match &table.check {
        None => Some(None),
        Some(table) => {
            own_check(reader, &format!("{at}.check"), table, inherited, stored).map(Some)
        }
    };
    let watch = Watch {
        address: address?,
        port: port?,
        group: group?,
        labels,
        check: check?,
        depends_on: depends_on?,
        ladder: ladder?,
    };
    Some((name?, watch))
}

fn own_check(
    reader: &mut Reader<'_>,
    at: &str,
    table: &CheckTable,
    inherited: Option<&Check>,
    stored: Option<&Check>,
) -> Option<Check> {
    match inherited.filter(|_| table.kind.get_ref().is_empty()) {
        None => check(reader, at, table, stored),
        Some(inherited) => {
            let changed = table.clone().over(check_table(inherited));
            check(reader, at, &changed, stored)
        }
    }
}

/// Labels as they are written; the state knows what is too much.
pub(super) fn labels(
    reader: &mut Reader<'_>,
    at: &str,
    labels: &BTreeMap<String, Word>,
) -> BTreeMap<String, String> {
    let labels = labels.iter().map(|(label, word)| {
        reader.mark(&format!("{at}.labels.{label}"), &word.span());
        (label.clone(), word.get_ref().clone())
    });
    labels.collect()
}
