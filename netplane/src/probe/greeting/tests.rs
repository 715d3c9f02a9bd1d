//! Every parser against what real servers say, what they should not, and garbage: whole, and split
//! at every byte.

use super::*;

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).expect("small").to_be_bytes();
    [&[kind], &length[..], body].concat()
}

fn packet(number: u8, body: &[u8]) -> Vec<u8> {
    let [low, high, ..] = u32::try_from(body.len()).expect("small").to_le_bytes();
    [&[low, high, 0, number], body].concat()
}

/// As MariaDB 10.11 begins.
fn handshake() -> Vec<u8> {
    let rest = b"\x08\0\0\x0012345678\0\xfe\xf7\x08\x02\0\xff\x81\x15\0\0\0\0\0\0\x1d\0\0\0\
        123456789012\0mysql_native_password\0";
    packet(0, &[b"\x0a5.5.5-10.11.19-MariaDB\0", &rest[..]].concat())
}

/// The dialogue with a server that says this, in pieces of so many bytes, as [`run`] leads it; what
/// was said to it, and how it ends; `None`: it waits for more.
fn play(protocol: Protocol, said: &[u8], piece: usize) -> (Vec<u8>, Option<String>) {
    let mut step = match opening(protocol) {
        [] => GreetingStep::Greeting,
        _ => GreetingStep::Answer,
    };
    let (mut received, mut told) = (Vec::new(), Vec::new());
    for bytes in said.chunks(piece) {
        received.extend_from_slice(bytes);
        loop {
            match next(protocol, step, &received) {
                Ok(None) if received.len() >= RECEIVED_BYTES_MAX => {
                    let endless = GreetingFailure::Endless(protocol);
                    return (told, Some(endless.to_string()));
                }
                Ok(None) => break,
                Ok(Some(Next::Say(words, done))) => {
                    told.extend_from_slice(&words);
                    received.drain(..done);
                    step = GreetingStep::Answer;
                }
                Ok(Some(Next::Well(greeted))) => {
                    return (told, Some(format!("{} {greeted}", protocol.name())));
                }
                Err(failure) => return (told, Some(failure.to_string())),
            }
        }
    }
    (told, None)
}

fn check(protocol: Protocol, rows: &[(&[u8], &str)]) {
    for (said, wanted) in rows {
        for piece in [usize::MAX, 7, 1] {
            let (_, ended) = play(protocol, said, piece);
            let shown = String::from_utf8_lossy(said.get(..said.len().min(60)).unwrap_or(said));
            assert_eq!(
                ended.as_deref().unwrap_or("waits"),
                *wanted,
                "{shown:?} by {piece}"
            );
        }
    }
}

#[test]
fn smtp() {
    check(
        Protocol::Smtp,
        &[
            (b"220 mx ESMTP\r\n250 mx\r\n", "SMTP greets"),
            (
                b"220-mx\r\n220-no spam\r\n220 go\r\n250-mx\r\n250-PIPELINING\r\n250 HELP\r\n",
                "SMTP greets",
            ),
            (b"220 mx\n250 mx\n", "SMTP greets"),
            (b"220 mx\r\n", "waits"),
            (b"220-mx\r\n", "waits"),
            (b"220 mx\r\n250-mx\r\n", "waits"),
            (b"421 too busy\r\n", "SMTP greeting 421"),
            (b"554-go\r\n554 away\r\n", "SMTP greeting 554"),
            (b"250 mx\r\n", "SMTP greeting 250"),
            (b"220 mx\r\n452 disk full\r\n", "SMTP answer 452"),
            (b"220 mx\r\n502 EHLO?\r\n", "SMTP answer 502"),
            (b"+OK mail here\r\n", "the answer is not SMTP"),
            (b"SSH-2.0-OpenSSH_9.2\r\n", "the answer is not SMTP"),
            (
                b"220\r\nRCPT TO:<evil@example.com>\r\n",
                "the answer is not SMTP",
            ),
        ],
    );
    let (told, _) = play(Protocol::Smtp, b"220 mx\r\n", 1);
    assert_eq!(told, b"EHLO farmux.invalid\r\n");
}

#[test]
fn pop3_and_imap() {
    check(
        Protocol::Pop3,
        &[
            (b"+OK Dovecot ready.\r\n", "POP3 greets"),
            (b"+OK\r\n", "POP3 greets"),
            (b"+OK <1896.697170952@dbc.mtview.ca.us>\n", "POP3 greets"),
            (b"-ERR too many\r\n", "POP3 greeting says error"),
            (b"+OKAY\r\n", "the answer is not POP3"),
            (b"* OK IMAP\r\n", "the answer is not POP3"),
            (b"+OK", "waits"),
            (b"\r\n", "the answer is not POP3"),
        ],
    );
    check(
        Protocol::Imap,
        &[
            (
                b"* OK [CAPABILITY IMAP4rev1] Dovecot ready.\r\n",
                "IMAP greets",
            ),
            (b"* ok\r\n", "IMAP greets"),
            (b"* PREAUTH welcome back\r\n", "IMAP greets"),
            (b"* BYE overloaded\r\n", "IMAP says BYE"),
            (b"* NO\r\n", "the answer is not IMAP"),
            (b"+OK POP3\r\n", "the answer is not IMAP"),
            (b"* OK", "waits"),
        ],
    );
}

#[test]
fn ssh() {
    let many = "hello\r\n".repeat(60);
    check(
        Protocol::Ssh,
        &[
            (b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u10\r\n", "SSH greets"),
            (b"SSH-1.99-Cisco-1.25\n", "SSH greets"),
            (b"be warned\r\nall is logged\r\nSSH-2.0-x\r\n", "SSH greets"),
            (b"SSH-1.5-old\r\n", "SSH version 2 is not spoken"),
            (b"Exceeded MaxStartups\r\n", "waits"),
            (b"SSH-2.0-x", "waits"),
            (many.as_bytes(), "the answer is not SSH"),
            (&[b'x'; 2000], "the answer is not SSH"),
        ],
    );
    // The goodbye: a whole packet, in blocks of eight bytes (RFC 4253, 6).
    let packet = ssh::FAREWELL
        .strip_prefix(b"SSH-2.0-farmux\r\n")
        .expect("first");
    assert_eq!(packet.len(), 32);
    assert_eq!(packet.first_chunk(), Some(&28_u32.to_be_bytes()));
    // Padding, message, reason, text, and language take as many bytes as are left.
    assert_eq!(32 - 4, 1 + 1 + 4 + (4 + 5) + 4 + 9);
    assert_eq!(packet.get(4), Some(&9));
}

#[test]
fn redis() {
    check(
        Protocol::Redis,
        &[
            (b"+PONG\r\n", "Redis answers"),
            (
                b"-NOAUTH Authentication required.\r\n",
                "Redis answers, login wanted",
            ),
            (b"-NOPERM this user\r\n", "Redis answers, login wanted"),
            (
                b"-LOADING Redis is loading\r\n",
                "Redis is still loading its data",
            ),
            (b"-MASTERDOWN Link\r\n", "Redis has lost its master"),
            (b"-BUSY a script\r\n", "Redis is busy with a script"),
            (b"-MISCONF RDB\r\n", "Redis cannot save its data"),
            (b"-DENIED protected\r\n", "Redis is in protected mode"),
            (
                b"-ERR max number of clients reached\r\n",
                "Redis says error",
            ),
            (b"-EVIL <x>\r\n", "Redis says an error of another kind"),
            (b"-LOADINGS\r\n", "Redis says an error of another kind"),
            (b"$4\r\nPONG\r\n", "the answer is not Redis"),
            (b"HTTP/1.1 400 Bad Request\r\n", "the answer is not Redis"),
            (b"+PONG", "waits"),
        ],
    );
}

#[test]
fn postgres() {
    let error = |state: &str| {
        let fields = format!("SFATAL\0VFATAL\0C{state}\0Mno <b>\r\n.\r\n\0\0");
        message(b'E', fields.as_bytes())
    };
    let rows: Vec<(Vec<u8>, &str)> = vec![
        (
            message(b'R', &[0, 0, 0, 0]),
            "PostgreSQL answers, login accepted",
        ),
        (
            message(b'R', b"\0\0\0\x05salt"),
            "PostgreSQL answers, login wanted",
        ),
        (
            message(b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0"),
            "PostgreSQL answers, login wanted",
        ),
        (error("28000"), "PostgreSQL answers, login refused"),
        (error("28P01"), "PostgreSQL answers, login refused"),
        (error("3D000"), "PostgreSQL answers, login refused"),
        (
            error("57P03"),
            "PostgreSQL takes no connections now (57P03)",
        ),
        (error("53300"), "PostgreSQL error 53300"),
        (error("08P01"), "PostgreSQL error 08P01"),
        (error("5\r\n00"), "the answer is not PostgreSQL"),
        (error("28"), "the answer is not PostgreSQL"),
        (message(b'E', b"SFATAL\0\0"), "the answer is not PostgreSQL"),
        (
            b"Ecould not fork\n\0".to_vec(),
            "PostgreSQL cannot take the connection",
        ),
        (
            b"E\xff\xff\xff\xff".to_vec(),
            "the answer is not PostgreSQL",
        ),
        (b"R\0\0\0\x04".to_vec(), "the answer is not PostgreSQL"),
        (b"SSH-2.0-x\r\n".to_vec(), "the answer is not PostgreSQL"),
        (b"R\0\0".to_vec(), "waits"),
        (b"E\0\0\0\x50SFATAL\0".to_vec(), "waits"),
    ];
    let rows: Vec<_> = rows
        .iter()
        .map(|(said, wanted)| (&said[..], *wanted))
        .collect();
    check(Protocol::Postgres, &rows);
    let length = u32::try_from(postgres::OPENING.len()).expect("small");
    assert_eq!(postgres::OPENING.first_chunk(), Some(&length.to_be_bytes()));
}

#[test]
fn mysql() {
    let then = |answer: Vec<u8>| [handshake(), answer].concat();
    let denied = b"\xff\x15\x04#28000Access denied for user <b>\r\n.\r\n";
    let switch = packet(2, b"\xfecaching_sha2_password\x0012345678901234567890\0");
    let rows: Vec<(Vec<u8>, &str)> = vec![
        (handshake(), "waits"),
        (
            then(packet(2, b"\0\0\0\x02\0\0\0")),
            "MySQL answers, login accepted",
        ),
        (then(packet(2, denied)), "MySQL answers, login refused"),
        (
            then([switch.clone(), packet(4, denied)].concat()),
            "MySQL answers, login refused",
        ),
        (
            then([switch, packet(4, b"\x01\x04"), packet(6, denied)].concat()),
            "MySQL answers, login refused",
        ),
        (
            packet(0, b"\xff\x6a\x04Host is not allowed"),
            "MySQL answers, login refused",
        ),
        (
            packet(0, b"\xff\x10\x04Too many"),
            "MySQL error 1040 (too many connections)",
        ),
        (
            packet(0, b"\xff\x69\x04Host is blocked"),
            "MySQL error 1129 (this node is blocked: mysqladmin flush-hosts)",
        ),
        (
            then(packet(2, b"\xff\x13\x04#08S01Bad handshake")),
            "MySQL error 1043 (bad handshake)",
        ),
        (then(packet(2, b"\xff\xd7\x07#HY000x")), "MySQL error 2007"),
        (packet(0, b"\x09old\0"), "the answer is not MySQL"),
        (
            packet(0, b"\x0ano end of a version"),
            "the answer is not MySQL",
        ),
        (
            packet(0, b"\x0a5\0\x08\0\0\x0012345678\0\x01\x00"),
            "the answer is not MySQL",
        ),
        (then(packet(2, b"\x05")), "the answer is not MySQL"),
        (b"\0\0\0\0".to_vec(), "the answer is not MySQL"),
        (b"SSH-2.0-x\r\n".to_vec(), "the answer is not MySQL"),
        (b"\x4e\0\0\0\x0a5.5".to_vec(), "waits"),
    ];
    let rows: Vec<_> = rows
        .iter()
        .map(|(said, wanted)| (&said[..], *wanted))
        .collect();
    check(Protocol::Mysql, &rows);
    let (told, _) = play(Protocol::Mysql, &handshake(), usize::MAX);
    assert_eq!(
        told.get(..4),
        Some(&[62, 0, 0, 1][..]),
        "62 bytes follow, as number 1"
    );
    assert_eq!(told.len(), 66);
    assert_eq!(
        told.get(36..43),
        Some(&b"farmux\0"[..]),
        "after 4 + 4 + 4 + 1 + 23"
    );
}

const ALL: [Protocol; 7] = [
    Protocol::Smtp,
    Protocol::Pop3,
    Protocol::Imap,
    Protocol::Ssh,
    Protocol::Redis,
    Protocol::Postgres,
    Protocol::Mysql,
];

/// A megabyte without an end is a failure long before it is all there, in words of ours.
#[test]
fn nothing_goes_on_for_ever() {
    let mut many = b"220-x\r\n".repeat(200_000);
    many.extend(b"220 x\r\n");
    for protocol in ALL {
        for said in [
            &vec![b'2'; 1_000_000],
            &many,
            &vec![0; 1_000_000],
            &vec![0xff; 1_000_000],
        ] {
            let (_, ended) = play(protocol, said, READ_BYTES);
            let ended = ended.expect("a failure");
            let words = [
                format!("the answer is not {}", protocol.name()),
                format!("{} greeting without end", protocol.name()),
            ];
            assert!(words.contains(&ended), "{protocol:?}: {ended}");
        }
    }
}

proptest::proptest! {
    /// Whatever comes, the same is made of it in whatever pieces, and none of it is repeated.
    #[test]
    fn pieces_make_no_difference(
        start in proptest::sample::select(vec![
            &b""[..], b"220", b"220 x\r\n", b"+", b"-", b"* ", b"SSH-", b"R\0\0\0", b"E\0\0\0\x20",
            b"\x20\0\0\0\x0a", b"\x08\0\0\0\xff",
        ]),
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
        piece in 1_usize..50,
    ) {
        let said = [start, &bytes].concat();
        for protocol in ALL {
            let whole = play(protocol, &said, usize::MAX);
            let pieces = play(protocol, &said, piece);
            proptest::prop_assert_eq!(&whole, &pieces);
            let ended = whole.1.unwrap_or_default();
            proptest::prop_assert!(ended.chars().all(|c| !c.is_control()));
        }
    }
}
