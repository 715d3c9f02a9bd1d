//! The relay in every manner, as a sender sees it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use super::super::desk::free_place;
use super::*;
use crate::lab::wait;

/// A sender, and the codes that it was answered with.
struct Sender {
    stream: BufReader<TcpStream>,
    codes: Vec<String>,
}

impl Sender {
    fn new(relay: &Relay) -> Sender {
        let stream = TcpStream::connect(relay.place()).expect("it listens");
        let limit = Some(Duration::from_secs(10));
        stream.set_read_timeout(limit).expect("a limit");
        let mut sender = Sender {
            stream: BufReader::new(stream),
            codes: vec![],
        };
        sender.hear();
        sender
    }

    fn hear(&mut self) {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line);
        let code = match read {
            Ok(0) | Err(_) => "cut",
            Ok(_) => line.get(..3).expect("a code"),
        };
        self.codes.push(code.to_owned());
    }

    fn say(&mut self, text: &str) {
        // The relay may have hung up, which the reply shows.
        let _ = self.stream.get_mut().write_all(text.as_bytes());
        self.hear();
    }

    /// The whole of a sender's work.
    fn send(relay: &Relay) -> String {
        let mut sender = Sender::new(relay);
        for text in [
            "MAIL FROM:<a@b>\r\n",
            "RCPT TO:<ops@c>\r\n",
            "DATA\r\n",
            MAIL,
        ] {
            sender.say(text);
            let bad = sender
                .codes
                .last()
                .is_some_and(|code| !code.starts_with(['2', '3']));
            if bad {
                return sender.codes.join(" ");
            }
        }
        sender.say("QUIT\r\n");
        sender.codes.join(" ")
    }
}

const MAIL: &str = "Subject: [DOWN] prod a: refused\r\nMessage-ID: <1.ops@prod.farmux>\r\n\
                    X-Long: more than a hundred bytes, so that a cut comes in their midst\r\n\
                    \r\n..a line with a dot\r\n.\r\n";

fn relay() -> Relay {
    Relay::start(None, free_place().expect("a port")).expect("it listens")
}

#[test]
fn every_manner_as_a_sender_sees_it() {
    let relay = relay();
    let refuse = |to, code| Manner::Refuse { to, code };
    let cases = [
        (Manner::Well, "220 250 250 354 250 221", 1),
        (refuse(Command::Greeting, 421), "421 cut", 0),
        (refuse(Command::Rcpt, 450), "220 250 450", 0),
        (refuse(Command::Rcpt, 550), "220 250 550", 0),
        (refuse(Command::Data, 451), "220 250 250 451", 0),
        (refuse(Command::Mail, 554), "220 250 250 354 554", 0),
        (Manner::CutInData, "220 250 250 354 cut", 0),
        (Manner::CutBeforeReply, "220 250 250 354 cut", 1),
        (
            Manner::Slow(Duration::from_millis(5)),
            "220 250 250 354 250 221",
            1,
        ),
    ];
    for (manner, codes, taken) in cases {
        relay.be(manner).expect("it is so");
        let before = relay.count();
        assert_eq!(Sender::send(&relay), codes, "{manner:?}");
        assert_eq!(relay.count() - before, taken, "{manner:?}");
    }
    let replies: Vec<Reply> = relay.taken().iter().map(|taken| taken.reply).collect();
    assert_eq!(replies, [Reply::Heard, Reply::Never, Reply::Heard]);
    let first = relay.taken().swap_remove(0);
    assert_eq!(
        (first.from.as_str(), first.to),
        ("<a@b>", vec!["<ops@c>".to_owned()])
    );
    assert!(
        first.raw.ends_with(b"\r\n\r\n.a line with a dot\r\n"),
        "dots undone"
    );
}

#[test]
fn a_dead_relay_refuses_and_comes_back() {
    let relay = relay();
    let mut sender = Sender::new(&relay);
    relay.be(Manner::Dead).expect("it is so");
    assert!(TcpStream::connect(relay.place()).is_err());
    sender.say("NOOP\r\n");
    assert_eq!(
        sender.codes,
        ["220", "cut"],
        "its conversations end as well"
    );
    relay.be(Manner::Well).expect("it is so");
    assert_eq!(Sender::send(&relay), "220 250 250 354 250 221");
}

#[test]
fn a_conversation_is_held_before_data_and_before_the_250() {
    let relay = relay();
    for (stage, taken) in [(Stage::Data, 0), (Stage::Taken, 1)] {
        let before = relay.count();
        relay.hold(stage);
        std::thread::scope(|scope| {
            let sent = scope.spawn(|| Sender::send(&relay));
            relay
                .wait_held(Duration::from_secs(10))
                .expect("it comes there");
            assert_eq!(relay.count() - before, taken, "{stage:?}");
            relay.go_on();
            let codes = sent.join().expect("no panic");
            assert_eq!(codes, "220 250 250 354 250 221", "{stage:?}");
        });
        let heard = || relay.taken().last().map(|taken| taken.reply) == Some(Reply::Heard);
        wait::until_true("the 250 was heard", Duration::from_secs(10), heard).expect("it was");
    }
}
