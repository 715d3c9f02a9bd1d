//! PURE. The report as one HTML file: nothing is loaded, nothing runs in it.

use std::fmt::Write as _;

use super::{Report, timeline, trend};
use crate::api::status::VERSION;
use crate::api::types::Moment;
use crate::drill::Verdict;
use crate::markup::escaped;

/// The report as HTML.
pub fn html(report: &Report<'_>) -> String {
    let record = report.record;
    let mood = match record.verdict {
        Verdict::Pass => "good",
        Verdict::Fail(_) => "bad",
        Verdict::Aborted(_) => "dull",
    };
    let mut body = format!(
        "<h1>Drill {} on {} <span class=\"{mood}\">{}</span></h1>\n<p class=\"claim\">{}</p>\n",
        escaped(record.kind.word()),
        escaped(&record.target),
        record.verdict.word(),
        escaped(record.kind.hypothesis())
    );
    // Writing to a string cannot fail.
    for reason in record.verdict.reasons() {
        let _ = writeln!(body, "<p class=\"why\">{}</p>", escaped(&reason));
    }
    pictures(&mut body, report);
    body.push_str("<h2>Numbers</h2>\n<table>\n");
    for (name, words) in report.facts() {
        let _ = writeln!(body, "<tr><th>{name}</th><td>{}</td></tr>", escaped(&words));
    }
    body.push_str("</table>\n");
    previous(&mut body, report);
    let title = format!("Drill {}", report.title());
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style></head>\n<body>\n{body}\
         <p class=\"foot\">farmux {}, cluster {}, run {}, configuration r{}.</p>\n\
         </body></html>\n",
        escaped(&title),
        VERSION,
        escaped(report.cluster),
        record.id.0,
        record.revision
    )
}

fn pictures(body: &mut String, report: &Report<'_>) {
    let Some(track) = report.track else {
        body.push_str("<p>What happened over time was not kept for this run.</p>\n");
        return;
    };
    body.push_str("<h2>Timeline</h2>\n");
    body.push_str(&timeline::whole(track));
    if let Some(close) = timeline::close(track) {
        let width = track.bucket_ms();
        let _ = writeln!(body, "<h2>The failure, closely: {width} ms a bar</h2>");
        body.push_str(&close);
    }
    body.push_str(
        "<p class=\"key\"><span class=\"good\">answered</span> <span class=\"bad\">failed</span> \
         by the time of sending; triangles: pages</p>\n",
    );
}

fn previous(body: &mut String, report: &Report<'_>) {
    let Some(picture) = trend::trend(report) else {
        body.push_str("<p>This is the first run of this drill that is remembered.</p>\n");
        return;
    };
    body.push_str("<h2>Trend: outage in milliseconds</h2>\n");
    body.push_str(&picture);
    body.push_str(
        "<table>\n<tr><th>began (UTC)</th><th>target</th><th>outage</th><th>verdict</th></tr>\n",
    );
    for run in report.shown() {
        let _ = writeln!(
            body,
            "<tr><td>{}</td><td>{}</td><td>{} ms</td><td>{}</td></tr>",
            Moment(run.began).to_the_second(),
            escaped(&run.target),
            run.numbers.outage_ms,
            run.verdict.word()
        );
    }
    body.push_str("</table>\n");
}

/// Nothing may be loaded or run, were there anything.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// Quiet, in print too.
const STYLE: &str = "\
body { font: 15px/1.5 sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; color: #222 }
h1 { font-size: 1.5em } h2 { font-size: 1.1em; margin-top: 2em }
h1 span, .key span { color: #fff; padding: 0 .4em; border-radius: .2em }
h1 .good, .key .good { background: #2a7d46 } h1 .bad, .key .bad { background: #b3261e }
h1 .dull { background: #666 }
.claim { font-style: italic } .why { color: #b3261e; font-weight: bold }
.foot, .key { color: #666; font-size: .85em }
table { border-collapse: collapse } th { text-align: left; font-weight: normal; color: #666 }
th, td { padding: .1em 1.5em .1em 0; vertical-align: top }
svg { width: 100%; height: auto } svg text { font: 11px sans-serif; fill: #444 }
svg .good { fill: #2a7d46 } svg .bad { fill: #b3261e } svg .dull { fill: #999 }
svg .line { stroke: #999 } svg .bound { stroke: #b3261e; stroke-dasharray: 4 3 }
svg .even { fill: #cfe0f5 } svg .odd { fill: #e6d9f2 } svg .nobody { fill: #f4c7c3 }
svg .mark { fill: #8a5a00 }
";
