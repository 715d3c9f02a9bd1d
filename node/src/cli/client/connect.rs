//! How the daemon is reached.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::super::args::Target;
use super::tls::Remote;
use crate::fault::{Code, Fault};

/// How long a connection may take to come about: as long as a person waits before they type Ctrl-C.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection to a daemon, of whatever kind.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Reaches one daemon.
#[derive(Debug, Clone)]
pub struct Client {
    place: Place,
}

#[derive(Debug, Clone)]
enum Place {
    Socket(PathBuf),
    Remote(Remote),
}

impl Client {
    /// Reads the certificate file where there is one; connects to nobody yet.
    ///
    /// **Errors**: `FMX-105`: the certificate file is of no use.
    pub fn new(target: &Target) -> Result<Client, Fault> {
        let place = match (&target.connect, &target.cert) {
            (Some(address), Some(file)) => Place::Remote(Remote::new(address, file)?),
            (Some(_) | None, Some(_) | None) => Place::Socket(target.socket.clone()),
        };
        Ok(Client { place })
    }

    /// Asks on a socket of this machine.
    pub fn of_socket(socket: &Path) -> Client {
        Client {
            place: Place::Socket(socket.to_owned()),
        }
    }

    /// Whether it reaches the daemon of this very machine.
    pub fn is_local(&self) -> bool {
        match self.place {
            Place::Socket(_) => true,
            Place::Remote(_) => false,
        }
    }

    /// The same certificate, at another node; a socket is this machine's only.
    pub fn elsewhere(&self, address: &str) -> Option<Client> {
        match &self.place {
            Place::Socket(_) => None,
            Place::Remote(remote) => Some(Client {
                place: Place::Remote(remote.at(address)),
            }),
        }
    }

    pub(super) fn host(&self) -> &str {
        match &self.place {
            Place::Socket(_) => "localhost",
            Place::Remote(remote) => remote.address(),
        }
    }

    pub(super) async fn connect(&self) -> Result<Box<dyn Stream>, Fault> {
        match &self.place {
            Place::Socket(path) => {
                let stream = UnixStream::connect(path).await;
                Ok(Box::new(
                    stream.map_err(|error| socket_fault(path, &error))?,
                ))
            }
            Place::Remote(remote) => {
                let connected = timeout(CONNECT_TIMEOUT, open(remote)).await;
                let slow = || io::Error::new(io::ErrorKind::TimedOut, "no answer within 5 s");
                connected
                    .unwrap_or_else(|_| Err(slow()))
                    .map_err(|error| remote_fault(remote.address(), &error))
            }
        }
    }
}

async fn open(remote: &Remote) -> io::Result<Box<dyn Stream>> {
    let stream = TcpStream::connect(remote.address()).await?;
    stream.set_nodelay(true)?;
    let stream = remote
        .connector()
        .connect(remote.server_name(), stream)
        .await?;
    Ok(Box::new(stream))
}

fn socket_fault(path: &Path, error: &io::Error) -> Fault {
    let path = path.display();
    if error.kind() == io::ErrorKind::PermissionDenied {
        return Fault::new(Code::SocketDenied).why(format!("{path}: {error}"));
    }
    Fault::new(Code::DaemonAbsent).why(format!("{path}: {error}"))
}

fn remote_fault(address: &str, error: &io::Error) -> Fault {
    Fault::new(Code::RemoteAbsent)
        .what(format!("{address} does not answer"))
        .why(error)
}
