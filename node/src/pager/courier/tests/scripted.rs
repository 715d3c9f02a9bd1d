//! Against a relay that follows a script: the ways in which relays fail.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;
use crate::reserved::reserve;

/// What the relay does instead of its duty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trick {
    None,
    Greeting(&'static str),
    Mail(&'static str),
    /// Refuses recipients that begin with `bad`.
    BadRecipients,
    Data(&'static str),
    DropInData,
    AfterDot(&'static str),
    DropAfterDot,
    SilentAfterMail,
    EndlessReply,
    /// Says something in the clear behind its consent to STARTTLS.
    Inject,
}

/// Starts it; every letter that it took comes out, as the lines between DATA and the dot.
pub(super) fn relay(trick: Trick) -> (u16, Receiver<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let (sender, letters) = channel();
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            // A client that hangs up ends the conversation: the script has nothing to add.
            let _ = converse(stream, trick, &sender);
        }
    });
    (port, letters)
}

fn converse(
    mut stream: TcpStream,
    trick: Trick,
    letters: &Sender<Vec<String>>,
) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let mut say = |text: &str| stream.write_all(format!("{text}\r\n").as_bytes());
    say(if let Trick::Greeting(text) = trick {
        text
    } else {
        "220 relay"
    })?;
    while let Some(line) = lines.next().transpose()? {
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        match (verb.as_str(), trick) {
            ("EHLO", Trick::Inject) => say("250-relay\r\n250 STARTTLS")?,
            ("EHLO", _) => say("250-relay\r\n250 8BITMIME")?,
            ("STAR", Trick::Inject) => say("220 go\r\n250 injected\r\n250 injected")?,
            ("MAIL", Trick::Mail(text)) => say(text)?,
            ("MAIL", Trick::SilentAfterMail) => {
                let _ = lines.next();
                return Ok(());
            }
            ("MAIL", Trick::EndlessReply) => loop {
                say("250-and so on and so on and so on and so on and so on and so on")?;
            },
            ("RCPT", Trick::BadRecipients) if line.contains("<bad") => {
                say("550 5.1.1 no such user here")?;
            }
            ("DATA", Trick::Data(text)) => say(text)?,
            ("DATA", _) => {
                say("354 go on")?;
                let mut letter = Vec::new();
                while let Some(line) = lines.next().transpose()?.filter(|line| line != ".") {
                    letter.push(line);
                    if trick == Trick::DropInData {
                        return Ok(());
                    }
                }
                if trick == Trick::DropAfterDot {
                    return Ok(());
                }
                if let Trick::AfterDot(text) = trick {
                    say(text)?;
                } else {
                    let _ = letters.send(letter);
                    say("250 2.0.0 queued")?;
                }
            }
            ("QUIT", _) => {
                say("221 bye")?;
                return Ok(());
            }
            _ => say("250 fine")?,
        }
    }
    Ok(())
}

/// Each trick is a failure, and says whose words they are; no letter was taken.
#[tokio::test]
async fn every_way_to_fail_is_told_in_words() {
    let rows: [(Trick, &str); 9] = [
        (
            Trick::Greeting("554 5.7.1 go away"),
            "greeting: 554 5.7.1 go away",
        ),
        (
            Trick::Mail("451 4.3.0 try later"),
            "MAIL: 451 4.3.0 try later",
        ),
        (Trick::Mail("250-first\r\n451 odd"), "MAIL: "),
        (
            Trick::Data("554 5.3.4 too busy"),
            "DATA: 554 5.3.4 too busy",
        ),
        (Trick::DropInData, "the mail: "),
        (
            Trick::AfterDot("552 5.2.2 mailbox full"),
            "the mail: 552 5.2.2 mailbox full",
        ),
        (
            Trick::DropAfterDot,
            "the mail: the relay closed the connection",
        ),
        (Trick::SilentAfterMail, "MAIL: no answer within 2 s in all"),
        (Trick::EndlessReply, "MAIL: "),
    ];
    for (trick, wanted) in rows {
        let (port, letters) = relay(trick);
        let errand = errand(&["ops@example.com"], port, |_| {});
        let never_ends = matches!(trick, Trick::SilentAfterMail | Trick::EndlessReply);
        let limit = match never_ends {
            true => Duration::from_secs(2),
            false => LIMIT,
        };
        let receipt = deliver_within(limit, errand, None).await;
        assert!(
            failure(&receipt).starts_with(wanted),
            "{trick:?}: {receipt:?}"
        );
        assert!(
            receipt.words().chars().count() <= REASON_CHARS_MAX,
            "{trick:?}"
        );
        assert!(receipt.reached.is_empty(), "{trick:?}");
        assert!(letters.try_recv().is_err(), "{trick:?}");
    }
}

#[tokio::test]
async fn nobody_there() {
    let port = reserve(Ipv4Addr::LOCALHOST.into()).port();
    let receipt = deliver(errand(&["ops@example.com"], port, |_| {}), None).await;
    assert_eq!(
        failure(&receipt),
        format!("connecting to 127.0.0.1:{port}: connection refused")
    );
    let lost = |relay: &mut Relay| relay.host = "relay.invalid".to_owned();
    let receipt = deliver(errand(&["ops@example.com"], port, lost), None).await;
    assert!(
        failure(&receipt).starts_with("looking up relay.invalid: "),
        "{receipt:?}"
    );
}

/// One wrong address keeps the page neither from the others now, nor sends it to them twice.
#[tokio::test]
async fn a_refused_recipient_keeps_nobody_else_from_it() {
    let (port, letters) = relay(Trick::BadRecipients);
    let to = ["bad@example.com", "ops@example.com"];
    let first = deliver(errand(&to, port, |_| {}), None).await;
    assert_eq!(
        failure(&first),
        "RCPT bad@example.com: 550 5.1.1 no such user here"
    );
    assert_eq!(
        first.reached,
        BTreeSet::from(["ops@example.com".to_owned()])
    );
    assert!(letters.recv().is_ok(), "one letter");

    let again = Errand {
        reached: first.reached,
        ..errand(&to, port, |_| {})
    };
    let second = deliver(again, None).await;
    assert_eq!(
        failure(&second),
        "RCPT bad@example.com: 550 5.1.1 no such user here"
    );
    assert!(letters.try_recv().is_err(), "no second letter");
}

/// CVE-2011-0411: what came in the clear must not count as said under TLS.
#[tokio::test]
async fn words_behind_the_consent_to_starttls_end_the_conversation() {
    let (port, letters) = relay(Trick::Inject);
    let starttls = |relay: &mut Relay| relay.security = RelaySecurity::Starttls;
    let receipt = deliver(errand(&["ops@example.com"], port, starttls), None).await;
    assert!(failure(&receipt).starts_with("STARTTLS: "), "{receipt:?}");
    assert!(letters.try_recv().is_err());
}

#[tokio::test]
async fn a_letter_is_taken() {
    let (port, letters) = relay(Trick::None);
    let receipt = deliver(errand(&["ops@example.com"], port, |_| {}), None).await;
    assert_eq!(receipt.outcome(), DeliveryOutcome::Delivered);
    assert_eq!(receipt.words(), "250 2.0.0 queued");
    let letter = letters.recv().expect("a letter");
    assert!(
        letter.iter().any(|line| line == "To: ops@example.com"),
        "{letter:?}"
    );
}
