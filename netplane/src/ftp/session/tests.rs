//! The session by tables: each step of a script, and what must come of it.

use super::script::{
    Client, Closed, Data, PORT_227, Port, Server, Step, downloading, greeted, plain, play, session,
};
use super::{DataEvent, Session};
use crate::ftp::command;
use crate::ftp::refusal::FtpRefusal;
use crate::plan::FtpTls;

#[test]
fn a_download_by_pasv() {
    play(
        plain(),
        &[
            (Server("120 wait"), &["C 120 wait;"]),
            (Server("220 hi"), &["C 220 hi;"]),
            (Client("USER u"), &["S USER u;"]),
            (Server("331 who?"), &["C 331 who?;"]),
            (Client("PASV"), &["drop", "S PASV;"]),
            // The address of the 227 is nobody's business.
            (PORT_227, &["listen 2048"]),
            (
                Port(Some(40001)),
                &["C 227 Entering Passive Mode (10,0,0,100,156,65).;"],
            ),
            (Client("REST 5"), &["S REST 5;"]),
            (Server("350 go on"), &["C 350 go on;"]),
            (Data(DataEvent::Met), &[]),
            (Client("RETR f"), &["S RETR f;"]),
            (Server("150 coming"), &["C 150 coming;"]),
            // The end of the transfer waits for the data.
            (Server("226 done"), &["settle"]),
            (Data(DataEvent::Delivered), &["release", "C 226 done;"]),
            (Data(DataEvent::Ended), &[]),
            (
                Client("RETR f"),
                &[
                    "count no-data-address",
                    "C 425 Use PASV, EPSV, PORT or EPRT first.;",
                ],
            ),
            (Client("QUIT"), &["S QUIT;"]),
            (Server("221 bye"), &["C 221 bye;", "close"]),
        ],
    );
}

#[test]
fn an_upload_by_port() {
    play(
        greeted(plain()),
        &[
            (Client("PORT 10,0,0,7,8,1"), &["drop", "S PASV;"]),
            (PORT_227, &["C 200 Command successful.;"]),
            (Client("STOR f"), &["dial 10.0.0.7:2049 2048"]),
            (Data(DataEvent::Met), &["S STOR f;"]),
            (Server("150 send"), &["C 150 send;"]),
            (Data(DataEvent::Delivered), &[]),
            (Data(DataEvent::Ended), &[]),
            (Server("226 done"), &["release", "C 226 done;"]),
        ],
    );
}

#[test]
fn ipv6_on_either_side() {
    let v6 = session("fd00::7", "fd00::100", "10.0.0.21", FtpTls::Refuse);
    play(
        greeted(v6),
        &[
            (Client("EPSV"), &["drop", "S PASV;"]),
            (PORT_227, &["listen 2048"]),
            (
                Port(Some(40001)),
                &["C 229 Entering Extended Passive Mode (|||40001|);"],
            ),
            (Client("EPRT |2|fd00::7|2049|"), &["drop", "S PASV;"]),
            (PORT_227, &["C 200 Command successful.;"]),
            (
                Client("PASV"),
                &[
                    "count address-family",
                    "C 522 Network protocol not supported, use (2).;",
                ],
            ),
        ],
    );
    let to_v6 = session("10.0.0.7", "10.0.0.100", "fd00::21", FtpTls::Refuse);
    play(
        greeted(to_v6),
        &[
            (Client("PASV"), &["drop", "S EPSV;"]),
            (Server("229 ok (|||2048|)"), &["listen 2048"]),
            (
                Port(Some(40001)),
                &["C 227 Entering Passive Mode (10,0,0,100,156,65).;"],
            ),
        ],
    );
}

#[test]
fn addresses_that_are_refused() {
    let third = "C 504 Data connections go to your own address only.;";
    let low = "C 504 Data ports below 1024 are not used.;";
    let syntax = "C 501 Syntax error in the address.;";
    let family = "C 522 Network protocol not supported, use (1).;";
    let other = "C 502 Use PASV, EPSV, PORT or EPRT.;";
    let only = "C 503 Only EPSV is allowed after EPSV ALL.;";
    play(
        greeted(plain()),
        &[
            (Client("PORT 10,0,0,8,8,1"), &["count third-address", third]),
            (Client("PORT 10,0,0,7,0,22"), &["count low-port", low]),
            (Client("PORT what"), &["count address-syntax", syntax]),
            (
                Client("EPRT |1|10.0.0.21|2049|"),
                &["count third-address", third],
            ),
            (
                Client("EPRT |2|fd00::7|2049|"),
                &["count address-family", family],
            ),
            (Client("EPSV 2"), &["count address-family", family]),
            (Client("EPSV what"), &["count address-syntax", syntax]),
            (
                Client("LPRT 4,4,1,2,3,4,2,5,6"),
                &["count other-addressing", other],
            ),
            (Client("EPSV ALL"), &["C 200 EPSV ALL ok.;"]),
            (Client("PASV"), &["count after-epsv-all", only]),
            (Client("PORT 10,0,0,7,8,1"), &["count after-epsv-all", only]),
            (Client("EPSV 1"), &["drop", "S PASV;"]),
            (PORT_227, &["listen 2048"]),
            (
                Port(None),
                &["count no-free-port", "C 425 No free data port.;"],
            ),
        ],
    );
}

#[test]
fn what_the_server_says_to_our_pasv() {
    let unusable = "C 425 The server opened no usable data port.;";
    let script: &[(Step, &[&str])] = &[
        (Client("PASV"), &["drop", "S PASV;"]),
        (Server("530 log in"), &["C 530 log in;"]),
        (Client("PORT 10,0,0,7,8,1"), &["drop", "S PASV;"]),
        (Server("530 log in"), &["C 530 log in;"]),
        (Client("PASV"), &["drop", "S PASV;"]),
        (
            Server("227 (10,0,0,21,0,22)"),
            &["count passive-reply", unusable],
        ),
        (Client("EPSV"), &["drop", "S PASV;"]),
        (Server("200 fine"), &["count passive-reply", unusable]),
    ];
    play(greeted(plain()), script);
}

#[test]
fn a_data_connection_that_fails() {
    let no_client = "C 425 Cannot open the data connection to you.;";
    play(
        greeted(plain()),
        &[
            (Client("PORT 10,0,0,7,8,1"), &["drop", "S PASV;"]),
            (PORT_227, &["C 200 Command successful.;"]),
            (Client("RETR f"), &["dial 10.0.0.7:2049 2048"]),
            (
                Data(DataEvent::Failed(FtpRefusal::ClientUnreachable)),
                &["count client-unreachable", no_client],
            ),
            (Client("PASV"), &["drop", "S PASV;"]),
            (PORT_227, &["listen 2048"]),
            (
                Port(Some(1025)),
                &["C 227 Entering Passive Mode (10,0,0,100,4,1).;"],
            ),
            (
                Data(DataEvent::Failed(FtpRefusal::DataPortUnused)),
                &["count data-port-unused"],
            ),
            (Client("NOOP"), &["S NOOP;"]),
            (Server("200 ok"), &["C 200 ok;"]),
        ],
    );
}

#[test]
fn what_waits_and_what_does_not() {
    let takes = |session: &Session, line: &'static str| {
        session.takes(command::parse(line.as_bytes()).expect("a command"))
    };
    let lines = ["NOOP", "PASV", "ABOR", "STAT", "QUIT"];
    let rows = [
        (plain(), [false; 5]),
        (greeted(plain()), [true; 5]),
        (downloading(), [false, false, true, true, true]),
        (
            play(downloading(), &[(Client("STAT"), &["S STAT;"])]),
            [false; 5],
        ),
        (
            play(downloading(), &[(Server("226 done"), &["settle"])]),
            [false, false, true, false, false],
        ),
    ];
    for (place, (session, wanted)) in rows.iter().enumerate() {
        assert_eq!(
            lines.map(|line| takes(session, line)),
            *wanted,
            "row {place}"
        );
    }
}

#[test]
fn tls_is_refused_by_default() {
    let features = "211-Features:\r\n AUTH TLS\r\n PROT\r\n UTF8\r\n211 End";
    play(
        greeted(plain()),
        &[
            (
                Client("AUTH TLS"),
                &["count tls-refused", "C 534 TLS is not offered here.;"],
            ),
            (
                Client("PROT P"),
                &[
                    "count protection",
                    "C 503 There is no TLS session to protect.;",
                ],
            ),
            (Client("FEAT"), &["S FEAT;"]),
            (Server(features), &["C 211-Features:; UTF8;211 End;"]),
        ],
    );
}

#[test]
fn tls_that_is_passed_through() {
    let pass = session("10.0.0.7", "10.0.0.100", "10.0.0.21", FtpTls::Pass);
    let first = "C 530 Use AUTH TLS first.;";
    let end = play(
        greeted(pass),
        &[
            (Client("FEAT"), &["S FEAT;"]),
            (
                Server("211-F\r\n AUTH TLS\r\n211 End"),
                &["C 211-F; AUTH TLS;211 End;"],
            ),
            (Client("USER u"), &["count plain-before-tls", first]),
            (Client("PASV"), &["count plain-before-tls", first]),
            (Client("RETR f"), &["count plain-before-tls", first]),
            (Client("AUTH FOO"), &["S AUTH FOO;"]),
            (Server("504 no"), &["C 504 no;"]),
            (Client("AUTH TLS"), &["S AUTH TLS;"]),
        ],
    );
    assert!(end.demands_silence());
    play(end, &[(Server("234 go"), &["C 234 go;", "tunnel"])]);
}

#[test]
fn servers_that_go_or_lose_the_thread() {
    let out_of_step = "C 421 The server's replies are out of step.;";
    let closed = "C 421 The server has closed the connection.;";
    play(
        greeted(plain()),
        &[(
            Server("200 hm"),
            &["drop", "count reply-unasked", out_of_step, "close"],
        )],
    );
    play(
        greeted(plain()),
        &[(Server("421 late"), &["C 421 late;", "drop", "close"])],
    );
    // What the client has still to read of a transfer that went well is not taken from it.
    play(
        downloading(),
        &[
            (Server("226 done"), &["settle"]),
            (Server("421 late"), &[]),
            (Closed, &[]),
            (
                Data(DataEvent::Delivered),
                &["release", "C 226 done;421 late;", "close"],
            ),
        ],
    );
    play(
        downloading(),
        &[
            (Client("QUIT"), &["S QUIT;"]),
            (Server("226 done"), &["settle"]),
            (Server("421 late"), &[]),
            (Closed, &[]),
            (Data(DataEvent::Ended), &["C 226 done;421 late;", "close"]),
        ],
    );
    play(
        greeted(plain()),
        &[(Closed, &["drop", "lost", closed, "close"])],
    );
    play(
        downloading(),
        &[(Closed, &["drop", "lost", closed, "close"])],
    );
}
