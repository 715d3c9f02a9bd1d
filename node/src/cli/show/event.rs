//! `farmux events`.

use farmux_raft::state::EventKind;

use super::super::terminal::{Mood, Paint};
use crate::api::types::{EventReport, EventsAnswer, Reading};

/// Events, a line each, oldest first.
pub fn events(reading: &Reading<EventsAnswer>, paint: Paint) -> String {
    let lines = reading.data.events.iter();
    let lines: String = lines.map(|one| event(one, paint)).collect();
    match lines.is_empty() {
        true => format!("nothing happened\n\n{}\n", reading.fresh.in_words()),
        false => format!("{lines}\n{}\n", reading.fresh.in_words()),
    }
}

/// One of them: number, time (UTC), kind, subject and what happened.
pub fn event(event: &EventReport, paint: Paint) -> String {
    let EventReport {
        number,
        at,
        kind,
        subject,
        text,
    } = event;
    let subject = match subject.as_str() {
        "" => "-",
        subject => subject,
    };
    let word = format!("{kind:<12}");
    let word = match mood(*kind, text) {
        Some(mood) => paint.paint(mood, &word),
        None => word,
    };
    format!(
        "{number:>6}  {}  {word}  {subject:<20}  {text}\n",
        at.to_the_second()
    )
}

fn mood(kind: EventKind, text: &str) -> Option<Mood> {
    let begins = |word: &str| text.starts_with(word);
    match kind {
        EventKind::Health | EventKind::Page | EventKind::Node => {
            let bad = begins("down") || begins("page DOWN") || begins("does not");
            let good = begins("up") || begins("page UP") || begins("answers");
            match (bad, good) {
                (true, _) => Some(Mood::Bad),
                (_, true) => Some(Mood::Good),
                (false, false) => None,
            }
        }
        EventKind::Delivery => begins("not delivered").then_some(Mood::Poor),
        EventKind::Acknowledged
        | EventKind::Silence
        | EventKind::Revision
        | EventKind::Order
        | EventKind::Owner
        | EventKind::Pause
        | EventKind::Drill
        | EventKind::Leader => None,
    }
}
