//! `farmux watch list` and `farmux watch show`.

use std::fmt::Write;

use farmux_raft::id::UnixMillis;

use super::super::terminal::Paint;
use super::table::{Columns, Word};
use super::{health_words, reason_words};
use crate::api::types::{Reading, WatchReport};

/// All watches, a line each.
pub fn watches(reading: &Reading<Vec<WatchReport>>, paint: Paint, now: UnixMillis) -> String {
    let header = [
        "WATCH", "TARGET", "CHECK", "HEALTH", "SINCE", "DEPENDS", "BEHIND", "LABELS", "REASON",
    ];
    let mut columns = Columns::new(paint, &header);
    for watch in &reading.data {
        // The rest of the words is its pace; `watch show` has it.
        let check = watch.check.split(',').next().unwrap_or_default();
        let because = watch.unreachable_because.as_ref();
        let (health, mood) = health_words(watch.health, because, watch.advice);
        columns.row([
            Word::from(&watch.name),
            Word::from(watch.target),
            Word::from(check),
            Word::moody((&health, mood)),
            Word::from(since(watch, now)),
            Word::from(watch.depends_on.join(",")),
            Word::from(watch.dependants.len()),
            Word::from(labels(watch)),
            Word::from(reason_words(&watch.reason, because)),
        ]);
    }
    let none = "no watches yet: farmux config apply FILE";
    format!("{}\n{}\n", columns.finish(none), reading.fresh.in_words())
}

/// One watch, with what it depends on and who depends on it.
pub fn watch(reading: &Reading<WatchReport>, paint: Paint, now: UnixMillis) -> String {
    let watch = &reading.data;
    let because = watch.unreachable_because.as_ref();
    let (health, mood) = health_words(watch.health, because, watch.advice);
    let since = match since(watch, now) {
        since if since.is_empty() => String::new(),
        since => format!(", for {since}"),
    };
    let mut text = String::new();
    let _ = writeln!(text, "watch     {}", watch.name);
    let _ = writeln!(text, "target    {}", watch.target);
    let _ = writeln!(text, "check     {}", watch.check);
    let _ = writeln!(text, "health    {}{since}", paint.paint(mood, &health));
    let reason = reason_words(&watch.reason, because);
    for (word, value) in [("reason", reason), ("labels", labels(watch))] {
        if !value.is_empty() {
            let _ = writeln!(text, "{word:<9} {value}");
        }
    }
    let nothing = |names: &[String]| match names {
        [] => "nothing".to_owned(),
        names => names.join(" "),
    };
    let _ = writeln!(text, "depends   on {}", nothing(&watch.depends_on));
    let behind = match watch.dependants.len() {
        0 => "nothing".to_owned(),
        count => format!("{count}: {}", watch.dependants.join(" ")),
    };
    let _ = writeln!(text, "behind it {behind}");
    let _ = writeln!(text, "\n{}", reading.fresh.in_words());
    text
}

fn since(watch: &WatchReport, now: UnixMillis) -> String {
    watch.since.map_or(String::new(), |at| at.ago(now))
}

/// `site=berlin,floor=2`.
fn labels(watch: &WatchReport) -> String {
    let labels = watch.labels.iter();
    let labels: Vec<String> = labels
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    labels.join(",")
}
