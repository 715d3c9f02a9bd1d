//! The PROXY protocol: a proxy in front of us, or we, tell in a header who the client is.
//!
//! ```text
//!   proxy ──header──▶ accept (listed sources only) ──▶ HTTP, TCP, FTP ──header──▶ server
//!                       read: PURE                        write: PURE
//! ```
//!
//! **Source**: The PROXY protocol, versions 1 and 2 (HAProxy, `doc/proxy-protocol.txt`).

pub(crate) mod accept;
pub mod read;
pub mod write;

use std::net::SocketAddr;

/// The ends of a client's connection, as the client sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// Where it comes from.
    pub client: SocketAddr,
    /// What it connected to.
    pub local: SocketAddr,
}

impl Ends {
    /// The same with IPv4 addresses as such, where they were written as IPv6 (`::ffff:10.0.0.7`).
    fn canonical(self) -> Ends {
        let [client, local] = [self.client, self.local]
            .map(|end| SocketAddr::new(end.ip().to_canonical(), end.port()));
        Ends { client, local }
    }
}

/// What every header of version 2 begins with (section 2.2).
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// What every header of version 1 begins with (section 2.1).
const WORD: &[u8] = b"PROXY";
