//! What a line of the client leads to.

use super::{Action, Aside, Asked, Data, Session, Wanted};
use crate::ftp::address;
use crate::ftp::command::Command;
use crate::ftp::refusal::FtpRefusal;
use crate::plan::FtpTls;

impl Session {
    /// Whether this command can be taken now; otherwise it waits.
    pub(crate) fn takes(&self, command: Command<'_>) -> bool {
        let beside = aside(command);
        match self.asked {
            Asked::Nothing => self.held.is_none() || beside == Some(Aside::Abort),
            Asked::Transfer { .. } => self.aside.is_none() && beside.is_some(),
            Asked::Command
            | Asked::Features
            | Asked::Auth
            | Asked::Passive(_)
            | Asked::Listening(_)
            | Asked::Joining(_) => false,
        }
    }

    /// Whether the client must be silent: what it sends now could be slipped into its TLS session.
    pub(crate) fn demands_silence(&self) -> bool {
        self.asked == Asked::Auth
    }

    /// A line of the client, which [`Session::takes`].
    pub(crate) fn client(&mut self, command: Command<'_>, line: &[u8], out: &mut Vec<Action>) {
        assert!(self.takes(command), "the line should have waited");
        if self.parties.tls == FtpTls::Pass && !goes_before_tls(command) {
            self.refuse(FtpRefusal::PlainBeforeTls, out);
            return;
        }
        match command {
            Command::Pasv => self.address(Ok(Wanted::Pasv), out),
            Command::Epsv(argument) => self.epsv(argument, out),
            Command::Port(argument) => {
                let named = address::port(argument);
                self.address(named.map(Wanted::Port), out);
            }
            Command::Eprt(argument) => {
                let named = address::eprt(argument);
                self.address(named.map(Wanted::Port), out);
            }
            Command::OtherAddressing => self.refuse(FtpRefusal::OtherAddressing, out),
            Command::Transfer => self.transfer(line, out),
            Command::Abort | Command::Status | Command::Quit => self.beside(command, line, out),
            Command::Auth if self.parties.tls == FtpTls::Refuse => {
                self.refuse(FtpRefusal::TlsRefused, out);
            }
            Command::Auth => self.pass(line, Asked::Auth, out),
            Command::Protection => self.refuse(FtpRefusal::Protection, out),
            Command::Features => self.pass(line, Asked::Features, out),
            Command::Reinitialize => {
                self.epsv_all = false;
                self.drop_data(out);
                self.pass(line, Asked::Command, out);
            }
            Command::Harmless | Command::Other => self.pass(line, Asked::Command, out),
        }
    }

    fn pass(&mut self, line: &[u8], asked: Asked, out: &mut Vec<Action>) {
        out.push(Action::ToServer([line, b"\r\n"].concat()));
        self.asked = asked;
    }

    /// `EPSV`, `EPSV 1`, `EPSV 2` or `EPSV ALL` (RFC 2428 sections 3 and 4).
    fn epsv(&mut self, argument: &[u8], out: &mut Vec<Action>) {
        let own: &[u8] = match self.parties.vip.is_ipv4() {
            true => b"1",
            false => b"2",
        };
        if argument.eq_ignore_ascii_case(b"ALL") {
            self.epsv_all = true;
            // The server hears nothing of it: it may be asked by PASV.
            out.push(Action::ToClient(b"200 EPSV ALL ok.\r\n".to_vec()));
        } else if argument.is_empty() || argument == own {
            self.address(Ok(Wanted::Epsv), out);
        } else if argument == b"1" || argument == b"2" {
            self.refuse(FtpRefusal::AddressFamily, out);
        } else {
            self.refuse(FtpRefusal::AddressSyntax, out);
        }
    }

    /// The client wants a data connection; the server is asked for its port.
    fn address(&mut self, wanted: Result<Wanted, FtpRefusal>, out: &mut Vec<Action>) {
        match wanted.and_then(|wanted| self.allowed(wanted)) {
            Ok(wanted) => {
                // One address at a time: from here on the one before is void.
                self.drop_data(out);
                let line: &[u8] = match self.parties.server.is_ipv4() {
                    true => b"PASV",
                    false => b"EPSV",
                };
                self.pass(line, Asked::Passive(wanted), out);
            }
            Err(reason) => self.refuse(reason, out),
        }
    }

    fn allowed(&self, wanted: Wanted) -> Result<Wanted, FtpRefusal> {
        match wanted {
            Wanted::Epsv => Ok(wanted),
            Wanted::Pasv | Wanted::Port(_) if self.epsv_all => Err(FtpRefusal::AfterEpsvAll),
            // A 227 has no room for an IPv6 address.
            Wanted::Pasv if self.parties.vip.is_ipv6() => Err(FtpRefusal::AddressFamily),
            Wanted::Pasv => Ok(wanted),
            Wanted::Port(address) => {
                address::only_to(address, self.parties.client).map(Wanted::Port)
            }
        }
    }

    fn transfer(&mut self, line: &[u8], out: &mut Vec<Action>) {
        match self.data {
            // A server would fall back to an address that is not the client's here.
            Data::None => self.refuse(FtpRefusal::NoDataAddress, out),
            Data::Agreed {
                client,
                server_port,
            } => {
                self.data = Data::Awaited;
                self.asked = Asked::Joining(line.to_vec());
                out.push(Action::Dial {
                    client,
                    server_port,
                });
            }
            Data::Awaited | Data::Joined | Data::Delivered => {
                self.pass(line, Asked::Transfer { begun: false }, out);
            }
        }
    }

    /// ABOR, STAT or QUIT, whether or not a transfer is under way.
    fn beside(&mut self, command: Command<'_>, line: &[u8], out: &mut Vec<Action>) {
        match self.asked {
            Asked::Transfer { .. } => {
                self.aside = aside(command);
                out.push(Action::ToServer([line, b"\r\n"].concat()));
                if self.aside == Some(Aside::Abort) {
                    // Servers that hear nothing during a transfer notice this.
                    self.drop_data(out);
                }
            }
            Asked::Nothing
            | Asked::Command
            | Asked::Features
            | Asked::Auth
            | Asked::Passive(_)
            | Asked::Listening(_)
            | Asked::Joining(_) => {
                if self.held.is_some() {
                    // For the server the transfer is over; the client wants no more of it.
                    self.drop_data(out);
                    self.send_held(out);
                }
                self.pass(line, Asked::Command, out);
            }
        }
    }
}

/// What may be sent beside a transfer.
fn aside(command: Command<'_>) -> Option<Aside> {
    match command {
        Command::Abort => Some(Aside::Abort),
        Command::Status => Some(Aside::Status),
        Command::Quit => Some(Aside::Quit),
        Command::Pasv
        | Command::Epsv(_)
        | Command::Port(_)
        | Command::Eprt(_)
        | Command::OtherAddressing
        | Command::Transfer
        | Command::Auth
        | Command::Protection
        | Command::Features
        | Command::Reinitialize
        | Command::Harmless
        | Command::Other => None,
    }
}

/// Where TLS is passed through, only this may be said without it: no name, no password, no data.
fn goes_before_tls(command: Command<'_>) -> bool {
    match command {
        Command::Auth | Command::Features | Command::Quit | Command::Harmless => true,
        Command::Pasv
        | Command::Epsv(_)
        | Command::Port(_)
        | Command::Eprt(_)
        | Command::OtherAddressing
        | Command::Transfer
        | Command::Abort
        | Command::Status
        | Command::Protection
        | Command::Reinitialize
        | Command::Other => false,
    }
}
