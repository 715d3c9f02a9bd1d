//! The `icmp` probe: an echo request, and its echo.
//!
//! One socket a probe: it lives as long as the probe does, less than a millisecond where all is
//! well, so that a thousand probes a second keep a handful open; its errors are those of this
//! target alone, which a shared socket could not tell. When all targets hang, a probe costs one
//! descriptor, as any other kind does, and the same bound counts it. Only with raw sockets does the
//! kernel show every message to each socket of its sender's; they are connected, so that others
//! are passed over by address.

pub(crate) mod echo;

use std::io;
use std::net::{IpAddr, SocketAddr};

use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::net::UdpSocket;
use tokio::time::Instant;

use super::connect::{Budget, source};
use super::outcome::{LocalTrouble, Outcome, Phase, Success};
use crate::origin::Origin;
use crate::sys::{EchoKind, EchoSocket};
use echo::Echo;

/// Probes once.
pub(super) async fn probe(target: IpAddr, origin: &Origin, budget: &Budget) -> Outcome {
    match ask(target, origin, budget).await {
        Ok(()) => Outcome::Pass(Success::Echoed),
        Err(outcome) => outcome,
    }
}

async fn ask(target: IpAddr, origin: &Origin, budget: &Budget) -> Result<(), Outcome> {
    let mut echo = random(target).map_err(|error| Outcome::from_io(&error, Phase::Asking))?;
    // The routing table is asked by a datagram socket, which wants a port.
    let source = source(SocketAddr::new(target, DISCARD), origin)?;
    let EchoSocket { socket, kind } =
        EchoSocket::connect(target, source).map_err(|error| not_connected(&error))?;
    let socket = UdpSocket::from_std(socket);
    let socket = socket.map_err(|error| Outcome::from_io(&error, Phase::Connecting))?;
    let mut buffer = [0; MESSAGE_BYTES_MAX];
    let mut again = Instant::now();
    let mut sends = 0;
    loop {
        let received = tokio::select! {
            () = tokio::time::sleep_until(again), if sends < SENDS_MAX => {
                sends += 1;
                again += budget.timeout() / 2;
                budget.step(Phase::Asking, socket.send(&echo.request())).await?;
                echo.sequence = echo.sequence.wrapping_add(1);
                continue;
            }
            received = budget.step(Phase::Waiting, hear(&socket, &mut buffer)) => received?,
        };
        let packet = buffer.get(..received).unwrap_or_default();
        let message = match (kind, target) {
            (EchoKind::Raw, IpAddr::V4(_)) => echo::without_ip_head(packet).unwrap_or_default(),
            (EchoKind::Datagram, _) | (EchoKind::Raw, IpAddr::V6(_)) => packet,
        };
        if echo.is_answered_by(message, kind == EchoKind::Datagram) {
            return Ok(());
        }
    }
}

/// What comes next. A router that forbids the way (ICMPv6, type 1, codes 1 and 5) is told as if the
/// right to ask were missing here.
async fn hear(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<usize> {
    let heard = socket.recv(buffer).await;
    heard.map_err(|error| {
        if error.kind() == io::ErrorKind::PermissionDenied {
            io::ErrorKind::HostUnreachable.into()
        } else {
            error
        }
    })
}

fn random(target: IpAddr) -> io::Result<Echo> {
    let mut bytes = [0; 2 + 2 + echo::PAYLOAD_BYTES];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| io::Error::from(io::ErrorKind::Other))?;
    let ([a, b, c, d], payload) = bytes.split_first_chunk().expect("four and more");
    Ok(Echo {
        v4: target.is_ipv4(),
        id: u16::from_be_bytes([*a, *b]),
        sequence: u16::from_be_bytes([*c, *d]),
        payload: payload.try_into().expect("the rest"),
    })
}

fn not_connected(error: &io::Error) -> Outcome {
    match error.kind() == io::ErrorKind::PermissionDenied {
        true => Outcome::Inconclusive(LocalTrouble::NoIcmp),
        false => Outcome::from_io(error, Phase::Connecting),
    }
}

/// At once, and again at half time: one lost packet is no failure.
const SENDS_MAX: u32 = 2;

/// An echo has 24 bytes, its IP head at most 60; what is longer is no answer of ours.
const MESSAGE_BYTES_MAX: usize = 128;

/// Nobody is sent anything there. **Source**: RFC 863.
const DISCARD: u16 = 9;
