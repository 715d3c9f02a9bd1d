//! A listener of one runtime: bound all along, one of several on the same address and port.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

use super::service::Service;

/// Connections the kernel may hold for us: what a burst of a thousand clients needs, per runtime.
const BACKLOG: i32 = 1024;
/// A port that is taken is tried again: often an old process is just ending.
const BIND_AGAIN: Duration = Duration::from_secs(1);
/// Without descriptors or memory accepting again at once would only spin.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// Accepts clients for `service` until it is dropped.
pub(crate) async fn run(service: Rc<Service>, address: SocketAddr) {
    let listener = bind_at_last(&service, address).await;
    let _listening = Listening::new(service.clone());
    accept(&service, &listener, |stream, client| {
        service.worker.admit(&service, stream, client, address);
    })
    .await;
}

/// Binds, and if that fails, again and again.
pub(crate) async fn bind_at_last(service: &Service, address: SocketAddr) -> TcpListener {
    loop {
        match bind(address) {
            Ok(listener) => return listener,
            Err(error) => {
                tracing::warn!(service = %service.key, %address, %error, "cannot listen");
                tokio::time::sleep(BIND_AGAIN).await;
            }
        }
    }
}

/// Accepts for as long as it is polled.
pub(crate) async fn accept(
    service: &Service,
    listener: &TcpListener,
    mut admit: impl FnMut(TcpStream, SocketAddr),
) {
    loop {
        match listener.accept().await {
            Ok((stream, client)) => admit(stream, client),
            // The client was gone before we came to it.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!(service = %service.key, %error, "cannot accept");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

/// Binds; the address need not be on this machine.
fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
        socket.set_freebind_v6(true)?;
    } else {
        socket.set_freebind_v4(true)?;
    }
    // What is accepted inherits it.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Counts a bound listener as long as it lives.
struct Listening(Rc<Service>);

impl Listening {
    fn new(service: Rc<Service>) -> Self {
        service.count(|shard| shard.listening.up());
        Listening(service)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.count(|shard| shard.listening.down());
    }
}
