//! What is asked, byte by byte; what is read of answers that are right, wrong, and hostile.

use proptest::prelude::*;

use super::*;
use DnsRecord::{A, Aaaa, Cname, Mx, Ns, Ptr, Soa, Txt};

const ID: u16 = 0xbeef;

fn question(name: &str, record: DnsRecord) -> Question {
    Question::new(ID, name, record).expect("a name")
}

/// A name in the words of a message, without pointers.
fn wire(name: &str) -> Vec<u8> {
    Name::parse(name).expect("a name").0
}

/// A record of `owner`, which stands there as these bytes.
fn record(owner: &[u8], record: DnsRecord, data: &[u8]) -> Vec<u8> {
    let code = code_of(record).to_be_bytes();
    let length = u16::try_from(data.len()).expect("short").to_be_bytes();
    let fixed = [0, 1, 0, 0, 0, 60];
    [owner, &code, &fixed, &length, data].concat()
}

/// An answer to `question` with these flags and records.
fn answer(question: &Question, flags: u16, records: &[Vec<u8>]) -> Vec<u8> {
    let mut message = question.message();
    let count = u16::try_from(records.len()).expect("few");
    message[2..4].copy_from_slice(&(IS_ANSWER | flags).to_be_bytes());
    message[6..8].copy_from_slice(&count.to_be_bytes());
    message.extend(records.concat());
    message
}

/// Points to the question's name.
const SAME: [u8; 2] = [0xc0, 12];

#[test]
fn a_question_byte_by_byte() {
    let wanted = b"\xbe\xef\x01\x00\0\x01\0\0\0\0\0\0\x03www\x07example\0\0\x1c\0\x01";
    for name in ["www.example", "WWW.Example."] {
        assert_eq!(question(name, Aaaa).message(), wanted, "{name}");
    }
    assert_eq!(question(".", Ns).message()[12..], [0, 0, 2, 0, 1]);
    let long = "x".repeat(64);
    let most = ["x".repeat(63).as_str(); 4].join(".");
    for name in ["a..b", ".a", &*long, &*most] {
        let got = Question::new(ID, name, A);
        assert_eq!(got, Err(DnsFailure::NotAName), "{name}");
    }
}

/// Each type, with a value that is there in another spelling, and one that is not.
#[test]
fn values_are_compared_by_their_type() {
    let mx = [&[0, 10], &*wire("mail.example")].concat();
    let soa = [
        wire("ns.example"),
        wire("admin.example"),
        vec![0x78, 0xc7, 0xe6, 0x69],
        vec![0; 16],
    ];
    let rows: [(DnsRecord, Vec<u8>, &str, &str); 8] = [
        (A, vec![192, 0, 2, 1], "192.0.2.1", "192.0.2.2"),
        (
            Aaaa,
            Ipv6Addr::from_bits(0x2001_0db8 << 96 | 1).octets().into(),
            "2001:DB8:0::1",
            "2001:db8::2",
        ),
        (Cname, wire("web.example"), "WEB.example.", "web"),
        (Mx, mx, "mail.Example", "10 mail.example"),
        (Ns, wire("ns.example"), "ns.example.", "ns2.example"),
        (Ptr, wire("web.example"), "web.example", ""),
        (Soa, soa.concat(), "2026366569", "2026366570"),
        (Txt, b"\x03a b\x02cd".into(), "a bcd", "a b cd"),
    ];
    for (kind, data, there, missing) in rows {
        let asked = question("x.example", kind);
        let mut cut = data.clone();
        cut.pop();
        let message = answer(&asked, 0, &[record(&SAME, kind, &data)]);
        assert_eq!(asked.read(&message, None), Ok(Reply::Records(1)));
        assert_eq!(
            asked.read(&message, Some(there)),
            Ok(Reply::Records(1)),
            "{kind}"
        );
        let other = DnsFailure::OtherValue {
            record: kind,
            count: 1,
        };
        assert_eq!(asked.read(&message, Some(missing)), Err(other), "{kind}");
        if kind != Soa {
            let message = answer(&asked, 0, &[record(&SAME, kind, &cut)]);
            let got = asked.read(&message, None);
            assert_eq!(got, Err(DnsFailure::Malformed), "{kind}");
        }
    }
}

#[test]
fn aliases_are_followed_and_strangers_are_not() {
    let asked = question("www.example", A);
    let (first, second) = (wire("a.example"), wire("B.example"));
    let address = |owner: &[u8], last| record(owner, A, &[192, 0, 2, last]);
    let chain = [
        address(&second, 1),
        record(&first, Cname, &second),
        record(&SAME, Cname, &first),
        address(&wire("stranger.example"), 9),
    ];
    let message = answer(&asked, 0, &chain);
    assert_eq!(
        asked.read(&message, Some("192.0.2.1")),
        Ok(Reply::Records(1))
    );
    let other = DnsFailure::OtherValue {
        record: A,
        count: 1,
    };
    assert_eq!(asked.read(&message, Some("192.0.2.9")), Err(other));

    let message = answer(&asked, 0, &[record(&SAME, Cname, &first)]);
    assert_eq!(asked.read(&message, None), Err(DnsFailure::NoRecord(A)));
    let circle = [
        record(&SAME, Cname, &first),
        record(&first, Cname, &wire("www.example")),
        address(&second, 1),
    ];
    let message = answer(&asked, 0, &circle);
    assert_eq!(asked.read(&message, None), Err(DnsFailure::NoRecord(A)));
}

#[test]
fn every_code_is_named_and_strangers_are_passed_over() {
    let asked = question("www.example", A);
    for (code, wanted) in [
        (1, DnsFailure::Code(1)),
        (2, DnsFailure::ServerFailed),
        (3, DnsFailure::NoName),
        (4, DnsFailure::Code(4)),
        (5, DnsFailure::Refused),
        (15, DnsFailure::Code(15)),
    ] {
        assert_eq!(asked.read(&answer(&asked, code, &[]), None), Err(wanted));
    }
    assert_eq!(
        asked.read(&answer(&asked, 0, &[]), None),
        Err(DnsFailure::NoRecord(A))
    );
    let truncated = answer(&asked, TRUNCATED, &[]);
    assert_eq!(asked.read(&truncated, None), Ok(Reply::Truncated));

    // A server that could not read the question repeats none.
    let bare = [0xbe, 0xef, 0x80, 0x01, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(asked.read(&bare, None), Err(DnsFailure::Code(1)));

    let right = answer(&asked, 0, &[record(&SAME, A, &[1, 2, 3, 4])]);
    let not_ours = |message: &[u8]| asked.read(message, None) == Ok(Reply::NotOurs);
    for (what, at, byte) in [
        ("another number", 0, 0),
        ("a question", 2, 0),
        ("another name", 13, b'v'),
        ("another type", 26, 28),
        ("two questions", 5, 2),
    ] {
        let mut wrong = right.clone();
        wrong[at] = byte;
        assert!(not_ours(&wrong), "{what}");
    }
    assert!(not_ours(b"") && not_ours(b"HTTP/1.1"));
    let mut shouted = right.clone();
    shouted[13..16].copy_from_slice(b"WwW");
    assert_eq!(asked.read(&shouted, None), Ok(Reply::Records(1)));
}

#[test]
fn pointers_come_to_an_end() {
    let asked = question("www.example", A);
    let here = u8::try_from(asked.message().len()).expect("short");
    let malformed = |owner: &[u8]| {
        let message = answer(&asked, 0, &[record(owner, A, &[1, 2, 3, 4])]);
        asked.read(&message, None) == Err(DnsFailure::Malformed)
    };
    assert!(malformed(&[0xc0, here]), "to itself");
    assert!(malformed(&[0xc0, here + 1]), "forwards");
    assert!(malformed(&[0xff, 0xff]), "beyond the end");
    assert!(malformed(&[1, b'a', 0xc0, here]), "around in a circle");
    assert!(malformed(&[0x80, 0]), "a label of no known type");
    let long = [&[63][..], &[b'x'; 63]].concat().repeat(4);
    assert!(malformed(&[&long[..], &[0]].concat()), "too long");
}

proptest! {
    /// Whatever comes, reading it ends, and says something.
    #[test]
    fn no_message_is_too_strange(
        rest in prop::collection::vec(any::<u8>(), 0..600),
        kind in prop::sample::select(vec![A, Aaaa, Cname, Mx, Ns, Ptr, Soa, Txt]),
        answers in 0u16..9,
        spoil in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let asked = question("www.example", kind);
        let mut message = answer(&asked, 0, &[]);
        message[6..8].copy_from_slice(&answers.to_be_bytes());
        message.extend(&rest);
        for (at, byte) in spoil {
            let at = at.index(message.len());
            message[at] = byte;
        }
        let _ = asked.read(&message, Some("192.0.2.1"));
        for from in 0..message.len() {
            let name = Reader { message: &message, at: from }.name();
            prop_assert!(name.is_none_or(|name| name.0.len() <= NAME_BYTES_MAX));
        }
    }

    /// Names go out and come in the same.
    #[test]
    fn names_survive(name in "[a-zA-Z0-9_-]{1,20}(\\.[a-z0-9-]{1,20}){0,5}\\.?") {
        let bytes = wire(&name);
        let mut reader = Reader { message: &bytes, at: 0 };
        prop_assert_eq!(reader.name(), Some(Name(bytes.clone())));
        prop_assert_eq!(reader.at, bytes.len());
    }
}
