//! `farmux page list`, `history`, `show` and `preview`.

use std::fmt::Write;

use farmux_raft::id::UnixMillis;
use farmux_raft::state::PageKind;

use super::super::terminal::{Mood, Paint};
use super::silence::{maintenance_words, silenced_words};
use super::table::{Columns, Word};
use crate::api::types::{
    DeliveryReport, DeliveryState, PageReport, PreviewCallReport, PreviewReport, Reading,
};

/// Digits of an id that a list shows: 48 bits tell 10,000 pages apart.
const ID_DIGITS: usize = 12;

/// Pages, a line each.
pub fn pages(reading: &Reading<Vec<PageReport>>, paint: Paint) -> String {
    let header = [
        "PAGE",
        "KIND",
        "WHEN (UTC)",
        "SUBJECT",
        "CAUSE",
        "LEFT",
        "DELIVERED",
        "TAKEN BY",
    ];
    let mut columns = Columns::new(paint, &header);
    for page in &reading.data {
        let id = page.id.get(..ID_DIGITS).unwrap_or(&page.id);
        columns.row([
            Word::from(id),
            Word::moody(kind_words(page)),
            Word::from(page.at.to_the_second()),
            Word::from(&page.subject),
            Word::from(&page.cause),
            Word::from(&page.left),
            Word::moody(delivered_words(&page.deliveries)),
            Word::from(page.acknowledged_by.as_deref().unwrap_or_default()),
        ]);
    }
    format!(
        "{}\n{}\n",
        columns.finish("no pages"),
        reading.fresh.in_words()
    )
}

/// One page with what became of it.
pub fn page(reading: &Reading<PageReport>, paint: Paint) -> String {
    let page = &reading.data;
    let (kind, mood) = kind_words(page);
    let mut text = String::new();
    let _ = writeln!(text, "page      {}", page.id);
    let _ = writeln!(text, "kind      {}", paint.paint(mood, kind));
    let _ = writeln!(text, "subject   {}", page.subject);
    let _ = writeln!(text, "when      {} UTC", page.at.to_the_second());
    let _ = writeln!(text, "cause     {}", page.cause);
    if !page.left.is_empty() {
        let _ = writeln!(text, "left      {}", page.left);
    }
    if let Some(verdict) = page.verdict {
        let _ = writeln!(text, "verdict   {verdict}");
    }
    for line in &page.evidence {
        let _ = writeln!(text, "seen      {line}");
    }
    let taken = match (&page.acknowledged_by, page.acknowledged_at) {
        (Some(by), Some(at)) => format!("{by}, {} UTC", at.to_the_second()),
        (Some(by), None) => by.clone(),
        (None, _) => {
            "nobody: farmux page ack ".to_owned() + page.id.get(..ID_DIGITS).unwrap_or(&page.id)
        }
    };
    let _ = writeln!(text, "taken by  {taken}");
    if let (Some(by), Some(at)) = (&page.resolved_by, page.resolved_at) {
        let why = page.resolved_why.as_deref().unwrap_or_default();
        let line = format!("resolved  {by}, {} UTC: {why}", at.to_the_second());
        let _ = writeln!(text, "{}", line.trim_end_matches([':', ' ']));
    }
    text.push('\n');
    let header = [
        "CONTACT",
        "STEP",
        "MESSAGE",
        "DELIVERY",
        "WHEN (UTC)",
        "REMINDERS",
        "NEXT (UTC)",
        "FAILURES",
        "ERROR",
    ];
    let mut columns = Columns::new(paint, &header);
    let second = |at: Option<crate::api::types::Moment>| {
        Word::from(at.map_or(String::new(), |at| at.to_the_second()))
    };
    for delivery in &page.deliveries {
        columns.row([
            Word::from(&delivery.contact),
            Word::from(delivery.step),
            Word::from(format!("{}/{}", delivery.contact, delivery.message)),
            Word::moody(delivery_words(delivery)),
            second(delivery.at),
            Word::from(delivery.reminders),
            second(delivery.due),
            Word::from(delivery.failures),
            Word::from(&delivery.error),
        ]);
    }
    text.push_str(&columns.finish("no contacts were there when it was opened"));
    let _ = writeln!(text, "\n{}", reading.fresh.in_words());
    text
}

/// Who would hear of something.
pub fn preview(reading: &Reading<PreviewReport>, paint: Paint, now: UnixMillis) -> String {
    let preview = &reading.data;
    let mut text = String::new();
    let ladder = preview.ladder.as_deref();
    let ladder = ladder.unwrap_or("none: every contact at once");
    let _ = writeln!(text, "subject   {}", preview.subject);
    let _ = writeln!(text, "ladder    {ladder}");
    if !preview.held.is_empty() {
        let held = paint.paint(Mood::Poor, &preview.held);
        let _ = writeln!(text, "no page   {held}");
    }
    if let Some(order) = &preview.maintenance {
        let _ = writeln!(text, "ordered   {}", maintenance_words(order, now));
    }
    let silenced = preview.silenced.as_ref().map(silenced_words);
    if let Some(silenced) = &silenced {
        let silenced = paint.paint(Mood::Poor, silenced);
        let _ = writeln!(text, "silenced  {silenced}");
    }
    text.push('\n');
    let header = ["STEP", "AFTER", "LEAVES (UTC)", "CONTACT", "CHANNELS"];
    let mut columns = Columns::new(paint, &header);
    for call in &preview.calls {
        let PreviewCallReport {
            contact,
            step,
            after_ms,
            at,
            channels,
        } = call;
        let after = std::time::Duration::from_millis(*after_ms);
        let channels: Vec<String> = channels.iter().map(ToString::to_string).collect();
        columns.row([
            Word::from(*step),
            Word::from(farmux_raft::state::duration_text(after)),
            Word::from(at.to_the_second()),
            Word::from(contact),
            Word::from(channels.join(", then ")),
        ]);
    }
    let nobody = match (&silenced, &preview.maintenance) {
        (Some(_), _) => "nobody: it would be silenced",
        (None, Some(_)) => "nobody: it is in maintenance",
        (None, None) if !preview.held.is_empty() => "nobody",
        (None, None) => "nobody: there is no contact",
    };
    text.push_str(&columns.finish(nobody));
    let _ = writeln!(text, "\n{}", reading.fresh.in_words());
    text
}

fn kind_words(page: &PageReport) -> (&'static str, Mood) {
    if page.open && page.resolved_by.is_some() {
        return ("resolved, not over", Mood::Poor);
    }
    match (page.kind, page.open) {
        (PageKind::Down, true) => ("DOWN", Mood::Bad),
        (PageKind::Degraded, true) => ("DEGRADED", Mood::Poor),
        (PageKind::Flapping, true) => ("FLAPPING", Mood::Bad),
        (PageKind::Flapping, false) => ("flapping, over", Mood::Loud),
        (PageKind::Degraded, false) => ("degraded, over", Mood::Loud),
        (PageKind::Down, false) => ("down, over", Mood::Loud),
        (PageKind::Up, _) => ("up", Mood::Good),
        (PageKind::Notice, _) => ("notice", Mood::Loud),
    }
}

fn delivery_words(delivery: &DeliveryReport) -> (&'static str, Mood) {
    match (delivery.state, delivery.failures) {
        (DeliveryState::Delivered, 0) => ("delivered", Mood::Good),
        (DeliveryState::Delivered, _) => ("REMINDER FAILS", Mood::Bad),
        (DeliveryState::Due, 0) => ("due", Mood::Poor),
        (DeliveryState::Due, _) => ("FAILING", Mood::Bad),
        (DeliveryState::Spared, _) => ("spared", Mood::Loud),
        (DeliveryState::Expired, _) => ("given up", Mood::Bad),
    }
}

fn delivered_words(deliveries: &[DeliveryReport]) -> (&'static str, Mood) {
    let worst = deliveries
        .iter()
        .map(delivery_words)
        .max_by_key(|(_, mood)| match mood {
            Mood::Good | Mood::Loud => 0,
            Mood::Poor => 1,
            Mood::Bad => 2,
        });
    worst.unwrap_or(("nobody to tell", Mood::Poor))
}
