//! An FTP session without sockets, for those who prove lines, replies and the session from outside
//! of this crate. Nothing here is used by a node.
//!
//! ```text
//!   bytes of the client ─▶ line ─▶ command ─▶ ┌─────────┐ ─▶ Said, in order
//!   bytes of the server ─▶ reply ───────────▶ │ Session │
//!   what befell the data connection ────────▶ └─────────┘
//! ```

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::refusal::FtpRefusal;
use super::session::{Action, DataEvent, Parties, Session};
use super::{address, command, line, reply};
use crate::plan::FtpTls;

/// The client of the proof.
pub const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 7);

/// Takes a line of a client off the front: its text, and how many bytes it was.
///
/// **Errors**: as a session has them.
pub fn take_line(input: &[u8]) -> Result<Option<(Vec<u8>, usize)>, FtpRefusal> {
    Ok(line::take(input)?.map(|line| (line.text, line.length)))
}

/// Whether a line is a command.
pub fn is_command(line: &[u8]) -> bool {
    command::parse(line).is_ok()
}

/// The address in the argument of PORT, or of EPRT.
pub fn address(argument: &[u8]) -> [Option<SocketAddr>; 2] {
    [address::port(argument).ok(), address::eprt(argument).ok()]
}

/// Takes a reply of a server off the front: its code, its text, and how many bytes it was.
///
/// **Errors**: as a session has them.
pub fn take_reply(input: &[u8]) -> Result<Option<(u16, Vec<u8>, usize)>, FtpRefusal> {
    let taken = reply::take(input)?;
    Ok(taken.map(|reply| (reply.code, reply.text, reply.length)))
}

/// The port in a reply to PASV or EPSV.
pub fn passive_port(code: u16, text: &[u8]) -> Option<u16> {
    address::passive(code, text).ok()
}

/// A reply to `FEAT` where TLS is refused.
pub fn without_tls(text: &[u8]) -> Vec<u8> {
    reply::without_tls(text)
}

/// What a session does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It tells the client.
    ToClient(Vec<u8>),
    /// It tells the server.
    ToServer(Vec<u8>),
    /// It connects to the client.
    Dial(SocketAddr),
    /// From here on it reads nothing more.
    Over,
}

/// A session under way.
#[derive(Debug)]
pub struct Talk {
    session: Session,
    client: Vec<u8>,
    server: Vec<u8>,
    data: Data,
    over: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Data {
    None,
    Awaited,
    Met,
    Delivered,
}

impl Talk {
    /// A session with a server that is about to greet.
    pub fn new(tls: FtpTls) -> Talk {
        let parties = Parties {
            client: IpAddr::V4(CLIENT),
            vip: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 100)),
            server: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 21)),
            tls,
        };
        Talk {
            session: Session::new(parties),
            client: Vec::new(),
            server: Vec::new(),
            data: Data::None,
            over: false,
        }
    }

    /// Bytes of the client.
    pub fn client(&mut self, bytes: &[u8]) -> Vec<Said> {
        self.client.extend_from_slice(bytes);
        self.go_on()
    }

    /// Bytes of the server.
    pub fn server(&mut self, bytes: &[u8]) -> Vec<Said> {
        self.server.extend_from_slice(bytes);
        self.go_on()
    }

    /// The next thing that can befall the data connection, or its end.
    pub fn data(&mut self, ends: bool) -> Vec<Said> {
        let (event, next) = match (self.data, ends) {
            (Data::None, _) => return Vec::new(),
            (Data::Awaited, false) => (DataEvent::Met, Data::Met),
            (Data::Awaited, true) => (DataEvent::Failed(FtpRefusal::ServerUnreachable), Data::None),
            (Data::Met, false) => (DataEvent::Delivered, Data::Delivered),
            (Data::Met | Data::Delivered, _) => (DataEvent::Ended, Data::None),
        };
        self.data = next;
        let (mut out, mut said) = (Vec::new(), Vec::new());
        if !self.over {
            self.session.data(event, &mut out);
            self.obey(out, &mut said);
            said.extend(self.go_on());
        }
        said
    }

    fn go_on(&mut self) -> Vec<Said> {
        let mut said = Vec::new();
        while !self.over {
            let mut out = Vec::new();
            if !self.hear_server(&mut out) && !self.hear_client(&mut out) {
                break;
            }
            self.obey(out, &mut said);
        }
        said
    }

    fn hear_server(&mut self, out: &mut Vec<Action>) -> bool {
        match reply::take(&self.server) {
            Ok(None) => return false,
            Ok(Some(reply)) => {
                self.server.drain(..reply.length);
                self.session.server(&reply, out);
            }
            Err(reason) => self.session.end(reason, out),
        }
        true
    }

    fn hear_client(&mut self, out: &mut Vec<Action>) -> bool {
        match self.take_line(out) {
            Ok(taken) => return taken,
            Err(reason) => self.session.end(reason, out),
        }
        true
    }

    fn take_line(&mut self, out: &mut Vec<Action>) -> Result<bool, FtpRefusal> {
        if self.session.demands_silence() && !self.client.is_empty() {
            return Err(FtpRefusal::EarlyBytes);
        }
        let Some(line) = line::take(&self.client)? else {
            return Ok(false);
        };
        let command = command::parse(&line.text)?;
        if !self.session.takes(command) {
            return Ok(false);
        }
        self.client.drain(..line.length);
        self.session.client(command, &line.text, out);
        Ok(true)
    }

    fn obey(&mut self, actions: Vec<Action>, said: &mut Vec<Said>) {
        for action in actions {
            match action {
                Action::ToClient(bytes) => said.push(Said::ToClient(bytes)),
                Action::ToServer(bytes) => said.push(Said::ToServer(bytes)),
                Action::Listen { .. } => {
                    self.data = Data::Awaited;
                    let mut out = Vec::new();
                    self.session.listening(Some(40_000), &mut out);
                    self.obey(out, said);
                }
                Action::Dial { client, .. } => {
                    self.data = Data::Awaited;
                    said.push(Said::Dial(client));
                }
                Action::Drop | Action::Release => self.data = Data::None,
                Action::Settle | Action::Count(_) | Action::ServerLost => {}
                Action::Tunnel | Action::Close => {
                    self.over = true;
                    said.push(Said::Over);
                }
            }
        }
    }
}
