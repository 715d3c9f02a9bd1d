//! Single attempts outside of any plan, for whoever measures a service as its clients see it.
//!
//! It holds no schedule and no verdict: one question, and what became of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::connect::{Budget, connect};
use super::ftp::Errand;
use super::outcome::Outcome;
use super::tls::{Clients, Trust};
use super::{ftp, tcp, tls};
use crate::origin::Origin;
use crate::plan::ProbeTls;

/// Asks once whenever it is told to, from whatever address the kernel chooses.
#[derive(Debug)]
pub struct Single {
    clients: Arc<Clients>,
    origin: Origin,
}

/// What an FTP server is asked for; none of it holds a control character.
#[derive(Clone, Copy)]
pub struct FtpErrand<'a> {
    /// Whom to log in as.
    pub user: &'a str,
    /// The password.
    pub password: &'a str,
    /// The file to fetch; without one the folder after login is listed.
    pub fetch: Option<&'a str>,
}

impl std::fmt::Debug for FtpErrand<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FtpErrand({})", self.user)
    }
}

impl Single {
    /// Nothing is read before the first certificate is to be judged.
    pub fn new(trust: Trust) -> Single {
        Single {
            clients: Arc::new(Clients::new(trust)),
            origin: Origin::default(),
        }
    }

    /// Connects, and closes without a trace.
    pub async fn tcp(&self, target: SocketAddr, timeout: Duration) -> Outcome {
        tcp::probe(target, None, &self.origin, &Budget::begin(timeout)).await
    }

    /// Logs in and has a folder listed or a file sent.
    pub async fn ftp(
        &self,
        target: SocketAddr,
        errand: FtpErrand<'_>,
        timeout: Duration,
    ) -> Outcome {
        let FtpErrand {
            user,
            password,
            fetch,
        } = errand;
        let errand = Errand {
            user,
            password,
            fetch,
        };
        let budget = Budget::begin(timeout);
        ftp::probe(target, None, errand, &self.origin, &budget).await
    }

    /// Connects for a dialogue of the caller's own.
    ///
    /// **Errors**: how the attempt ends without a connection.
    pub async fn open(&self, target: SocketAddr, timeout: Duration) -> Result<TcpStream, Outcome> {
        connect(target, &self.origin, &Budget::begin(timeout)).await
    }

    /// The same within TLS, with a server whose certificate is as wanted.
    ///
    /// **Errors**: as [`Single::open`]; the handshake failed, or the certificate does not do.
    pub async fn open_tls(
        &self,
        target: SocketAddr,
        wanted: &ProbeTls,
        timeout: Duration,
    ) -> Result<TlsStream<TcpStream>, Outcome> {
        let budget = Budget::begin(timeout);
        let stream = connect(target, &self.origin, &budget).await?;
        let opened = tls::handshake(stream, target, wanted, &self.clients, &budget).await;
        opened.map(|(stream, _days)| stream)
    }
}
