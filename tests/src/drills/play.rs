//! A drill beside an independent client, which must say the same of the outage.

use std::time::Duration;

use anyhow::{Context, Result};
use farmux_node::api::types::{DrillPhase, DrillRun, DrillVerdict, PageReport};
use farmux_node::drill::Track;
use serde::Deserialize;

use super::drill::{Drill, Ended};
use super::rows::{Outage, Row};
use super::site::Site;
use crate::gap::{Seen, Watch};
use crate::lab::wait;

/// The slowest one looks on for a minute, between two times of ten seconds.
pub(super) const OVER_WITHIN: Duration = Duration::from_secs(180);

/// **Source**: issue 7: what a drill reports is within 20 ms of an independent probe.
const AGREE_WITHIN: Duration = Duration::from_millis(20);

/// No client asks more exactly on a machine that does other things as well.
const PUNCTUAL: Duration = Duration::from_millis(10);

/// Where every other request fails, or fewer, two clients meet the first and the last of them at
/// other times: each within some of its own requests, which are 10 and 5 ms apart.
const AGREE_PARTLY_WITHIN: Duration = Duration::from_millis(60);

/// How long whoever is on call needs for a page of a drill.
const REACHED_WITHIN: Duration = Duration::from_secs(30);

/// What came of a row.
#[derive(Debug)]
pub struct Outcome {
    kind: &'static str,
    outage: Outage,
    exit: Option<i32>,
    run: DrillRun,
    failing: Duration,
    seen: Seen,
    unmarked: Vec<String>,
    elsewhere: usize,
}

/// Plays a row once, on a site where all is well, and leaves it so.
///
/// **Errors**: the run did not end, or the site did not recover.
pub fn play(site: &Site, row: &Row) -> Result<Outcome> {
    let before = site.mail.mails().len();
    let watch = Watch::start(&site.cluster.client, site.cluster.front());
    let ended = run(site, row);
    let seen = watch.stop()?;
    let ended = ended.inspect_err(|_| give_up(site))?;
    let said = ended.said.clone();
    let well = site.wait_until_well();
    well.with_context(|| format!("after {}: {said}", row.kind))?;
    let mails = site.mail.mails().split_off(before);
    let run = ended.run.with_context(|| format!("no verdict: {said}"))?;
    let (to_rehearsals, others): (Vec<_>, Vec<_>) = mails
        .into_iter()
        .partition(|mail| mail.field("To").is_some_and(|to| to.contains("rehearsals")));
    let unmarked = to_rehearsals.iter().chain(&others);
    let unmarked = unmarked.filter(|mail| !mail.subject.starts_with("[DRILL]"));
    Ok(Outcome {
        kind: row.kind,
        outage: row.outage,
        exit: ended.exit,
        unmarked: unmarked.map(|mail| mail.subject.clone()).collect(),
        elsewhere: others.len(),
        failing: failing(site, run.run)?,
        run,
        seen,
    })
}

/// From the first request that failed to the last, as the report of a run draws them.
fn failing(site: &Site, run: u64) -> Result<Duration> {
    /// Some of a report.
    #[derive(Deserialize)]
    struct Drawn {
        track: Option<Track>,
    }
    let report = site
        .any()?
        .ask(&["drill", "report", &run.to_string(), "-o", "json"])?;
    let drawn: Drawn = serde_json::from_str(&report).context("a report as JSON")?;
    let track = drawn.track.context("a report with requests over time")?;
    let buckets = track.buckets().enumerate();
    let mut failed = buckets.filter_map(|(place, bucket)| (bucket.failed > 0).then_some(place));
    let first = failed.next().unwrap_or(0);
    let last = failed.last().unwrap_or(first);
    Ok(Duration::from_millis(track.bucket_ms()) * u32::try_from(last - first)?)
}

/// What did not end shall not keep the next one from beginning.
fn give_up(site: &Site) {
    // It may be over by now.
    let _ = site.any().map(|node| node.ask(&["drill", "abort"]));
}

fn run(site: &Site, row: &Row) -> Result<Ended> {
    let node = site.any()?;
    let mut drill = Drill::start(node, row.kind, row.words)?;
    if row.kind == "page-test" {
        drill.until(&[DrillPhase::Measuring], OVER_WITHIN)?;
        acknowledge(site, drill.run())?;
    }
    drill.end(OVER_WITHIN)
}

/// Whoever is on call takes the page of a drill.
fn acknowledge(site: &Site, run: Option<u64>) -> Result<()> {
    let node = site.any()?;
    wait::until_true("the page of the drill is taken", REACHED_WITHIN, || {
        let pages = node.pages().unwrap_or_default();
        let open = |page: &&PageReport| page.drill == run && page.acknowledged_by.is_none();
        let Some(page) = pages.iter().find(open) else {
            return false;
        };
        node.ask(&["page", "ack", &page.id]).is_ok()
    })
}

impl Outcome {
    /// What is not as promised.
    pub fn complaints(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let run = &self.run;
        if run.verdict != DrillVerdict::Pass {
            wrong.push(format!("{:?}: {}", run.verdict, run.reasons.join("; ")));
        }
        if self.exit != Some(0) {
            wrong.push(format!("exit {:?}", self.exit));
        }
        if run.numbers.outage_ms > 0 && self.outage == Outage::None {
            wrong.push(format!("an outage of {} ms", run.numbers.outage_ms));
        }
        let title = |one: &String| format!("a page without its mark: {one}");
        wrong.extend(self.unmarked.iter().map(title));
        if self.elsewhere > 0 {
            wrong.push(format!("{} pages to whoever is on call", self.elsewhere));
        }
        wrong
    }

    /// Whether the independent client saw another outage.
    pub fn disagreement(&self) -> Option<String> {
        let (apart, within) = match self.outage {
            Outage::None => return None,
            Outage::Partial => {
                let apart = self.seen.failing.abs_diff(self.failing);
                (apart, AGREE_PARTLY_WITHIN)
            }
            // From good answer to good answer; where none failed, that is the pace of asking. A
            // client that could not ask in time says that, and as much more than there was.
            Outage::Whole => {
                let told = Duration::from_millis(self.run.numbers.outage_ms);
                let most = self.seen.gap;
                let least = most.saturating_sub(self.seen.late.saturating_sub(PUNCTUAL));
                (told.abs_diff(told.clamp(least, most)), AGREE_WITHIN)
            }
        };
        (apart > within).then(|| format!("{} ms apart", apart.as_millis()))
    }

    /// A row of the table.
    pub fn line(&self) -> String {
        let numbers = &self.run.numbers;
        format!(
            "drill={} verdict={:?} exit={} outage_ms={} probe_ms={} probe_late_ms={} requests={} \
             failed={} failing_ms={} probe_failed={} probe_failing_ms={} cut={} pages={} \
             doubled={} late={}",
            self.kind,
            self.run.verdict,
            self.exit
                .map_or_else(|| "killed".to_owned(), |code| code.to_string()),
            numbers.outage_ms,
            self.seen.gap.as_millis(),
            self.seen.late.as_millis(),
            numbers.requests,
            numbers.failed,
            self.failing.as_millis(),
            self.seen.failed,
            self.seen.failing.as_millis(),
            numbers.cut,
            numbers.pages.sent,
            numbers.pages.doubled,
            numbers.pages.late,
        )
    }
}
