//! The `udp` probe: sends a datagram and waits for one in answer.
//!
//! A service that does not answer what it is sent cannot be told from a dead one: UDP has no
//! handshake, and a machine that is gone is as silent as a server that has nothing to say. Only a
//! port at which nobody listens says so, by an ICMP error, where no firewall swallows it.

use std::net::SocketAddr;

use tokio::time::Instant;

use super::connect::{Budget, connect_udp};
use super::outcome::{Failure, Outcome, Phase, Success};
use crate::origin::Origin;

/// Probes once.
pub(super) async fn probe(
    target: SocketAddr,
    send: &[u8],
    expect: &[u8],
    origin: &Origin,
    budget: &Budget,
) -> Outcome {
    match ask(target, send, expect, origin, budget).await {
        Ok(()) => Outcome::Pass(Success::Replied),
        Err(outcome) => outcome,
    }
}

async fn ask(
    target: SocketAddr,
    send: &[u8],
    expect: &[u8],
    origin: &Origin,
    budget: &Budget,
) -> Result<(), Outcome> {
    let socket = connect_udp(target, origin).await?;
    let mut buffer = vec![0; expect.len().max(1)];
    let mut again = Instant::now();
    let mut sends = 0;
    let mut answered = false;
    loop {
        let received = tokio::select! {
            () = tokio::time::sleep_until(again), if sends < SENDS_MAX => {
                sends += 1;
                again += budget.timeout() / 2;
                budget.step(Phase::Asking, socket.send(send)).await?;
                continue;
            }
            received = budget.step(Phase::Waiting, socket.recv(&mut buffer)) => received,
        };
        match received {
            // What is longer than the buffer is cut off: only its beginning counts.
            Ok(count)
                if buffer
                    .get(..count)
                    .is_some_and(|got| got.starts_with(expect)) =>
            {
                return Ok(());
            }
            // Something else may come first: what was said to an earlier probe, or to everybody.
            Ok(_) => answered = true,
            Err(Outcome::Fail(failure)) if answered && failure.is_timeout() => {
                return Err(Outcome::Fail(Failure::Unexpected));
            }
            Err(outcome) => return Err(outcome),
        }
    }
}

/// At once, and again at half time: one lost datagram is no failure.
const SENDS_MAX: u32 = 2;
