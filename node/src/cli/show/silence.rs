//! `farmux silence list`, what a new silence hushes, and silences and maintenance in a sentence.

use farmux_raft::id::UnixMillis;

use super::super::terminal::{Mood, Paint};
use super::table::{Columns, Word};
use crate::api::types::{
    MaintenanceReport, Moment, Reading, SilenceAnswer, SilenceReport, SilencedReport,
};

/// All that are in force, a line each.
pub fn silences(reading: &Reading<Vec<SilenceReport>>, paint: Paint, now: UnixMillis) -> String {
    let header = [
        "SILENCE",
        "FOR",
        "SINCE",
        "UNTIL (UTC)",
        "HUSHES",
        "BY",
        "WHY",
    ];
    let mut columns = Columns::new(paint, &header);
    for silence in &reading.data {
        let since = match silence.forgotten {
            true => (format!("{}, FORGOTTEN?", silence.from.ago(now)), Mood::Poor),
            false => (silence.from.ago(now), Mood::Loud),
        };
        columns.row([
            Word::from(silence.number),
            Word::from(&silence.matcher),
            Word::moody((since.0.as_str(), since.1)),
            Word::from(silence.until.to_the_second()),
            Word::from(hushes(&silence.hushes)),
            Word::from(&silence.author),
            Word::from(&silence.comment),
        ]);
    }
    let none = "nothing is silenced";
    format!("{}\n{}\n", columns.finish(none), reading.fresh.in_words())
}

/// What a new silence hushes.
pub fn silence_added(made: &SilenceAnswer) -> String {
    let SilenceAnswer {
        number,
        count,
        matches,
    } = made;
    match count {
        0 => format!("silence {number} is in force, and matches nothing that is there now\n"),
        1 => format!("silence {number} is in force for {}\n", matches.join(" ")),
        count => {
            let named = matches.len();
            let more = match count.saturating_sub(named) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let names = matches.join(" ");
            format!("silence {number} is in force for {count} things: {names}{more}\n")
        }
    }
}

/// `by silence 7 (watch=web*) of anna until 2026-03-01 14:00:00 UTC: moving house`.
pub(super) fn silenced_words(silence: &SilencedReport) -> String {
    let SilencedReport {
        number,
        matcher,
        comment,
        author,
        until,
    } = silence;
    let until = until.to_the_second();
    format!("by silence {number} ({matcher}) of {author} until {until} UTC: {comment}")
}

/// `maintenance for 3h by anna, until 2026-03-01 14:00:00 UTC: new disks`.
pub(super) fn maintenance_words(order: &MaintenanceReport, now: UnixMillis) -> String {
    let MaintenanceReport {
        comment,
        author,
        from,
        until,
        forgotten,
    } = order;
    let until = match until.map(Moment::to_the_second) {
        Some(until) => format!("until {until} UTC"),
        None if *forgotten => "without an end, FORGOTTEN?".to_owned(),
        None => "until somebody says ready".to_owned(),
    };
    let words = format!(
        "maintenance for {} by {author}, {until}: {comment}",
        from.ago(now)
    );
    words.trim_end_matches([':', ' ']).to_owned()
}

/// The first names, and how many there are.
fn hushes(names: &[String]) -> String {
    match names {
        [] => "nothing now".to_owned(),
        [one] => one.clone(),
        [first, ..] => format!("{first} and {} more", names.len() - 1),
    }
}
