//! Transfers by tables: how they end, and what is said beside them.

use super::DataEvent;
use super::script::{
    Client, Closed, Data, PORT_227, Port, Server, downloading, feed, greeted, joined, plain, play,
};
use crate::ftp::refusal::FtpRefusal;

/// The server may have sent all and said so before its connection is joined with the client's:
/// then the 226 overtook the data.
#[test]
fn a_transfer_that_is_over_before_its_data_connection_is_joined() {
    let over = || {
        play(
            greeted(plain()),
            &[
                (Client("PASV"), &["drop", "S PASV;"]),
                (PORT_227, &["listen 2048"]),
                (
                    Port(Some(1025)),
                    &["C 227 Entering Passive Mode (10,0,0,100,4,1).;"],
                ),
                (Client("RETR f"), &["S RETR f;"]),
                (Server("150 go"), &["C 150 go;"]),
                (Server("226 done"), &[]),
            ],
        )
    };
    play(
        over(),
        &[
            (Data(DataEvent::Met), &["settle"]),
            (Data(DataEvent::Delivered), &["release", "C 226 done;"]),
        ],
    );
    play(
        over(),
        &[(
            Data(DataEvent::Failed(FtpRefusal::DataPortUnused)),
            &["count data-port-unused", "C 226 done;"],
        )],
    );
}

#[test]
fn a_transfer_that_never_began_keeps_its_data_connection() {
    play(
        joined(),
        &[
            (Client("MLSD"), &["S MLSD;"]),
            (Server("500 what?"), &["C 500 what?;"]),
            (Client("LIST"), &["S LIST;"]),
            (Server("150 go"), &["C 150 go;"]),
            (Server("426 broken"), &["drop", "C 426 broken;"]),
        ],
    );
}

#[test]
fn aborts() {
    play(
        downloading(),
        &[
            (Client("ABOR"), &["S ABOR;", "drop"]),
            (Server("426 cut"), &["drop", "C 426 cut;"]),
            (Server("226 aborted"), &["C 226 aborted;"]),
            (Client("ABOR"), &["S ABOR;"]),
            (Server("225 nothing"), &["C 225 nothing;"]),
        ],
    );
    // It was over already: the client is not made to wait for data it does not want.
    play(
        downloading(),
        &[
            (Client("ABOR"), &["S ABOR;", "drop"]),
            (Server("226 done"), &["release", "C 226 done;"]),
            (Server("225 nothing"), &["C 225 nothing;"]),
        ],
    );
    play(
        downloading(),
        &[
            (Server("226 done"), &["settle"]),
            (Client("ABOR"), &["drop", "C 226 done;", "S ABOR;"]),
            (Server("226 aborted"), &["C 226 aborted;"]),
        ],
    );
    // pyftpdlib, where the transfer had not begun: one answer to both.
    let one = play(
        joined(),
        &[
            (Client("RETR f"), &["S RETR f;"]),
            (Client("ABOR"), &["S ABOR;", "drop"]),
            (Server("225 closed"), &["C 225 closed;"]),
        ],
    );
    assert!(one.is_idle());
}

/// pure-ftpd has no proper last reply for a transfer whose data connection broke; without this the
/// next command waited for one until the session was idle for too long.
#[test]
fn a_broken_transfer_may_end_with_a_preliminary_reply() {
    let broken = play(
        downloading(),
        &[
            (Data(DataEvent::Ended), &[]),
            (
                Server("150 0.2 seconds"),
                &["release", "C 150 0.2 seconds;"],
            ),
        ],
    );
    assert!(broken.is_idle());
    let aborted = play(
        downloading(),
        &[
            (Client("ABOR"), &["S ABOR;", "drop"]),
            (
                Server("150 0.2 seconds"),
                &["release", "C 150 0.2 seconds;"],
            ),
            (Server("226 aborted"), &["C 226 aborted;"]),
        ],
    );
    assert!(aborted.is_idle());
}

#[test]
fn status_and_quit_during_a_transfer() {
    play(
        downloading(),
        &[
            (Client("STAT"), &["S STAT;"]),
            (Server("213 half"), &["C 213 half;"]),
            (Client("QUIT"), &["S QUIT;"]),
            (Server("226 done"), &["settle"]),
            (Server("221 bye"), &[]),
            (Closed, &[]),
            (
                Data(DataEvent::Delivered),
                &["release", "C 226 done;221 bye;", "close"],
            ),
        ],
    );
    // One that has no STAT: its refusal ended the transfer, and its data was thrown away.
    for refused in ["500 what?", "502 no", "503 not now", "530 who?"] {
        let mut session = play(downloading(), &[(Client("STAT"), &["S STAT;"])]);
        assert_eq!(
            feed(&mut session, &Server(refused)),
            [format!("C {refused};")]
        );
        play(
            session,
            &[
                (Server("226 done"), &["settle"]),
                (Data(DataEvent::Delivered), &["release", "C 226 done;"]),
            ],
        );
    }
    // One that was not begun may be refused with these words itself.
    play(
        joined(),
        &[
            (Client("RETR f"), &["S RETR f;"]),
            (Client("STAT"), &["S STAT;"]),
            (Server("530 log in"), &["C 530 log in;"]),
            (Server("211 fine"), &["C 211 fine;"]),
        ],
    );
    // pyftpdlib says goodbye first.
    play(
        downloading(),
        &[
            (Client("QUIT"), &["S QUIT;"]),
            (Server("221 bye"), &["C 221 bye;"]),
            (Server("226 done"), &["settle"]),
            (Data(DataEvent::Ended), &["C 226 done;", "close"]),
        ],
    );
}
