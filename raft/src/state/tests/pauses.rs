//! A pause: who ordered it, why, and that the journal has it.

use super::*;

fn pause(by: &str, why: &str) -> Command {
    Command::Pause {
        author: Author(by.to_owned()),
        why: why.to_owned(),
    }
}

fn resume(by: &str) -> Command {
    Command::Resume {
        author: Author(by.to_owned()),
    }
}

fn journal(house: &House) -> Vec<String> {
    let entries = house.state.journal.after(0);
    let ours = entries.filter(|entry| entry.event.kind() == EventKind::Pause);
    ours.map(|entry| {
        let (about, words) = house.state.journal_words(entry);
        format!("{about} {words}")
    })
    .collect()
}

#[test]
fn whoever_pauses_first_is_named_until_somebody_resumes() {
    let mut house = House::full();
    assert_eq!(house.state.pause, None);
    assert_eq!(house.order(resume("ada")), Ok(Applied::Unchanged));
    assert_eq!(house.order(pause("ada", "racks")), Ok(Applied::Done));
    let since = UnixMillis(house.at);
    assert_eq!(house.order(pause("bob", "")), Ok(Applied::Unchanged));
    let expected = Pause {
        author: Author("ada".to_owned()),
        why: "racks".to_owned(),
        since,
    };
    assert_eq!(house.state.pause, Some(expected));
    assert_eq!(house.order(resume("bob")), Ok(Applied::Done));
    assert_eq!(house.state.pause, None);
    assert_eq!(
        journal(&house),
        ["cluster paused by ada: racks", "cluster goes on by bob"]
    );
}

#[test]
fn a_text_that_cannot_be_shown_is_refused() {
    let mut house = House::full();
    for (by, why) in [("", "racks"), ("ada", "a\nb"), ("ada", &*"x".repeat(201))] {
        let refused = house.order(pause(by, why)).expect_err("a bad text");
        assert!(matches!(refused, Reject::BadText { .. }), "{refused:?}");
    }
    assert_eq!(house.state.pause, None);
}
