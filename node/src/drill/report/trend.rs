//! PURE. The trend: the outage of each earlier run and of this one, beside what is allowed.

use super::Report;
use super::picture::{Area, Look, Picture};
use crate::api::types::Moment;
use crate::drill::DrillRecord;
use crate::drill::Verdict;

/// The picture; nothing where this is the first run.
pub(super) fn trend(report: &Report<'_>) -> Option<String> {
    let mut runs: Vec<&DrillRecord> = report.shown().collect();
    if runs.is_empty() {
        return None;
    }
    runs.reverse();
    runs.push(report.record);
    let mut picture = Picture::new(WIDTH, HEIGHT, "Outage of each run, the newest last");
    let bound = report.record.bounds.outage_ms;
    let longest = runs.iter().map(|run| run.numbers.outage_ms);
    let most = longest.max().unwrap_or(0).max(bound).max(1);
    let height = |ms: u64| (ms.min(most) * BARS_HEIGHT).div_ceil(most);
    let foot = TOP + BARS_HEIGHT;
    for (place, run) in (0_u64..).zip(&runs) {
        let ms = run.numbers.outage_ms;
        let look = match run.verdict {
            Verdict::Pass => Look::Good,
            Verdict::Fail(_) => Look::Bad,
            Verdict::Aborted(_) => Look::Dull,
        };
        let x = LEFT + place * STEP;
        let tall = height(ms).max(1);
        let area = Area {
            x,
            y: foot - tall,
            width: STEP - 8,
            height: tall,
        };
        let when = Moment(run.began).to_the_second();
        let title = format!("{when} UTC: {ms} ms, {}", run.verdict.word());
        picture.area(area, look, &title);
        picture.words(x, foot - tall - 3, &ms.to_string());
    }
    picture.line((LEFT, foot), (WIDTH, foot), Look::Line);
    let allowed = foot - height(bound);
    picture.line((LEFT, allowed), (WIDTH, allowed), Look::Bound);
    picture.words(0, allowed + 4, &format!("{bound} ms"));
    let first = runs.first().map_or(String::new(), |run| day(run));
    picture.words(LEFT, foot + 16, &first);
    let last = LEFT + STEP * u64::try_from(runs.len() - 1).unwrap_or(0);
    picture.words(last, foot + 16, &day(report.record));
    Some(picture.finish())
}

fn day(run: &DrillRecord) -> String {
    let when = Moment(run.began).to_the_second();
    when.split(' ').next().unwrap_or_default().to_owned()
}

const WIDTH: u64 = 960;
const LEFT: u64 = 70;

/// Twenty-one bars and a date behind the last fit.
const STEP: u64 = 39;

const TOP: u64 = 16;
const BARS_HEIGHT: u64 = 80;
const HEIGHT: u64 = 118;
