//! PURE. One FTP session: from lines, replies and what befell the data connection to what to do.
//!
//! ```text
//!            client ── line ──▶ ┌─────────┐ ── line ──▶ server
//!                   ◀─ reply ── │ Session │ ◀─ reply ──
//!                               └─────────┘
//!    Met, Failed, Delivered, Ended ▲   │ Listen, Dial, Settle, Release, Drop
//!                                  │   ▼
//!            client ◀═══════ data connection ═══════▶ server
//! ```
//!
//! One command is in the server's hands at a time, so that each reply has one question; what the
//! client sends ahead of it waits in its buffer. While a transfer is under way, ABOR, STAT and QUIT
//! go through beside it, one at a time.
//!
//! Towards the server every data connection is passive: both the client's PASV and its PORT become
//! PASV (EPSV to an IPv6 server), at the same place in the order of commands, so that whatever a
//! server makes depend on that order (REST) stays as the client meant it.

mod client;
mod data;
mod server;

use std::net::{IpAddr, SocketAddr};

use super::refusal::FtpRefusal;
use crate::plan::FtpTls;

/// Who takes part in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parties {
    pub(crate) client: IpAddr,
    /// The address that the client came to.
    pub(crate) vip: IpAddr,
    pub(crate) server: IpAddr,
    pub(crate) tls: FtpTls,
}

/// What is to be done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    ToClient(Vec<u8>),
    ToServer(Vec<u8>),
    /// Listen for the client's data connection, in place of any other, and say where
    /// ([`Session::listening`]); who comes is joined with this port of the server.
    Listen {
        server_port: u16,
    },
    /// Connect to the client, then to this port of the server, in place of any other.
    Dial {
        client: SocketAddr,
        server_port: u16,
    },
    /// The transfer is over for the server: say so ([`DataEvent::Delivered`]) once the client has
    /// all that it sent.
    Settle,
    /// The transfer went well: the data connection ends by itself, and closing it is no failure.
    Release,
    /// Give up the data connection, with a reset if one is there.
    Drop,
    /// Count a refusal.
    Count(FtpRefusal),
    /// The server has closed when it should not have.
    ServerLost,
    /// After what is to be sent has been sent: bytes both ways, unread.
    Tunnel,
    /// After what is to be sent has been sent: end the session.
    Close,
}

/// What befell the data connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DataEvent {
    /// Client and server are joined.
    Met,
    /// They will not be.
    Failed(FtpRefusal),
    /// All that the server sent is with the client, and no more will come.
    Delivered,
    /// It is closed, or broken.
    Ended,
}

/// What the client gets for its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// A 227.
    Pasv,
    /// A 229.
    Epsv,
    /// A 200; it will be connected to here.
    Port(SocketAddr),
}

/// What is in the server's hands, or ours, and not yet answered.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Asked {
    Nothing,
    /// Whatever the answer, it is passed on; the greeting too.
    Command,
    Features,
    Auth,
    /// PASV or EPSV, for this.
    Passive(Wanted),
    /// A listener of our own, for this.
    Listening(Wanted),
    /// Both sides of an active data connection; then the server gets this line.
    Joining(Vec<u8>),
    /// A transfer; begun after its first preliminary reply.
    Transfer {
        begun: bool,
    },
}

/// A command sent while a transfer was under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aside {
    Abort,
    Status,
    Quit,
}

/// How far the data connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Data {
    /// There is none, or an old one ends by itself.
    None,
    /// The client listens here, and the server there.
    Agreed {
        client: SocketAddr,
        server_port: u16,
    },
    /// Being made.
    Awaited,
    /// Bytes may flow.
    Joined,
    /// No more bytes flow towards the client.
    Delivered,
}

/// A session between one client and one server.
#[derive(Debug)]
pub(crate) struct Session {
    parties: Parties,
    asked: Asked,
    aside: Option<Aside>,
    data: Data,
    /// Replies that wait until the client has the data: it may close when it reads them.
    held: Option<Vec<u8>>,
    epsv_all: bool,
    /// The server has said goodbye, or closed: the session ends with the last reply.
    ending: bool,
}

impl Session {
    /// A session whose server is about to greet.
    pub(crate) fn new(parties: Parties) -> Self {
        Session {
            parties,
            asked: Asked::Command,
            aside: None,
            data: Data::None,
            held: None,
            epsv_all: false,
            ending: false,
        }
    }

    /// Nothing is asked and no data connection is wanted: a good moment to send the client away.
    pub(crate) fn is_idle(&self) -> bool {
        let no_data = match self.data {
            Data::None | Data::Delivered => true,
            Data::Agreed { .. } | Data::Awaited | Data::Joined => false,
        };
        self.asked == Asked::Nothing && self.held.is_none() && no_data
    }

    /// Nothing is asked that an answer must still come to.
    pub(crate) fn is_answered(&self) -> bool {
        self.asked == Asked::Nothing && self.held.is_none()
    }

    /// The answer to [`Action::Listen`]: the port, or `None` where none was free.
    pub(crate) fn listening(&mut self, port: Option<u16>, out: &mut Vec<Action>) {
        let asked = std::mem::replace(&mut self.asked, Asked::Nothing);
        let Asked::Listening(wanted) = asked else {
            unreachable!("a port is reported only when it was asked for");
        };
        let Some(port) = port else {
            self.refuse(FtpRefusal::NoFreePort, out);
            return;
        };
        self.data = Data::Awaited;
        out.push(Action::ToClient(match (wanted, self.parties.vip) {
            (Wanted::Pasv, IpAddr::V4(vip)) => super::address::reply_227(vip, port),
            (Wanted::Pasv | Wanted::Epsv | Wanted::Port(_), _) => super::address::reply_229(port),
        }));
    }

    /// Ends the session with a word to the client.
    pub(crate) fn end(&mut self, reason: FtpRefusal, out: &mut Vec<Action>) {
        self.drop_data(out);
        self.refuse(reason, out);
        out.push(Action::Close);
    }

    fn refuse(&mut self, reason: FtpRefusal, out: &mut Vec<Action>) {
        out.push(Action::Count(reason));
        let reply = if reason == FtpRefusal::AddressFamily {
            super::address::reply_522(self.parties.client)
        } else {
            reason.reply()
        };
        out.push(Action::ToClient(reply));
    }

    fn drop_data(&mut self, out: &mut Vec<Action>) {
        self.data = Data::None;
        out.push(Action::Drop);
    }

    /// Sends the replies that waited for the data.
    fn send_held(&mut self, out: &mut Vec<Action>) {
        if let Some(held) = self.held.take() {
            out.push(Action::ToClient(held));
            if self.ending {
                out.push(Action::Close);
            }
        }
    }
}

#[cfg(test)]
mod script;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod transfers;
#[cfg(test)]
mod walk;
