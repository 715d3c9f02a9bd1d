//! What people read, word by word.

use farmux_raft::state::{Health, State};

use super::*;
use crate::pager::testing;

fn ops() -> ContactName {
    "ops".parse().expect("a name")
}

fn mail(state: &State, page: &Page, mark: Mark<'_>) -> Mail {
    let contact = testing::contact(&["ops@example.com"], 25);
    page_mail(
        state.cluster.as_ref().expect("a cluster"),
        page,
        &ops(),
        &contact.mail,
        mark,
    )
}

#[test]
fn a_server_down_and_back() {
    let mut state = testing::state(3, &[]);
    testing::report(
        &mut state,
        "s2",
        Health::Down,
        "connection refused",
        900_000,
    );
    let down = testing::newest(&state).clone();
    let mail_down = mail(&state, &down, Mark::Committed);
    assert_eq!(
        mail_down.subject,
        "[DOWN] prod shop/s2: connection refused (3 of 4 up)"
    );
    assert_eq!(mail_down.from, "farmux@prod");
    let id = down.id;
    let wanted = format!(
        "shop/s2 is DOWN.\n\n\
         Since:    1970-01-01 00:15:00 UTC\n\
         Cause:    connection refused\n\
         Left:     3 of 4 up\n\
         Evidence:\n  check web on 10.0.0.22:80: connection refused, seen by lb1\n\n\
         To look further:\n  farmux farm show shop\n  farmux page show {id}\n  \
         farmux page ack {id}\n\n\
         Cluster prod, page {id}, contact ops\n"
    );
    assert_eq!(mail_down.body, wanted);

    testing::report(&mut state, "s2", Health::Up, "status 200", 960_000);
    let up = testing::newest(&state).clone();
    let mail_up = mail(&state, &up, Mark::Committed);
    assert_eq!(
        mail_up.subject,
        "[UP] prod shop/s2: up again after 1m (4 of 4 up)"
    );
    assert_eq!(
        mail_up.in_reply_to.as_ref(),
        Some(&mail_down.message_id),
        "one thread"
    );
    assert!(
        !mail_up.body.contains("page ack"),
        "nothing is left to take on"
    );
}

#[test]
fn uncommitted_is_marked_and_carries_the_same_id() {
    let mut state = testing::state(3, &[]);
    testing::report(
        &mut state,
        "s2",
        Health::Down,
        "connection refused",
        900_000,
    );
    let page = testing::newest(&state).clone();
    let committed = mail(&state, &page, Mark::Committed);
    let alone = mail(&state, &page, Mark::Uncommitted { by: "lb2" });
    assert_eq!(
        alone.subject,
        "[DOWN] [UNCOMMITTED] prod shop/s2: connection refused (3 of 4 up)"
    );
    assert_eq!(alone.message_id, committed.message_id);
    assert!(alone.body.contains("Node lb2 says so by itself"));
}

/// What a server could have said shows up as one bounded line, wherever it stands.
#[test]
fn hostile_texts_stay_in_their_line() {
    let mut state = testing::state(3, &[]);
    testing::report(&mut state, "s2", Health::Down, "x", 900_000);
    let mut page = testing::newest(&state).clone();
    let evil = format!(
        "a\r\nBcc: thief@example.com\r\n\r\n\u{202e}{}",
        "z".repeat(5_000)
    );
    page.cause.clone_from(&evil);
    page.left.clone_from(&evil);
    page.title.clone_from(&evil);
    page.evidence = vec![evil; 500];
    let mail = mail(&state, &page, Mark::Committed);
    assert!(
        !mail.subject.chars().any(char::is_control),
        "{}",
        mail.subject
    );
    assert!(mail.subject.chars().count() < 3 * REASON_CHARS_MAX + 50);
    assert!(mail.body.lines().all(|line| !line.starts_with("Bcc:")));
    assert!(
        mail.body
            .lines()
            .all(|line| line.chars().count() < REASON_CHARS_MAX + 50)
    );
    assert!(mail.body.lines().count() < 50);
}
