//! The control connection of a client: its task, which carries the data connection too.
//!
//! ```text
//!   client ─▶ line ─▶ command ─┐                     ┌─ reply ◀─ server
//!                              ├─▶ Session ─▶ actions┤
//!   client ◀─ to_client ◀──────┘       ▲             └─▶ to_server ─▶ server
//!                                   DataPath
//! ```
//!
//! Nothing is read from one side while something still waits to be written to the other, so what
//! is held is at most a reply, a line, and the two sockets' buffers.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;

use super::data::{DataPath, Route};
use super::leaving::{Leaving, NO_AGE};
use super::refusal::FtpRefusal;
use super::session::{Action, Parties, Session};
use super::{command, line, ports, reply};
use crate::http::refusal::Failure;
use crate::plan::FtpPlan;
use crate::serve::deadline::Deadline;
use crate::serve::peer::{LINGER_FOR, Peer};
use crate::serve::service::Service;
use crate::serve::upstream::Upstream;

/// Finds a peer that is gone within minutes, and keeps what stands between us from forgetting the
/// connection while a long transfer leaves it idle.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
/// What the client sends ahead of its turn is read as far as this; more waits in its socket.
const AHEAD_BYTES_MAX: usize = 4 * line::LINE_BYTES_MAX;

/// How a session in plain FTP ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// The client has been told.
    Close,
    /// The client is gone.
    Gone,
    /// TLS begins.
    Tunnel,
}

/// A session and its sockets.
pub(super) struct Control {
    pub(super) service: Rc<Service>,
    pub(super) client: Peer,
    pub(super) address: SocketAddr,
    pub(super) upstream: Upstream,
    pub(super) deadline: Deadline,
    pub(super) vip: IpAddr,
    pub(super) leaving: Leaving,
    plan: FtpPlan,
    session: Session,
    data: DataPath,
    to_client: Vec<u8>,
    to_server: Vec<u8>,
    client_closed: bool,
    server_closed: bool,
    after: Option<After>,
}

impl Control {
    pub(super) fn new(
        service: Rc<Service>,
        client: Peer,
        (address, vip): (SocketAddr, IpAddr),
        upstream: Upstream,
        plan: FtpPlan,
    ) -> Self {
        keep_alive(&client.stream);
        keep_alive(&upstream.peer.stream);
        // Urgent data is part of the stream: some clients send the end of ABOR's line as such.
        // A socket that refuses this is broken anyway.
        let _ = SockRef::from(&client.stream).set_out_of_band_inline(true);
        let whole = service.plan();
        let session = Session::new(Parties {
            client: address.ip(),
            vip,
            server: upstream.work.server().address.ip(),
            tls: plan.tls,
        });
        let mut deadline = Deadline::new(&whole.limits);
        deadline.begin(whole.limits.idle, NO_AGE);
        Control {
            service,
            client,
            address,
            upstream,
            deadline,
            vip,
            leaving: Leaving::new(vip),
            plan,
            session,
            data: DataPath::None,
            to_client: Vec::new(),
            to_server: Vec::new(),
            client_closed: false,
            server_closed: false,
            after: None,
        }
    }

    /// Serves in plain FTP until that ends.
    pub(super) async fn run(&mut self) -> After {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<After> {
        loop {
            if self.write(cx).is_err() {
                self.after = Some(After::Gone);
            }
            match self.after {
                None => {}
                Some(After::Gone) => return Poll::Ready(After::Gone),
                Some(after) if self.to_client.is_empty() => return Poll::Ready(after),
                Some(_) => return self.deadline.poll(cx).map(|()| After::Gone),
            }
            let mut again = self.hear_server(cx);
            // A data connection that the client has made goes on to the server before the command
            // that uses it.
            again |= self.data.is_awaited() && self.watch_data(cx);
            again |= self.hear_client(cx);
            again |= self.watch_data(cx);
            again |= self.watch_time(cx);
            if !again {
                return Poll::Pending;
            }
        }
    }

    fn write(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        write_out(cx, &mut self.client.stream, &mut self.to_client)?;
        // That the server cannot be written to shows when it is read.
        if write_out(cx, &mut self.upstream.peer.stream, &mut self.to_server).is_err() {
            self.to_server.clear();
        }
        Ok(())
    }

    /// Takes one reply, if there is one and the client has all before it.
    fn hear_server(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.to_client.is_empty() || self.server_closed || self.after.is_some() {
            return false;
        }
        let peer = &mut self.upstream.peer;
        let mut out = Vec::new();
        match reply::take(peer.buffer.data()) {
            Ok(Some(reply)) => {
                peer.buffer.consume(reply.length);
                self.session.server(&reply, &mut out);
            }
            Err(reason) => {
                self.upstream.work.server().count_failure();
                self.session.end(reason, &mut out);
            }
            Ok(None) => match peer.poll_fill(cx) {
                Poll::Pending => return false,
                Poll::Ready(Ok(count)) if count > 0 => self.touch(),
                Poll::Ready(_) => {
                    self.server_closed = true;
                    self.session.server_closed(&mut out);
                }
            },
        }
        self.obey(out);
        true
    }

    /// Takes one line, if there is one and it is its turn.
    fn hear_client(&mut self, cx: &mut Context<'_>) -> bool {
        let writing = !self.to_client.is_empty() || !self.to_server.is_empty();
        if writing || self.after.is_some() {
            return false;
        }
        let mut out = Vec::new();
        match self.take_line(&mut out) {
            Ok(true) => {}
            Ok(false) => return self.fill_from_client(cx),
            Err(reason) => self.session.end(reason, &mut out),
        }
        self.obey(out);
        true
    }

    fn take_line(&mut self, out: &mut Vec<Action>) -> Result<bool, FtpRefusal> {
        let buffer = &mut self.client.buffer;
        if self.session.demands_silence() && !buffer.is_empty() {
            return Err(FtpRefusal::EarlyBytes);
        }
        let Some(line) = line::take(buffer.data())? else {
            return Ok(false);
        };
        let command = command::parse(&line.text)?;
        if !self.session.takes(command) {
            return Ok(false);
        }
        buffer.consume(line.length);
        self.session.client(command, &line.text, out);
        Ok(true)
    }

    fn fill_from_client(&mut self, cx: &mut Context<'_>) -> bool {
        if self.client_closed {
            if self.session.is_answered() {
                self.after = Some(After::Close);
            }
            return self.after.is_some();
        }
        if self.client.buffer.data().len() >= AHEAD_BYTES_MAX {
            return false;
        }
        match self.client.poll_fill(cx) {
            Poll::Pending => return false,
            Poll::Ready(Ok(0)) => self.client_closed = true,
            Poll::Ready(Ok(_)) => {
                self.client.read_past_mark();
                self.touch();
            }
            Poll::Ready(Err(_)) => self.after = Some(After::Gone),
        }
        true
    }

    fn watch_data(&mut self, cx: &mut Context<'_>) -> bool {
        if self.after.is_some() {
            return false;
        }
        let mut moved = false;
        let event = self.data.poll(cx, &mut moved);
        if moved {
            self.touch();
        }
        let Poll::Ready(event) = event else {
            return false;
        };
        let mut out = Vec::new();
        self.session.data(event, &mut out);
        self.obey(out);
        true
    }

    fn watch_time(&mut self, cx: &mut Context<'_>) -> bool {
        if self.after.is_some() {
            return false;
        }
        let quiet = self
            .leaving
            .poll(cx, &self.service, &self.upstream, &mut self.deadline);
        let goes = quiet && self.session.is_idle();
        if !goes && self.deadline.poll(cx).is_pending() {
            return false;
        }
        let reason = self.leaving.reason();
        let mut out = Vec::new();
        self.session.end(reason, &mut out);
        self.obey(out);
        true
    }

    fn touch(&mut self) {
        self.deadline.touch();
        self.leaving.touch();
    }

    fn obey(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::ToClient(bytes) => self.to_client.extend_from_slice(&bytes),
                Action::ToServer(bytes) => self.to_server.extend_from_slice(&bytes),
                Action::Listen { server_port } => self.listen(server_port),
                Action::Dial {
                    client,
                    server_port,
                } => {
                    let to = self.route(server_port);
                    self.data = DataPath::dial(&self.service, self.vip, client, to);
                }
                Action::Settle => self.data.settle(),
                Action::Release => self.data.release(),
                Action::Drop => self.data = DataPath::None,
                Action::Count(reason) => self.service.count_ftp(reason, self.address),
                Action::ServerLost => {
                    self.upstream.work.server().count_failure();
                    self.service.count_failure(Failure::Closed, self.address);
                }
                Action::Tunnel => self.begin_tls(),
                Action::Close => {
                    self.after = Some(After::Close);
                    self.deadline.begin(LINGER_FOR, LINGER_FOR);
                }
            }
        }
    }

    /// TLS begins on both sides, unless one of them has said something ahead of it.
    fn begin_tls(&mut self) {
        if self.client.buffer.is_empty() && self.upstream.peer.buffer.is_empty() {
            self.after = Some(After::Tunnel);
            return;
        }
        self.to_client.clear();
        let mut out = Vec::new();
        self.session.end(FtpRefusal::EarlyBytes, &mut out);
        self.obey(out);
    }

    fn listen(&mut self, server_port: u16) {
        let listener = ports::listen(self.vip, self.plan.data_ports);
        let port = listener.as_ref().ok().and_then(|one| one.local_addr().ok());
        if let Ok(listener) = listener {
            let to = self.route(server_port);
            self.data = DataPath::listen(&self.service, listener, self.address.ip(), to);
        }
        let mut out = Vec::new();
        self.session.listening(port.map(|at| at.port()), &mut out);
        self.obey(out);
    }

    /// To the server that we chose, whatever address it names.
    fn route(&self, port: u16) -> Route {
        Route {
            server: SocketAddr::new(self.upstream.work.server().address.ip(), port),
            within: self.service.limits().connect,
        }
    }
}

/// Writes what there is.
fn write_out(cx: &mut Context<'_>, stream: &mut TcpStream, out: &mut Vec<u8>) -> io::Result<()> {
    while !out.is_empty() {
        match Pin::new(&mut *stream).poll_write(cx, out) {
            Poll::Pending => return Ok(()),
            Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
            Poll::Ready(Ok(count)) => drop(out.drain(..count)),
            Poll::Ready(Err(error)) => return Err(error),
        }
    }
    Ok(())
}

fn keep_alive(stream: &TcpStream) {
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_AFTER);
    // Without it only the idle limit finds a peer that is gone.
    let _ = SockRef::from(stream).set_tcp_keepalive(&keepalive);
}
