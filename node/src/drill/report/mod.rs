//! PURE. A run as people read it: text for a terminal, Markdown for a wiki, JSON for programs, and
//! one HTML file without outside parts that a manager can read and an auditor can keep.
//!
//! ```text
//!   record, track, previous runs ──▶ facts ──▶ text, markdown, html
//!                                └─▶ timeline, trend (SVG) ──▶ html
//! ```
//!
//! Whatever people and nodes have said stands in it as text, never as markup.

mod html;
mod json;
mod markdown;
mod picture;
mod text;
mod timeline;
mod trend;

#[cfg(test)]
mod tests;

pub use html::html;
pub use json::json;
pub use markdown::markdown;
pub use text::text;

use farmux_raft::state::clean;

use super::DrillRecord;
use super::Numbers;
use super::track::Track;
use crate::api::types::Moment;

/// What a report is made of.
#[derive(Debug, Clone)]
pub struct Report<'a> {
    /// What the cluster is called.
    pub cluster: &'a str,
    /// The run.
    pub record: &'a DrillRecord,
    /// What happened over time, where that was kept.
    pub track: Option<&'a Track>,
    /// Earlier runs of the same drill, the newest first.
    pub previous: Vec<&'a DrillRecord>,
}

impl Report<'_> {
    /// Earlier runs that are shown.
    fn shown(&self) -> impl Iterator<Item = &DrillRecord> {
        self.previous.iter().copied().take(PREVIOUS_MAX)
    }

    /// `owner-crash on front: PASS`.
    fn title(&self) -> String {
        let DrillRecord {
            kind,
            target,
            verdict,
            ..
        } = self.record;
        let title = format!("{kind} on {target}: {}", verdict.word());
        clean(&title, LINE_CHARS_MAX)
    }

    /// Everything in a line each: what, and how it was.
    fn facts(&self) -> Vec<(&'static str, String)> {
        let record = self.record;
        let schedule = match record.scheduled {
            true => ", by schedule",
            false => "",
        };
        let seconds = record.ended.0.saturating_sub(record.began.0) / 1_000;
        let mut facts = vec![
            (
                "run",
                format!("{}, by {}{schedule}", record.id.0, record.by),
            ),
            (
                "began",
                format!("{} UTC", Moment(record.began).to_the_second()),
            ),
            ("lasted", format!("{seconds} s")),
            (
                "cluster",
                format!("{}, configuration r{}", self.cluster, record.revision),
            ),
            ("injected", record.injection.clone()),
            ("measured", measured(record)),
        ];
        facts.extend(in_numbers(record));
        facts.extend(self.asked_itself().map(|words| ("doubt", words)));
        for reason in record.verdict.reasons() {
            facts.push(("why", reason));
        }
        // Each stays a line, whatever stands in it.
        let one_line = |(name, words): (_, String)| (name, clean(&words, LINE_CHARS_MAX));
        facts.into_iter().map(one_line).collect()
    }
}

impl Report<'_> {
    /// Whoever owned the VIP that it measured asked itself, over no network.
    fn asked_itself(&self) -> Option<String> {
        let client = self.record.client.as_ref()?;
        let mut owners = self.track?.owners().iter();
        let owned = owners.any(|(_, owner)| owner.as_ref() == Some(client));
        owned.then(|| format!("{client} owned the VIP meanwhile: it asked itself then"))
    }
}

fn measured(record: &DrillRecord) -> String {
    match (record.url.as_str(), &record.client) {
        ("", _) => "not through a VIP".to_owned(),
        (url, None) => format!("{url}, from outside"),
        (url, Some(client)) => format!("{url}, asked by {client}"),
    }
}

fn in_numbers(record: &DrillRecord) -> Vec<(&'static str, String)> {
    let (numbers, bounds) = (&record.numbers, &record.bounds);
    let Numbers {
        requests,
        failed,
        cut,
        outages,
        pages,
        ..
    } = numbers;
    let must = match bounds.pages {
        None => String::new(),
        Some(must) => format!("; {must} must be"),
    };
    vec![
        ("outage", outage(record)),
        ("outages", outages.to_string()),
        (
            "requests",
            format!("{requests}: {failed} failed, {cut} of them cut off"),
        ),
        (
            "beside it",
            format!(
                "{} of a thousand failed; {} allowed",
                numbers.failed_permille(),
                bounds.failed_permille
            ),
        ),
        ("longest gap", format!("{} ms", numbers.gap_ms)),
        (
            "answered in",
            format!(
                "half {}, 99 % {}",
                micros(numbers.half_us),
                micros(numbers.ninety_nine_us)
            ),
        ),
        (
            "pages",
            format!(
                "{} sent, {} doubled, {} late{must}",
                pages.sent, pages.doubled, pages.late
            ),
        ),
    ]
}

fn outage(record: &DrillRecord) -> String {
    let Numbers {
        outage_ms,
        resolution_ms,
        outages,
        ..
    } = record.numbers;
    let bound = record.bounds.outage_ms;
    if record.numbers.requests == 0 {
        return "not measured here".to_owned();
    }
    match outages {
        0 => format!("none; {bound} ms allowed"),
        _ => format!("{outage_ms} ms, ±{resolution_ms} ms; {bound} ms allowed"),
    }
}

/// `0.6 ms`.
fn micros(us: u64) -> String {
    format!("{}.{} ms", us / 1_000, us % 1_000 / 100)
}

/// More than a bounded record says in one line.
const LINE_CHARS_MAX: usize = 500;

/// A trend of so many runs can be seen at a glance.
const PREVIOUS_MAX: usize = 20;
