//! The tether of a failure that silences its node: a UDP port that stays open meanwhile, by which
//! whoever conducts the run ends the failure before its timer does.
//!
//! ```text
//!   target ── Injecting { tether } ──▶ conductor      by the peer channel, before it is silent
//!          ◀──────── token ───────────                by UDP: abort, lock, stop condition, the end
//! ```
//!
//! The token is as good for one run, on one node, and ends what ends by itself: whoever overhears
//! it on its way can end nothing more with it. A network that lets no such datagram pass leaves the
//! end to the timer.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use farmux_raft::peer::key::random;
use serde::{Deserialize, Serialize};
use tokio::net::UdpSocket;

/// What whoever conducts holds of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tether {
    /// Where its node listens, on every address.
    pub(super) port: u16,
    /// What has to be said there.
    pub(super) token: Token,
}

/// What only who made it and whoever conducts know.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Token(pub(super) [u8; TOKEN_BYTES]);

/// Its length: 128 bits are not guessed within the half minute of a failure.
pub(super) const TOKEN_BYTES: usize = 16;

impl Tether {
    /// A new one, at a port that nobody has now.
    ///
    /// **Errors**: there is no port or descriptor left.
    pub(super) fn draw() -> io::Result<Tether> {
        let socket = bind(0)?;
        Ok(Tether {
            port: socket.local_addr()?.port(),
            token: Token(random()),
        })
    }

    /// Says it to a node with these addresses; once, and nobody knows whether it is heard.
    pub(crate) async fn pull(self, addresses: impl IntoIterator<Item = IpAddr>) {
        for address in addresses {
            let any: IpAddr = match address {
                IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
            };
            let Ok(socket) = UdpSocket::bind((any, 0)).await else {
                continue;
            };
            // Whoever can be reached by another address hears it there.
            let _ = socket.send_to(&self.token.0, (address, self.port)).await;
        }
    }
}

/// The end of it that the node holds: the daemon, or its guard.
#[derive(Debug)]
pub(super) struct End(UdpSocket);

impl End {
    /// Listens at a port.
    ///
    /// **Errors**: somebody has it.
    pub(super) fn at(port: u16) -> io::Result<End> {
        let socket = bind(port)?;
        socket.set_nonblocking(true)?;
        Ok(End(UdpSocket::from_std(socket)?))
    }

    /// Waits until it is pulled; whatever else is said there is nothing.
    pub(super) async fn pulled(&self, token: Token) {
        let mut said = [0; TOKEN_BYTES + 1];
        loop {
            match self.0.recv(&mut said).await {
                Ok(length) if said.get(..length) == Some(&token.0) => return,
                Ok(_) => {}
                // Of something that was sent from here before, as the kernel says; nothing was.
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
        }
    }
}

/// On every address, of both families where there are two.
fn bind(port: u16) -> io::Result<std::net::UdpSocket> {
    let of = |any: IpAddr| std::net::UdpSocket::bind(SocketAddr::new(any, port));
    of(Ipv6Addr::UNSPECIFIED.into()).or_else(|_| of(Ipv4Addr::UNSPECIFIED.into()))
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Nothing follows from an error, and it shall cost nothing.
const AGAIN: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn only_the_token_pulls_it() {
        let tether = Tether::draw().expect("a port");
        let end = End::at(tether.port).expect("nobody has it yet");
        let here = [IpAddr::from([127, 0, 0, 1])];
        let other = Tether {
            token: Token([7; TOKEN_BYTES]),
            ..tether
        };
        other.pull(here).await;
        let junk = UdpSocket::bind((here[0], 0)).await.expect("a port");
        let longer = [tether.token.0.as_slice(), &[0]].concat();
        for words in [&b""[..], &tether.token.0[..15], &longer, &[0; 1_400]] {
            let said = junk.send_to(words, (here[0], tether.port)).await;
            said.expect("the loopback takes it");
        }
        let soon = Duration::from_millis(100);
        assert!(timeout(soon, end.pulled(tether.token)).await.is_err());
        tether.pull(here).await;
        let pulled = timeout(Duration::from_secs(5), end.pulled(tether.token)).await;
        assert!(pulled.is_ok());
        assert_eq!(format!("{:?}", tether.token), "Token(..)");
    }
}
