//! Golden reports, byte by byte, and what hostile words become.

use std::time::Duration;

use proptest::prelude::*;

use super::super::tests::record;
use super::super::{Aborted, DrillKind, DrillRecord, Lapse, RunId, Verdict};

use super::super::tests::golden;
use super::super::track::{Mark, Track};

use super::{Report, html, json, markdown, text};
use crate::measure::tally::Series;

/// Forty seconds with a takeover after ten.
fn track() -> Track {
    let mut series = Series::default();
    for step in 0..4_000 {
        let at = Duration::from_millis(step * 10);
        series.add(at, !(1_003..1_017).contains(&step));
    }
    let mut track = Track::default();
    track.set_series(&series);
    let at = Duration::from_millis;
    let owner = |text: &str| Some(text.parse().expect("a name"));
    track.owned(at(0), owner("lb1"));
    track.mark(at(10_020), Mark::Injected);
    track.owned(at(10_040), None);
    track.owned(at(10_160), owner("lb2"));
    track.mark(
        at(11_400),
        Mark::Page("[DRILL] node lb1 is LOST".to_owned()),
    );
    track.mark(at(25_000), Mark::Undone);
    track
}

fn failed(id: u64) -> DrillRecord {
    let mut run = record(id);
    run.numbers.outage_ms = 1_312;
    run.verdict = Verdict::Fail(vec![Lapse::Outage {
        ms: 1_312,
        bound_ms: 300,
    }]);
    run
}

#[test]
fn golden_reports_of_a_run_that_passed() {
    let (run, track) = (record(7), track());
    let (first, mut second, third) = (failed(3), record(4), record(6));
    second.verdict = Verdict::Aborted(Aborted::NotSteady);
    second.numbers = Default::default();
    let report = Report {
        cluster: "prod",
        record: &run,
        track: Some(&track),
        previous: vec![&third, &second, &first],
    };
    golden("report/golden/passed.txt", &text(&report));
    golden("report/golden/passed.md", &markdown(&report));
    golden("report/golden/passed.html", &html(&report));
    golden("report/golden/passed.json", &json(&report));
}

#[test]
fn golden_reports_of_a_first_run_that_failed() {
    let mut run = failed(1);
    run.id = RunId(1);
    run.scheduled = true;
    run.client = None;
    let report = Report {
        cluster: "prod",
        record: &run,
        track: None,
        previous: vec![],
    };
    golden("report/golden/failed.txt", &text(&report));
    golden("report/golden/failed.md", &markdown(&report));
    golden("report/golden/failed.html", &html(&report));
    golden("report/golden/failed.json", &json(&report));
}

#[test]
fn whoever_asked_itself_is_doubted() {
    let (mut run, track) = (record(7), track());
    let shown = |run: &DrillRecord| {
        text(&Report {
            cluster: "prod",
            record: run,
            track: Some(&track),
            previous: vec![],
        })
    };
    assert!(!shown(&run).contains("doubt"));
    run.client = Some("lb2".parse().expect("a name"));
    let line = "doubt        lb2 owned the VIP meanwhile: it asked itself then\n";
    assert!(shown(&run).contains(line));
    run.client = None;
    run.numbers = Default::default();
    assert!(shown(&run).contains("outage       not measured here\n"));
}

/// Everything that anybody can choose.
fn hostile(words: &str) -> (DrillRecord, Track) {
    let mut run = record(7);
    run.kind = DrillKind::PageTest;
    run.target = words.to_owned();
    run.injection = words.to_owned();
    run.by = words.to_owned();
    run.url = words.to_owned();
    run.verdict = Verdict::Aborted(Aborted::Locked {
        who: words.to_owned(),
        why: words.to_owned(),
    });
    let mut track = track();
    track.mark(Duration::from_secs(12), Mark::Page(words.to_owned()));
    (run.bounded(), track)
}

#[test]
fn nothing_that_was_said_is_markup() {
    let words = "</title><script>alert(1)</script>\" onload='x' | [a](http://evil.test) `b`\r\n# c";
    let (run, track) = hostile(words);
    let report = Report {
        cluster: words,
        record: &run,
        track: Some(&track),
        previous: vec![&run],
    };
    let page = html(&report);
    assert!(!page.contains("<script"), "{page}");
    assert_eq!(
        page.matches("<title>").count(),
        page.matches("</title>").count()
    );
    assert!(!page.contains("onload='"), "{page}");
    let wiki = markdown(&report);
    let markup = unescaped(&wiki);
    assert!(!markup.contains(['[', '<', '`']), "{wiki}");
    assert!(!wiki.contains("http://"), "{wiki}");
    assert!(!wiki.lines().any(|line| line.starts_with("# c")), "{wiki}");
    let back: serde_json::Value = serde_json::from_str(&json(&report)).expect("JSON");
    assert_eq!(back["run"]["target"], run.target);
}

/// What is left to be read as markup: whatever is escaped is none.
fn unescaped(wiki: &str) -> String {
    let mut kept = String::new();
    let mut letters = wiki.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => drop(letters.next()),
            other => kept.push(other),
        }
    }
    kept
}

/// One file: nothing in it leads elsewhere.
#[test]
fn the_page_has_no_outside_parts() {
    let (run, track) = (record(7), track());
    let report = Report {
        cluster: "prod",
        record: &run,
        track: Some(&track),
        previous: vec![],
    };
    let page = html(&report);
    for word in [
        "src=", "href=", "url(", "@import", "<script", "<link", "<img", "<iframe",
    ] {
        assert!(!page.contains(word), "{word}");
    }
    assert!(page.len() < 200_000, "{} bytes", page.len());
}

/// Every element that is opened is closed, in order.
fn is_balanced(page: &str) -> Result<(), String> {
    const EMPTY: [&str; 2] = ["!DOCTYPE", "meta"];
    let mut open = Vec::new();
    for piece in page.split('<').skip(1) {
        let (tag, _) = piece
            .split_once('>')
            .ok_or_else(|| format!("open tag: {piece}"))?;
        let name = tag.split([' ', '\n']).next().unwrap_or_default();
        if tag.ends_with('/') || EMPTY.contains(&name) {
            continue;
        }
        match name.strip_prefix('/') {
            None => open.push(name),
            Some(name) if open.last() == Some(&name) => drop(open.pop()),
            Some(name) => return Err(format!("</{name}> in {open:?}")),
        }
    }
    open.is_empty()
        .then_some(())
        .ok_or_else(|| format!("{open:?} at the end"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_was_said_the_page_holds_together(
        words in "[<>&\"'a-z/=!| \\PC]{0,80}",
        steps in prop::collection::vec((0_u64..500_000, any::<bool>()), 0..200),
        owners in prop::collection::vec(0_u64..500_000, 0..20),
    ) {
        let (run, _) = hostile(&words);
        let mut steps = steps;
        steps.sort_unstable();
        let mut series = Series::default();
        for (at, good) in steps {
            series.add(Duration::from_millis(at), good);
        }
        let mut track = Track::default();
        track.set_series(&series);
        let mut owners = owners;
        owners.sort_unstable();
        for at in owners {
            let name = format!("lb{}", at % 4 + 1).parse().expect("a name");
            let owner = (at % 3 > 0).then_some(name);
            track.owned(Duration::from_millis(at), owner);
            track.mark(Duration::from_millis(at), Mark::Page(words.clone()));
        }
        let report = Report {
            cluster: &words,
            record: &run,
            track: Some(&track),
            previous: vec![&run],
        };
        let page = html(&report);
        prop_assert_eq!(is_balanced(&page), Ok(()), "{}", page);
        let _ = (text(&report), markdown(&report), json(&report));
    }
}
