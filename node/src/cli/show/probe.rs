//! A measurement in words: one line while it runs, a summary when it is over.

use std::fmt::Write;
use std::time::Duration;

use super::super::terminal::{Mood, Paint};
use crate::measure::Measured;
use crate::measure::Tally;
use crate::measure::report::{LatencyReport, OutageReport, SeriesReport};

/// The line that is renewed while it runs.
pub fn measuring(tally: &Tally, now: Duration, paint: Paint) -> String {
    let silent = tally.silent_for(now);
    let state = match silent >= SILENT {
        true => paint.paint(
            Mood::Bad,
            &format!("NO ANSWER for {} ms", silent.as_millis()),
        ),
        false => paint.paint(Mood::Good, "answers"),
    };
    let failed = tally.failed();
    let mood = match failed {
        0 => Mood::Good,
        _ => Mood::Bad,
    };
    format!(
        "{}  {} requests  {} failed  half within {}  longest gap {} ms  {state}",
        seconds(now),
        tally.requests(),
        paint.paint(mood, &failed.to_string()),
        millis(tally.latency().within(500)),
        tally.longest_gap().as_millis(),
    )
}

/// `farmux probe`, when it is over.
pub fn measured(measured: &Measured, paint: Paint) -> String {
    let mut text = format!(
        "{} ({}): a request every {} ms for {}, timeout {} ms\n\n",
        measured.url,
        measured.address,
        measured.every_ms,
        seconds(Duration::from_millis(measured.lasted_ms)),
        measured.timeout_ms
    );
    let mut line = |name: &str, words: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<12} {words}");
    };
    line("outage", &outage(measured, paint));
    if measured.outages > 1 {
        line(
            "outages",
            &format!("{}, {} ms together", measured.outages, measured.out_ms),
        );
        for one in measured.listed.iter().take(SHOWN_MAX) {
            line("", &in_words(one));
        }
    }
    let answered = measured.requests - measured.failed;
    line(
        "requests",
        &format!(
            "{}: {answered} answered, {} failed, {} cut off",
            measured.requests, measured.failed, measured.cut
        ),
    );
    for way in &measured.failures {
        line("", &format!("{} {}", way.count, way.reason));
    }
    if measured.unasked > 0 {
        line(
            "not asked",
            &format!("{}: {}", measured.unasked, measured.why_unasked),
        );
    }
    line(
        "longest gap",
        &format!("{} ms between two good answers", measured.longest_gap_ms),
    );
    if let Some(latency) = &measured.latency {
        line("answered in", &in_time(latency));
    }
    if measured.longest_pause_ms > 2 * measured.every_ms {
        let words = format!("{} ms between two requests", measured.longest_pause_ms);
        line("client late", &paint.paint(Mood::Poor, &words));
    }
    line("timeline", &timeline(&measured.series));
    text
}

fn outage(measured: &Measured, paint: Paint) -> String {
    let longest = measured.listed.iter().max_by_key(|one| one.ms);
    match longest {
        None => paint.paint(Mood::Good, "none"),
        Some(longest) if longest.ms >= measured.outage_ms => {
            paint.paint(Mood::Bad, &in_words(longest))
        }
        // Longer than all that are listed.
        Some(_) => paint.paint(
            Mood::Bad,
            &format!("{} ms, ±{} ms", measured.outage_ms, measured.resolution_ms),
        ),
    }
}

fn in_words(one: &OutageReport) -> String {
    let over = match one.over {
        true => "",
        false => " and not over",
    };
    format!(
        "{} ms{over}, ±{} ms, from {}: {} failed",
        one.ms, one.resolution_ms, one.at, one.failed
    )
}

fn in_time(latency: &LatencyReport) -> String {
    let millis = |us| millis(Duration::from_micros(us));
    format!(
        "half {}, 90 % {}, 99 % {}, 99.9 % {}, longest {}",
        millis(latency.p50_us),
        millis(latency.p90_us),
        millis(latency.p99_us),
        millis(latency.p999_us),
        millis(latency.max_us)
    )
}

/// One character for several buckets: `.` all answered, `x` some failed, `X` all, ` ` none asked.
fn timeline(series: &SeriesReport) -> String {
    let buckets = series.answered.len();
    if buckets == 0 {
        return "nothing was asked".to_owned();
    }
    let each = buckets.div_ceil(COLUMNS);
    let answered = series.answered.chunks(each);
    let columns = answered.zip(series.failed.chunks(each));
    let line: String = columns
        .map(|(answered, failed)| {
            let none = |counts: &[u32]| counts.iter().all(|count| *count == 0);
            match (none(answered), none(failed)) {
                (true, true) => ' ',
                (false, true) => '.',
                (false, false) => 'x',
                (true, false) => 'X',
            }
        })
        .collect();
    let each = u64::try_from(each).unwrap_or(u64::MAX) * series.bucket_ms;
    format!(
        "{line}\n{:13}({each} ms each; x: failed, X: all failed)",
        ""
    )
}

/// `12.3 s`.
fn seconds(time: Duration) -> String {
    format!("{}.{} s", time.as_secs(), time.subsec_millis() / 100)
}

/// `0.6 ms`.
fn millis(time: Duration) -> String {
    let us = time.as_micros();
    format!("{}.{} ms", us / 1_000, us % 1_000 / 100)
}

/// Requests may be a while under way: what takes longer is worth a red word.
const SILENT: Duration = Duration::from_millis(100);

/// Outages that are shown; programs get more.
const SHOWN_MAX: usize = 10;

/// With the name before it, within 80.
const COLUMNS: usize = 60;
