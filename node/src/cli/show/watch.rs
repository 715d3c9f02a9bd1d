//! `farmux watch …`: the list, one of them, and what a change changes.

use std::fmt::Write;

use farmux_raft::id::UnixMillis;
use farmux_raft::state::Health;

use super::super::terminal::{Mood, Paint};
use super::silence::silenced_words;
use super::status::watch_words;
use super::table::{Columns, Word};
use super::{health_words, reason_words};
use crate::api::types::{
    MonthReport, PageReport, ProbeReport, Reading, WatchAnswer, WatchCounts, WatchDetail,
    WatchReport,
};

/// All watches, a line each, and how many are how.
pub fn watches(reading: &Reading<Vec<WatchReport>>, paint: Paint, now: UnixMillis) -> String {
    let header = [
        "WATCH", "TARGET", "CHECK", "HEALTH", "SINCE", "GROUP", "DEPENDS", "BEHIND", "LABELS",
        "REASON",
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
            Word::from(watch.group.as_deref().unwrap_or_default()),
            Word::from(watch.depends_on.join(",")),
            Word::from(watch.dependants.len()),
            Word::from(labels(watch)),
            Word::from(reason_words(&watch.reason, because)),
        ]);
    }
    let none = "no watches: farmux watch add NAME ADDRESS, farmux watch import FILE.csv";
    let summary = match reading.data.is_empty() {
        true => String::new(),
        false => format!("watches {}\n", watch_words(counts(&reading.data), paint)),
    };
    format!(
        "{}\n{summary}{}\n",
        columns.finish(none),
        reading.fresh.in_words()
    )
}

fn counts(watches: &[WatchReport]) -> WatchCounts {
    let mut counts = WatchCounts::default();
    for watch in watches {
        match (watch.health, &watch.unreachable_because) {
            (Health::Up, _) => counts.up += 1,
            (Health::Unknown, _) => counts.unknown += 1,
            (Health::Down, Some(_)) => counts.unreachable += 1,
            (Health::Down, None) => counts.down += 1,
        }
    }
    counts
}

/// One watch: how it is, how it has been, what it depends on and who depends on it.
pub fn watch(reading: &Reading<WatchDetail>, paint: Paint, now: UnixMillis) -> String {
    let WatchDetail {
        watch,
        results,
        probed_by,
        uptime,
        silenced,
        pages,
    } = &reading.data;
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
    let group = watch.group.clone().unwrap_or_default();
    let waits = watch.page_waits.as_ref();
    let waits = waits.map_or(String::new(), |waits| format!("waits: {waits}"));
    let silenced = silenced.as_ref().map_or(String::new(), silenced_words);
    let verdict = watch.verdict.map_or(String::new(), |it| it.to_string());
    for (word, value) in [
        ("reason", reason),
        ("page", waits),
        ("silenced", silenced),
        ("verdict", verdict),
        ("group", group),
        ("labels", labels(watch)),
    ] {
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
    let _ = writeln!(text, "behind it {behind}\n");
    text.push_str(&months(uptime, paint));
    let by = probed_by.as_ref().map_or("", |node| node.as_str());
    text.push_str(&probes(results, by, paint));
    text.push_str(&pages_of_it(pages));
    let _ = writeln!(text, "{}", reading.fresh.in_words());
    text
}

/// `2026-03  99.982 %  (down 7m 12s, 3 times; not watched 0s)`.
fn months(uptime: &[MonthReport], paint: Paint) -> String {
    let mut text = String::new();
    for (place, month) in uptime.iter().enumerate() {
        let head = if place == 0 { "uptime" } else { "" };
        let share = match month.up_per_100_000 {
            None => "      -  ".to_owned(),
            Some(share) => {
                let words = format!("{:>3}.{:03} %", share / 1_000, share % 1_000);
                match month.downs {
                    0 => words,
                    _ => paint.paint(Mood::Poor, &words),
                }
            }
        };
        let times = match month.downs {
            1 => "once".to_owned(),
            times => format!("{times} times"),
        };
        let down = match (month.downs, month.down_ms) {
            (0, 0) => "never down".to_owned(),
            (0, _) => format!("down {}", span(month.down_ms)),
            (_, _) => format!("down {}, {times}", span(month.down_ms)),
        };
        let _ = writeln!(
            text,
            "{head:<9} {}  {share}  ({down}; not watched {})",
            month.month,
            span(month.unknown_ms)
        );
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

/// In the two largest units: `3m 12s`, `2d 4h`, `0s`.
fn span(millis: u64) -> String {
    let seconds = millis / 1_000;
    let units = [
        (seconds / 86_400, "d"),
        (seconds / 3_600 % 24, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
    ];
    let first = units.iter().position(|(count, _)| *count > 0);
    let shown = units.iter().skip(first.unwrap_or(units.len() - 1)).take(2);
    let words: Vec<String> = shown
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    words.join(" ")
}

/// The last probes, the newest first.
fn probes(results: &[ProbeReport], by: &str, paint: Paint) -> String {
    if by.is_empty() {
        return "probed    by nobody that answers\n\n".to_owned();
    }
    let well = results.iter().filter(|one| one.found == "well").count();
    let mut text = match results.len() {
        0 => format!("probed    by {by}, not once yet\n\n"),
        count => format!("probed    by {by}; of the last {count} probes {well} were well\n\n"),
    };
    if results.is_empty() {
        return text;
    }
    let mut columns = Columns::new(paint, &["PROBE (UTC)", "TOOK", "FOUND"]);
    for result in results {
        let mood = match result.found.as_str() {
            "well" => Mood::Good,
            "nothing" => Mood::Poor,
            _ => Mood::Bad,
        };
        columns.row([
            Word::from(result.at.to_the_second()),
            Word::from(took(result.took_us)),
            Word::moody((&result.found, mood)),
        ]);
    }
    text.push_str(&columns.finish(""));
    text.push('\n');
    text
}

/// `0.25ms`, `1.203s`.
fn took(micros: u32) -> String {
    match micros {
        0..=999_999 => format!("{}.{:02}ms", micros / 1_000, micros % 1_000 / 10),
        _ => format!("{}.{:03}s", micros / 1_000_000, micros % 1_000_000 / 1_000),
    }
}

fn pages_of_it(pages: &[PageReport]) -> String {
    let mut text = String::new();
    for (place, page) in pages.iter().enumerate() {
        let head = if place == 0 { "pages" } else { "" };
        let id = page.id.get(..12).unwrap_or(&page.id);
        let at = page.at.to_the_second();
        let kind = format!("{:?}", page.kind).to_uppercase();
        let _ = writeln!(text, "{head:<9} {id}  {at}  {kind}: {}", page.cause);
    }
    if !text.is_empty() {
        text.push('\n');
    }
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

/// What a change changed, or would.
pub fn watches_changed(answer: &WatchAnswer, dry_run: bool) -> String {
    let lines: String = answer.diff.iter().map(|line| format!("{line}\n")).collect();
    let watches = match answer.touched {
        1 => "1 watch".to_owned(),
        several => format!("{several} watches"),
    };
    let verdict = match (answer.revision, dry_run) {
        (Some(revision), _) => format!("{watches}: revision r{revision}\n"),
        (None, true) if !answer.diff.is_empty() => {
            format!("{watches}: nothing was changed yet\n")
        }
        (None, _) => format!("{watches}: nothing changes, it is so already\n"),
    };
    lines + &verdict
}
