//! The table of request heads, taken and refused.

use proptest::prelude::*;

use super::*;

fn facts(head: &str) -> Result<Facts, Refusal> {
    parse(head.as_bytes(), &mut field_room()).map(|request| request.facts)
}

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

#[test]
fn what_is_taken() {
    let rows = [
        ("GET / HTTP/1.1\r\nHost: h\r\n\r\n", GET),
        (
            "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n",
            Facts { head: true, ..GET },
        ),
        (
            "GET / HTTP/1.0\r\n\r\n",
            Facts {
                http10: true,
                close: true,
                ..GET
            },
        ),
        (
            "GET / HTTP/1.1\r\nHost: h\r\nConnection: a,Close\r\n\r\n",
            Facts { close: true, ..GET },
        ),
        (
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n",
            Facts {
                body: Framing::Length(3),
                idempotent: false,
                expects_continue: true,
                ..GET
            },
        ),
        // An expectation without a body, or in HTTP/1.0, is ignored.
        (
            "GET / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n",
            GET,
        ),
        (
            "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n",
            Facts {
                body: Framing::Chunked,
                trailers: true,
                ..GET
            },
        ),
        (
            "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: foo/1\r\n\r\n",
            Facts {
                upgrade: true,
                ..GET
            },
        ),
        // No tunnel without being nominated, to HTTP/2 or TLS, to a choice, or with a body.
        ("GET / HTTP/1.1\r\nHost: h\r\nUpgrade: foo\r\n\r\n", GET),
        (
            "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: H2C\r\n\r\n",
            GET,
        ),
        (
            "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: TLS/1.0\r\n\r\n",
            GET,
        ),
        (
            "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: a, b\r\n\r\n",
            GET,
        ),
        (
            "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\n\
             Upgrade: a\r\nContent-Length: 0\r\n\r\n",
            Facts {
                body: Framing::Length(0),
                ..GET
            },
        ),
        (
            "DELETE / HTTP/1.1\r\nHost: \t h:80 \r\nX: \u{e4}\r\nY:\r\n\r\n",
            GET,
        ),
        (
            "PATCH /a HTTP/1.1\r\nHost: h\r\n\r\n",
            Facts {
                idempotent: false,
                ..GET
            },
        ),
        ("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", GET),
    ];
    for (head, wanted) in rows {
        assert_eq!(facts(head), Ok(wanted), "{head}");
    }
}

/// Request lines and fields that httparse alone tells apart too little; the wire corpus in
/// `tests/corpus` has them all, end to end.
#[test]
fn what_is_refused_gets_its_own_name() {
    let host = "Host: h\r\n";
    let with = |line: &str, fields: &str| format!("{line}\r\n{host}{fields}\r\n");
    let get = |fields: &str| with("GET / HTTP/1.1", fields);
    let long_method = format!("{} / HTTP/1.1", "A".repeat(METHOD_BYTES_MAX + 1));
    let rows = [
        ("GET /\r\n\r\n".to_owned(), Refusal::Http09),
        (with("GET  / HTTP/1.1", ""), Refusal::RequestLine),
        (with("GET / HTTP/1.1 ", ""), Refusal::RequestLine),
        (with("GET /  HTTP/1.1", ""), Refusal::RequestLine),
        (with("GET /a b HTTP/1.1", ""), Refusal::RequestLine),
        (with("GET\t/ HTTP/1.1", ""), Refusal::Method),
        (with("GET HTTP/1.1", ""), Refusal::RequestLine),
        (with(" GET / HTTP/1.1", ""), Refusal::Method),
        (with("G(T / HTTP/1.1", ""), Refusal::Method),
        (with(&long_method, ""), Refusal::Method),
        (with("GET / HTTP/2.0", ""), Refusal::Version),
        (with("GET / HTTP/1.2", ""), Refusal::Version),
        (with("GET / HTTP/0.9", ""), Refusal::Version),
        (with("GET / http/1.1", ""), Refusal::RequestLine),
        (with("GET / HTTP/1.10", ""), Refusal::RequestLine),
        ("PRI * HTTP/2.0\r\n\r\n".to_owned(), Refusal::Http2Preface),
        (with("CONNECT h:80 HTTP/1.1", ""), Refusal::Connect),
        (with("GET /\u{e4} HTTP/1.1", ""), Refusal::Target),
        (get(" folded: x\r\n"), Refusal::ObsFold),
        (get("\tfolded: x\r\n"), Refusal::ObsFold),
        (get("A : b\r\n"), Refusal::SpaceBeforeColon),
        (get("A\t: b\r\n"), Refusal::SpaceBeforeColon),
        (get(": b\r\n"), Refusal::FieldName),
        (get("A\r\n"), Refusal::FieldName),
        (get("A(b): c\r\n"), Refusal::FieldName),
        (get(&"A: b\r\n".repeat(100)), Refusal::FieldsTooMany),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), Refusal::HostMissing),
        (get(host), Refusal::HostRepeated),
        (
            "GET / HTTP/1.1\r\nHost: a b\r\n\r\n".to_owned(),
            Refusal::HostInvalid,
        ),
        (
            "GET / HTTP/1.1\r\nHost:\r\n\r\n".to_owned(),
            Refusal::HostInvalid,
        ),
        (
            "GET / HTTP/1.0\r\nHost: /\r\n\r\n".to_owned(),
            Refusal::HostInvalid,
        ),
        (with("GET http://other/ HTTP/1.1", ""), Refusal::HostDiffers),
        (
            get("Content-Length: 1\r\nContent-Length: 1\r\n"),
            Refusal::LengthRepeated,
        ),
        (
            get("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"),
            Refusal::LengthWithCoding,
        ),
        (
            with("GET / HTTP/1.0", "Transfer-Encoding: chunked\r\n"),
            Refusal::CodingIn10,
        ),
        (
            with("TRACE / HTTP/1.1", "Content-Length: 1\r\n"),
            Refusal::TraceWithBody,
        ),
        (get("Expect: 200-ok\r\n"), Refusal::Expect),
    ];
    for (head, reason) in rows {
        assert_eq!(facts(&head), Err(reason), "{head}");
    }
    let most = get(&"A: b\r\n".repeat(99));
    assert_eq!(facts(&most), Ok(GET), "a hundred fields are taken");
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes, &mut field_room());
        let _ = crate::http::response::parse(&bytes, &mut field_room(), &GET);
        let _ = crate::http::head::find_end(&bytes, &mut 0);
    }

    /// Mutations of a good request reach deeper than noise does.
    #[test]
    fn mutations_never_panic(at in 0usize..89, byte in any::<u8>()) {
        let mut head = b"POST http://h:80/p?q HTTP/1.1\r\nHost: h:80\r\nConnection: a, b\r\n\
                         Content-Length: 10\r\nA: b\r\n\r\n".to_vec();
        head[at] = byte;
        let mut room = field_room();
        if let Ok(request) = parse(&head, &mut room) {
            let mut out = Vec::new();
            crate::http::write::request(&mut out, &request, "10.0.0.1", b"h");
            let again = parse(&out, &mut field_room()).map(|request| request.facts.body);
            prop_assert_eq!(again, Ok(request.facts.body), "what we write we would take");
        }
    }
}
