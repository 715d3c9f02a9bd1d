//! Tables and golden bytes of the RPC codec.

use super::*;

const NULL_CALL: Call = Call {
    xid: 0x0102_0304,
    program: NFS,
    version: 3,
    procedure: 0,
};

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

#[test]
fn golden_calls() {
    #[rustfmt::skip]
    let null = [
        1, 2, 3, 4,  0, 0, 0, 0,  0, 0, 0, 2,  0, 1, 0x86, 0xa3,  0, 0, 0, 3,  0, 0, 0, 0,
        0, 0, 0, 0,  0, 0, 0, 0,  0, 0, 0, 0,  0, 0, 0, 0,
    ];
    assert_eq!(NULL_CALL.message(&[]), null);
    let get_port = Call {
        xid: 0xffff_fffe,
        program: PORTMAPPER,
        version: 2,
        procedure: 3,
    };
    #[rustfmt::skip]
    let call = [
        0xff, 0xff, 0xff, 0xfe,  0, 0, 0, 0,  0, 0, 0, 2,  0, 1, 0x86, 0xa0,  0, 0, 0, 2,
        0, 0, 0, 3,  0, 0, 0, 0,  0, 0, 0, 0,  0, 0, 0, 0,  0, 0, 0, 0,
        0, 1, 0x86, 0xa3,  0, 0, 0, 3,  0, 0, 0, 6,  0, 0, 0, 0,
    ];
    assert_eq!(get_port.message(&[NFS, 3, 6, 0]), call);
    let mut marked = vec![0x80, 0, 0, 56];
    marked.extend_from_slice(&call);
    assert_eq!(record(&call), marked);
}

/// Every kind of reply that RFC 5531 knows, and what is none.
#[test]
fn every_reply() {
    use RpcFailure::*;
    let xid = NULL_CALL.xid;
    let mismatch = VersionMismatch {
        program: NFS,
        low: 2,
        high: 4,
    };
    let rpc = RpcMismatch { low: 3, high: 5 };
    type Row<'a> = (&'a [u32], Result<Option<&'a [u32]>, RpcFailure>);
    let rows: &[Row<'_>] = &[
        (&[xid, 1, 0, 0, 0, 0], Ok(Some(&[]))),
        (&[xid, 1, 0, 0, 0, 0, 2049], Ok(Some(&[2049]))),
        (&[xid, 1, 0, 1, 6, 7, 7, 0, 9], Ok(Some(&[9]))),
        (&[xid + 1, 1, 0, 0, 0, 0], Ok(None)),
        (&[xid, 1, 0, 0, 0, 1], Err(ProgramUnavailable(NFS))),
        (&[xid, 1, 0, 0, 0, 2, 2, 4], Err(mismatch)),
        (&[xid, 1, 0, 0, 0, 3], Err(ProcedureUnavailable)),
        (&[xid, 1, 0, 0, 0, 4], Err(GarbageArguments)),
        (&[xid, 1, 0, 0, 0, 5], Err(SystemError)),
        (&[xid, 1, 0, 0, 0, 6], Err(NotRpc)),
        (&[xid, 1, 1, 0, 3, 5], Err(rpc)),
        (&[xid, 1, 1, 1, 5], Err(Authentication(5))),
        (&[xid, 1, 1, 2], Err(NotRpc)),
        (&[xid, 1, 2], Err(NotRpc)),
        (&[xid, 0, 2, NFS, 3, 0], Err(NotRpc)),
        // cut short, or with a verifier that is longer than any
        (&[], Err(NotRpc)),
        (&[xid], Err(NotRpc)),
        (&[xid, 1], Err(NotRpc)),
        (&[xid, 1, 0, 0], Err(NotRpc)),
        (&[xid, 1, 0, 0, 0], Err(NotRpc)),
        (&[xid, 1, 0, 0, 8, 7, 0], Err(NotRpc)),
        (&[xid, 1, 0, 0, 404, 0], Err(NotRpc)),
        (&[xid, 1, 0, 0, u32::MAX, 0], Err(NotRpc)),
        (&[xid, 1, 0, 0, 0, 2, 2], Err(NotRpc)),
        (&[xid, 1, 1, 0, 3], Err(NotRpc)),
        (&[xid, 1, 1, 1], Err(NotRpc)),
    ];
    for (reply, wanted) in rows {
        let wanted = wanted.map(|results| results.map(words));
        let reply_bytes = words(reply);
        let got = NULL_CALL.results(&reply_bytes);
        assert_eq!(
            got.map(|results| results.map(<[u8]>::to_vec)),
            wanted,
            "{reply:?}"
        );
    }
    assert_eq!(NULL_CALL.results(b"HTTP/1.1 400 Bad"), Err(NotRpc));
    assert_eq!(NULL_CALL.results(&[1, 2, 3]), Err(NotRpc));
}

#[test]
fn ports() {
    for (results, wanted) in [
        (words(&[2049]), Ok(Some(2049))),
        (words(&[65_535]), Ok(Some(65_535))),
        (words(&[0]), Ok(None)),
        (words(&[65_536]), Err(RpcFailure::NotRpc)),
        (vec![0, 0, 8], Err(RpcFailure::NotRpc)),
    ] {
        assert_eq!(port(&results), wanted, "{results:?}");
    }
}

/// Records, whole and byte by byte, are put together the same.
#[test]
fn records() {
    let long = u32::try_from(ANSWER_BYTES_MAX).expect("small");
    let last = |length: u32| (1 << 31 | length).to_be_bytes().to_vec();
    let more = |length: u32| length.to_be_bytes().to_vec();
    let join = |parts: &[Vec<u8>]| parts.concat();
    for (bytes, wanted) in [
        (join(&[last(3), b"abc".into()]), Ok(Some(b"abc".to_vec()))),
        (join(&[last(0)]), Ok(Some(vec![]))),
        (
            join(&[more(2), b"ab".into(), last(1), b"c".into()]),
            Ok(Some(b"abc".to_vec())),
        ),
        (
            join(&[more(2), b"ab".into(), last(0)]),
            Ok(Some(b"ab".to_vec())),
        ),
        (join(&[last(4), b"abc".into()]), Ok(None)),
        (join(&[more(3), b"abc".into()]), Ok(None)),
        (vec![0x80, 0], Ok(None)),
        (join(&[more(0)]), Err(RpcFailure::NotRpc)),
        (join(&[last(long + 1)]), Err(RpcFailure::TooLong)),
        (
            join(&[more(1), b"a".into(), last(long)]),
            Err(RpcFailure::TooLong),
        ),
        (
            b"HTTP/1.1 400 Bad Request".to_vec(),
            Err(RpcFailure::TooLong),
        ),
    ] {
        for step in [usize::MAX, 3, 1] {
            let mut record = Record::default();
            let mut fed = bytes.chunks(step).map(|piece| record.feed(piece));
            let got = fed.find(|fed| *fed != Ok(None)).unwrap_or(Ok(None));
            assert_eq!(got, wanted, "{bytes:?} by {step}");
        }
    }
}

#[test]
fn failures_read_like_speech() {
    for (failure, text) in [
        (
            RpcFailure::NotRegistered {
                version: 3,
                transport: NfsTransport::Udp,
            },
            "NFS version 3 over UDP is not registered at the portmapper",
        ),
        (
            RpcFailure::ProgramUnavailable(NFS),
            "program unavailable: NFS does not answer there",
        ),
        (
            RpcFailure::VersionMismatch {
                program: NFS,
                low: 4,
                high: 4,
            },
            "version mismatch: NFS has versions 4 to 4",
        ),
        (RpcFailure::Authentication(5), "authentication error 5"),
    ] {
        assert_eq!(failure.to_string(), text);
    }
}
