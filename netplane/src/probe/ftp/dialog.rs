//! PURE. The dialogue of an FTP probe: what is said next, given what was answered.
//!
//! | step     | what we say         | goes on with      | the reply that fits           |
//! |----------|---------------------|-------------------|-------------------------------|
//! | greeting | -                   | user              | 220; 120 is waited out        |
//! | user     | `USER`              | password, or type | 331; 230 and 232 need none    |
//! | password | `PASS`              | type              | 230, 232, 202                 |
//! | type     | `TYPE I`            | passive           | any 2xx                       |
//! | passive  | `PASV` or `EPSV`    | transfer          | 227 or 229 with a port        |
//! | transfer | `LIST` or `RETR`    | end               | any 1xx; 2xx is the end       |
//! | end      | -                   | -                 | any 2xx                       |
//!
//! **Source**: RFC 959, 5.4 (which reply may follow which command); RFC 2428, 3 (`EPSV`).

use std::fmt;

use crate::ftp::address::passive;
use crate::ftp::reply::Reply;

/// Where in the dialogue a probe stands: which reply it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FtpStep {
    /// The server speaks first.
    Greeting,
    /// `USER`.
    User,
    /// `PASS`.
    Password,
    /// `TYPE I`.
    Type,
    /// `PASV`.
    Passive,
    /// `EPSV`, for IPv6.
    ExtendedPassive,
    /// `LIST`.
    List,
    /// `RETR`.
    Retrieve,
    /// The transfer ends.
    End,
}

/// What an FTP server did that it should not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FtpFailure {
    /// A reply that says no, or one that has no place there.
    #[error("{}", refusal(*step, *code))]
    Refused {
        /// What it was the reply to.
        step: FtpStep,
        /// The code.
        code: u16,
    },
    /// Logging in takes an account (332) beside the password.
    #[error("login wants an account (332)")]
    AccountWanted,
    /// The reply to `PASV` or `EPSV` names no port, or one below 1024.
    #[error("no data port in the reply to {0}")]
    NoDataPort(FtpStep),
    /// What came is no FTP.
    #[error("the answer is not FTP")]
    NotFtp,
    /// A line or a reply beyond all measure.
    #[error("reply without end")]
    ReplyTooLong,
}

/// What to do after a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Wait for another reply to the same.
    Wait,
    /// Say what belongs to this step.
    Go(FtpStep),
    /// Open the data connection at this port, then say what belongs to the transfer.
    Open(u16),
    /// Read the data; the reply that ends it is still to come.
    Transfer,
    /// Read the data; all replies have come.
    Done,
}

/// Judges a reply.
///
/// **Errors**: the server is not well.
pub(super) fn next(step: FtpStep, ipv4: bool, reply: &Reply) -> Result<Next, FtpFailure> {
    let code = reply.code;
    let command = match ipv4 {
        true => FtpStep::Passive,
        false => FtpStep::ExtendedPassive,
    };
    let refused = Err(FtpFailure::Refused { step, code });
    let open = || {
        let port = passive(code, &reply.text);
        port.map(Next::Open)
            .map_err(|_| FtpFailure::NoDataPort(step))
    };
    match (step, code) {
        (FtpStep::Greeting, 120) => Ok(Next::Wait),
        (FtpStep::Greeting, 220) => Ok(Next::Go(FtpStep::User)),
        (FtpStep::User, 331) => Ok(Next::Go(FtpStep::Password)),
        (FtpStep::User | FtpStep::Password, 230 | 232) | (FtpStep::Password, 202) => {
            Ok(Next::Go(FtpStep::Type))
        }
        (FtpStep::User | FtpStep::Password, 332) => Err(FtpFailure::AccountWanted),
        (FtpStep::Type, 200..=299) => Ok(Next::Go(command)),
        (FtpStep::Passive, 227) | (FtpStep::ExtendedPassive, 229) => open(),
        (FtpStep::List | FtpStep::Retrieve, 100..=199) => Ok(Next::Transfer),
        (FtpStep::List | FtpStep::Retrieve | FtpStep::End, 200..=299) => Ok(Next::Done),
        (
            FtpStep::Greeting
            | FtpStep::User
            | FtpStep::Password
            | FtpStep::Type
            | FtpStep::Passive
            | FtpStep::ExtendedPassive
            | FtpStep::List
            | FtpStep::Retrieve
            | FtpStep::End,
            _,
        ) => refused,
    }
}

fn refusal(step: FtpStep, code: u16) -> String {
    match step {
        FtpStep::Greeting => format!("greeting {code}"),
        FtpStep::User | FtpStep::Password => format!("login refused ({code})"),
        FtpStep::Type
        | FtpStep::Passive
        | FtpStep::ExtendedPassive
        | FtpStep::List
        | FtpStep::Retrieve => format!("{step} refused ({code})"),
        FtpStep::End => format!("transfer failed ({code})"),
    }
}

impl fmt::Display for FtpStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FtpStep::Greeting => "the greeting",
            FtpStep::User => "USER",
            FtpStep::Password => "PASS",
            FtpStep::Type => "TYPE",
            FtpStep::Passive => "PASV",
            FtpStep::ExtendedPassive => "EPSV",
            FtpStep::List => "LIST",
            FtpStep::Retrieve => "RETR",
            FtpStep::End => "the end of the transfer",
        })
    }
}

impl FtpStep {
    /// What a probe in this step waits for, in words.
    pub(crate) fn awaited(self) -> String {
        match self {
            FtpStep::Greeting | FtpStep::End => format!("waiting for {self}"),
            FtpStep::User
            | FtpStep::Password
            | FtpStep::Type
            | FtpStep::Passive
            | FtpStep::ExtendedPassive
            | FtpStep::List
            | FtpStep::Retrieve => format!("waiting for the reply to {self}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::FtpStep::*;
    use super::*;

    fn reply(code: u16, text: &str) -> Reply {
        let text = format!("{code} {text}\r\n").into_bytes();
        let length = text.len();
        Reply { code, text, length }
    }

    fn judged(step: FtpStep, code: u16, text: &str) -> Result<Next, String> {
        let reply = reply(code, text);
        next(step, step != ExtendedPassive, &reply).map_err(|failure| failure.to_string())
    }

    /// Every step, with every kind of reply.
    #[test]
    fn every_step_and_reply() {
        type Row = (FtpStep, u16, Result<Next, &'static str>);
        let rows: &[Row] = &[
            (Greeting, 120, Ok(Next::Wait)),
            (Greeting, 220, Ok(Next::Go(User))),
            (Greeting, 230, Err("greeting 230")),
            (Greeting, 331, Err("greeting 331")),
            (Greeting, 421, Err("greeting 421")),
            (Greeting, 500, Err("greeting 500")),
            (User, 120, Err("login refused (120)")),
            (User, 202, Err("login refused (202)")),
            (User, 230, Ok(Next::Go(Type))),
            (User, 232, Ok(Next::Go(Type))),
            (User, 331, Ok(Next::Go(Password))),
            (User, 332, Err("login wants an account (332)")),
            (User, 421, Err("login refused (421)")),
            (User, 530, Err("login refused (530)")),
            (Password, 150, Err("login refused (150)")),
            (Password, 202, Ok(Next::Go(Type))),
            (Password, 230, Ok(Next::Go(Type))),
            (Password, 232, Ok(Next::Go(Type))),
            (Password, 331, Err("login refused (331)")),
            (Password, 332, Err("login wants an account (332)")),
            (Password, 421, Err("login refused (421)")),
            (Password, 530, Err("login refused (530)")),
            (Type, 150, Err("TYPE refused (150)")),
            (Type, 200, Ok(Next::Go(Passive))),
            (Type, 331, Err("TYPE refused (331)")),
            (Type, 421, Err("TYPE refused (421)")),
            (Type, 504, Err("TYPE refused (504)")),
            (Passive, 150, Err("PASV refused (150)")),
            (Passive, 227, Err("no data port in the reply to PASV")),
            (Passive, 229, Err("PASV refused (229)")),
            (Passive, 425, Err("PASV refused (425)")),
            (Passive, 502, Err("PASV refused (502)")),
            (ExtendedPassive, 227, Err("EPSV refused (227)")),
            (
                ExtendedPassive,
                229,
                Err("no data port in the reply to EPSV"),
            ),
            (ExtendedPassive, 522, Err("EPSV refused (522)")),
            (List, 125, Ok(Next::Transfer)),
            (List, 150, Ok(Next::Transfer)),
            (List, 226, Ok(Next::Done)),
            (List, 350, Err("LIST refused (350)")),
            (List, 425, Err("LIST refused (425)")),
            (List, 550, Err("LIST refused (550)")),
            (Retrieve, 150, Ok(Next::Transfer)),
            (Retrieve, 226, Ok(Next::Done)),
            (Retrieve, 331, Err("RETR refused (331)")),
            (Retrieve, 450, Err("RETR refused (450)")),
            (Retrieve, 550, Err("RETR refused (550)")),
            (End, 150, Err("transfer failed (150)")),
            (End, 226, Ok(Next::Done)),
            (End, 250, Ok(Next::Done)),
            (End, 331, Err("transfer failed (331)")),
            (End, 426, Err("transfer failed (426)")),
            (End, 551, Err("transfer failed (551)")),
        ];
        for (step, code, wanted) in rows {
            let wanted = wanted.map_err(str::to_owned);
            assert_eq!(
                judged(*step, *code, "no numbers"),
                wanted,
                "{step:?} {code}"
            );
        }
    }

    #[test]
    fn passive_replies_open_their_port() {
        assert_eq!(
            judged(Passive, 227, "(9,9,9,9,156,64)"),
            Ok(Next::Open(40_000))
        );
        assert_eq!(
            judged(ExtendedPassive, 229, "(|||40000|)"),
            Ok(Next::Open(40_000))
        );
    }

    /// Over IPv6 there is no `PASV`.
    #[test]
    fn the_family_decides_what_is_asked() {
        let fine = reply(200, "fine");
        assert_eq!(next(Type, true, &fine), Ok(Next::Go(Passive)));
        assert_eq!(next(Type, false, &fine), Ok(Next::Go(ExtendedPassive)));
    }
}
