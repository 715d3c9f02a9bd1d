//! What is probed: one process that takes connections at every address, and a port that hangs.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};
use socket2::{Domain, Socket, Type};

use crate::{HANGING_PORT, PORT};

/// Connections that wait for their accept: some seconds of probes.
pub(crate) const BACKLOG: i32 = 32_768;

/// More than what a full backlog still lets in.
const FILLERS: usize = 4;

/// Takes connections until it is killed.
///
/// **Errors**: a port is taken.
pub(crate) fn run() -> Result<()> {
    // Nobody ever accepts here, and the backlog is full: the kernel drops every SYN.
    let hanging = listen(HANGING_PORT, 0)?;
    let local = SocketAddr::from((Ipv4Addr::LOCALHOST, HANGING_PORT));
    let fillers =
        (0..FILLERS).map(|_| TcpStream::connect_timeout(&local, Duration::from_millis(50)));
    let fillers: Vec<_> = fillers.collect();
    let listener = listen(PORT, BACKLOG)?;
    loop {
        // A client that is gone already is no reason to end.
        let _ = listener.accept();
        // Both live as long as this loop.
        let _ = (&hanging, &fillers);
    }
}

fn listen(port: u16, backlog: i32) -> Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).context("a socket")?;
    socket.set_reuse_address(true)?;
    let at = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    socket
        .bind(&at.into())
        .with_context(|| format!("bind {at}"))?;
    socket.listen(backlog).context("listen")?;
    Ok(socket)
}
