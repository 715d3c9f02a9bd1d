//! Bodies larger than memory should ever hold: two gigabytes each way, with flat memory.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use farmux_raft::state::Health;
use farmux_tests::lab::cluster::{Cluster, shop};
use farmux_tests::lab::origin::{Origin, Recorded};
use farmux_tests::lab::{http, server_address, wait};

/// Two gigabytes, and one byte that no round number of buffers holds.
const BODY_BYTES: u64 = 2 * 1024 * 1024 * 1024 + 1;

/// What a node may grow by while a body passes: buffers of one request and what the allocator
/// keeps, a hundredth of the body.
const GROWTH_BYTES_MAX: u64 = 20 * 1024 * 1024;

/// How much one write carries: as large as a socket buffer usually gets.
const PIECE_BYTES: usize = 256 * 1024;

/// Two gigabytes at 20 MB/s: a machine that is slower than that has other worries.
const TRANSFER_WITHIN: Duration = Duration::from_secs(100);

#[test]
fn two_gigabytes_pass_each_way_in_flat_memory() -> Result<()> {
    let cluster = Cluster::form(1)?;
    let host = cluster.lab.host("s1", server_address(1))?;
    let _origin = Origin::start(&host, 80, Arc::new(|stream| drop(serve(stream))))?;
    cluster.nodes[0].apply(&shop(&[1]))?;
    cluster.wait_for_health("shop", "s1", Health::Up)?;
    wait::until_true("the VIP answers", TRANSFER_WITHIN, || {
        cluster.get("/health").is_ok()
    })?;

    let front = cluster.front();
    let down = peak_growth(&cluster, move || download(front))?;
    ensure!(
        down <= GROWTH_BYTES_MAX,
        "grew by {down} bytes while it sent"
    );
    let up = peak_growth(&cluster, move || upload(front))?;
    ensure!(
        up <= GROWTH_BYTES_MAX,
        "grew by {up} bytes while it received"
    );
    Ok(())
}

/// Runs `transfer` at the client; returns by how much the node's memory grew at most.
fn peak_growth(
    cluster: &Cluster,
    transfer: impl FnOnce() -> Result<u64> + Send + 'static,
) -> Result<u64> {
    let node = cluster.nodes[0].process()?;
    let before = node.resident_bytes()?;
    let client = cluster.client.background(transfer);
    let mut peak = before;
    wait::until_true("the transfer ends", TRANSFER_WITHIN, || {
        peak = peak.max(node.resident_bytes().unwrap_or(u64::MAX));
        client.is_finished()
    })?;
    let moved = client.join().expect("the client does not panic")?;
    ensure!(moved == BODY_BYTES, "{moved} of {BODY_BYTES} bytes arrived");
    Ok(peak - before)
}

fn download(from: SocketAddr) -> Result<u64> {
    let mut open = http::Connection::open(from)?;
    open.send(b"GET /body HTTP/1.1\r\nHost: farm.test\r\n\r\n")?;
    let (status, fields) = open.receive_head()?;
    ensure!(status == 200, "{status}");
    ensure!(
        fields.contains(&("content-length".to_owned(), BODY_BYTES.to_string())),
        "{fields:?}"
    );
    let mut body = open.reader().take(BODY_BYTES);
    count(&mut body).context("the body")
}

fn upload(to: SocketAddr) -> Result<u64> {
    let mut open = http::Connection::open(to)?;
    let head =
        format!("POST /body HTTP/1.1\r\nHost: farm.test\r\nContent-Length: {BODY_BYTES}\r\n\r\n");
    open.send(head.as_bytes())?;
    let piece = vec![0; PIECE_BYTES];
    let mut left = BODY_BYTES;
    while left > 0 {
        let now = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        open.send(&piece[..now])?;
        left -= now as u64;
    }
    let answer = open.receive()?;
    ensure!(answer.status == 200, "{}", answer.status);
    answer
        .text()
        .parse()
        .context("the origin tells how much came")
}

/// The origin: `ok` for checks, a body for GET, the size of the body for POST.
fn serve(stream: &mut Recorded) -> Result<()> {
    loop {
        let head = read_head(stream)?;
        if head.starts_with("GET /body ") {
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {BODY_BYTES}\r\n\r\n"
            )?;
            std::io::copy(&mut std::io::repeat(0).take(BODY_BYTES), stream)?;
        } else if head.starts_with("POST /body ") {
            let came = count(&mut stream.take(BODY_BYTES))?.to_string();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{came}",
                came.len()
            )?;
        } else {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
        }
    }
}

fn read_head(stream: &mut impl Read) -> Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

fn count(body: &mut impl Read) -> Result<u64> {
    let mut piece = vec![0; PIECE_BYTES];
    let mut total = 0;
    loop {
        match body.read(&mut piece)? {
            0 => return Ok(total),
            some => total += some as u64,
        }
    }
}

/// An idle node is small: the promise is 60 MB.
#[test]
fn an_idle_node_stays_below_sixty_megabytes() -> Result<()> {
    let cluster = Cluster::form(1)?;
    cluster.nodes[0].apply(&shop(&[1]))?;
    cluster.owner()?;
    // Its VIP is up and it accepts there, without a server to hand anything to.
    let to = cluster.front();
    cluster
        .client
        .within(|| TcpStream::connect_timeout(&to, http::PATIENCE))?;
    let bytes = cluster.nodes[0].process()?.resident_bytes()?;
    ensure!(bytes < 60_000_000, "{bytes} bytes");
    Ok(())
}
