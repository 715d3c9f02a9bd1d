//! Drills in words: what there is, what one will do, how far it is, and what it came to.

use std::fmt::Write as _;

use farmux_raft::id::UnixMillis;

use super::super::terminal::{Mood, Paint};
use super::table::{Columns, Word};
use crate::api::types::{
    DrillDue, DrillEntry, DrillList, DrillPlan, DrillProgress, DrillRun, DrillVerdict, Moment,
    Reading,
};

/// `farmux drill list`.
pub fn drills(reading: &Reading<DrillList>, paint: Paint, now: UnixMillis) -> String {
    let DrillList {
        lock,
        running,
        drills,
        ..
    } = &reading.data;
    let mut text = String::new();
    // Writing to a string cannot fail.
    if let Some(lock) = lock {
        let words = format!("LOCKED by {}: {}", lock.by, lock.why);
        let _ = writeln!(text, "{}\n", paint.paint(Mood::Poor, &words));
    }
    if let Some(running) = running {
        let ago = running.began.ago(now);
        let words = format!(
            "run {} is under way: {}, by {}, since {ago}",
            running.run, running.kind, running.by
        );
        let _ = writeln!(text, "{}\n", paint.paint(Mood::Loud, &words));
    }
    let header = [
        "DRILL",
        "LAST",
        "VERDICT",
        "OUTAGE",
        "ALLOWED",
        "TESTS WHETHER",
    ];
    let mut columns = Columns::new(paint, &header);
    for entry in drills {
        let (last, mood) = last(entry);
        let verdict = entry.last.as_ref().map(|run| verdict(run.verdict));
        let outage = entry.last.as_ref().map(outage);
        columns.row([
            Word::from(entry.kind),
            Word::moody((last.as_str(), mood)),
            verdict.map_or_else(|| Word::from(""), Word::moody),
            Word::from(outage.unwrap_or_default()),
            Word::from(format!("{} ms", entry.bounds.outage_ms)),
            Word::from(&entry.hypothesis),
        ]);
    }
    let _ = write!(
        text,
        "{}\n{}\n",
        columns.finish(""),
        reading.fresh.in_words()
    );
    text
}

fn last(entry: &DrillEntry) -> (String, Mood) {
    match entry.due {
        DrillDue::Never => ("never".to_owned(), Mood::Poor),
        DrillDue::Old(days) => (format!("{days} days ago"), Mood::Poor),
        DrillDue::Fresh(0) => ("today".to_owned(), Mood::Good),
        DrillDue::Fresh(1) => ("1 day ago".to_owned(), Mood::Good),
        DrillDue::Fresh(days) => (format!("{days} days ago"), Mood::Good),
    }
}

fn verdict(verdict: DrillVerdict) -> (&'static str, Mood) {
    match verdict {
        DrillVerdict::Pass => ("PASS", Mood::Good),
        DrillVerdict::Fail => ("FAIL", Mood::Bad),
        DrillVerdict::Aborted => ("ABORTED", Mood::Poor),
    }
}

/// `139 ms`; nothing where nobody measured.
fn outage(run: &DrillRun) -> String {
    match run.numbers.requests {
        0 => String::new(),
        _ => format!("{} ms", run.numbers.outage_ms),
    }
}

/// What a drill will do, and whom it hits.
pub fn drill_plan(plan: &DrillPlan) -> String {
    let mut text = format!("{} on {}\n{}\n\n", plan.kind, plan.target, plan.hypothesis);
    let mut line = |name: &str, words: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<14} {words}");
    };
    for (place, step) in plan.steps.iter().enumerate() {
        line(if place == 0 { "steps" } else { "" }, step);
    }
    line("blast radius", &plan.radius);
    let bounds = &plan.bounds;
    let pages = match bounds.pages {
        None => String::new(),
        Some(1) => ", one page".to_owned(),
        Some(0) => ", no page".to_owned(),
        Some(pages) => format!(", {pages} pages"),
    };
    line(
        "passes with",
        &format!(
            "an outage of {} ms at most, {} of a thousand requests failed beside it{pages}",
            bounds.outage_ms, bounds.failed_permille
        ),
    );
    line(
        "stops at",
        &format!(
            "an outage of {} ms, or {} of the last thousand requests failed",
            plan.stop.outage_ms, plan.stop.failed_permille
        ),
    );
    line("undo held by", plan.undo.holder.words());
    line("configuration", &format!("r{}", plan.revision));
    text
}

/// How far a run is, in one line.
pub fn drill_progress(progress: &DrillProgress, paint: Paint) -> String {
    let DrillProgress {
        phase,
        elapsed_ms,
        requests,
        failed,
        silent_ms,
        longest_silent_ms,
        ..
    } = progress;
    let seconds = format!("{}.{} s", elapsed_ms / 1_000, elapsed_ms % 1_000 / 100);
    let phase = phase.to_string();
    let mood = if *failed == 0 { Mood::Good } else { Mood::Bad };
    let failed = paint.paint(mood, &failed.to_string());
    let silent = match *silent_ms >= SILENT_MS {
        true => paint.paint(Mood::Bad, &format!("  NO ANSWER for {silent_ms} ms")),
        false => String::new(),
    };
    format!(
        "{seconds:>7}  {phase:<12}  {requests} requests, {failed} failed, longest silence \
         {longest_silent_ms} ms{silent}"
    )
}

/// What a run came to.
pub fn drill_over(run: &DrillRun, paint: Paint) -> String {
    let (word, mood) = verdict(run.verdict);
    let title = format!(
        "{} on {}: {}",
        run.kind,
        run.target,
        paint.paint(mood, word)
    );
    let mut text = format!("{title}   (run {})\n", run.run);
    let mut line = |name: &str, words: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<14} {words}");
    };
    for reason in &run.reasons {
        line("why", reason);
    }
    let numbers = &run.numbers;
    if numbers.requests > 0 {
        let outage = match numbers.outages {
            0 => "none".to_owned(),
            _ => format!("{} ms, ±{} ms", numbers.outage_ms, numbers.resolution_ms),
        };
        line(
            "outage",
            &format!("{outage}; {} ms allowed", run.bounds.outage_ms),
        );
        line(
            "requests",
            &format!(
                "{}: {} failed, {} of them cut off",
                numbers.requests, numbers.failed, numbers.cut
            ),
        );
    }
    let pages = &numbers.pages;
    line(
        "pages",
        &format!(
            "{} sent, {} doubled, {} late",
            pages.sent, pages.doubled, pages.late
        ),
    );
    let id = run.run;
    line(
        "report",
        &format!("farmux drill report {id} -o html > drill-{id}.html"),
    );
    text
}

/// `farmux drill history`.
pub fn drill_history(reading: &Reading<Vec<DrillRun>>, paint: Paint) -> String {
    let header = [
        "RUN",
        "BEGAN (UTC)",
        "DRILL",
        "TARGET",
        "VERDICT",
        "OUTAGE",
        "FAILED",
        "BY",
        "WHY",
    ];
    let mut columns = Columns::new(paint, &header);
    for run in &reading.data {
        let by = match run.scheduled {
            true => format!("{} (schedule)", run.by),
            false => run.by.clone(),
        };
        columns.row([
            Word::from(run.run),
            Word::from(Moment::to_the_second(run.began)),
            Word::from(run.kind),
            Word::from(&run.target),
            Word::moody(verdict(run.verdict)),
            Word::from(outage(run)),
            Word::from(run.numbers.failed),
            Word::from(by),
            Word::from(run.reasons.join("; ")),
        ]);
    }
    let none = "no drill was run yet: farmux drill list";
    format!("{}\n{}\n", columns.finish(none), reading.fresh.in_words())
}

/// `farmux drill schedule list`.
pub fn drill_schedules(reading: &Reading<DrillList>, paint: Paint) -> String {
    let header = [
        "SCHEDULE",
        "DRILL",
        "WEEKLY",
        "ZONE",
        "NEXT (UTC)",
        "TARGET",
    ];
    let mut columns = Columns::new(paint, &header);
    for schedule in &reading.data.schedules {
        columns.row([
            Word::from(&schedule.name),
            Word::from(schedule.kind),
            Word::from(&schedule.weekly),
            Word::from(&schedule.tz),
            Word::from(schedule.next.map(Moment::to_the_second).unwrap_or_default()),
            Word::from(schedule.target.as_deref().unwrap_or_default()),
        ]);
    }
    let none = "no drill is run by itself: farmux drill schedule NAME --weekly \"Tue 03:00\"";
    format!("{}\n{}\n", columns.finish(none), reading.fresh.in_words())
}

/// Ten requests in a row; below it says nothing.
const SILENT_MS: u64 = 100;
