//! FTP: a control connection that is read line by line, and data connections that belong to it.
//!
//! ```text
//!   client ── control ──▶ VIP:21 ─┐                        ┌── control ──▶ server:21
//!          ── passive ──▶ VIP:any of the farm's range ─ Session ─ passive ▶ server:as it said
//!          ◀─ active ─── VIP:20 ──┘
//! ```
//!
//! `line`, `command`, `reply`, `address` and `session` are PURE; `control` is the task of a
//! session, `leaving` its end, `data` and `ports` its data connection, `tls` what is passed
//! through unread, `guests` who may come to it.
//!
//! Behind a proxy that tells the client in a PROXY header (`accept_proxy`) only the control
//! connection has one. Data connections pass the proxy by: a client that asks by PASV gets the
//! address of the VIP, and must be able to come there itself, from the address in the header; one
//! that asks by PORT or EPRT is connected to from the VIP. EPSV names a port and no address: the
//! client goes to the proxy with it, and what the proxy passes on is a stranger's here.
//!
//! How long a session lives: as long as a line or a byte of data moves within the service's idle
//! limit, so a control connection outlives any transfer; it has no other age. Where its server is
//! drained, in maintenance or gone from the plan, or its address about to move, the session is
//! told 421 once it is silent between two transfers, and ends in any case after the service's
//! total limit. Where the VIP is lost all of its sessions are reset at once.

pub(crate) mod address;
pub(crate) mod command;
mod control;
mod data;
pub(crate) mod guests;
mod leaving;
pub(crate) mod line;
mod ports;
pub mod refusal;
pub(crate) mod reply;
#[doc(hidden)]
pub mod seam;
pub(crate) mod session;
pub(crate) mod tls;

use std::net::IpAddr;
use std::rc::Rc;

use crate::http::refusal::Failure;
use crate::plan::FtpPlan;
use crate::proxy::Ends;
use crate::serve::deadline::Deadline;
use crate::serve::peer::Peer;
use crate::serve::service::Service;
use control::{After, Control};

/// What a client is told for whom there is no server.
const NO_SERVER: &[u8] = b"421 No server is available; try again later.\r\n";
/// What a client is told for whom there is no room.
pub(crate) const FULL: &[u8] = b"421 Too many connections; try again later.\r\n";

/// Serves a client that came to `vip` until its session ends.
///
/// A failed connect is tried once on another server.
pub(crate) async fn serve(
    service: Rc<Service>,
    plan: FtpPlan,
    mut peer: Peer,
    ends: Ends,
    vip: IpAddr,
) {
    let connected = peer.unless_gone(crate::tcp::connect(&service, &ends)).await;
    let upstream = match connected {
        Some(Ok(upstream)) => upstream,
        Some(Err(failure)) => {
            service.count_failure(failure, ends.client);
            // A fresh socket takes a line, or it is broken anyway.
            let _ = peer.stream.try_write(match failure {
                Failure::QueueFull | Failure::QueueTimeout => FULL,
                Failure::NoServer
                | Failure::Closed
                | Failure::BadAnswer
                | Failure::AnswerTimeout
                | Failure::CutOff => NO_SERVER,
            });
            peer.linger(&mut Deadline::new(&service.limits())).await;
            return;
        }
        None => return,
    };
    let mut control = Control::new(service, peer, (ends.client, vip), upstream, plan);
    match control.run().await {
        After::Close => control.client.linger(&mut control.deadline).await,
        After::Gone => {}
        After::Tunnel => tls::tunnel(&mut control).await,
    }
}
