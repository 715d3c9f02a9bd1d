//! What a server of a neighbourhood says: one conversation over TCP, or one datagram of DNS.
//!
//! As little of each protocol as a check or a client needs to find the server well.

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::kind::Kind;
use super::taint;

/// How a server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    /// As it should.
    Well,
    /// Not at all.
    Hung,
    /// That it is unwell.
    Spoiled,
    /// That it is unwell, in words meant to do harm.
    Tainted,
}

/// Holds one conversation.
///
/// **Errors**: the other side went away.
pub(super) async fn talk(kind: Kind, mood: Mood, stream: TcpStream) -> io::Result<()> {
    let well = match mood {
        Mood::Well => true,
        Mood::Spoiled => false,
        Mood::Hung => return listen_only(stream).await,
        Mood::Tainted => return do_harm(kind, stream).await,
    };
    let here = stream.local_addr()?.ip();
    let mut line = BufReader::new(stream);
    match kind {
        Kind::Http => http(&mut line, well).await,
        Kind::Ftp => ftp(&mut line, here, well).await,
        Kind::Smtp => smtp(&mut line, well).await,
        Kind::Dns => dns(&mut line, well).await,
        Kind::Tcp if well => listen_only(line.into_inner()).await,
        Kind::Tcp => Ok(()),
    }
}

type Line = BufReader<TcpStream>;

async fn listen_only(mut stream: TcpStream) -> io::Result<()> {
    let mut heard = [0; 512];
    while stream.read(&mut heard).await? > 0 {}
    Ok(())
}

async fn do_harm(kind: Kind, mut stream: TcpStream) -> io::Result<()> {
    let number = match stream.local_addr()?.ip() {
        IpAddr::V4(ip) => usize::from(ip.octets()[3]),
        IpAddr::V6(_) => 0,
    };
    if kind == Kind::Http {
        // Some of the question, however much, so that the answer is one.
        let _ = stream.read(&mut [0; 512]).await?;
    }
    stream.write_all(&taint::words(kind, number)).await?;
    stream.shutdown().await
}

/// One line without its end; `None`: the other side is gone, or speaks without end.
async fn heard(line: &mut Line) -> io::Result<Option<String>> {
    let mut text = Vec::new();
    let mut limited = line.take(LINE_BYTES_MAX);
    limited.read_until(b'\n', &mut text).await?;
    match text.strip_suffix(b"\n") {
        Some(text) => Ok(Some(String::from_utf8_lossy(text).trim_end().to_owned())),
        None => Ok(None),
    }
}

async fn say(line: &mut Line, text: &str) -> io::Result<()> {
    line.get_mut().write_all(text.as_bytes()).await
}

async fn http(line: &mut Line, well: bool) -> io::Result<()> {
    for _ in 0..LINES_MAX {
        match heard(line).await? {
            None => return Ok(()),
            Some(text) if text.is_empty() => break,
            Some(_) => {}
        }
    }
    let (status, body) = match well {
        true => ("200 OK", "ok\n"),
        false => ("500 Internal Server Error", "out of order\n"),
    };
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n");
    say(line, &format!("{head}\r\n{body}")).await
}

async fn ftp(line: &mut Line, here: IpAddr, well: bool) -> io::Result<()> {
    if !well {
        return say(line, "421 Out of order\r\n").await;
    }
    say(line, "220 A small FTP server\r\n").await?;
    let mut data: Option<TcpListener> = None;
    for _ in 0..LINES_MAX {
        let Some(text) = heard(line).await? else {
            return Ok(());
        };
        let verb = text.split(' ').next().unwrap_or_default();
        match verb.to_ascii_uppercase().as_str() {
            "USER" => say(line, "331 Password, please\r\n").await?,
            "PASS" => say(line, "230 Welcome\r\n").await?,
            "TYPE" | "NOOP" => say(line, "200 Done\r\n").await?,
            "PASV" | "EPSV" => {
                let (listener, reply) = passive(here, verb).await?;
                data = Some(listener);
                say(line, &reply).await?;
            }
            "LIST" | "RETR" => match data.take() {
                None => say(line, "425 Say PASV first\r\n").await?,
                Some(listener) => {
                    say(line, "150 Here it comes\r\n").await?;
                    let (mut stream, _) = listener.accept().await?;
                    stream.write_all(LISTING.as_bytes()).await?;
                    stream.shutdown().await?;
                    say(line, "226 That was all\r\n").await?;
                }
            },
            "QUIT" => return say(line, "221 Good-bye\r\n").await,
            _ => say(line, "502 Not here\r\n").await?,
        }
    }
    Ok(())
}

async fn passive(here: IpAddr, verb: &str) -> io::Result<(TcpListener, String)> {
    let listener = TcpListener::bind((here, 0)).await?;
    let at = listener.local_addr()?;
    let reply = match at {
        SocketAddr::V4(at) if verb.eq_ignore_ascii_case("PASV") => {
            let [a, b, c, d] = at.ip().octets();
            let [high, low] = at.port().to_be_bytes();
            format!("227 Entering Passive Mode ({a},{b},{c},{d},{high},{low})\r\n")
        }
        SocketAddr::V4(_) | SocketAddr::V6(_) => {
            format!("229 Entering Extended Passive Mode (|||{}|)\r\n", at.port())
        }
    };
    Ok((listener, reply))
}

async fn smtp(line: &mut Line, well: bool) -> io::Result<()> {
    if !well {
        return say(line, "554 Out of order\r\n").await;
    }
    say(line, "220 small.test ESMTP\r\n").await?;
    let mut letter = false;
    for _ in 0..LINES_MAX {
        let Some(text) = heard(line).await? else {
            return Ok(());
        };
        if letter {
            if text == "." {
                letter = false;
                say(line, "250 Taken, and forgotten\r\n").await?;
            }
            continue;
        }
        let verb = text.split([' ', ':']).next().unwrap_or_default();
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => say(line, "250-small.test\r\n250 SIZE 1000000\r\n").await?,
            "HELO" | "MAIL" | "RCPT" | "RSET" | "NOOP" => say(line, "250 Fine\r\n").await?,
            "DATA" => {
                letter = true;
                say(line, "354 Go on\r\n").await?;
            }
            "QUIT" => return say(line, "221 Good-bye\r\n").await,
            _ => say(line, "502 Not here\r\n").await?,
        }
    }
    Ok(())
}

/// RFC 1035, 4.2.2: two bytes of length before each message.
async fn dns(line: &mut Line, well: bool) -> io::Result<()> {
    for _ in 0..LINES_MAX {
        let Ok(length) = line.read_u16().await else {
            return Ok(());
        };
        let mut question = vec![0; usize::from(length)];
        line.read_exact(&mut question).await?;
        let Some(answer) = resolve(&question, well) else {
            return Ok(());
        };
        let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
        line.get_mut().write_u16(length).await?;
        line.get_mut().write_all(&answer).await?;
    }
    Ok(())
}

/// PURE. The answer to a DNS question; `None` where it is none.
///
/// **Source**: RFC 1035, 4.1.
pub(super) fn resolve(question: &[u8], well: bool) -> Option<Vec<u8>> {
    let head = question.get(..12)?;
    let is_query = head[2] & 0xF8 == 0;
    if !is_query || head[4..6] != [0, 1] {
        return None;
    }
    let mut at = 12;
    loop {
        let length = usize::from(*question.get(at)?);
        at += 1 + length;
        match length {
            0 => break,
            1..=63 => {}
            _ => return None,
        }
    }
    let kind = question.get(at..at + 4)?;
    let answers = u8::from(well && kind == [0, 1, 0, 1]);
    // An answer with authority, that recursion is offered; 2 is SERVFAIL.
    let code = if well { 0x80 } else { 0x82 };
    let mut answer = vec![
        head[0],
        head[1],
        0x84 | (head[2] & 1),
        code,
        0,
        1,
        0,
        answers,
    ];
    answer.extend([0; 4]);
    answer.extend(&question[12..at + 4]);
    if answers == 1 {
        // The name again by reference, A, IN, 60 s, four bytes: 192.0.2.7 (RFC 5737).
        answer.extend([0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7]);
    }
    Some(answer)
}

/// Nothing that our clients say is longer.
const LINE_BYTES_MAX: u64 = 4_096;

/// An end to every conversation.
const LINES_MAX: usize = 10_000;

const LISTING: &str = "-rw-r--r-- 1 lab lab 3 Jan  1 2026 readme\r\n";

#[cfg(test)]
mod tests {
    use super::resolve;

    /// `www.lab.`, A, IN.
    fn question() -> Vec<u8> {
        let mut question = vec![0xAB, 0xCD, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        question.extend(b"\x03www\x03lab\x00\x00\x01\x00\x01");
        question
    }

    #[test]
    fn names_are_resolved() {
        let answer = resolve(&question(), true).expect("a question");
        assert_eq!(answer[..2], [0xAB, 0xCD]);
        assert_eq!(answer[2..4], [0x85, 0x80], "answer, authority, RD and RA");
        assert!(answer.ends_with(&[192, 0, 2, 7]));
        let failed = resolve(&question(), false).expect("a question");
        assert_eq!((failed[3] & 15, failed.len()), (2, question().len()));
        let mut other = question();
        let kind = other.len() - 3;
        other[kind] = 28;
        let nothing = resolve(&other, true).expect("a question");
        assert_eq!((nothing[3] & 15, nothing.len()), (0, other.len()));
    }

    #[test]
    fn what_is_no_question_has_no_answer() {
        let good = question();
        for length in 0..good.len() {
            assert_eq!(resolve(&good[..length], true), None, "{length} bytes");
        }
        let mut answer = good.clone();
        answer[2] = 0x81;
        assert_eq!(resolve(&answer, true), None);
        let mut loops = good;
        loops[12] = 0xC0;
        assert_eq!(resolve(&loops, true), None);
    }
}
