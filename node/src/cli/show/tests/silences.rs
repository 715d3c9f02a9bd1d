//! Silences, in golden texts.

use super::*;

#[test]
fn golden_silences() {
    let state = state(&[Balancer]);
    let silence = |number, forgotten, hushes: &[&str]| SilenceReport {
        number,
        matcher: "watch=web* label:site=berlin".to_owned(),
        comment: "moving house".to_owned(),
        author: "anna".to_owned(),
        from: Moment(THEN),
        until: Moment(UnixMillis(THEN.0 + 7_200_000)),
        forgotten,
        hushes: hushes.iter().map(|name| (*name).to_owned()).collect(),
    };
    let all = Reading {
        fresh: view(&state, &[1]).freshness(),
        data: vec![silence(1, true, &["web1", "web2"]), silence(2, false, &[])],
    };
    let now = UnixMillis(THEN.0 + 90_000);
    golden("silence-list.txt", &silences(&all, Paint::Plain, now));
    let matches = ["web1", "web2"].map(str::to_owned);
    for (count, wanted) in [
        (
            0,
            "silence 3 is in force, and matches nothing that is there now\n",
        ),
        (1, "silence 3 is in force for web1\n"),
        (
            3,
            "silence 3 is in force for 3 things: web1 web2 and 1 more\n",
        ),
    ] {
        let made = SilenceAnswer {
            number: 3,
            matches: matches.iter().take(count).cloned().collect(),
            count,
        };
        assert_eq!(silence_added(&made), wanted);
    }
}
