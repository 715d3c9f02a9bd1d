//! Reads watches.

use farmux_raft::id::WatchName;
use farmux_raft::state::{Config, Watch};

use super::super::document::WatchTable;
use super::super::reader::Reader;
use super::check::check;
use super::ladder::named;

/// Reads a watch; its check's stored password is taken over for the same address only.
pub(super) fn watch(
    reader: &mut Reader<'_>,
    table: &WatchTable,
    current: &Config,
) -> Option<(WatchName, Watch)> {
    let at = format!("watch[{}]", table.name.get_ref());
    let name: Option<WatchName> = reader.name(&at, &table.name);
    let address = reader.address(&format!("{at}.address"), &table.address);
    let port = match &table.port {
        None => Some(None),
        Some(number) => reader.port(&format!("{at}.port"), number).map(Some),
    };
    let depends_on = reader.list(&format!("{at}.depends_on"), &table.depends_on);
    let ladder = named(reader, &at, table.ladder.as_ref());
    let labels = table.labels.iter().map(|(label, word)| {
        reader.mark(&format!("{at}.labels.{label}"), &word.span());
        (label.clone(), word.get_ref().clone())
    });
    let labels = labels.collect();
    let before = name.as_ref().and_then(|name| current.watches.get(name));
    let same = before.filter(|before| Some(before.address) == address);
    let stored = same.map(|watch| &watch.check);
    let check = check(reader, &format!("{at}.check"), &table.check, stored);
    let watch = Watch {
        address: address?,
        port: port?,
        labels,
        check: check?,
        depends_on: depends_on?,
        ladder: ladder?,
    };
    Some((name?, watch))
}
