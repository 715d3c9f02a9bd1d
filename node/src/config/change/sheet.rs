//! Watches as a sheet, a line each: read from CSV and written to it.
//!
//! A column that is there says all: an empty cell is the default. A column that is not there leaves
//! alone what a watch has. Lists are separated by `;`, and `\` takes the meaning off what follows.

use std::collections::{BTreeMap, BTreeSet};

use farmux_raft::id::{NodeId, WatchName};
use farmux_raft::state::{Config, FAULTS_MAX, Node, WATCHES_MAX, Watch};
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::super::ConfigError;
use super::super::document::{CheckTable, Number, Password, Stored, WatchTable};
use super::csv::{Record, records, write};
use super::order::{Chosen, needed, understand, wrong};
use super::parts::{part, plain, split};
use super::table::{blank, new_watch, watch_table, word};

/// A sheet of watches that shall be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Import {
    /// CSV with a header.
    pub csv: String,
    /// Watches that go unless the sheet has them; null: none go.
    #[serde(default)]
    pub replace: Option<Chosen>,
}

/// The columns in the order in which they are written.
const COLUMNS: [&str; 32] = [
    "name",
    "address",
    "port",
    "group",
    "labels",
    "check",
    "path",
    "host",
    "status",
    "text",
    "obey",
    "verify",
    "days_left",
    "lookup",
    "record",
    "value",
    "send",
    "expect",
    "user",
    "password",
    "fetch",
    "transport",
    "version",
    "portmapper",
    "command",
    "arguments",
    "interval",
    "timeout",
    "fall",
    "rise",
    "depends_on",
    "ladder",
];

/// What an export writes in place of a password, as a document does.
const STORED: &str = "{ stored = true }";

/// The configuration with a sheet taken in, and how many watches that touches.
///
/// **Errors**: everything that is wrong with any line, all of it; nothing is changed then.
pub fn import_csv(
    current: &Config,
    nodes: &BTreeMap<NodeId, Node>,
    import: &Import,
) -> Result<(Config, usize), Vec<ConfigError>> {
    let (rows, broken) = records(&import.csv);
    let mut rows = rows.into_iter();
    let header = rows.next().ok_or_else(|| {
        vec![wrong(
            "",
            "the sheet is empty: its first line names the columns",
        )]
    })?;
    let columns = columns(&header)?;
    let mut errors = Vec::new();
    let mut sheet = Sheet::default();
    for row in rows.by_ref().take(WATCHES_MAX + 1) {
        errors.extend(
            sheet
                .take(&columns, &row, current)
                .err()
                .into_iter()
                .flatten(),
        );
    }
    if let Some(broken) = broken {
        errors.push(at_line(wrong("", broken.what), broken.line));
    }
    let mut config = current.clone();
    let going = import
        .replace
        .as_ref()
        .map_or_else(BTreeSet::new, |chosen| {
            let meant = current.watches.iter();
            let meant = meant.filter(|(name, watch)| chosen.means(current, name, watch));
            let gone = meant.filter(|(name, _)| !sheet.names.contains_key(name.as_str()));
            gone.map(|(name, _)| name.clone()).collect()
        });
    config.watches.retain(|name, _| !going.contains(name));
    let touched = sheet.watches.len() + going.len();
    config.watches.extend(std::mem::take(&mut sheet.watches));
    errors.extend(needed(&config, &going));
    errors.extend(sheet.faults(&config));
    if errors.is_empty() {
        let faults = config.faults(nodes).into_iter();
        errors.extend(faults.map(|fault| sheet.locate(ConfigError::of_fault(fault, None))));
    }
    errors.sort_by_key(|error| error.line);
    match errors.is_empty() {
        true => Ok((config, touched)),
        false => Err(errors),
    }
}

fn at_line(error: ConfigError, line: usize) -> ConfigError {
    ConfigError {
        line: Some(line),
        ..error
    }
}

/// The columns of a header, by their places.
fn columns(header: &Record) -> Result<Vec<&'static str>, Vec<ConfigError>> {
    let mut errors = Vec::new();
    let mut columns = Vec::new();
    for cell in &header.cells {
        if errors.len() == FAULTS_MAX {
            // Each names every column: a header of commas would fill the memory with them.
            break;
        }
        match COLUMNS.iter().find(|column| *column == cell) {
            Some(column) if columns.contains(column) => {
                errors.push(wrong("", &format!("column {cell} is there twice")));
            }
            Some(column) => columns.push(*column),
            None => {
                let possible = COLUMNS.join(", ");
                let what = format!("there is no column {cell:?}; possible: {possible}");
                errors.push(wrong("", &what));
            }
        }
    }
    if errors.len() < FAULTS_MAX && !columns.contains(&"name") {
        errors.push(wrong("", "the column name is missing"));
    }
    match errors.is_empty() {
        true => Ok(columns),
        false => Err(errors
            .into_iter()
            .map(|error| at_line(error, header.line))
            .collect()),
    }
}

/// What was read so far.
#[derive(Default)]
struct Sheet {
    /// Names of all lines, good or not, with their lines.
    names: BTreeMap<String, usize>,
    watches: BTreeMap<WatchName, Watch>,
}

impl Sheet {
    fn take(
        &mut self,
        columns: &[&'static str],
        row: &Record,
        current: &Config,
    ) -> Result<(), Vec<ConfigError>> {
        let here = |errors: Vec<ConfigError>| -> Vec<ConfigError> {
            let errors = errors.into_iter();
            errors.map(|error| at_line(error, row.line)).collect()
        };
        if row.cells.len() != columns.len() {
            let (have, want) = (row.cells.len(), columns.len());
            let what = format!("{have} cells, where the header has {want}");
            return Err(here(vec![wrong("", &what)]));
        }
        let cells: BTreeMap<&'static str, &str> = columns
            .iter()
            .copied()
            .zip(row.cells.iter().map(String::as_str))
            .collect();
        let name = cells.get("name").copied().unwrap_or_default();
        let at = format!("watch[{name}]");
        if let Some(first) = self.names.get(name) {
            let what = format!("{name} is there twice, first in line {first}");
            return Err(here(vec![wrong(&at, &what)]));
        }
        self.names.insert(name.to_owned(), row.line);
        let before = current.watches.get(name);
        let table = before.map_or_else(|| new_watch(name), |watch| watch_table(name, watch));
        let table = fill(table, &at, &cells).map_err(here)?;
        let (name, watch) = understand(&table, current).map_err(here)?;
        self.watches.insert(name, watch);
        Ok(())
    }

    /// What is wrong with each watch beside the others; what names a line that is wrong itself is
    /// not told, for that line is.
    fn faults(&self, config: &Config) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        for name in self.names.keys() {
            let Ok(known) = name.parse() else { continue };
            for fault in config.watch_faults(&known) {
                let error = self.locate(ConfigError::of_fault(fault, None));
                let wanted = error.what.strip_prefix("there is no watch called ");
                if !wanted.is_some_and(|wanted| self.names.contains_key(wanted)) {
                    errors.push(error);
                }
            }
        }
        errors
    }

    /// An error of a watch at its line.
    fn locate(&self, error: ConfigError) -> ConfigError {
        let inside = error.at.strip_prefix("watch[");
        let name = inside.and_then(|rest| rest.split(']').next());
        let line = name.and_then(|name| self.names.get(name)).copied();
        ConfigError { line, ..error }
    }
}

/// A watch as its line has it.
fn fill(
    mut table: WatchTable,
    at: &str,
    cells: &BTreeMap<&'static str, &str>,
) -> Result<WatchTable, Vec<ConfigError>> {
    let mut errors = Vec::new();
    let said = |column: &str| cells.get(column).copied();
    if let Some(address) = said("address") {
        table.address = word(address);
    }
    if let Some(port) = said("port") {
        table.port = number(port, &format!("{at}.port"), &mut errors);
    }
    if let Some(group) = said("group") {
        table.group = (!group.is_empty()).then(|| word(group));
    }
    if let Some(labels) = said("labels") {
        table.labels.clear();
        for label in split(labels, ';') {
            let (name, value) = match split(&label, '=').as_slice() {
                [name, rest @ ..] if !rest.is_empty() => (plain(name), plain(&rest.join("="))),
                _ => {
                    let what = format!("{label:?} is no label; write name=value;name=value");
                    errors.push(wrong(&format!("{at}.labels"), &what));
                    continue;
                }
            };
            table.labels.insert(name, word(value));
        }
    }
    if let Some(parents) = said("depends_on") {
        let parents = split(parents, ';').into_iter();
        table.depends_on = parents.map(|parent| word(plain(&parent))).collect();
    }
    if let Some(ladder) = said("ladder") {
        table.ladder = (!ladder.is_empty()).then(|| word(ladder));
    }
    let before = table.check.map(|check| *check);
    let check = fill_check(before, &format!("{at}.check"), cells, &mut errors);
    table.check = check.map(Box::new);
    match errors.is_empty() {
        true => Ok(table),
        false => Err(errors),
    }
}

fn fill_check(
    before: Option<CheckTable>,
    at: &str,
    cells: &BTreeMap<&'static str, &str>,
    errors: &mut Vec<ConfigError>,
) -> Option<CheckTable> {
    let mut table = match (before, cells.get("check")) {
        (Some(before), Some(kind)) if before.kind.get_ref() != kind => before.pace(),
        (Some(before), _) => before,
        (None, _) => blank(),
    };
    if let Some(kind) = cells.get("check") {
        table.kind = word(kind);
    }
    let said = |column: &str, field: &mut Option<_>| {
        if let Some(cell) = cells.get(column) {
            *field = (!cell.is_empty()).then(|| word(cell));
        }
    };
    said("path", &mut table.path);
    said("host", &mut table.host);
    said("text", &mut table.text);
    said("lookup", &mut table.name);
    said("record", &mut table.record);
    said("value", &mut table.value);
    said("send", &mut table.send);
    said("expect", &mut table.expect);
    said("user", &mut table.user);
    said("fetch", &mut table.fetch);
    said("transport", &mut table.transport);
    said("command", &mut table.command);
    said("interval", &mut table.interval);
    said("timeout", &mut table.timeout);
    for (column, field) in [
        ("status", &mut table.status),
        ("days_left", &mut table.days_left),
        ("version", &mut table.version),
        ("fall", &mut table.fall),
        ("rise", &mut table.rise),
    ] {
        if let Some(cell) = cells.get(column) {
            *field = number(cell, &format!("{at}.{column}"), errors);
        }
    }
    for (column, field) in [
        ("obey", &mut table.obey),
        ("verify", &mut table.verify),
        ("portmapper", &mut table.portmapper),
    ] {
        if let Some(cell) = cells.get(column) {
            *field = switch(cell, &format!("{at}.{column}"), errors);
        }
    }
    if let Some(cell) = cells.get("password") {
        let password = match *cell {
            STORED => Password::Stored(Stored { stored: true }),
            text => Password::Written(text.to_owned()),
        };
        table.password = (!cell.is_empty()).then(|| Spanned::new(0..0, password));
    }
    if let Some(cell) = cells.get("arguments") {
        let words: Vec<String> = split(cell, ';').iter().map(|word| plain(word)).collect();
        table.arguments = (!words.is_empty()).then(|| Spanned::new(0..0, words));
    }
    // The pace of a check that is none any more means nothing.
    let nothing = table.kind.get_ref().is_empty() && says_nothing(cells);
    (!nothing).then_some(table)
}

/// Whether a line says nothing of a check beside its kind.
fn says_nothing(cells: &BTreeMap<&'static str, &str>) -> bool {
    let first = COLUMNS.iter().position(|column| *column == "check");
    let of_check = COLUMNS.iter().skip(first.map_or(0, |place| place + 1));
    let mut of_check = of_check.filter(|column| !matches!(**column, "depends_on" | "ladder"));
    !of_check.any(|column| cells.get(column).is_some_and(|cell| !cell.is_empty()))
}

fn number(cell: &str, at: &str, errors: &mut Vec<ConfigError>) -> Option<Number> {
    if cell.is_empty() {
        return None;
    }
    match cell.parse::<i64>() {
        Ok(number) => Some(Spanned::new(0..0, number)),
        Err(_) => {
            errors.push(wrong(at, &format!("{cell:?} is not a whole number")));
            None
        }
    }
}

fn switch(cell: &str, at: &str, errors: &mut Vec<ConfigError>) -> Option<Spanned<bool>> {
    match cell {
        "" => None,
        "true" => Some(Spanned::new(0..0, true)),
        "false" => Some(Spanned::new(0..0, false)),
        other => {
            errors.push(wrong(at, &format!("{other:?} is neither true nor false")));
            None
        }
    }
}

/// Watches as a sheet that [`import_csv`] understands; secrets are named, not shown.
pub fn export_csv(config: &Config, chosen: &Chosen) -> String {
    let mut text = String::new();
    write(&mut text, &COLUMNS.map(str::to_owned));
    for (name, watch) in &config.watches {
        if chosen.is_empty() || chosen.means(config, name, watch) {
            write(&mut text, &line(name, watch));
        }
    }
    text
}

fn line(name: &WatchName, watch: &Watch) -> Vec<String> {
    let table = watch_table(name.as_str(), watch);
    let labels = watch.labels.iter();
    let labels: Vec<String> = labels
        .map(|(label, value)| format!("{}={}", part(label), part(value)))
        .collect();
    let parents: Vec<String> = table
        .depends_on
        .iter()
        .map(|parent| part(parent.get_ref()))
        .collect();
    let check = table.check.map_or_else(blank, |check| *check);
    let text = |word: &Option<Spanned<String>>| {
        let word = word.as_ref();
        word.map_or_else(String::new, |word| word.get_ref().clone())
    };
    let digits = |number: &Option<Number>| {
        let number = number.as_ref();
        number.map_or_else(String::new, |number| number.get_ref().to_string())
    };
    let on = |switch: &Option<Spanned<bool>>| {
        let switch = switch.as_ref();
        switch.map_or_else(String::new, |switch| switch.get_ref().to_string())
    };
    let arguments = check.arguments.as_ref().map_or_else(String::new, |words| {
        let words: Vec<String> = words.get_ref().iter().map(|word| part(word)).collect();
        match words.join(";") {
            // One argument that is empty is not none.
            joined if joined.is_empty() && !words.is_empty() => "\\".to_owned(),
            joined => joined,
        }
    });
    vec![
        name.to_string(),
        watch.address.to_string(),
        digits(&table.port),
        text(&table.group),
        labels.join(";"),
        check.kind.get_ref().clone(),
        text(&check.path),
        text(&check.host),
        digits(&check.status),
        text(&check.text),
        on(&check.obey),
        on(&check.verify),
        digits(&check.days_left),
        text(&check.name),
        text(&check.record),
        text(&check.value),
        text(&check.send),
        text(&check.expect),
        text(&check.user),
        check.password.map_or("", |_| STORED).to_owned(),
        text(&check.fetch),
        text(&check.transport),
        digits(&check.version),
        on(&check.portmapper),
        text(&check.command),
        arguments,
        text(&check.interval),
        text(&check.timeout),
        digits(&check.fall),
        digits(&check.rise),
        parents.join(";"),
        watch
            .ladder
            .as_ref()
            .map_or_else(String::new, ToString::to_string),
    ]
}
