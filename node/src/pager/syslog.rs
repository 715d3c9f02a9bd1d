//! The syslog channel: one line for each page, by datagram or over a connection.
//!
//! A collector answers nothing. What can be noticed is noticed: that nobody listens, and that a
//! connection breaks before everything is written.

pub(super) mod line;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use farmux_netplane::origin::Origin;
use farmux_raft::id::UnixMillis;
use farmux_raft::state::{SyslogChannel, SyslogTransport};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout, timeout_at};

use super::call::Call;
use super::dial::{self, Reach};

/// Sends a call's lines; what is known of them then.
///
/// **Errors**: nobody listens, or not for long enough, in words.
pub(super) async fn send(
    call: &Call,
    channel: &SyslogChannel,
    node: &str,
    origin: &Origin,
    now: UnixMillis,
) -> Result<String, String> {
    let deadline = Instant::now() + TIME_MAX;
    let lines = line::lines(call, node, now);
    let (host, port) = (&channel.host, channel.port);
    let addresses = dial::look_up(host, port, Reach::Anywhere, origin, deadline).await;
    let addresses = addresses.map_err(|error| error.to_string())?;
    let sent = match channel.transport {
        SyslogTransport::Udp => by_datagram(&lines, &addresses, origin),
        SyslogTransport::Tcp => return by_connection(&lines, &addresses, origin, deadline).await,
    };
    let late = |_elapsed| Err(format!("sending: not done within {} s", TIME_MAX.as_secs()));
    timeout_at(deadline, sent).await.unwrap_or_else(late)
}

/// **Source**: RFC 5426, 3.1: one line a datagram.
async fn by_datagram(
    lines: &[Vec<u8>],
    addresses: &[SocketAddr],
    origin: &Origin,
) -> Result<String, String> {
    let address = *addresses.first().ok_or("no address")?;
    let wrong = |error: std::io::Error| format!("sending to {address}: {}", dial::words(&error));
    let source = origin
        .source_for(address)
        .map_err(|error| error.to_string())?;
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((source.unwrap_or(any), 0))
        .await
        .map_err(wrong)?;
    socket.connect(address).await.map_err(wrong)?;
    for burst in lines.chunks(BURST_LINES) {
        for line in burst {
            socket.send(line).await.map_err(wrong)?;
        }
        tokio::time::sleep(BURST_PAUSE).await;
    }
    // Nobody answers but the machine itself, when nobody listens.
    let mut nothing = [0; 1];
    if let Ok(Err(error)) = timeout(REFUSAL_WAIT, socket.recv(&mut nothing)).await {
        return Err(wrong(error));
    }
    let count = lines.len();
    Ok(format!(
        "{count} datagrams to {address}; nobody confirms them"
    ))
}

/// **Source**: RFC 6587, 3.4.1: the length in front of each line.
async fn by_connection(
    lines: &[Vec<u8>],
    addresses: &[SocketAddr],
    origin: &Origin,
    deadline: Instant,
) -> Result<String, String> {
    let opened = dial::connect(addresses, origin, deadline).await;
    let (mut stream, address) = opened.map_err(|error| error.to_string())?;
    let wrong = |error: std::io::Error| format!("sending to {address}: {}", dial::words(&error));
    let talk = async {
        for line in lines {
            let mut framed = format!("{} ", line.len()).into_bytes();
            framed.extend_from_slice(line);
            stream.write_all(&framed).await.map_err(wrong)?;
        }
        stream.shutdown().await.map_err(wrong)?;
        // A collector that refuses resets; one that takes it closes, or says nothing.
        let mut nothing = [0; 64];
        match timeout(CLOSE_WAIT, stream.read(&mut nothing)).await {
            Ok(Err(error)) => Err(wrong(error)),
            Ok(Ok(_)) | Err(_) => Ok(()),
        }
    };
    match timeout_at(deadline, talk).await {
        Ok(done) => done?,
        Err(_elapsed) => {
            let seconds = TIME_MAX.as_secs();
            return Err(format!("sending to {address}: not done within {seconds} s"));
        }
    }
    let count = lines.len();
    Ok(format!(
        "{count} lines written to {address}; nobody confirms them"
    ))
}

/// **Source**: the task of a log collector is to take lines at once.
const TIME_MAX: Duration = Duration::from_secs(5);

/// Lines of at most 2 KiB before a pause: a socket's default buffer holds about a hundred.
const BURST_LINES: usize = 50;

/// Long enough for a collector to empty its buffer.
const BURST_PAUSE: Duration = Duration::from_millis(20);

/// A refusal takes one round trip.
const REFUSAL_WAIT: Duration = Duration::from_millis(200);

/// A reset takes one round trip; some collectors never close.
const CLOSE_WAIT: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests;
