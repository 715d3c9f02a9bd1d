//! Heads and bodies of HTTP, and PROXY headers: what is taken is written anew, and says the same to
//! another reader.

use farmux_netplane::http::chunked::{Chunked, Step, TRAILER_BYTES_MAX};
use farmux_netplane::http::framing::Framing;
use farmux_netplane::http::head::{FIELDS_MAX, HEAD_BYTES_MAX, find_end};
use farmux_netplane::http::refusal::Refusal;
use farmux_netplane::http::request::{self, Facts, field_room};
use farmux_netplane::http::{response, write};
use farmux_netplane::plan::ProxyVersion;
use farmux_netplane::proxy::{read, write as proxy_write};

use super::meter::Meter;
use super::plain::{self, Body};

const CLIENT: &str = "192.0.2.7";
const HOST: &[u8] = b"vip.example";

/// The head that the bytes begin with.
fn head_of<'a>(meter: &Meter, input: &'a [u8]) -> Option<&'a [u8]> {
    let mut scanned = 0;
    let end = meter.within(|| find_end(input, &mut scanned)).ok()??;
    assert!(end <= input.len() && scanned <= input.len());
    Some(&input[..end])
}

/// What httparse says of a head that we wrote: its method or status, and how many fields.
fn reads_whole(written: &[u8], request: bool) {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX + 8];
    let status = match request {
        true => httparse::Request::new(&mut fields).parse(written),
        false => httparse::Response::new(&mut fields).parse(written),
    };
    let whole = Ok(httparse::Status::Complete(written.len()));
    assert_eq!(status, whole, "{}", written.escape_ascii());
}

pub(super) fn request(meter: &Meter, input: &[u8]) {
    let Some(head) = head_of(meter, input) else {
        return;
    };
    let mut room = field_room();
    let Ok(parsed) = meter.within(|| request::parse(head, &mut room)) else {
        return;
    };
    let mut written = Vec::new();
    meter.within(|| write::request(&mut written, &parsed, CLIENT, HOST));
    reads_whole(&written, true);
    let plain = plain::head(&written);
    let words: Vec<&[u8]> = plain.first.split(|byte| *byte == b' ').collect();
    let [method, target, version] = words[..] else {
        panic!("three words: {}", plain.first.escape_ascii());
    };
    assert_eq!(method, parsed.method.as_bytes());
    assert!(target.starts_with(b"/") || target == b"*");
    assert_eq!(version, b"HTTP/1.1");
    assert_eq!(plain.only("host"), Some(parsed.host.unwrap_or(HOST)));
    // No claim of the client about itself, in whatever spelling a server may know.
    let folded = |name: &str| name.replace('_', "-");
    for (name, wanted) in [("x-forwarded-for", CLIENT), ("x-forwarded-proto", "http")] {
        let told = plain.fields.iter().filter(|(have, _)| folded(have) == name);
        let told: Vec<&[u8]> = told.map(|(_, value)| *value).collect();
        assert_eq!(told, [wanted.as_bytes()], "{name}");
    }
    for gone in ["forwarded", "keep-alive", "proxy-connection"] {
        assert_eq!(plain.only(gone), None);
    }
    let wanted = match parsed.facts.body {
        Framing::None => Body::Unsaid,
        Framing::Length(length) => Body::Length(length),
        Framing::Chunked => Body::Chunked,
        Framing::UntilClose => panic!("no request ends with its connection"),
    };
    assert_eq!(plain.body(), wanted);
    let connection = plain.only("connection");
    match (parsed.upgrade, parsed.facts.trailers) {
        (Some(_), _) => assert_eq!(connection, Some(&b"upgrade"[..])),
        (None, true) => assert_eq!(connection, Some(&b"te"[..])),
        (None, false) => assert_eq!(connection, None),
    }
    // What we write, we read, and write the same.
    if plain.fields.len() <= FIELDS_MAX && written.len() <= HEAD_BYTES_MAX {
        let mut room = field_room();
        let again = request::parse(&written, &mut room);
        let again = again.unwrap_or_else(|refusal| panic!("{refusal:?}"));
        assert_eq!(again.facts.body, parsed.facts.body);
        let mut twice = Vec::new();
        write::request(&mut twice, &again, CLIENT, HOST);
        assert_eq!(
            twice.escape_ascii().to_string(),
            written.escape_ascii().to_string()
        );
    }
}

/// Whose answer it is, by the first byte of the input.
fn asked(by: u8) -> Facts {
    Facts {
        http10: by & 1 != 0,
        head: by & 2 != 0,
        idempotent: true,
        body: Framing::None,
        close: by & 1 != 0,
        expects_continue: false,
        upgrade: by & 4 != 0,
        trailers: by & 8 != 0,
    }
}

pub(super) fn answer(meter: &Meter, input: &[u8]) {
    let Some((by, input)) = input.split_first() else {
        return;
    };
    let facts = asked(*by);
    let Some(head) = head_of(meter, input) else {
        return;
    };
    let mut room = field_room();
    let Ok(parsed) = meter.within(|| response::parse(head, &mut room, &facts)) else {
        return;
    };
    let mut written = Vec::new();
    let interim = parsed.status < 200;
    meter.within(|| match interim {
        true => write::interim(&mut written, &parsed),
        false => drop(write::response(
            &mut written,
            &parsed,
            &facts,
            *by & 16 != 0,
        )),
    });
    reads_whole(&written, false);
    let plain = plain::head(&written);
    let start = format!("HTTP/1.1 {} ", parsed.status);
    assert!(plain.first.starts_with(start.as_bytes()));
    assert_eq!(plain.only("keep-alive"), None);
    let body = plain.body();
    match parsed.facts.body {
        _ if interim => assert_eq!(body, Body::Unsaid),
        Framing::Length(length) => assert_eq!(body, Body::Length(length)),
        Framing::Chunked | Framing::UntilClose if facts.http10 => assert_eq!(body, Body::Unsaid),
        Framing::Chunked | Framing::UntilClose => assert_eq!(body, Body::Chunked),
        Framing::None => {
            let told = parsed.facts.told_length.map(Body::Length);
            assert!(body == Body::Unsaid || Some(body) == told, "{body:?}");
        }
    }
    if !interim {
        let close = (*by & 16 != 0).then_some(&b"close"[..]);
        assert_eq!(plain.only("connection"), close);
        assert_eq!(plain.only("upgrade"), None);
    }
}

/// Decodes in pieces: data, bytes taken, trailers, and whether it is over.
fn decoded(
    meter: &Meter,
    input: &[u8],
    piece: usize,
) -> Result<(Vec<u8>, usize, Chunked), Refusal> {
    let mut chunked = Chunked::default();
    let (mut data, mut taken) = (Vec::new(), 0);
    for part in input.chunks(piece) {
        let mut part = part.to_vec();
        let step: Step = meter.within(|| chunked.decode(&mut part))?;
        assert!(step.data <= step.consumed && step.consumed <= part.len());
        assert!(step.consumed == part.len() || chunked.is_done());
        data.extend_from_slice(&part[..step.data]);
        taken += step.consumed;
        if chunked.is_done() {
            break;
        }
    }
    Ok((data, taken, chunked))
}

pub(super) fn chunks(meter: &Meter, input: &[u8]) {
    let Some((piece, input)) = input.split_first() else {
        return;
    };
    let whole = decoded(meter, input, input.len().max(1));
    let pieces = decoded(meter, input, usize::from(*piece).max(1));
    let (data, taken, chunked) = match (whole, pieces) {
        (Ok(whole), Ok(pieces)) => {
            assert_eq!(
                (&whole.0, whole.1),
                (&pieces.0, pieces.1),
                "pieces do not matter"
            );
            assert_eq!(whole.2.is_done(), pieces.2.is_done());
            whole
        }
        (Err(whole), Err(pieces)) => return assert_eq!(whole, pieces),
        (whole, pieces) => panic!("pieces matter: {whole:?}, {pieces:?}"),
    };
    assert!(taken <= input.len() && data.len() <= taken);
    if !chunked.is_done() {
        return;
    }
    let trailers = chunked.trailers();
    // A name and a value gain a blank between them.
    assert!(trailers.len() <= TRAILER_BYTES_MAX * 2);
    if !trailers.is_empty() {
        let head = [b"HTTP/1.1 200 OK\r\n", trailers, b"\r\n"].concat();
        for (name, _) in plain::head(&head).fields {
            let framing = [
                "content-length",
                "transfer-encoding",
                "host",
                "connection",
                "te",
            ];
            assert!(!framing.contains(&name.as_str()), "{name}");
        }
    }
    let mut written = Vec::new();
    for chunk in data.chunks(7) {
        write::chunk_size(&mut written, chunk.len());
        written.extend_from_slice(chunk);
        written.extend_from_slice(b"\r\n");
    }
    written.extend_from_slice(b"0\r\n");
    written.extend_from_slice(trailers);
    written.extend_from_slice(b"\r\n");
    assert_eq!(plain::chunked(&written), (data, trailers.to_vec()));
}

pub(super) fn proxy(meter: &Meter, input: &[u8]) {
    let read = meter.within(|| read::header(input));
    let Ok(Some(header)) = read else {
        // Whoever has sent too little is not refused for it, nor for what may follow.
        if read == Ok(None) {
            for end in 0..input.len() {
                assert_eq!(read::header(&input[..end]), Ok(None));
            }
        }
        return;
    };
    assert!(header.length <= input.len());
    let exact = read::header(&input[..header.length]);
    assert_eq!(exact, Ok(Some(header)), "it looks at nothing behind itself");
    let Some(ends) = header.ends else {
        return;
    };
    for version in [ProxyVersion::V1, ProxyVersion::V2] {
        let written = proxy_write::header(version, &ends);
        let again = read::header(&written).expect("ours is a header");
        let again = again.expect("ours is whole");
        assert_eq!(again.length, written.len());
        let told = again.ends.expect("ours names its ends");
        for (told, was) in [(told.client, ends.client), (told.local, ends.local)] {
            assert_eq!(told.ip().to_canonical(), was.ip().to_canonical());
            assert_eq!(told.port(), was.port());
        }
    }
}
