//! Bodies of two gigabytes; a test program of its own, as it watches the memory of its process.

#[path = "wire/harness.rs"]
#[expect(dead_code, reason = "the harness serves more tests than this one")]
mod harness;

use std::io::{Read, Write};

use crate::harness::{GET, OK, Origin, Wire};

/// Memory of this process, which is data path, client and server at once.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .expect("it has a size");
    let kib = line
        .split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse().ok());
    kib.expect("it is a number")
}

/// The 2 GB each way; by length down and in chunks up.
#[test]
fn two_gigabytes_each_way_with_flat_memory() {
    const TOTAL: u64 = 2_000_000_000;
    const PIECE: usize = 1_000_000;
    let origin = Origin::start(|call| {
        let piece = vec![b'x'; PIECE];
        let mut into = vec![0; PIECE];
        while let Some(head) = call.request() {
            if head.starts_with("GET") {
                call.send(format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {TOTAL}\r\n\r\n"
                ));
                for _ in 0..TOTAL / PIECE as u64 {
                    call.send(&piece);
                }
            } else {
                let mut got = call.peer.buffered();
                while got < TOTAL {
                    let count = call.peer.stream.read(&mut into).expect("the body goes on");
                    assert!(count > 0, "the body ended early");
                    got += count as u64;
                }
                call.send(OK);
            }
        }
    });
    let wire = Wire::http(&[origin.address]);
    let mut client = wire.connect();
    let before = resident_kib();
    let mut highest = before;

    client.send(GET);
    client.head();
    let mut into = vec![0; PIECE];
    let mut got = client.buffered();
    while got < TOTAL {
        let count = client.stream.read(&mut into).expect("the body goes on");
        assert!(count > 0, "the body ended early");
        got += count as u64;
        if got.is_multiple_of(64) {
            highest = highest.max(resident_kib());
        }
    }
    assert_eq!(got, TOTAL);

    let mut client = wire.connect();
    client.send(format!(
        "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: {TOTAL}\r\n\r\n"
    ));
    let piece = vec![b'x'; PIECE];
    for nth in 0..TOTAL / PIECE as u64 {
        client.stream.write_all(&piece).expect("the body goes on");
        if nth.is_multiple_of(64) {
            highest = highest.max(resident_kib());
        }
    }
    assert_eq!(client.message().1, "ok");
    let grown = highest - before;
    assert!(grown < 32 * 1024, "grew by {grown} KiB");
}
