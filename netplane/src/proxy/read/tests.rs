//! Every header that is taken, every one that is refused, and every place to be cut at.

use proptest::prelude::*;

use super::*;

fn v2(command: u8, family: u8, length: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = SIGNATURE.to_vec();
    bytes.extend([command, family]);
    bytes.extend(length.to_be_bytes());
    bytes.extend(body);
    bytes
}

fn some(client: &str, local: &str) -> Option<Ends> {
    let end = |text: &str| text.parse().expect("an address");
    Some(Ends {
        client: end(client),
        local: end(local),
    })
}

const V4_BODY: [u8; 12] = [192, 0, 2, 7, 10, 0, 0, 1, 0xdd, 0xd5, 0, 80];
const V6_BODY: [u8; 36] = [
    0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, // 2001:db8::9
    0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, // fd00::1
    0xff, 0xff, 0x01, 0xbb,
];

/// The examples and the longest lines of section 2.1 are among them.
fn good() -> Vec<(Vec<u8>, Option<Ends>)> {
    let mut all: Vec<(Vec<u8>, Option<Ends>)> = [
        (
            "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n",
            some("192.168.0.1:56324", "192.168.0.11:443"),
        ),
        (
            "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
            some("255.255.255.255:65535", "255.255.255.255:65535"),
        ),
        (
            "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff \
             ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
            some(
                "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
                "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
            ),
        ),
        (
            "PROXY TCP6 ::1 fd00::1 0 80\r\n",
            some("[::1]:0", "[fd00::1]:80"),
        ),
        ("PROXY UNKNOWN\r\n", None),
        (
            "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff \
             ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
            None,
        ),
        ("PROXY UNKNOWN whatever it is\r\n", None),
    ]
    .into_iter()
    .map(|(line, ends)| (line.as_bytes().to_vec(), ends))
    .collect();
    let v4 = some("192.0.2.7:56789", "10.0.0.1:80");
    let v6 = some("[2001:db8::9]:65535", "[fd00::1]:443");
    let tlv = [&V4_BODY[..], &[0x04, 0, 3, 1, 2, 3]].concat();
    let long = [&V4_BODY[..], &[0; 4068]].concat();
    all.extend([
        (v2(0x21, 0x11, 12, &V4_BODY), v4),
        (v2(0x21, 0x21, 36, &V6_BODY), v6),
        (v2(0x21, 0x11, 18, &tlv), v4),
        (v2(0x21, 0x11, 4080, &long), v4),
        (v2(0x21, 0x31, 216, &[b'/'; 216]), None),
        (v2(0x21, 0x00, 0, &[]), None),
        (v2(0x21, 0x00, 3, &[1, 2, 3]), None),
        (v2(0x20, 0x00, 0, &[]), None),
        // LOCAL: whatever it says of addresses.
        (v2(0x20, 0x11, 12, &V4_BODY), None),
        (v2(0x20, 0x11, 5, &V4_BODY[..5]), None),
        (v2(0x20, 0xff, 0, &[]), None),
    ]);
    all
}

#[test]
fn whole_headers_are_taken_and_what_follows_is_left() {
    for (bytes, ends) in good() {
        let length = bytes.len();
        let wanted = Ok(Some(Header { ends, length }));
        let followed = [&bytes[..], b"PROXY TCP4 GET / \r\n\r\n"].concat();
        assert_eq!(header(&bytes), wanted, "{}", bytes.escape_ascii());
        assert_eq!(header(&followed), wanted, "{}", bytes.escape_ascii());
    }
}

#[test]
fn a_header_that_is_cut_anywhere_waits_for_more() {
    for (bytes, _) in good() {
        for end in 0..bytes.len() {
            assert_eq!(
                header(&bytes[..end]),
                Ok(None),
                "{}",
                bytes[..end].escape_ascii()
            );
        }
    }
}

/// Too long by one, which no good header is.
fn too_long() -> String {
    format!("PROXY UNKNOWN {}\r\n", "x".repeat(92))
}

#[test]
fn malformed_lines_are_refused() {
    assert_eq!(too_long().len(), 108);
    for (line, reason) in [
        ("GET / HTTP/1.1\r\n", Refusal::ProxyMissing),
        ("PROXX TCP4", Refusal::ProxyMissing),
        ("proxy TCP4", Refusal::ProxyMissing),
        (" PROXY TCP4", Refusal::ProxyMissing),
        ("\r\nPROXY TCP4", Refusal::ProxyMissing),
        ("SSH-2.0-x\r\n", Refusal::ProxyMissing),
        ("\x16\x03\x01", Refusal::ProxyMissing),
        (&too_long(), Refusal::ProxyTooLong),
        (&"PROXY UNKNOWN ".repeat(9), Refusal::ProxyTooLong),
        ("PROXY\r\n", Refusal::ProxyLine),
        ("PROXY \r\n", Refusal::ProxyLine),
        ("PROXYUNKNOWN\r\n", Refusal::ProxyLine),
        ("PROXY  UNKNOWN\r\n", Refusal::ProxyLine),
        ("PROXY UNKNOWN\n", Refusal::ProxyLine),
        ("PROXY UNKNOWN\rX", Refusal::ProxyLine),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n", Refusal::ProxyLine),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n", Refusal::ProxyLine),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n", Refusal::ProxyLine),
        ("PROXY TCP4 1.2.3.4  5.6.7.8 1 2\r\n", Refusal::ProxyLine),
        ("PROXY TCP4\t1.2.3.4 5.6.7.8 1 2\r\n", Refusal::ProxyLine),
        ("PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n", Refusal::ProxyFamily),
        ("PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n", Refusal::ProxyFamily),
        ("PROXY tcp4 1.2.3.4 5.6.7.8 1 2\r\n", Refusal::ProxyFamily),
        ("PROXY TCP4 1.2.3 5.6.7.8 1 2\r\n", Refusal::ProxyAddress),
        (
            "PROXY TCP4 1.2.3.256 5.6.7.8 1 2\r\n",
            Refusal::ProxyAddress,
        ),
        ("PROXY TCP4 01.2.3.4 5.6.7.8 1 2\r\n", Refusal::ProxyAddress),
        ("PROXY TCP4 ::1 ::2 1 2\r\n", Refusal::ProxyAddress),
        ("PROXY TCP4 host 5.6.7.8 1 2\r\n", Refusal::ProxyAddress),
        ("PROXY TCP6 1.2.3.4 ::1 1 2\r\n", Refusal::ProxyAddress),
        ("PROXY TCP6 ::1 1:2 1 2\r\n", Refusal::ProxyAddress),
        ("PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n", Refusal::ProxyAddress),
        (
            "PROXY TCP4 1.2.3.4 5.6.7.8 65536 2\r\n",
            Refusal::ProxyAddress,
        ),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n", Refusal::ProxyAddress),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n", Refusal::ProxyAddress),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 00 2\r\n", Refusal::ProxyAddress),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n", Refusal::ProxyAddress),
        ("PROXY TCP4 1.2.3.4 5.6.7.8  2\r\n", Refusal::ProxyAddress),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 1 x\r\n", Refusal::ProxyAddress),
    ] {
        assert_eq!(header(line.as_bytes()), Err(reason), "{line:?}");
    }
    assert_eq!(header(b"PROXY TCP4 \xff"), Ok(None));
    assert_eq!(header(b"PROXY TCP4 \xff\r\n"), Err(Refusal::ProxyLine));
}

#[test]
fn malformed_bytes_are_refused() {
    for (bytes, reason) in [
        (v2(0x11, 0x11, 12, &V4_BODY), Refusal::ProxyVersion),
        (v2(0x01, 0x11, 12, &V4_BODY), Refusal::ProxyVersion),
        (v2(0x31, 0x11, 12, &V4_BODY), Refusal::ProxyVersion),
        (v2(0x22, 0x11, 12, &V4_BODY), Refusal::ProxyCommand),
        (v2(0x2f, 0x11, 12, &V4_BODY), Refusal::ProxyCommand),
        (v2(0x21, 0x12, 12, &V4_BODY), Refusal::ProxyFamily),
        (v2(0x21, 0x10, 12, &V4_BODY), Refusal::ProxyFamily),
        (v2(0x21, 0x01, 12, &V4_BODY), Refusal::ProxyFamily),
        (v2(0x21, 0x22, 36, &V6_BODY), Refusal::ProxyFamily),
        (v2(0x21, 0x32, 216, &[0; 216]), Refusal::ProxyFamily),
        (v2(0x21, 0x41, 12, &V4_BODY), Refusal::ProxyFamily),
        (v2(0x21, 0x11, 11, &V4_BODY), Refusal::ProxyLength),
        (v2(0x21, 0x11, 0, &V4_BODY), Refusal::ProxyLength),
        (v2(0x21, 0x21, 35, &V6_BODY), Refusal::ProxyLength),
        (v2(0x21, 0x31, 215, &[0; 216]), Refusal::ProxyLength),
        (v2(0x21, 0x11, 4081, &V4_BODY), Refusal::ProxyTooLong),
        (v2(0x20, 0x00, 65535, &[]), Refusal::ProxyTooLong),
        (b"\r\n\r\n\0\r\nQUIX".to_vec(), Refusal::ProxyMissing),
        (b"\r\n\r\n\0\r\nQUIT\r".to_vec(), Refusal::ProxyMissing),
        (b"\r\n\r\nGET".to_vec(), Refusal::ProxyMissing),
    ] {
        assert_eq!(header(&bytes), Err(reason), "{}", bytes.escape_ascii());
    }
}

proptest! {
    /// Whatever comes: no panic, and more bytes never turn a whole header or a refusal around.
    #[test]
    fn an_answer_is_final(
        start in prop::sample::select(vec![&b""[..], b"PROXY ", b"PROXY TCP4 ", &SIGNATURE]),
        rest in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let bytes = [start, &rest[..]].concat();
        let whole = header(&bytes);
        for end in 0..bytes.len() {
            let part = header(&bytes[..end]);
            prop_assert!(part == Ok(None) || part == whole, "{part:?} became {whole:?}");
        }
    }
}
