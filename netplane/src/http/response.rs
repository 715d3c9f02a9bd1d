//! PURE. An answer's head: parsed by httparse, then held to what may be passed on.

use super::fields::{Known, members};
use super::framing::{Declared, Framing};
use super::refusal::Refusal;
use super::request::{Facts, FieldRoom};

/// A parsed answer head.
#[derive(Debug)]
pub struct Response<'h, 'b> {
    /// 100 to 999.
    pub status: u16,
    /// The words after it, possibly none.
    pub reason: &'b str,
    /// The fields in their order, all of them.
    pub fields: &'h [httparse::Header<'b>],
    /// Whether any `Connection` nominates fields to be dropped.
    pub nominates: bool,
    /// What the engine must know after the head is gone.
    pub facts: Answer,
}

/// What is kept of an answer once it was written on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body that follows.
    pub body: Framing,
    /// A length that is told to the client although no body follows: `HEAD` and 304.
    pub told_length: Option<u64>,
    /// The server may be asked again on this connection, if nothing else speaks against it.
    pub keeps: bool,
}

/// Parses a whole head, as [`super::head::find_end`] delimits it, of an answer to `request`.
///
/// **Errors**: what is wrong with it; the connection to the server cannot be used any further.
pub fn parse<'h, 'b>(
    head: &'b [u8],
    room: &'h mut FieldRoom<'b>,
    request: &Facts,
) -> Result<Response<'h, 'b>, Refusal> {
    let mut parsed = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    match config.parse_response_with_uninit_headers(&mut parsed, head, room) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal::FieldsTooMany),
        Err(httparse::Error::Version) => return Err(Refusal::Version),
        Ok(_) | Err(_) => return Err(Refusal::RequestLine),
    }
    let (Some(status), Some(minor)) = (parsed.code, parsed.version) else {
        return Err(Refusal::RequestLine);
    };
    if status < 100 {
        return Err(Refusal::RequestLine);
    }
    let fields: &'h [httparse::Header<'b>] = parsed.headers;
    let http10 = minor == 0;
    let mut declared = Declared::default();
    let mut closes = http10;
    let mut nominates = false;
    for field in fields {
        match Known::of(field.name) {
            Known::ContentLength => declared.length(field.value)?,
            Known::TransferEncoding => declared.coding(field.value)?,
            Known::Connection => {
                for member in members(field.value) {
                    closes |= member.eq_ignore_ascii_case(b"close");
                    nominates |= !member.eq_ignore_ascii_case(b"keep-alive");
                }
            }
            Known::Host
            | Known::Expect
            | Known::Upgrade
            | Known::Te
            | Known::Legacy
            | Known::Forwarded
            | Known::Other => {}
        }
    }
    let framing = declared.framing(http10)?;
    let bodyless = request.head || status < 200 || status == 204 || status == 304;
    let told = request.head || status == 304;
    let body = match framing {
        _ if bodyless => Framing::None,
        None => Framing::UntilClose,
        Some(framing) => framing,
    };
    let facts = Answer {
        status,
        body,
        told_length: declared.declared_length().filter(|_| told),
        keeps: !closes && body != Framing::UntilClose,
    };
    let reason = parsed.reason.unwrap_or_default();
    Ok(Response {
        status,
        reason,
        fields,
        nominates,
        facts,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::request::field_room;

    const GET: Facts = Facts {
        http10: false,
        head: false,
        idempotent: true,
        body: Framing::None,
        close: false,
        expects_continue: false,
        upgrade: false,
        trailers: false,
    };
    const HEAD: Facts = Facts { head: true, ..GET };

    fn answer(request: &Facts, head: &str) -> Result<Answer, Refusal> {
        parse(head.as_bytes(), &mut field_room(), request).map(|answer| answer.facts)
    }

    #[test]
    fn where_the_body_ends() {
        let rows: &[(&Facts, &str, Framing, Option<u64>, bool)] = &[
            (
                &GET,
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
                Framing::Length(5),
                None,
                true,
            ),
            (
                &GET,
                "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                Framing::Length(0),
                None,
                true,
            ),
            (
                &GET,
                "HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n",
                Framing::Chunked,
                None,
                true,
            ),
            (
                &GET,
                "HTTP/1.1 200 OK\r\n\r\n",
                Framing::UntilClose,
                None,
                false,
            ),
            (
                &GET,
                "HTTP/1.1 204 N\r\nContent-Length: 5\r\n\r\n",
                Framing::None,
                None,
                true,
            ),
            (
                &GET,
                "HTTP/1.1 304 N\r\nContent-Length: 5\r\n\r\n",
                Framing::None,
                Some(5),
                true,
            ),
            (&GET, "HTTP/1.1 100 C\r\n\r\n", Framing::None, None, true),
            (
                &HEAD,
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
                Framing::None,
                Some(5),
                true,
            ),
            (&HEAD, "HTTP/1.1 200 OK\r\n\r\n", Framing::None, None, true),
            (
                &GET,
                "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n",
                Framing::Length(5),
                None,
                false,
            ),
            (
                &GET,
                "HTTP/1.1 200 OK\r\nConnection: x, CLOSE\r\nContent-Length: 5\r\n\r\n",
                Framing::Length(5),
                None,
                false,
            ),
        ];
        for (request, head, body, told_length, keeps) in rows {
            let got = answer(request, head).expect("a proper answer");
            assert_eq!(
                (got.body, got.told_length, got.keeps),
                (*body, *told_length, *keeps),
                "{head}"
            );
        }
    }

    #[test]
    fn what_no_server_may_say() {
        for (head, reason) in [
            ("HTTP/2 200 OK\r\n\r\n", Refusal::Version),
            ("HTTP/1.1 20 OK\r\n\r\n", Refusal::RequestLine),
            ("HTTP/1.1 099 OK\r\n\r\n", Refusal::RequestLine),
            ("ICY 200 OK\r\n\r\n", Refusal::Version),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
                Refusal::LengthRepeated,
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
                Refusal::LengthWithCoding,
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
                Refusal::CodingUnknown,
            ),
            (
                "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                Refusal::CodingIn10,
            ),
            ("HTTP/1.1 200 OK\r\nA : b\r\n\r\n", Refusal::RequestLine),
            ("HTTP/1.1 200 OK\r\n folded\r\n\r\n", Refusal::RequestLine),
        ] {
            assert_eq!(answer(&GET, head), Err(reason), "{head}");
        }
    }
}
