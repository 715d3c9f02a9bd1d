//! Reads groups.

use farmux_raft::id::GroupName;
use farmux_raft::state::{Config, Group};

use super::super::document::GroupTable;
use super::super::reader::Reader;
use super::check::check;
use super::watch::labels;

/// Reads a group; its check's stored password is taken over from the group as it was.
pub(super) fn group(
    reader: &mut Reader<'_>,
    table: &GroupTable,
    current: &Config,
) -> Option<(GroupName, Group)> {
    let at = format!("group[{}]", table.name.get_ref());
    let name: Option<GroupName> = reader.name(&at, &table.name);
    let labels = labels(reader, &at, &table.labels);
    let depends_on = reader.list(&format!("{at}.depends_on"), &table.depends_on);
    let before = name.as_ref().and_then(|name| current.groups.get(name));
    let stored = before.and_then(|group| group.check.as_ref());
    let check = match &table.check {
        None => Some(None),
        Some(table) => check(reader, &format!("{at}.check"), table, stored).map(Some),
    };
    let group = Group {
        labels,
        check: check?,
        depends_on: depends_on?,
    };
    Some((name?, group))
}
