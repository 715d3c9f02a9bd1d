//! What a reply of the server leads to.

use super::{Action, Aside, Asked, Data, Session, Wanted};
use crate::ftp::address;
use crate::ftp::refusal::FtpRefusal;
use crate::ftp::reply::{Reply, without_tls};
use crate::plan::FtpTls;

/// "Service not available, closing": may come at any time (RFC 959 section 5.4).
const CLOSING: u16 = 421;
/// "Service closing control connection": the answer to QUIT.
const GOODBYE: u16 = 221;
/// "No transfer in progress": the one answer to a transfer that never began and to its ABOR.
const NO_TRANSFER: u16 = 225;
/// "Proceed with TLS" (RFC 4217 section 4).
const PROCEED: u16 = 234;
/// Of STAT: unknown, not implemented, not now, not logged in.
const STATUS_REFUSED: [u16; 4] = [500, 502, 503, 530];

impl Session {
    /// A reply of the server.
    pub(crate) fn server(&mut self, reply: &Reply, out: &mut Vec<Action>) {
        if reply.code == CLOSING {
            self.closing(reply, out);
            return;
        }
        if self.is_out_of_step() {
            self.end(FtpRefusal::ReplyUnasked, out);
            return;
        }
        if reply.code < 200 && !self.ends_broken_transfer() {
            self.preliminary(reply, out);
            return;
        }
        self.ending |= reply.code == GOODBYE;
        if self.answers_aside(reply.code) {
            self.aside = None;
            self.say(&reply.text, out);
            return;
        }
        match std::mem::replace(&mut self.asked, Asked::Nothing) {
            Asked::Features if self.parties.tls == FtpTls::Refuse => {
                self.say(&without_tls(&reply.text), out);
            }
            Asked::Command | Asked::Features => self.say(&reply.text, out),
            Asked::Auth => {
                self.say(&reply.text, out);
                if reply.code == PROCEED {
                    out.push(Action::Tunnel);
                }
            }
            Asked::Passive(wanted) => self.passive(wanted, reply, out),
            Asked::Transfer { begun } => self.transferred(reply, begun, out),
            Asked::Nothing | Asked::Listening(_) | Asked::Joining(_) => {
                unreachable!("a reply out of step was refused above")
            }
        }
        if self.aside.is_some() && self.asked == Asked::Nothing {
            // The transfer is answered; what was sent beside it is not yet.
            self.aside = None;
            self.asked = Asked::Command;
        }
        if self.ending && self.is_answered() {
            out.push(Action::Close);
        }
    }

    /// The server has closed its control connection.
    pub(crate) fn server_closed(&mut self, out: &mut Vec<Action>) {
        if self.held.is_some() && self.asked == Asked::Nothing {
            // Closed when the client has its data.
            self.ending = true;
            return;
        }
        self.drop_data(out);
        self.send_held(out);
        out.push(Action::ServerLost);
        let word = b"421 The server has closed the connection.\r\n";
        out.push(Action::ToClient(word.to_vec()));
        out.push(Action::Close);
    }

    /// The server's last word.
    fn closing(&mut self, reply: &Reply, out: &mut Vec<Action>) {
        self.say(&reply.text, out);
        if self.held.is_some() {
            // The transfer went well, and what it brought is still on its way to the client.
            self.asked = Asked::Nothing;
            self.aside = None;
            self.ending = true;
            return;
        }
        self.drop_data(out);
        out.push(Action::Close);
    }

    fn is_out_of_step(&self) -> bool {
        match self.asked {
            Asked::Nothing | Asked::Listening(_) | Asked::Joining(_) => true,
            Asked::Command
            | Asked::Features
            | Asked::Auth
            | Asked::Passive(_)
            | Asked::Transfer { .. } => false,
        }
    }

    /// Whether a reply belongs to what was sent beside a transfer and has overtaken its end.
    fn answers_aside(&self, code: u16) -> bool {
        let Asked::Transfer { begun } = self.asked else {
            return false;
        };
        match self.aside {
            // A transfer that has begun does not end with such a refusal.
            Some(Aside::Status) => {
                (211..=213).contains(&code) || begun && STATUS_REFUSED.contains(&code)
            }
            Some(Aside::Quit) => code == GOODBYE,
            Some(Aside::Abort) | None => false,
        }
    }

    /// Whether a 1xx is the last word on a transfer: where its data connection broke, pure-ftpd
    /// says "150" once more, with the time it took, and nothing else.
    fn ends_broken_transfer(&self) -> bool {
        self.asked == (Asked::Transfer { begun: true }) && !self.has_data()
    }

    /// 1xx: more is to come.
    fn preliminary(&mut self, reply: &Reply, out: &mut Vec<Action>) {
        match &mut self.asked {
            // Not the client's question.
            Asked::Passive(_) => return,
            Asked::Transfer { begun } => *begun = true,
            Asked::Nothing
            | Asked::Command
            | Asked::Features
            | Asked::Auth
            | Asked::Listening(_)
            | Asked::Joining(_) => {}
        }
        self.say(&reply.text, out);
    }

    /// The answer to our PASV or EPSV.
    fn passive(&mut self, wanted: Wanted, reply: &Reply, out: &mut Vec<Action>) {
        if reply.code >= 300 {
            // For instance that the client must log in first.
            self.say(&reply.text, out);
            return;
        }
        match (address::passive(reply.code, &reply.text), wanted) {
            (Err(reason), _) => self.refuse(reason, out),
            (Ok(server_port), Wanted::Pasv | Wanted::Epsv) => {
                self.asked = Asked::Listening(wanted);
                out.push(Action::Listen { server_port });
            }
            (Ok(server_port), Wanted::Port(client)) => {
                self.data = Data::Agreed {
                    client,
                    server_port,
                };
                out.push(Action::ToClient(b"200 Command successful.\r\n".to_vec()));
            }
        }
    }

    /// The last reply to a transfer.
    fn transferred(&mut self, reply: &Reply, begun: bool, out: &mut Vec<Action>) {
        if reply.code >= 400 {
            // One that never began leaves the data connection to another try (MLSD, then LIST).
            let unusable = begun || matches!(reply.code, 425 | 426);
            if unusable {
                self.drop_data(out);
            }
            self.say(&reply.text, out);
            return;
        }
        if reply.code == NO_TRANSFER && self.aside == Some(Aside::Abort) {
            self.aside = None;
            self.say(&reply.text, out);
            return;
        }
        match self.data {
            // To the server it seems to be there before it is joined with the client's.
            Data::Awaited => self.held = Some(reply.text.clone()),
            Data::Joined => {
                self.held = Some(reply.text.clone());
                out.push(Action::Settle);
            }
            Data::None | Data::Agreed { .. } | Data::Delivered => {
                self.release(out);
                self.say(&reply.text, out);
            }
        }
    }

    /// Tells the client, after what waits for the data.
    fn say(&mut self, text: &[u8], out: &mut Vec<Action>) {
        match &mut self.held {
            Some(held) => held.extend_from_slice(text),
            None => out.push(Action::ToClient(text.to_vec())),
        }
    }
}
