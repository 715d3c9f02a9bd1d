//! What is refused: by name, by reply, by counter, and without the server hearing of it.

use crate::harness::{CALM, Wire};
use crate::real::ftp;
use crate::scripted::{Script, ask, log_in};

/// Lines that make an end of the session.
#[test]
fn what_no_ftp_client_says_ends_the_session() {
    let long = format!("RETR {}\r\n", "x".repeat(5000));
    let rows: &[(&[u8], &str)] = &[
        (b"GET / HTTP/1.1\r\n", "other-protocol"),
        (
            b"POST / HTTP/1.1\r\nHost: h\r\n\r\nDELE a\r\nQUIT\r\n",
            "other-protocol",
        ),
        (b"CONNECT h:21 HTTP/1.1\r\n", "other-protocol"),
        (b"Host: h\r\n", "other-protocol"),
        (b"SSH-2.0-x\r\n", "other-protocol"),
        (b"EHLO h\r\n", "other-protocol"),
        (b"\r\nDELE a\r\n", "not-a-command"),
        (b"<xml/>\r\n", "not-a-command"),
        (b"DELE a\nDELE b\r\n", "bare-lf"),
        (b"RETR a\rDELE b\r\n", "control"),
        (b"RETR a\0DELE b\r\n", "control"),
        (b"RETR \x1b[2J\r\n", "control"),
        (b"\x16\x03\x01\x02\x00\x01\x00", "control"),
        (b"\xff\xfa\x18\x01\xff\xf0DELE a\r\n", "telnet"),
        (long.as_bytes(), "line-too-long"),
    ];
    for (sent, reason) in rows {
        let script = Script::yes();
        let wire = Wire::start(ftp(), CALM, &[script.origin.address]);
        let mut client = log_in(&wire);
        client.send(sent);
        let all = client.rest();
        drop(client);
        let shown = sent.escape_ascii();
        assert!(
            all.starts_with("500 ") && all.lines().count() == 1,
            "{shown}: {all}"
        );
        assert_eq!(wire.counts().refusals[reason], 1, "{shown}");
        assert_eq!(script.lines(), [""; 0], "{shown}");
        wire.until("it is over", |counts| counts.servers["s1"].active == 0);
    }
}

/// Commands that are answered here, and after which the session goes on.
#[test]
fn what_is_not_done_for_anybody_is_refused_by_name() {
    let rows = [
        ("PORT 127,0,0,9,8,1", "504 ", "third-address"),
        ("EPRT |1|10.0.0.1|2049|", "504 ", "third-address"),
        ("PORT 127,0,0,1,0,22", "504 ", "low-port"),
        ("EPRT |1|127.0.0.1|80|", "504 ", "low-port"),
        ("PORT 127,0,0,1", "501 ", "address-syntax"),
        ("EPRT |2|::1|2049|", "522 ", "address-family"),
        ("EPSV 2", "522 ", "address-family"),
        ("LPRT 4,4,127,0,0,1,2,8,1", "502 ", "other-addressing"),
        ("CPSV", "502 ", "other-addressing"),
        ("RETR f", "425 ", "no-data-address"),
        ("AUTH TLS", "534 ", "tls-refused"),
        ("AUTH SSL", "534 ", "tls-refused"),
        ("PROT P", "503 ", "protection"),
        ("ENC AAAA", "503 ", "protection"),
    ];
    let script = Script::yes();
    let wire = Wire::start(ftp(), CALM, &[script.origin.address]);
    let mut client = log_in(&wire);
    for (line, reply, reason) in rows {
        let before = wire.counts().refusals.get(reason).copied().unwrap_or(0);
        let got = ask(&mut client, line);
        assert!(got.starts_with(reply), "{line}: {got}");
        assert_eq!(wire.counts().refusals[reason], before + 1, "{line}");
    }
    assert_eq!(ask(&mut client, "EPSV ALL"), "200 EPSV ALL ok.\r\n");
    assert!(ask(&mut client, "PASV").starts_with("503 "));
    assert_eq!(script.lines(), [""; 0], "the server has heard of it");
    assert_eq!(ask(&mut client, "NOOP"), "200 NOOP\r\n", "it goes on");
}

#[test]
fn features_promise_no_tls() {
    let script = Script::start(|_| {
        "211-Features:\r\n AUTH TLS\r\n EPSV\r\n PBSZ\r\n PROT\r\n211 End\r\n".into()
    });
    let wire = Wire::start(ftp(), CALM, &[script.origin.address]);
    let mut client = log_in(&wire);
    client.send("FEAT\r\n");
    assert_eq!(
        client.until("211 End\r\n"),
        "211-Features:\r\n EPSV\r\n211 End\r\n"
    );
}

/// A server's replies that cannot be passed on.
#[test]
fn replies_that_are_none_end_the_session() {
    let huge = format!("211-\r\n{}211 \r\n", "x\r\n".repeat(30_000));
    let rows = [
        (huge, "reply-too-long"),
        ("hello\r\n".into(), "reply-invalid"),
        ("999 hello\r\n".into(), "reply-invalid"),
        ("200 one\r\n200 two\r\n".into(), "reply-unasked"),
    ];
    for (reply, reason) in rows {
        let script = Script::start(move |_| reply.clone());
        let wire = Wire::start(ftp(), CALM, &[script.origin.address]);
        let mut client = log_in(&wire);
        client.send("STAT /\r\n");
        let all = client.rest();
        assert!(
            all.lines()
                .last()
                .is_some_and(|last| last.starts_with("421 ")),
            "{all}"
        );
        assert_eq!(wire.counts().refusals[reason], 1);
    }
}

/// A whole 64 KiB is not too long.
#[test]
fn a_reply_of_64_kilobytes_is_passed_on() {
    let lines = "x".repeat(62) + "\r\n";
    let reply = format!(
        "211-{}\r\n{}211 end\r\n",
        "y".repeat(48),
        lines.repeat(1022)
    );
    assert!(reply.len() > 65_000 && reply.len() <= 65_536);
    let answer = reply.clone();
    let script = Script::start(move |_| answer.clone());
    let wire = Wire::start(ftp(), CALM, &[script.origin.address]);
    let mut client = log_in(&wire);
    client.send("STAT /\r\n");
    assert_eq!(client.until("211 end\r\n"), reply);
}
