//! PURE. What a line of the client asks for, as far as a proxy must know.
//!
//! **Source**: RFC 959 section 4.1, RFC 2428, RFC 3659, RFC 2228, RFC 4217.

use super::refusal::FtpRefusal;

/// The longest word that some server knows is `XSHA512`.
const WORD_BYTES_MAX: usize = 8;

/// A command, sorted by what it means to the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command<'a> {
    /// `PASV`.
    Pasv,
    /// `EPSV` and its argument.
    Epsv(&'a [u8]),
    /// `PORT` and its argument.
    Port(&'a [u8]),
    /// `EPRT` and its argument.
    Eprt(&'a [u8]),
    /// Other ways to agree on a data connection, which name addresses that we do not rewrite.
    OtherAddressing,
    /// Moves data over a data connection.
    Transfer,
    /// `ABOR`.
    Abort,
    /// `STAT` without a path: how the transfer is going.
    Status,
    /// `QUIT`.
    Quit,
    /// `AUTH`.
    Auth,
    /// What follows `AUTH`.
    Protection,
    /// `FEAT`.
    Features,
    /// `REIN`: all anew.
    Reinitialize,
    /// Tells the server nothing that needs to be kept secret.
    Harmless,
    /// Anything else: the server's business.
    Other,
}

/// What the line asks for.
///
/// **Errors**: it is of another protocol, or begins with no word; the session must end.
pub(crate) fn parse(line: &[u8]) -> Result<Command<'_>, FtpRefusal> {
    let (word, argument) = match line.iter().position(|byte| *byte == b' ') {
        Some(space) => (&line[..space], &line[space + 1..]),
        None => (line, &line[line.len()..]),
    };
    let upper = word.to_ascii_uppercase();
    if is_foreign(&upper) {
        return Err(FtpRefusal::OtherProtocol);
    }
    let is_word = (1..=WORD_BYTES_MAX).contains(&word.len());
    if !is_word || !word.iter().all(u8::is_ascii_alphanumeric) {
        return Err(FtpRefusal::NotACommand);
    }
    Ok(match upper.as_slice() {
        b"PASV" => Command::Pasv,
        b"EPSV" => Command::Epsv(argument.trim_ascii()),
        b"PORT" => Command::Port(argument.trim_ascii()),
        b"EPRT" => Command::Eprt(argument.trim_ascii()),
        // RFC 1639; pure-ftpd's; and what makes two servers talk to each other (FXP).
        b"LPRT" | b"LPSV" | b"SPSV" | b"CPSV" | b"SSCN" => Command::OtherAddressing,
        b"RETR" | b"STOR" | b"STOU" | b"APPE" | b"LIST" | b"NLST" | b"MLSD" => Command::Transfer,
        b"ABOR" => Command::Abort,
        b"STAT" if argument.trim_ascii().is_empty() => Command::Status,
        b"QUIT" => Command::Quit,
        b"AUTH" => Command::Auth,
        // MIC, CONF and ENC would carry commands that we cannot read.
        b"PBSZ" | b"PROT" | b"CCC" | b"ADAT" | b"MIC" | b"CONF" | b"ENC" => Command::Protection,
        b"FEAT" => Command::Features,
        b"REIN" => Command::Reinitialize,
        b"NOOP" | b"SYST" | b"HELP" | b"OPTS" | b"CLNT" | b"HOST" | b"LANG" => Command::Harmless,
        _ => Command::Other,
    })
}

/// Whether a line of another protocol begins like this: a method, a greeting, a field's name.
fn is_foreign(word: &[u8]) -> bool {
    const WORDS: &[&[u8]] = &[
        b"GET",
        b"HEAD",
        b"POST",
        b"PUT",
        b"DELETE",
        b"PATCH",
        b"OPTIONS",
        b"TRACE",
        b"CONNECT",
        b"PRI",
        b"PROPFIND",
        b"DESCRIBE",
        b"INVITE",
        b"REGISTER",
        b"EHLO",
        b"HELO",
        b"LHLO",
    ];
    WORDS.contains(&word) || word.contains(&b':') || word.starts_with(b"SSH-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_by_their_word() {
        let rows: &[(&str, Result<Command<'_>, FtpRefusal>)] = &[
            ("PASV", Ok(Command::Pasv)),
            ("pasv", Ok(Command::Pasv)),
            ("EPSV", Ok(Command::Epsv(b""))),
            ("EPSV ALL", Ok(Command::Epsv(b"ALL"))),
            ("epsv 2 ", Ok(Command::Epsv(b"2"))),
            ("PORT 1,2,3,4,5,6", Ok(Command::Port(b"1,2,3,4,5,6"))),
            ("EPRT |1|1.2.3.4|5|", Ok(Command::Eprt(b"|1|1.2.3.4|5|"))),
            ("LPRT 4,4,1,2,3,4,2,5,6", Ok(Command::OtherAddressing)),
            ("SPSV", Ok(Command::OtherAddressing)),
            ("CPSV", Ok(Command::OtherAddressing)),
            ("RETR GET", Ok(Command::Transfer)),
            ("stor Host: x", Ok(Command::Transfer)),
            ("LIST", Ok(Command::Transfer)),
            ("MLSD /", Ok(Command::Transfer)),
            ("MLST /", Ok(Command::Other)),
            ("ABOR", Ok(Command::Abort)),
            ("STAT", Ok(Command::Status)),
            ("STAT /", Ok(Command::Other)),
            ("QUIT", Ok(Command::Quit)),
            ("AUTH TLS", Ok(Command::Auth)),
            ("PROT P", Ok(Command::Protection)),
            ("ENC abcd", Ok(Command::Protection)),
            ("FEAT", Ok(Command::Features)),
            ("REIN", Ok(Command::Reinitialize)),
            ("HOST ftp.example.com", Ok(Command::Harmless)),
            ("USER anonymous", Ok(Command::Other)),
            ("MODE Z", Ok(Command::Other)),
            ("XSHA512 file", Ok(Command::Other)),
            ("GET / HTTP/1.1", Err(FtpRefusal::OtherProtocol)),
            ("post / HTTP/1.1", Err(FtpRefusal::OtherProtocol)),
            ("CONNECT h:21 HTTP/1.1", Err(FtpRefusal::OtherProtocol)),
            ("Host: example.com", Err(FtpRefusal::OtherProtocol)),
            ("Content-Length: 5", Err(FtpRefusal::OtherProtocol)),
            ("SSH-2.0-OpenSSH_9.2", Err(FtpRefusal::OtherProtocol)),
            ("EHLO me", Err(FtpRefusal::OtherProtocol)),
            ("", Err(FtpRefusal::NotACommand)),
            (" NOOP", Err(FtpRefusal::NotACommand)),
            ("P@SW", Err(FtpRefusal::NotACommand)),
            ("{\"a\"", Err(FtpRefusal::NotACommand)),
            ("ABCDEFGHI", Err(FtpRefusal::NotACommand)),
        ];
        for (line, wanted) in rows {
            assert_eq!(parse(line.as_bytes()), *wanted, "{line}");
        }
    }
}
