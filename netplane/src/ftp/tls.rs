//! TLS that is passed through unread: the control connection as a tunnel, and data by ports.
//!
//! ```text
//!   client ══ TLS ══ VIP:21 ── tunnel ── server:21       the server answers PASV with a port
//!   client ══ TLS ══ VIP:41007 ───────── server:41007    which is one of its own range
//! ```
//!
//! What a session agrees on cannot be read here, so each server has a range of ports of its own
//! (and is told to name the VIP in its 227); whoever comes to one of them must have a session with
//! that server at that moment. Active transfers cannot work: the server would dial the client by
//! itself. EPSV needs no address and works as it is.
//!
//! Whose data a port carries cannot be told: a client with a session, though it never logged in,
//! may come to a port before the client for whom the server opened it. `guests` bounds how often it
//! may try. Only the server can rule it out, by demanding on data connections the TLS session of
//! the control connection (vsftpd's `require_ssl_reuse`): only such servers belong behind this.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::control::Control;
use super::guests::{Guest, Session, Transfer};
use super::leaving::NO_AGE;
use super::refusal::FtpRefusal;
use crate::http::refusal::Refusal;
use crate::plan::{FtpTls, ServiceKind};
use crate::serve::deadline::Deadline;
use crate::serve::listen;
use crate::serve::peer::Peer;
use crate::serve::service::Service;
use crate::tcp::relay::{self, End, Relay};

/// How soon a change of the servers' port ranges is obeyed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Relays a control connection whose client and server have turned to TLS.
pub(super) async fn tunnel(control: &mut Control) {
    let shared = control.service.worker.shared.clone();
    let guest = Guest {
        vip: control.vip,
        client: control.address.ip(),
        server: control.upstream.work.server().address,
    };
    let _present = Session::begin(shared.clone(), guest);
    control.upstream.peer.resets_with(&control.client);
    let mut relay = Relay::new();
    let end = poll_fn(|cx| {
        let mut moved = false;
        let Control {
            service,
            client,
            upstream,
            deadline,
            leaving,
            ..
        } = control;
        if let Poll::Ready(end) = relay.poll(cx, client, &mut upstream.peer, &mut moved) {
            return Poll::Ready(end);
        }
        if moved || shared.guests.transfers(guest) > 0 {
            deadline.touch();
            leaving.touch();
        }
        let quiet = leaving.poll(cx, service, upstream, deadline);
        if !quiet && deadline.poll(cx).is_pending() {
            return Poll::Pending;
        }
        // There is no word that could be said into the TLS session.
        service.count_ftp(leaving.reason(), control.address);
        Poll::Ready(if quiet { End::Closed } else { End::Broken })
    })
    .await;
    if end == End::Broken {
        control.client.reset_on_close();
    }
}

/// Listens on the data ports of all servers, for as long as it is polled; at once over where TLS
/// is not passed through.
///
/// Each port is the business of one runtime.
pub(crate) async fn listen_for_data(service: Rc<Service>) {
    if !matches!(service.plan().kind, ServiceKind::Ftp(ftp) if ftp.tls == FtpTls::Pass) {
        return;
    }
    let mut heard = BTreeSet::new();
    let mut listeners = JoinSet::new();
    loop {
        let wanted = data_ports(&service);
        if wanted != heard {
            listeners.abort_all();
            listeners = JoinSet::new();
            for &(at, server) in &wanted {
                let service = service.clone();
                listeners.spawn_local(async move {
                    let _while_it_listens = service.worker.listens_for_data();
                    let listener = listen::bind_at_last(&service, at).await;
                    let admit = |stream, client| admit(&service, stream, client, at, server);
                    listen::accept(&service, &listener, admit).await;
                });
            }
            heard = wanted;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Takes in a data connection to `at`, which belongs to `server`.
fn admit(
    service: &Rc<Service>,
    stream: TcpStream,
    client: SocketAddr,
    at: SocketAddr,
    server: SocketAddr,
) {
    let worker = &service.worker;
    // Only where its task is aborted.
    let broken = Rc::new(Cell::new(true));
    let client_side = Peer::new(stream, worker.buffers.clone(), broken.clone());
    let guest = Guest {
        vip: at.ip(),
        client: client.ip(),
        server,
    };
    if worker.is_full() {
        service.count_refusal(Refusal::Full, client);
        return;
    }
    if let Err(reason) = worker.shared.guests.admit(guest, Instant::now()) {
        service.count_ftp(reason, client);
        return;
    }
    let transfer = Transfer(worker.shared.clone(), guest);
    let to = SocketAddr::new(server.ip(), at.port());
    let (service, reset) = (service.clone(), broken.clone());
    worker.run(at.ip(), reset, async move {
        relay_data(&service, client_side, client, &transfer, to, broken).await;
    });
}

/// Relays a data connection to the server's same port.
async fn relay_data(
    service: &Service,
    mut client: Peer,
    address: SocketAddr,
    transfer: &Transfer,
    to: SocketAddr,
    broken: Rc<Cell<bool>>,
) {
    let limits = service.limits();
    let buffers = service.worker.buffers.clone();
    let Ok(mut server) = Peer::connect(to, limits.connect, buffers).await else {
        service.count_ftp(FtpRefusal::ServerUnreachable, address);
        transfer.missed(Instant::now());
        return;
    };
    transfer.met();
    server.reset_while(broken.clone());
    client.buffer.expect_long(true);
    server.buffer.expect_long(true);
    let mut deadline = Deadline::new(&limits);
    deadline.begin(limits.idle, NO_AGE);
    let whole = match relay::both_ways(&mut client, &mut server, &mut deadline).await {
        End::Closed => true,
        // Clients that close without reading the last words of their server reset the connection:
        // a server that has seen the end of TLS closes by itself. To another no end may be shown,
        // for servers that do not insist on TLS's own take it for a whole file.
        End::Broken => server.closes(&mut deadline).await,
    };
    broken.set(!whole);
}

/// Where this runtime listens, and for which server.
fn data_ports(service: &Service) -> BTreeSet<(SocketAddr, SocketAddr)> {
    let plan = service.plan();
    let runtimes = service.worker.shared.runtimes();
    let servers = plan.servers.values();
    let ranges = servers.filter_map(|server| Some((server.address, server.data_ports?)));
    ranges
        .flat_map(|(server, range)| (range.first..=range.last).map(move |port| (port, server)))
        .filter(|(port, _)| usize::from(*port) % runtimes == service.worker.index)
        .flat_map(|(port, server)| {
            let at = plan.listens();
            at.map(move |listen| (SocketAddr::new(listen.ip(), port), server))
        })
        .collect()
}
