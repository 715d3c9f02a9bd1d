//! The data connection of a session: made, relayed, and given up.
//!
//! It lives in its session's task and dies with it. Until its transfer went well, closing it is a
//! reset on both sides: a file that was cut off must not look like a whole one.

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::ports;
use super::refusal::FtpRefusal;
use super::session::DataEvent;
use crate::serve::peer::Peer;
use crate::serve::service::Service;
use crate::tcp::relay::{End, Relay};

/// A data port that nobody uses is closed after this time (RFC 2577 leaves it to us): longer than
/// any client takes, and short enough that a scan finds few.
const UNUSED_FOR: Duration = Duration::from_secs(30);
/// After the server has said that a transfer is over it should close its data connection at once;
/// one that is silent for this long keeps it open, and the client need not wait for its end.
const SETTLE_FOR: Duration = Duration::from_secs(2);
/// Without descriptors or memory accepting again at once would only spin.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// Where the server waits, and how long to try.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Route {
    /// The configured address of the server, and the port that it named.
    pub(crate) server: SocketAddr,
    /// For each connect.
    pub(crate) within: Duration,
}

/// The data connection, in whatever state it is.
pub(crate) enum DataPath {
    None,
    Making(Making),
    Joined(Box<Pair>),
}

/// Two sockets, on their way to be joined.
type Making = Pin<Box<dyn Future<Output = Result<Pair, FtpRefusal>>>>;

/// A client's and a server's data connection.
#[derive(Debug)]
pub(crate) struct Pair {
    client: Peer,
    server: Peer,
    relay: Relay,
    /// Whether closing them is a reset.
    broken: Rc<Cell<bool>>,
    delivered: bool,
    /// Set when the transfer is over for the server.
    settled_at: Option<Pin<Box<Sleep>>>,
}

impl DataPath {
    /// Waits for the client.
    pub(crate) fn listen(service: &Rc<Service>, on: TcpListener, from: IpAddr, to: Route) -> Self {
        let service = service.clone();
        DataPath::Making(Box::pin(async move {
            let turn_away = |who| service.count_ftp(FtpRefusal::Stranger, who);
            let client = accept(on, from, UNUSED_FOR, turn_away).await?;
            join(&service, client, to).await
        }))
    }

    /// Goes to the client.
    pub(crate) fn dial(service: &Rc<Service>, vip: IpAddr, client: SocketAddr, to: Route) -> Self {
        let service = service.clone();
        DataPath::Making(Box::pin(async move {
            let client = ports::dial(vip, client, to.within).await?;
            join(&service, client, to).await
        }))
    }

    pub(crate) fn is_awaited(&self) -> bool {
        match self {
            DataPath::Making(_) => true,
            DataPath::None | DataPath::Joined(_) => false,
        }
    }

    /// The next thing that befalls it; sets `moved` when bytes were relayed.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, moved: &mut bool) -> Poll<DataEvent> {
        match self {
            DataPath::None => Poll::Pending,
            DataPath::Making(making) => match making.as_mut().poll(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Ok(pair)) => {
                    *self = DataPath::Joined(Box::new(pair));
                    Poll::Ready(DataEvent::Met)
                }
                Poll::Ready(Err(reason)) => {
                    *self = DataPath::None;
                    Poll::Ready(DataEvent::Failed(reason))
                }
            },
            DataPath::Joined(pair) => {
                let event = pair.poll(cx, moved);
                if event == Poll::Ready(DataEvent::Ended) {
                    *self = DataPath::None;
                }
                event
            }
        }
    }

    /// The server has sent all; [`DataEvent::Delivered`] must come soon.
    pub(crate) fn settle(&mut self) {
        if let DataPath::Joined(pair) = self {
            pair.settled_at = Some(Box::pin(sleep_until(Instant::now() + SETTLE_FOR)));
            // Who has delivered before is asked again.
            pair.delivered = false;
        }
    }

    /// Closing it is no failure any more; one that is not there yet is not wanted any more.
    pub(crate) fn release(&mut self) {
        match self {
            DataPath::None => {}
            DataPath::Making(_) => *self = DataPath::None,
            DataPath::Joined(pair) => pair.broken.set(false),
        }
    }
}

impl Pair {
    fn poll(&mut self, cx: &mut Context<'_>, moved: &mut bool) -> Poll<DataEvent> {
        let mut moved_now = false;
        let (client, server) = (&mut self.client, &mut self.server);
        let end = self.relay.poll(cx, client, server, &mut moved_now);
        *moved |= moved_now;
        match end {
            Poll::Ready(End::Closed) => {
                self.broken.set(false);
                return Poll::Ready(DataEvent::Ended);
            }
            Poll::Ready(End::Broken) => {
                self.broken.set(true);
                return Poll::Ready(DataEvent::Ended);
            }
            Poll::Pending => {}
        }
        if !self.delivered && (self.relay.back_is_closed() || self.is_settled(cx, moved_now)) {
            self.delivered = true;
            return Poll::Ready(DataEvent::Delivered);
        }
        Poll::Pending
    }

    /// Whether the server has been silent since its transfer was over, and the client has it all.
    fn is_settled(&mut self, cx: &mut Context<'_>, moved: bool) -> bool {
        let Some(settled_at) = &mut self.settled_at else {
            return false;
        };
        if moved || !self.server.buffer.is_empty() {
            settled_at.as_mut().reset(Instant::now() + SETTLE_FOR);
        }
        settled_at.as_mut().poll(cx).is_ready() && self.server.buffer.is_empty()
    }
}

/// Takes one connection, from the client alone; then the listener is gone.
///
/// **Errors**: the client did not come in time.
async fn accept(
    listener: TcpListener,
    from: IpAddr,
    within: Duration,
    mut turn_away: impl FnMut(SocketAddr),
) -> Result<TcpStream, FtpRefusal> {
    let client = async {
        loop {
            match listener.accept().await {
                Ok((stream, who)) if who.ip() == from => return stream,
                Ok((stream, who)) => {
                    turn_away(who);
                    // Closed in the ordinary way it would look like an empty file.
                    let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
                }
                // One that was gone before we came to it; of anything else the time makes an end.
                Err(_) => tokio::time::sleep(ACCEPT_AGAIN).await,
            }
        }
    };
    let came = timeout(within, client).await;
    came.map_err(|_| FtpRefusal::DataPortUnused)
}

/// Connects to the server, and joins the two.
///
/// **Errors**: the server cannot be reached; the client's connection is reset.
async fn join(service: &Service, client: TcpStream, to: Route) -> Result<Pair, FtpRefusal> {
    let broken = Rc::new(Cell::new(true));
    let buffers = &service.worker.buffers;
    let mut client = Peer::new(client, buffers.clone(), broken.clone());
    let server = Peer::connect(to.server, to.within, buffers.clone()).await;
    let mut server = server.map_err(|_| FtpRefusal::ServerUnreachable)?;
    server.reset_while(broken.clone());
    client.buffer.expect_long(true);
    server.buffer.expect_long(true);
    Ok(Pair {
        client,
        server,
        relay: Relay::new(),
        broken,
        delivered: false,
        settled_at: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// Strangers do not keep a port open, and are no clients.
    #[tokio::test]
    async fn a_port_that_the_client_does_not_come_to_is_closed() {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port is to be had");
        let at = listener.local_addr().expect("it has an address");
        let stranger = TcpStream::connect(at).await.expect("the port is open");
        let mut turned_away = 0;
        let client = "127.0.0.9".parse().expect("an address");
        let within = Duration::from_millis(100);
        let came = accept(listener, client, within, |_| turned_away += 1).await;
        assert_eq!(came.err(), Some(FtpRefusal::DataPortUnused));
        assert_eq!(turned_away, 1);
        drop(stranger);
        let refused = TcpStream::connect(at).await.map_err(|error| error.kind());
        assert_eq!(refused.err(), Some(std::io::ErrorKind::ConnectionRefused));
    }
}
