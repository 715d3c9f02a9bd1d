//! Answers and judgements, whole and in pieces.

use super::*;
use crate::plan::Advice;

fn judge(text: Option<&str>, bytes: &[u8], step: usize) -> Result<Success, Failure> {
    let expected = Expected {
        status: 200,
        text: text.map(Arc::from),
        obey: false,
    };
    judge_as(expected, bytes, step)
}

fn judge_as(expected: Expected, bytes: &[u8], step: usize) -> Result<Success, Failure> {
    let mut answer = Answer::new(expected);
    for piece in bytes.chunks(step) {
        if let Some(judgement) = answer.feed(piece) {
            return judgement;
        }
    }
    answer.end()
}

/// Each answer, whole and byte by byte, is judged the same.
#[test]
fn answers_and_judgements() {
    let status = |got| Err(Failure::Status { got, expected: 200 });
    let ok = Ok(Success::Status(200));
    let found = Ok(Success::Text(200));
    let missing = Err(Failure::TextMissing);
    let early = Err(Failure::ClosedEarly);
    let not_http = Err(Failure::NotHttp);
    type Row = (Option<&'static str>, &'static str, Result<Success, Failure>);
    let rows: Vec<Row> = vec![
        (None, "HTTP/1.1 200 OK\r\n\r\n", ok.clone()),
        (None, "HTTP/1.0 200\r\n\r\n", ok.clone()),
        (None, "HTTP/1.1 500 Oh\r\n\r\n", status(500)),
        (
            None,
            "HTTP/1.1 103 E\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
            ok,
        ),
        (None, "HTTP/1.1 101 S\r\n\r\n", status(101)),
        (None, "", Err(Failure::ClosedSilently)),
        (None, "HTTP/1.1 200 OK\r\nA: b\r\n", early.clone()),
        (None, "SSH-2.0-OpenSSH_9.2\r\n", not_http.clone()),
        (
            Some("fine"),
            "HTTP/1.1 200 OK\r\n\r\nall is fine here",
            found.clone(),
        ),
        (
            Some("fine"),
            "HTTP/1.1 200 OK\r\n\r\nall is bad here",
            missing.clone(),
        ),
        (
            Some("fine"),
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine",
            found.clone(),
        ),
        (
            Some("fine"),
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nfine",
            missing.clone(),
        ),
        (
            Some("fine"),
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfin",
            early.clone(),
        ),
        (Some("fine"), "HTTP/1.1 204 No\r\n\r\nfine", status(204)),
        (
            Some("fine"),
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
             2;x=y\r\nfi\r\n2\r\nne\r\n0\r\n\r\n",
            found,
        ),
        (
            Some("fine"),
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nfin\r\n0\r\n\r\n",
            missing,
        ),
        (
            Some("fine"),
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nfin",
            early,
        ),
        (
            Some("fine"),
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+3\r\nfin",
            not_http.clone(),
        ),
        (
            Some("fine"),
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx",
            not_http,
        ),
    ];
    for (text, bytes, wanted) in rows {
        for step in [usize::MAX, 7, 1] {
            assert_eq!(
                judge(text, bytes.as_bytes(), step),
                wanted,
                "{bytes:?} by {step}"
            );
        }
    }
}

#[test]
fn bounds_hold() {
    let long = format!("HTTP/1.1 200 OK\r\nA: {}", "a".repeat(HEAD_BYTES_MAX));
    assert_eq!(
        judge(None, long.as_bytes(), 1000),
        Err(Failure::HeadTooLong)
    );
    let interim = "HTTP/1.1 103 E\r\n\r\n".repeat(HEAD_BYTES_MAX / 18 + 1);
    assert_eq!(
        judge(None, interim.as_bytes(), usize::MAX),
        Err(Failure::HeadTooLong)
    );

    let head = "HTTP/1.1 200 OK\r\n\r\n";
    let just = format!(
        "{head}{}fine{}",
        "x".repeat(BODY_BYTES_MAX - 4),
        "y".repeat(99)
    );
    let beyond = format!(
        "{head}{}fine{}",
        "x".repeat(BODY_BYTES_MAX - 3),
        "y".repeat(99)
    );
    for step in [usize::MAX, 4096, 1000] {
        assert_eq!(
            judge(Some("fine"), just.as_bytes(), step),
            Ok(Success::Text(200))
        );
        assert_eq!(
            judge(Some("fine"), beyond.as_bytes(), step),
            Err(Failure::TextMissing)
        );
    }
}

/// The page's word counts wherever its body ends, and with a text that must stand below it.
#[test]
fn a_page_is_obeyed() {
    let page = |advice| {
        Ok(Success::Page {
            status: 200,
            advice,
        })
    };
    let rows = [
        (None, "\r\nOVERLOAD", page(Advice::Overload)),
        (None, "\r\nQUIESCE\nbye", page(Advice::Quiesce)),
        (None, "Content-Length: 2\r\n\r\nOKAY", page(Advice::None)),
        (
            None,
            "Content-Length: 9\r\n\r\nOK",
            Err(Failure::ClosedEarly),
        ),
        (None, "Content-Length: 9\r\n\r\nOK\n", page(Advice::None)),
        (
            None,
            "Content-Length: 6\r\n\r\nNOT OK",
            Err(Failure::PageNotOk),
        ),
        (None, "Content-Length: 0\r\n\r\n", Err(Failure::PageUnknown)),
        (None, "\r\n", Err(Failure::PageUnknown)),
        (
            None,
            "Transfer-Encoding: chunked\r\n\r\n5\r\nQUIES\r\n2\r\nCE\r\n0\r\n\r\n",
            page(Advice::Quiesce),
        ),
        (
            Some("db fine"),
            "\r\nOVERLOAD\ndb fine",
            page(Advice::Overload),
        ),
        (Some("OVER"), "\r\nOVERLOAD\nno", page(Advice::Overload)),
        (
            Some("db fine"),
            "\r\nOK\ndb gone",
            Err(Failure::TextMissing),
        ),
        (Some("db fine"), "\r\ndb fine", Err(Failure::PageUnknown)),
    ];
    for (text, rest, wanted) in rows {
        for step in [usize::MAX, 7, 1] {
            let expected = Expected {
                status: 200,
                text: text.map(Arc::from),
                obey: true,
            };
            let bytes = format!("HTTP/1.1 200 OK\r\n{rest}");
            let got = judge_as(expected, bytes.as_bytes(), step);
            assert_eq!(got, wanted, "{rest:?} by {step}");
        }
    }
}
