//! Ambiguous requests through a real node: refused at the client, unheard of at the origin.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use farmux_raft::state::Health;
use farmux_tests::lab::cluster::{Cluster, shop};
use farmux_tests::lab::origin::{Origin, Recorded};
use farmux_tests::lab::server_address;

#[path = "../../corpus/refusals.rs"]
mod corpus;

/// A refusal comes at once; the header limit of ten seconds would mean that none came.
const REFUSED_WITHIN: Duration = Duration::from_secs(3);

/// What a frame of Ethernet takes: 1,500 bytes less IPv4, TCP and its timestamps.
const SEGMENT_BYTES: usize = 1_448;

/// How a chunked body ends.
const BODY_END: &[u8] = b"\r\n0\r\n";

#[test]
fn what_is_refused_never_reaches_a_server() -> Result<()> {
    let cluster = Cluster::form(1)?;
    let host = cluster.lab.host("s1", server_address(1))?;
    let origin = Origin::start(&host, 80, Arc::new(|stream| drop(answer_all(stream))))?;
    cluster.nodes[0].apply(&shop(&[1]))?;
    cluster.wait_for_health("shop", "s1", Health::Up)?;
    cluster.wait_for_service()?;
    let heads = |bytes: &[u8]| -> Vec<String> {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let heads = text.split("\r\n\r\n").filter(|head| !head.is_empty());
        // Health checks go on all the while, and are what they are.
        heads
            .filter(|head| !head.starts_with("GET /health "))
            .map(str::to_owned)
            .collect()
    };
    let before = heads(&origin.seen());

    let cases = corpus::corpus();
    ensure!(cases.len() >= 60, "the issue asks for sixty");
    let front = cluster.front();
    cluster.client.within(|| {
        cases.iter().try_for_each(|case| {
            let answer = ask_raw(front, &case.bytes);
            let answer = answer.with_context(|| format!("line {}", case.line))?;
            let wanted = format!("HTTP/1.1 {} ", case.status);
            ensure!(
                answer.starts_with(&wanted),
                "line {}: {answer:?}",
                case.line
            );
            ensure!(
                answer.contains(&case.reason),
                "line {}: {answer:?}",
                case.line
            );
            Ok(())
        })
    })?;
    let seen = origin.seen();
    let after = heads(&seen);
    // What is longer than a segment may be begun before its bad part has come; it never ends.
    let long = cases.iter().filter(|case| case.bytes.len() > SEGMENT_BYTES);
    let heard = &after[before.len()..];
    let begun = heard.iter().filter(|head| head.starts_with("POST / "));
    ensure!(
        begun.count() == heard.len() && heard.len() <= long.count(),
        "the origin heard of it: {heard:#?}"
    );
    let mut ends = seen.windows(BODY_END.len());
    ensure!(
        !ends.any(|window| window == BODY_END),
        "the origin heard the end of it: {heard:#?}"
    );

    ensure!(cluster.get("/still-there")?.status == 200);
    let last = heads(&origin.seen())
        .pop()
        .context("a good request is recorded")?;
    ensure!(last.starts_with("GET /still-there HTTP/1.1\r\n"), "{last}");
    ensure!(
        last.contains("10.0.0.200"),
        "X-Forwarded-For names the client: {last}"
    );
    Ok(())
}

/// Sends bytes, says that no more will come, and reads until the other side closes.
fn ask_raw(to: SocketAddr, bytes: &[u8]) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&to, REFUSED_WITHIN)?;
    stream.set_read_timeout(Some(REFUSED_WITHIN))?;
    // A refusal may come, and close, before all of it was sent.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut said = Vec::new();
    let mut piece = [0; 4096];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(some) => said.extend_from_slice(&piece[..some]),
            Err(reset) if reset.kind() == ErrorKind::ConnectionReset && !said.is_empty() => break,
            Err(failed) => return Err(failed).context(String::from_utf8_lossy(&said).into_owned()),
        }
    }
    Ok(String::from_utf8_lossy(&said).into_owned())
}

/// The origin: 200 for whatever head it gets.
fn answer_all(stream: &mut Recorded) -> std::io::Result<()> {
    let (mut head, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        // In pieces, each recorded whole: several connections share the record.
        let read = stream.read(&mut piece)?;
        if read == 0 {
            return Ok(());
        }
        head.extend_from_slice(&piece[..read]);
        while let Some(end) = head.windows(4).position(|end| end == b"\r\n\r\n") {
            head.drain(..end + 4);
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
        }
    }
}
