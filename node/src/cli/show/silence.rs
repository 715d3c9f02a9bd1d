//! `farmux silence list`, and what a new silence hushes.

use farmux_raft::id::UnixMillis;

use super::super::terminal::{Mood, Paint};
use super::table::{Columns, Word};
use crate::api::types::{Reading, SilenceAnswer, SilenceReport};

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

/// The first names, and how many there are.
fn hushes(names: &[String]) -> String {
    match names {
        [] => "nothing now".to_owned(),
        [one] => one.clone(),
        [first, ..] => format!("{first} and {} more", names.len() - 1),
    }
}
