//! The judge, shown what it must find, and what it must let pass.

use super::*;

const TERMS: Terms = Terms {
    down_lasts_ms: 4_000,
    up_lasts_ms: 3_000,
    down_soonest_ms: 1_500,
    up_soonest_ms: 500,
    told_within_ms: 1_000,
    gathered_ms: 0,
};

fn change(what: &str, turn: Turn, at_ms: u64) -> Change {
    Change {
        what: what.to_owned(),
        turn,
        from_ms: at_ms,
        to_ms: at_ms,
        owed: Owed::Page,
    }
}

fn message(id: &str, at_ms: u64, says: &[(Turn, &str)]) -> Message {
    let said = |(turn, what): &(Turn, &str)| Said {
        turn: *turn,
        what: (*what).to_owned(),
    };
    Message {
        at_ms,
        contact: "ops".to_owned(),
        id: id.to_owned(),
        answered: true,
        says: says.iter().map(said).collect(),
    }
}

fn case(changes: Vec<Change>) -> Case {
    Case {
        terms: TERMS,
        contacts: vec!["ops".to_owned()],
        changes,
        excuses: vec![],
    }
}

/// missed, pending, doubled, late, wrong, resent.
fn counts(case: &Case, messages: &[Message]) -> [usize; 6] {
    let report = case.judge(messages, 100_000);
    let lists = [
        &report.missed,
        &report.pending,
        &report.doubled,
        &report.late,
        &report.wrong,
    ];
    let [a, b, c, d, e] = lists.map(Vec::len);
    [a, b, c, d, e, report.resent]
}

use Turn::{Down, Up};

fn down_and_up() -> Case {
    case(vec![change("a", Down, 10_000), change("a", Up, 20_000)])
}

#[test]
fn one_page_each_in_time_is_well() {
    let case = down_and_up();
    let messages = [
        message("1", 13_000, &[(Down, "a")]),
        message("2", 22_000, &[(Up, "a")]),
    ];
    assert_eq!(counts(&case, &messages), [0; 6]);
    let report = case.judge(&messages, 100_000);
    assert!(report.is_well(0));
    assert_eq!(report.told_after_ms, [2_000, 3_000]);
    assert_eq!(
        (report.told_after_ms(0), report.told_after_ms(99)),
        (2_000, 3_000)
    );
    assert_eq!(
        report.summary(2),
        "pages missed=0 doubled=0 kills=2 late=0 wrong=0"
    );
}

#[test]
fn what_is_not_as_promised_is_found() {
    let down = message("1", 13_000, &[(Down, "a")]);
    let up = message("2", 22_000, &[(Up, "a")]);
    let again = |id, at_ms, turn| message(id, at_ms, &[(turn, "a")]);
    let rows: [(&str, Vec<Message>, [usize; 6]); 10] = [
        ("nothing", vec![], [2, 0, 0, 0, 0, 0]),
        ("down only", vec![down.clone()], [1, 0, 0, 0, 0, 0]),
        (
            "the same id",
            vec![down.clone(), again("1", 13_500, Down), up.clone()],
            [0, 0, 1, 0, 0, 0],
        ),
        (
            "another id",
            vec![down.clone(), again("3", 13_500, Down), up.clone()],
            [0, 0, 1, 0, 0, 0],
        ),
        (
            "late",
            vec![again("1", 15_001, Down), up.clone()],
            [0, 0, 0, 1, 0, 0],
        ),
        (
            "too soon to be true",
            vec![again("0", 11_000, Down), down.clone(), up.clone()],
            [0, 0, 0, 0, 1, 0],
        ),
        (
            "up while it is down",
            vec![down.clone(), again("3", 14_000, Up), up.clone()],
            [0, 0, 0, 0, 1, 0],
        ),
        (
            "down again, though up for long",
            vec![down.clone(), up.clone(), again("3", 40_000, Down)],
            [0, 0, 0, 0, 1, 0],
        ),
        (
            "another server",
            vec![
                down.clone(),
                up.clone(),
                message("3", 40_000, &[(Down, "b")]),
            ],
            [0, 0, 0, 0, 1, 0],
        ),
        (
            "a page for a stranger",
            vec![
                down.clone(),
                up,
                Message {
                    contact: "boss".into(),
                    ..down
                },
            ],
            [0, 0, 0, 0, 1, 0],
        ),
    ];
    for (title, messages, wanted) in rows {
        assert_eq!(counts(&down_and_up(), &messages), wanted, "{title}");
    }
}

#[test]
fn a_repeat_after_an_answer_that_never_came_is_resent() {
    let down = message("1", 13_000, &[(Down, "a")]);
    let lost = Message {
        answered: false,
        ..down.clone()
    };
    let up = message("2", 22_000, &[(Up, "a")]);
    let case = down_and_up();
    let messages = [lost.clone(), lost.clone(), down.clone(), up.clone()];
    assert_eq!(counts(&case, &messages), [0, 0, 0, 0, 0, 2]);
    let unanswered = |messages| case.judge(messages, 100_000).unanswered;
    assert_eq!((unanswered(&messages[..2]), unanswered(&messages)), (1, 0));
    let messages = [lost, down.clone(), down, up];
    assert_eq!(counts(&case, &messages), [0, 0, 1, 0, 0, 1]);
}

#[test]
fn a_digest_may_repeat_names_as_long_as_one_is_new() {
    let case = case(vec![change("a", Down, 10_000), change("b", Down, 10_000)]);
    let first = message("1", 13_000, &[(Down, "a")]);
    let both = message("2", 13_500, &[(Down, "a"), (Down, "b")]);
    let again = message("3", 14_000, &[(Down, "b"), (Down, "a")]);
    assert_eq!(counts(&case, &[first.clone(), both.clone()]), [0; 6]);
    assert_eq!(counts(&case, &[first, both, again]), [0, 0, 1, 0, 0, 0]);
}

#[test]
fn what_did_not_last_may_be_paged_or_not_and_so_what_ended_it() {
    let brief = case(vec![change("a", Down, 10_000), change("a", Up, 13_000)]);
    let down = message("1", 13_100, &[(Down, "a")]);
    let up = message("2", 16_000, &[(Up, "a")]);
    assert_eq!(counts(&brief, &[]), [0; 6], "nobody saw it");
    assert_eq!(counts(&brief, &[down.clone(), up]), [0; 6]);
    assert_eq!(counts(&brief, &[down]), [1, 0, 0, 0, 0, 0], "down was told");

    let hiccup = case(vec![
        change("a", Down, 10_000),
        change("a", Up, 20_000),
        change("a", Down, 20_500),
    ]);
    let down = message("1", 13_000, &[(Down, "a")]);
    assert_eq!(
        counts(&hiccup, &[down]),
        [0; 6],
        "down all the time, as far as seen"
    );
}

#[test]
fn brief_changes_around_a_lasting_one_are_told_apart() {
    let changes = vec![
        change("a", Down, 10_000),
        change("a", Up, 12_500),
        change("a", Down, 13_000),
        change("a", Up, 30_000),
    ];
    let messages = [
        message("1", 16_000, &[(Down, "a")]),
        message("2", 32_000, &[(Up, "a")]),
    ];
    assert_eq!(counts(&case(changes), &messages), [0; 6]);
}

/// An up that nobody was owed, because the down before it was brief, took the page of a later one.
#[test]
fn a_page_is_not_spent_on_a_change_that_nobody_saw() {
    let changes = vec![
        change("a", Down, 10_000),
        change("a", Up, 11_000),
        change("a", Down, 30_000),
        change("a", Up, 40_000),
    ];
    let messages = [
        message("1", 33_000, &[(Down, "a")]),
        message("2", 42_000, &[(Up, "a")]),
    ];
    assert_eq!(counts(&case(changes), &messages), [0; 6]);
}

#[test]
fn excuses_give_time_and_only_what_they_are_for() {
    let mut case = down_and_up();
    let messages = [
        message("1", 30_000, &[(Down, "a")]),
        message("2", 30_000, &[(Up, "a")]),
    ];
    assert_eq!(counts(&case, &messages), [0, 0, 0, 2, 0, 0]);
    let mute = |from_ms, to_ms| Excuse {
        kind: ExcuseKind::Mute,
        from_ms,
        to_ms,
    };
    case.excuses = vec![mute(9_000, 27_000)];
    assert_eq!(counts(&case, &messages), [0; 6]);
    case.excuses = vec![mute(40_000, 50_000)];
    assert_eq!(counts(&case, &messages), [0, 0, 0, 2, 0, 0]);
}

#[test]
fn nobody_must_see_what_passed_while_nobody_looked() {
    let mut case = case(vec![
        change("a", Down, 10_000),
        change("a", Up, 15_000),
        change("b", Down, 10_000),
    ]);
    case.changes[1].owed = Owed::Nothing;
    let messages = [message("1", 16_500, &[(Down, "b")])];
    case.excuses = vec![Excuse {
        kind: ExcuseKind::Blind,
        from_ms: 10_500,
        to_ms: 12_500,
    }];
    assert_eq!(
        counts(&case, &messages),
        [0; 6],
        "5 s, of which 3 s were seen"
    );
    case.excuses[0].kind = ExcuseKind::Mute;
    assert_eq!(counts(&case, &messages), [1, 0, 0, 0, 0, 0]);
}

#[test]
fn what_still_has_time_is_pending() {
    let case = down_and_up();
    let report = case.judge(&[message("1", 13_000, &[(Down, "a")])], 21_000);
    assert_eq!((report.missed.len(), report.pending.len()), (0, 1));
    assert!(!report.is_well(9), "not yet");
}

#[test]
fn what_follows_a_page_may_wait_to_be_told_with_others() {
    let mut case = case(vec![change("a", Down, 10_000), change("b", Down, 11_000)]);
    let messages = [
        message("1", 13_000, &[(Down, "a")]),
        message("2", 40_000, &[(Down, "b")]),
    ];
    assert_eq!(counts(&case, &messages), [0, 0, 0, 1, 0, 0]);
    case.terms.gathered_ms = 30_000;
    assert_eq!(counts(&case, &messages), [0; 6]);
    // One that nobody saw until later may wait as long, and no longer.
    case.terms.gathered_ms = 5_000;
    case.excuses = vec![Excuse {
        kind: ExcuseKind::Blind,
        from_ms: 13_500,
        to_ms: 15_000,
    }];
    let after = |at_ms| [messages[0].clone(), message("2", at_ms, &[(Down, "b")])];
    assert_eq!(counts(&case, &after(24_500)), [0; 6]);
    assert_eq!(counts(&case, &after(30_000)), [0, 0, 0, 1, 0, 0]);
    // The first leaves at once.
    case.terms.gathered_ms = 30_000;
    case.excuses.clear();
    let late = [message("1", 46_001, &[(Down, "a"), (Down, "b")])];
    assert_eq!(counts(&case, &late), [0, 0, 0, 2, 0, 0]);
}
