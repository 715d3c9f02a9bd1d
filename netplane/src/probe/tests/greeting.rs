//! The greeting probes against servers that are silent, close, reset, drip and talk without end.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use super::{PATIENCE, Server, TIMEOUT, refusing, reset};
use crate::origin::Origin;
use crate::plan::Protocol;
use crate::probe::connect::Budget;
use crate::probe::greeting::probe;

const ALL: [Protocol; 7] = [
    Protocol::Smtp,
    Protocol::Pop3,
    Protocol::Imap,
    Protocol::Ssh,
    Protocol::Redis,
    Protocol::Postgres,
    Protocol::Mysql,
];

async fn told(target: SocketAddr, protocol: Protocol) -> String {
    told_within(PATIENCE, target, protocol).await
}

async fn told_within(limit: Duration, target: SocketAddr, protocol: Protocol) -> String {
    let (origin, budget) = (Origin::default(), Budget::begin(limit));
    let outcome = probe(target, None, protocol, &origin, &budget).await;
    outcome.to_string()
}

fn awaited(protocol: Protocol) -> String {
    let answers = matches!(protocol, Protocol::Redis | Protocol::Postgres);
    let what = if answers { "answer" } else { "greeting" };
    format!("waiting for the {} {what}", protocol.name())
}

#[tokio::test]
async fn who_says_nothing_is_not_well() {
    let silent = Server::start(|stream| {
        std::thread::park_timeout(PATIENCE);
        drop(stream);
    });
    let closing = Server::start(|mut stream| {
        let _ = stream.shutdown(Shutdown::Write);
        // What a probe says first must be read, or the close would be a reset.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let resetting = Server::start(reset);
    let refusing = refusing();
    for protocol in ALL {
        let awaited = awaited(protocol);
        let hung = told_within(TIMEOUT, silent.address, protocol).await;
        assert_eq!(hung, format!("timeout after 400 ms while {awaited}"));
        let closed = format!("connection closed while {awaited}");
        assert_eq!(told(closing.address, protocol).await, closed);
        // A system may tell of the reset when it is connected to, or when it is spoken to.
        let reset = told(resetting.address, protocol).await;
        assert!(reset.starts_with("connection reset while "), "{reset}");
        assert_eq!(told(refusing, protocol).await, "connection refused");
    }
}

/// A megabyte in one line, and lines without end, cost no more than a few kilobytes.
#[tokio::test]
async fn who_talks_without_end_is_not_well() {
    let endless: [&'static [u8]; 3] = [b"2", b"220-and so on\r\n", b"+OK"];
    for words in endless {
        let server = Server::start(move |mut stream| {
            let words = words.repeat(1000);
            while stream.write_all(&words).is_ok() {}
        });
        for protocol in ALL {
            let told = told(server.address, protocol).await;
            let name = protocol.name();
            let expected = [
                format!("the answer is not {name}"),
                format!("{name} greeting without end"),
            ];
            assert!(expected.contains(&told), "{told}");
        }
    }
}

/// What is not the protocol's own never gets into the words, and a greeting may come in drops.
#[tokio::test]
async fn greetings_in_drops_and_injections() {
    for (protocol, said, wanted) in [
        (Protocol::Imap, "* OK\r\n", "IMAP greets"),
        (Protocol::Ssh, "SSH-2.0-x\r\n", "SSH greets"),
        (Protocol::Redis, "+PONG\r\n", "Redis answers"),
        (
            Protocol::Smtp,
            "421 x\rRCPT TO:<evil@example.com>\r\n.\r\n",
            "SMTP greeting 421",
        ),
        (Protocol::Imap, "* BYE \u{1b}[2J\r\n.\r\n", "IMAP says BYE"),
    ] {
        let server = Server::start(move |mut stream| {
            for byte in said.bytes() {
                if stream.write_all(&[byte]).is_err() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            // Until the probe has gone.
            while stream.read(&mut [0; 100]).is_ok_and(|count| count > 0) {}
        });
        assert_eq!(told(server.address, protocol).await, wanted);
    }
}

/// Every server is told that the probe leaves, in its own words.
#[tokio::test]
async fn the_goodbye_is_said() {
    type Row = (Protocol, &'static [u8], &'static [u8]);
    let rows: [Row; 4] = [
        (Protocol::Pop3, b"+OK\r\n", b"QUIT\r\n"),
        (Protocol::Imap, b"* OK\r\n", b"a LOGOUT\r\n"),
        (
            Protocol::Smtp,
            b"220 x\r\n250 x\r\n",
            b"EHLO farmux.invalid\r\nQUIT\r\n",
        ),
        (Protocol::Smtp, b"554 no\r\n", b"QUIT\r\n"),
    ];
    for (protocol, said, wanted) in rows {
        let (sender, heard) = std::sync::mpsc::channel();
        let server = Server::start(move |mut stream| {
            let _ = stream.write_all(said);
            let _ = stream.set_read_timeout(Some(PATIENCE));
            let mut all = vec![0; wanted.len()];
            let _ = stream.read_exact(&mut all);
            let _ = sender.send(all);
        });
        told(server.address, protocol).await;
        let all = heard.recv_timeout(PATIENCE).expect("it was connected to");
        assert_eq!(all, wanted, "{protocol:?}");
    }
}
