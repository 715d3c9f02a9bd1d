//! PURE. MySQL and MariaDB: the handshake, and a login as `farmux` without a password.
//!
//! ```text
//!   server: HandshakeV10             (or ERR: too many connections, blocked, …)
//!   probe:  HandshakeResponse41
//!   server: OK | ERR 1045 | "another way to log in" ─ probe: nothing ─ …
//!   probe:  COM_QUIT after OK; after ERR the server closes
//! ```
//!
//! To read the greeting and leave would do harm: the server counts a handshake that was not
//! finished, whether by FIN, by RST or by `COM_QUIT`, and after `max_connect_errors` (100) of them
//! in a row it blocks this node's address (1129; tried with MariaDB 10.11). A login that it refuses
//! is not counted, and it lives: 1045 is well. Its log speaks of each, where it logs warnings;
//! `CREATE USER farmux@'%'`, which may do nothing, makes it quiet.
//!
//! **Source**: MySQL, client/server protocol, Connection Phase; MariaDB, the same.

use std::borrow::Cow;

use super::failure::{Greeted, GreetingFailure, GreetingStep};
use super::{Next, Parsed};
use crate::plan::Protocol;

/// `COM_QUIT`, the first packet of a new exchange.
pub(super) const FAREWELL: &[u8] = b"\x01\0\0\0\x01";

pub(super) fn next(step: GreetingStep, received: &[u8]) -> Parsed {
    let other = Err(GreetingFailure::Other(Protocol::Mysql));
    let Some(([a, b, c, number], rest)) = received.split_first_chunk() else {
        return Ok(None);
    };
    let length = usize::from(*a) | usize::from(*b) << 8 | usize::from(*c) << 16;
    if !(1..=PACKET_BYTES_MAX).contains(&length) {
        return other;
    }
    let Some(packet) = rest.get(..length) else {
        return Ok(None);
    };
    let (number, done) = (number.wrapping_add(1), HEADER_BYTES + length);
    match (step, packet) {
        (_, [0xff, low, high, rest @ ..]) => judge(u16::from_le_bytes([*low, *high]), rest),
        (GreetingStep::Greeting, [PROTOCOL, rest @ ..]) if is_handshake(rest) => {
            Ok(Some(Next::Say(login(number), done)))
        }
        (GreetingStep::Answer, [0, ..]) => Ok(Some(Next::Well(Greeted::LetIn))),
        // Another way to log in (0xfe), or more of the same (1): still without a password.
        (GreetingStep::Answer, [0xfe | 1, ..]) => {
            Ok(Some(Next::Say(Cow::Owned(vec![0, 0, 0, number]), done)))
        }
        (GreetingStep::Greeting | GreetingStep::Answer, _) => other,
    }
}

/// A version, which ends in 0, then a thread, half of a salt, 0, and what the server can.
fn is_handshake(packet: &[u8]) -> bool {
    let Some(end) = packet.iter().position(|byte| *byte == 0) else {
        return false;
    };
    let after = packet.get(end + 1..).unwrap_or_default();
    let can = after.get(13..15).and_then(|can| can.first_chunk());
    can.is_some_and(|can| u16::from_le_bytes(*can) & PROTOCOL_41 != 0)
}

/// Errors that a server which works has for those it does not know: SQLSTATE 28000 where it says
/// one, or one of [`REFUSALS`].
fn judge(code: u16, rest: &[u8]) -> Parsed {
    if rest.starts_with(b"#28000") || REFUSALS.contains(&code) {
        return Ok(Some(Next::Well(Greeted::LoginRefused)));
    }
    Err(GreetingFailure::Mysql { code })
}

fn login(number: u8) -> Cow<'static, [u8]> {
    let length = u8::try_from(LOGIN.len()).expect("it is shorter than 256 bytes");
    Cow::Owned([&[length, 0, 0, number], LOGIN].concat())
}

/// `HandshakeResponse41`: long passwords, protocol 4.1, its way to log in, and named ways; packets
/// of 16 MiB; UTF-8; 23 bytes of nothing; the user; an empty answer; the way.
const LOGIN: &[u8] = b"\x01\x82\x08\0\0\0\0\x01\x21\
    \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
    farmux\0\0mysql_native_password\0";

/// The only version of the handshake since 1999.
const PROTOCOL: u8 = 10;

/// Every server since 4.1 can.
const PROTOCOL_41: u16 = 0x200;

/// Not this host (1130), not this way (1251), account locked (3118; MariaDB: 4151), not without
/// TLS (3159). **Source**: the lists of errors of MySQL 8.4 and MariaDB 11.
const REFUSALS: [u16; 5] = [1130, 1251, 3118, 3159, 4151];

/// Three of length, one of number.
const HEADER_BYTES: usize = 4;

/// Handshakes have about 100, errors 600 at most.
const PACKET_BYTES_MAX: usize = 4096;
