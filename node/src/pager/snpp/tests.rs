//! What stands on a pager, and conversations with paging servers that behave and that do not.

use std::io::{BufRead as _, BufReader as Lines, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel as letters};

use farmux_raft::state::{Page, PageKind, SnppWords, Subject};

use super::*;
use crate::pager::testing;

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

fn said(pages: Vec<Page>, words: SnppWords) -> String {
    words::message(&testing::call_of(pages), words, NOW)
}

fn page(kind: PageKind, at: &str) -> Page {
    let mut page = testing::watch_page("fs1", kind, "no route", [0; 4]);
    page.target = Some(at.parse().expect("an address"));
    page
}

#[test]
fn text_fits_eighty_safe_characters() {
    let one = |title: &str, cause: &str| {
        let mut page = testing::watch_page("fs1", PageKind::Down, cause, [10, 0, 0, 50]);
        page.title = title.to_owned();
        said(vec![page], SnppWords::Text)
    };
    assert_eq!(one("fs1", "no route"), "DOWN fs1: no route");
    assert_eq!(one("shöp", "kaputt…\r\nSEND"), "DOWN sh?p: kaputt... SEND");
    let long = one("fs1", &"x".repeat(500));
    assert_eq!(long.len(), 80);
    assert_eq!(
        said(testing::storm(2), SnppWords::Text),
        "2 down, 1 up: web001, web002, dns9"
    );
    assert_eq!(
        said(testing::storm(500), SnppWords::Text),
        "500 down, 1 up: web001, web002, web003, web004, web005, web006 ... and 495 more"
    );
    let test = words::message(&testing::test_call(), SnppWords::Text, NOW);
    assert_eq!(test, "[TEST] prod contact ops");
}

/// The digits of the WebMux appliance.
#[test]
fn codes_are_digits() {
    let subject = |mut page: Page, subject: Subject| {
        page.subject = subject;
        page
    };
    let shop = || "shop".parse().expect("a name");
    let vip = || Subject::Vip("front".parse().expect("a name"));
    let node = || Subject::Node(farmux_raft::id::NodeId(2));
    let (down, up) = (PageKind::Down, PageKind::Up);
    let rows = [
        (page(down, "10.0.0.21:80"), "9901000000002100080"),
        (page(up, "10.0.0.21:80"), "0001000000002100080"),
        (page(down, "203.0.113.255:65535"), "9920300011325565535"),
        (page(down, "[2001:db8::a:15]:443"), "9999000100002100443"),
        (page(down, "[::ffff:10.0.0.21]:80"), "9901000000002100080"),
        (
            subject(page(down, "10.0.0.100:0"), vip()),
            "9801000000010000000",
        ),
        (
            subject(page(up, "10.0.0.12:7946"), node()),
            "0101000000001207946",
        ),
        (
            subject(page(down, "10.0.0.100:80"), Subject::Farm(shop())),
            "4001000000010000080",
        ),
        (
            subject(page(up, "10.0.0.100:80"), Subject::Farm(shop())),
            "4101000000010000080",
        ),
    ];
    for (page, wanted) in rows {
        let title = format!("{page:?}");
        assert_eq!(said(vec![page], SnppWords::Codes), wanted, "{title}");
    }
    let mut lost = page(down, "10.0.0.1:1");
    lost.target = None;
    assert_eq!(said(vec![lost], SnppWords::Codes), "9900000000000000000");
    let test = words::message(&testing::test_call(), SnppWords::Codes, NOW);
    assert_eq!(test, "1111");
}

#[test]
fn several_codes_are_the_worst_ones_and_how_many_more() {
    assert_eq!(
        said(testing::storm(3), SnppWords::Codes),
        "9901000100000100080-9901000100000200080-9901000100000300080-0001000000000900080"
    );
    let storm = said(testing::storm(500), SnppWords::Codes);
    assert_eq!(
        storm,
        "9901000100000100080-9901000100000200080-9901000100000300080-498"
    );
    assert!(storm.len() <= 80);
}

/// Answers each line with the next of these; what it heard comes out.
fn server(answers: &[&str]) -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let (sender, heard) = letters();
    let answers: Vec<String> = answers.iter().map(|answer| (*answer).to_owned()).collect();
    std::thread::spawn(move || -> std::io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        let mut lines = Lines::new(stream.try_clone()?).lines();
        for answer in answers {
            stream.write_all(answer.as_bytes())?;
            stream.write_all(b"\r\n")?;
            if let Some(line) = lines.next() {
                let _ = sender.send(line?);
            }
        }
        Ok(())
    });
    (port, heard)
}

async fn page_by(port: u16) -> Result<String, SnppError> {
    let channel = SnppChannel {
        host: "127.0.0.1".to_owned(),
        port,
        pager: "5551234".to_owned(),
        words: SnppWords::Text,
    };
    let call = testing::call_of(testing::storm(1));
    send(&call, &channel, &Origin::default(), NOW).await
}

#[tokio::test]
async fn a_pager_is_paged() {
    let (port, heard) = server(&[
        "220-Welcome\r\n220 SNPP Gateway Ready",
        "250 Pager ID Accepted",
        "250 Message OK",
        "250 Message Sent Successfully",
        "221 OK, Goodbye",
    ]);
    assert_eq!(
        page_by(port).await,
        Ok("250 Message Sent Successfully".to_owned())
    );
    let heard: Vec<String> = heard.iter().take(4).collect();
    assert_eq!(
        heard,
        [
            "PAGE 5551234",
            "MESS 1 down, 1 up: web001, dns9",
            "SEND",
            "QUIT"
        ]
    );
}

#[tokio::test]
async fn every_way_to_fail_has_its_kind() {
    let refused = |step, words: &str| SnppError::Refused {
        step,
        words: words.to_owned(),
    };
    let gone = |step, words: &str| SnppError::GoneAway {
        step,
        words: words.to_owned(),
    };
    let rows: [(&[&str], SnppError); 6] = [
        (&["421 down"], gone("greeting", "421 down")),
        (
            &["220 hi", "550 no such pager\u{7}"],
            refused("PAGE", "550 no such pager"),
        ),
        (&["220 hi", "250 ok", "421 bye"], gone("MESS", "421 bye")),
        (
            &["220 hi", "250 ok", "250 ok", "554 failed"],
            refused("SEND", "554 failed"),
        ),
        (
            &["SSH-2.0-OpenSSH"],
            SnppError::Garbled {
                step: "greeting",
                words: "SSH-2.0-OpenSSH".to_owned(),
            },
        ),
        (
            &["220 hi", "250 ok"],
            SnppError::Broken {
                step: "MESS",
                why: "connection closed".to_owned(),
            },
        ),
    ];
    for (answers, wanted) in rows {
        let (port, _heard) = server(answers);
        let failed = page_by(port).await.expect_err("a failure");
        // A server that hangs up is seen when it is written to, or when it is listened to.
        let same = match (&failed, &wanted) {
            (SnppError::Broken { step: a, .. }, SnppError::Broken { step: b, .. }) => a == b,
            (failed, wanted) => failed == wanted,
        };
        assert!(same, "{answers:?}: {failed:?}");
    }
    let long = format!("220 {}", "x".repeat(100_000));
    let (port, _heard) = server(&[&long]);
    let failed = page_by(port).await.expect_err("too long");
    assert_eq!(failed.to_string(), "greeting: it talks without end");
}

#[test]
fn a_drill_is_the_first_thing_that_is_said() {
    let said = |down, words| words::message(&testing::drilled(testing::storm(down)), words, NOW);
    let one = testing::drilled(testing::storm(1).split_off(1));
    assert_eq!(
        words::message(&one, SnppWords::Text, NOW),
        "[DRILL] UP dns9: up again after 3m"
    );
    let several = said(2, SnppWords::Text);
    assert_eq!(several, "[DRILL] 2 down, 1 up: web001, web002, dns9");
    let codes = said(2, SnppWords::Codes);
    assert!(codes.starts_with("1111-99"), "{codes}");
    assert_eq!(codes.split('-').count(), 4, "{codes}");
    let many = said(9, SnppWords::Codes);
    assert!(
        many.starts_with("1111-99") && many.ends_with("-8"),
        "{many}"
    );
    assert!(many.len() <= 80, "{many}");
}
