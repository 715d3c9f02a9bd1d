//! PURE. Every reason for which the FTP proxy refuses a line, an address, a connection or a reply.
//!
//! Each is counted by its name. Who is there to be told gets its reply code and a sentence.

use crate::http::refusal::reasons;

reasons! {
    /// Why something in an FTP session is refused; its status is the code of the reply.
    ///
    /// **Source**: RFC 959 sections 4.2 and 5.3, RFC 2428, RFC 2577, RFC 4217 section 4.
    FtpRefusal {
        /// More than 4 KiB without an end of line; ends the session.
        LineTooLong = "line-too-long", 500;
        /// A line feed that no carriage return precedes; ends the session.
        BareLf = "bare-lf", 500;
        /// A control byte in a line, a bare carriage return too; ends the session.
        Control = "control", 500;
        /// A Telnet sequence that is none, or a subnegotiation; ends the session.
        Telnet = "telnet", 500;
        /// The first word of another protocol, such as `GET` or `Host:`; ends the session.
        OtherProtocol = "other-protocol", 500;
        /// No word of letters and digits at the beginning of a line; ends the session.
        NotACommand = "not-a-command", 500;
        /// An argument of PORT, EPRT or EPSV that says no address.
        AddressSyntax = "address-syntax", 501;
        /// A data connection to somebody other than the client.
        ThirdAddress = "third-address", 504;
        /// A data port below 1024.
        LowPort = "low-port", 504;
        /// An address of another family than the session's.
        AddressFamily = "address-family", 522;
        /// PASV, PORT or EPRT after `EPSV ALL`.
        AfterEpsvAll = "after-epsv-all", 503;
        /// A way to agree on data connections that cannot be relayed, such as LPRT.
        OtherAddressing = "other-addressing", 502;
        /// A transfer without an address agreed on before.
        NoDataAddress = "no-data-address", 425;
        /// `AUTH` where TLS is not passed through.
        TlsRefused = "tls-refused", 534;
        /// Commands of RFC 2228 outside of TLS.
        Protection = "protection", 503;
        /// A command that needs TLS here, sent before it.
        PlainBeforeTls = "plain-before-tls", 530;
        /// Bytes that came after `AUTH` and before its answer; ends the session.
        EarlyBytes = "early-bytes", 421;
        /// A data connection from somebody other than the client.
        Stranger = "stranger", 425;
        /// A data connection after too many of the same client that came to nothing.
        DataBarred = "data-barred", 425;
        /// Nobody came to a data port in time.
        DataPortUnused = "data-port-unused", 425;
        /// No port of the range could be listened on.
        NoFreePort = "no-free-port", 425;
        /// Port 20 of the VIP cannot be bound: this process may not.
        PortTwenty = "port-20", 425;
        /// The client cannot be connected to.
        ClientUnreachable = "client-unreachable", 425;
        /// The server's data port cannot be connected to.
        ServerUnreachable = "server-unreachable", 425;
        /// The server's answer to PASV or EPSV names no port, or one below 1024.
        PassiveReply = "passive-reply", 425;
        /// A reply longer than 64 KiB; ends the session.
        ReplyTooLong = "reply-too-long", 421;
        /// A reply that is none; ends the session.
        ReplyInvalid = "reply-invalid", 421;
        /// A reply that nothing was asked for; ends the session.
        ReplyUnasked = "reply-unasked", 421;
        /// Neither a line nor data for too long; ends the session.
        Idle = "idle", 421;
        /// The session's server or address is being taken away; ends an idle session.
        SentAway = "sent-away", 421;
    }
}

impl FtpRefusal {
    /// The reply that says so, with its end of line.
    pub(crate) fn reply(self) -> Vec<u8> {
        format!("{} {}\r\n", self.status(), self.sentence()).into_bytes()
    }

    const fn sentence(self) -> &'static str {
        match self {
            Self::LineTooLong => "Line too long.",
            Self::BareLf => "Lines end in CR LF.",
            Self::Control => "Control characters are not allowed.",
            Self::Telnet => "Telnet options are not supported.",
            Self::OtherProtocol => "This is an FTP server.",
            Self::NotACommand => "Not a command.",
            Self::AddressSyntax => "Syntax error in the address.",
            Self::ThirdAddress => "Data connections go to your own address only.",
            Self::LowPort => "Data ports below 1024 are not used.",
            Self::AddressFamily => "Network protocol not supported here.",
            Self::AfterEpsvAll => "Only EPSV is allowed after EPSV ALL.",
            Self::OtherAddressing => "Use PASV, EPSV, PORT or EPRT.",
            Self::NoDataAddress => "Use PASV, EPSV, PORT or EPRT first.",
            Self::TlsRefused => "TLS is not offered here.",
            Self::Protection => "There is no TLS session to protect.",
            Self::PlainBeforeTls => "Use AUTH TLS first.",
            Self::EarlyBytes => "Nothing may follow AUTH before its answer.",
            Self::Stranger => "Data connection from another address.",
            Self::DataBarred => "Too many data connections came to nothing.",
            Self::DataPortUnused => "The data port was not used in time.",
            Self::NoFreePort => "No free data port.",
            Self::PortTwenty => "Cannot send from port 20 for want of privilege; use PASV.",
            Self::ClientUnreachable => "Cannot open the data connection to you.",
            Self::ServerUnreachable => "Cannot open the data connection to the server.",
            Self::PassiveReply => "The server opened no usable data port.",
            Self::ReplyTooLong => "The server's reply is too long.",
            Self::ReplyInvalid => "The server's reply is none.",
            Self::ReplyUnasked => "The server's replies are out of step.",
            Self::Idle => "Idle for too long.",
            Self::SentAway => "This server is being taken out of service; connect again.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_replies_are_single_lines() {
        let names: BTreeSet<_> = FtpRefusal::ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!(names.len(), FtpRefusal::ALL.len());
        for (place, reason) in FtpRefusal::ALL.iter().enumerate() {
            assert_eq!(reason.index(), place);
            let reply = reason.reply();
            let parsed = crate::ftp::reply::take(&reply).map(|reply| reply.map(|one| one.code));
            assert_eq!(parsed, Ok(Some(reason.status())));
        }
    }
}
