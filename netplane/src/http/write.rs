//! PURE. Messages written anew from their parsed form; nothing of the old framing is copied.
//!
//! Dropped on the way: `Connection` and all that it nominates, `Keep-Alive`, `Proxy-Connection`,
//! `TE`, `Upgrade` (but for a tunnel), `Transfer-Encoding` and `Content-Length` (written anew), and
//! what a client claims about itself. `X-Forwarded-For` and `X-Forwarded-Proto` are **replaced**,
//! never appended to: a farmux is the first proxy that the farm trusts, so a server may take them
//! at their word. A nomination of `Host` is ignored, as it is meant for everybody.
//!
//! **Source**: RFC 9110 section 7.6.1, RFC 9112 section 9.6.

use super::fields::{Known, members};
use super::framing::Framing;
use super::request::{Facts, Request};
use super::response::{Answer, Response};

/// How a body is coded towards its receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// As it is: its length was told, or it ends with the connection.
    Plain,
    /// In chunks.
    Chunked,
}

/// Writes a request for the server; the coding that its body must be sent in.
///
/// `client` is the client's address; `host` is named where an HTTP/1.0 client named none.
pub fn request(out: &mut Vec<u8>, request: &Request<'_, '_>, client: &str, host: &[u8]) -> Coding {
    out.extend_from_slice(request.method.as_bytes());
    out.push(b' ');
    let path = if request.target.path.is_empty() {
        "/"
    } else {
        request.target.path
    };
    out.extend_from_slice(path.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    field(out, b"Host", request.host.unwrap_or(host));
    for old in request.fields {
        match Known::of(old.name) {
            Known::Expect if request.facts.expects_continue => {}
            Known::Other if !(request.nominates && nominated(request.fields, old.name)) => {}
            Known::Expect
            | Known::Other
            | Known::Connection
            | Known::ContentLength
            | Known::TransferEncoding
            | Known::Host
            | Known::Upgrade
            | Known::Te
            | Known::Legacy
            | Known::Forwarded => continue,
        }
        field(out, old.name.as_bytes(), old.value);
    }
    field(out, b"X-Forwarded-For", client.as_bytes());
    field(out, b"X-Forwarded-Proto", b"http");
    if let Some(protocol) = request.upgrade {
        field(out, b"Connection", b"upgrade");
        field(out, b"Upgrade", protocol);
    } else if request.facts.trailers {
        field(out, b"Connection", b"te");
        field(out, b"TE", b"trailers");
    }
    let coding = framing(out, request.facts.body);
    out.extend_from_slice(b"\r\n");
    coding
}

/// Writes a final answer for the client; the coding that its body must be sent in.
///
/// A body without a length is sent in chunks, so that its end can be told from an accident; to an
/// HTTP/1.0 client it ends with the connection, which the caller closes.
pub fn response(
    out: &mut Vec<u8>,
    response: &Response<'_, '_>,
    request: &Facts,
    close: bool,
) -> Coding {
    head(out, response);
    let coding = match told(&response.facts, request) {
        Some(length) => framing(out, Framing::Length(length)),
        None => framing(out, toward_client(response.facts.body, request)),
    };
    if close {
        field(out, b"Connection", b"close");
    }
    out.extend_from_slice(b"\r\n");
    coding
}

/// Writes an interim answer, or the `101` that opens a tunnel.
pub fn interim(out: &mut Vec<u8>, response: &Response<'_, '_>) {
    head(out, response);
    if response.facts.status == 101 {
        field(out, b"Connection", b"upgrade");
        let upgrade = |field: &&httparse::Header<'_>| Known::of(field.name) == Known::Upgrade;
        if let Some(upgrade) = response.fields.iter().find(upgrade) {
            field(out, b"Upgrade", upgrade.value);
        }
    }
    out.extend_from_slice(b"\r\n");
}

fn told(answer: &Answer, request: &Facts) -> Option<u64> {
    let told = request.head || answer.status == 304;
    answer.told_length.filter(|_| told)
}

fn toward_client(body: Framing, request: &Facts) -> Framing {
    match body {
        Framing::Chunked | Framing::UntilClose if request.http10 => Framing::UntilClose,
        Framing::Chunked | Framing::UntilClose => Framing::Chunked,
        Framing::None | Framing::Length(_) => body,
    }
}

/// The status line and the fields that are passed on.
fn head(out: &mut Vec<u8>, response: &Response<'_, '_>) {
    out.extend_from_slice(b"HTTP/1.1 ");
    decimal(out, u64::from(response.status));
    out.push(b' ');
    out.extend_from_slice(response.reason.as_bytes());
    out.extend_from_slice(b"\r\n");
    for old in response.fields {
        match Known::of(old.name) {
            Known::Other | Known::Host | Known::Expect | Known::Forwarded
                if !(response.nominates && nominated(response.fields, old.name)) =>
            {
                field(out, old.name.as_bytes(), old.value);
            }
            Known::Other
            | Known::Host
            | Known::Expect
            | Known::Forwarded
            | Known::Connection
            | Known::ContentLength
            | Known::TransferEncoding
            | Known::Upgrade
            | Known::Te
            | Known::Legacy => {}
        }
    }
}

fn field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Writes the framing fields.
fn framing(out: &mut Vec<u8>, framing: Framing) -> Coding {
    match framing {
        Framing::None | Framing::UntilClose => Coding::Plain,
        Framing::Length(length) => {
            out.extend_from_slice(b"Content-Length: ");
            decimal(out, length);
            out.extend_from_slice(b"\r\n");
            Coding::Plain
        }
        Framing::Chunked => {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
            Coding::Chunked
        }
    }
}

/// Whether a `Connection` field names this field; `false` costs a look at every field, so callers
/// ask only when some `Connection` names anything.
fn nominated(fields: &[httparse::Header<'_>], name: &str) -> bool {
    let mut connections = fields
        .iter()
        .filter(|field| Known::of(field.name) == Known::Connection);
    connections.any(|field| {
        members(field.value).any(|member| member.eq_ignore_ascii_case(name.as_bytes()))
    })
}

/// Appends a number.
pub fn decimal(out: &mut Vec<u8>, number: u64) {
    digits(out, number, 10);
}

/// Appends the line that opens a chunk.
pub fn chunk_size(out: &mut Vec<u8>, length: usize) {
    digits(out, length as u64, 16);
    out.extend_from_slice(b"\r\n");
}

fn digits(out: &mut Vec<u8>, mut number: u64, base: u64) {
    // 2^64 - 1 has twenty decimal digits.
    let mut text = [0u8; 20];
    let mut at = text.len();
    loop {
        at -= 1;
        let digit = usize::try_from(number % base).unwrap_or_default();
        text[at] = b"0123456789abcdef"[digit];
        number /= base;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&text[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::request::{self, field_room};
    use crate::http::response;

    fn rewritten(head: &str) -> (String, Coding) {
        let mut room = field_room();
        let parsed = request::parse(head.as_bytes(), &mut room).expect("a proper request");
        let mut out = Vec::new();
        let coding = super::request(&mut out, &parsed, "10.0.0.9", b"10.0.0.100");
        (String::from_utf8(out).expect("text"), coding)
    }

    const OURS: &str = "X-Forwarded-For: 10.0.0.9\r\nX-Forwarded-Proto: http\r\n";

    #[test]
    fn requests_are_written_anew() {
        for (head, wanted, coding) in [
            (
                "GET /a?b HTTP/1.1\r\nHOST: h\r\nAccept:  x \r\nCookie: a=b\r\n\r\n",
                format!("GET /a?b HTTP/1.1\r\nHost: h\r\nAccept: x\r\nCookie: a=b\r\n{OURS}\r\n"),
                Coding::Plain,
            ),
            (
                "GET http://H/ HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 1.2.3.4\r\n\
                 x_forwarded_for: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\n\
                  X-Forwarded-Proto: https\r\n\r\n",
                format!("GET / HTTP/1.1\r\nHost: h\r\n{OURS}\r\n"),
                Coding::Plain,
            ),
            (
                "GET http://h HTTP/1.0\r\n\r\n",
                format!("GET / HTTP/1.1\r\nHost: h\r\n{OURS}\r\n"),
                Coding::Plain,
            ),
            (
                "GET / HTTP/1.0\r\nConnection: keep-alive\r\nKeep-Alive: 5\r\n\r\n",
                format!("GET / HTTP/1.1\r\nHost: 10.0.0.100\r\n{OURS}\r\n"),
                Coding::Plain,
            ),
            (
                "POST / HTTP/1.1\r\nHost: h\r\nConnection: X-Secret, host, close\r\nX-Secret: 1\r\n\
                 X-Kept: 2\r\nContent-Length: 007\r\nExpect: 100-Continue\r\n\r\n",
                format!(
                    "POST / HTTP/1.1\r\nHost: h\r\nX-Kept: 2\r\nExpect: 100-Continue\r\n{OURS}\
                     Content-Length: 7\r\n\r\n"
                ),
                Coding::Plain,
            ),
            (
                "POST / HTTP/1.1\r\nHost: h\r\nTE: gzip, trailers\r\n\
                 Transfer-Encoding: Chunked\r\n\r\n",
                format!(
                    "POST / HTTP/1.1\r\nHost: h\r\n{OURS}Connection: te\r\nTE: trailers\r\n\
                     Transfer-Encoding: chunked\r\n\r\n"
                ),
                Coding::Chunked,
            ),
            (
                "GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\n\
                 Upgrade: websocket\r\n\r\n",
                format!(
                    "GET / HTTP/1.1\r\nHost: h\r\n{OURS}Connection: upgrade\r\n\
                     Upgrade: websocket\r\n\r\n"
                ),
                Coding::Plain,
            ),
            (
                "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\n\
                 Upgrade: h2c\r\nHTTP2-Settings: AAA\r\n\r\n",
                format!("GET / HTTP/1.1\r\nHost: h\r\n{OURS}\r\n"),
                Coding::Plain,
            ),
        ] {
            assert_eq!(rewritten(head), (wanted, coding), "{head}");
        }
    }

    #[test]
    fn what_was_written_is_parsed_as_the_same_request() {
        let head = "PUT /x HTTP/1.1\r\nHost: h\r\nA: b\r\nContent-Length: 5\r\n\r\n";
        let (once, _) = rewritten(head);
        assert_eq!(rewritten(&once).0, once, "a second farmux changes nothing");
    }

    fn answered(ask: &str, head: &str, close: bool) -> (String, Coding) {
        let mut room = field_room();
        let facts = request::parse(ask.as_bytes(), &mut room)
            .expect("a proper request")
            .facts;
        let mut room = field_room();
        let parsed = response::parse(head.as_bytes(), &mut room, &facts).expect("a proper answer");
        let mut out = Vec::new();
        let coding = super::response(&mut out, &parsed, &facts, close);
        (String::from_utf8(out).expect("text"), coding)
    }

    #[test]
    fn answers_are_written_anew() {
        let get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
        let head = "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n";
        let old = "GET / HTTP/1.0\r\n\r\n";
        for (ask, answer, close, wanted, coding) in [
            (
                get,
                "HTTP/1.1 200 OK\r\nServer: s\r\nContent-Length: 05\r\nKeep-Alive: 5\r\n\r\n",
                false,
                "HTTP/1.1 200 OK\r\nServer: s\r\nContent-Length: 5\r\n\r\n",
                Coding::Plain,
            ),
            (
                get,
                "HTTP/1.0 200 OK\r\n\r\n",
                false,
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                Coding::Chunked,
            ),
            (
                old,
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                true,
                "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
                Coding::Plain,
            ),
            (
                head,
                "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
                false,
                "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
                Coding::Plain,
            ),
            (
                get,
                "HTTP/1.1 204 No Content\r\nContent-Length: 9\r\nConnection: X-A\r\nX-A: 1\r\n\r\n",
                true,
                "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
                Coding::Plain,
            ),
        ] {
            assert_eq!(
                answered(ask, answer, close),
                (wanted.to_owned(), coding),
                "{answer}"
            );
        }
    }

    #[test]
    fn numbers() {
        let mut out = Vec::new();
        decimal(&mut out, 0);
        decimal(&mut out, u64::MAX);
        chunk_size(&mut out, 0x1fa0);
        assert_eq!(out, b"0184467440737095516151fa0\r\n");
    }
}
