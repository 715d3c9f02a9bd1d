//! A small HTTP/1.1 client, blocking and with a deadline, written apart from what it tests.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use socket2::{Domain, Socket, Type};

/// How long a client waits for a connection and for each piece of an answer.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// An answer as the client saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The header fields, names in lower case.
    pub fields: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a field, by its lower-case name.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(have, _)| have == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as text, without white space around it.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).trim().to_owned()
    }
}

/// A connection that stays open between requests.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects.
    ///
    /// **Errors**: no connection within [`PATIENCE`].
    pub fn open(to: SocketAddr) -> Result<Connection> {
        Connection::open_within(to, PATIENCE)
    }

    /// Connects, and gives each step `limit` only.
    ///
    /// **Errors**: no connection within `limit`.
    pub fn open_within(to: SocketAddr, limit: Duration) -> Result<Connection> {
        let stream = TcpStream::connect_timeout(&to, limit).context("connect")?;
        Connection::over(stream, limit)
    }

    fn over(stream: TcpStream, limit: Duration) -> Result<Connection> {
        stream
            .set_read_timeout(Some(limit))
            .context("limit reads")?;
        stream
            .set_write_timeout(Some(limit))
            .context("limit writes")?;
        stream.set_nodelay(true).context("send at once")?;
        Ok(Connection {
            stream: BufReader::new(stream),
        })
    }

    /// Connects from one of several addresses that this host has.
    ///
    /// **Errors**: no connection within [`PATIENCE`], or no such address.
    pub fn open_from(from: Ipv4Addr, to: SocketAddr) -> Result<Connection> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).context("a socket")?;
        let from = SocketAddr::from((from, 0));
        socket.bind(&from.into()).context("leave from there")?;
        socket
            .connect_timeout(&to.into(), PATIENCE)
            .context("connect")?;
        Connection::over(socket.into(), PATIENCE)
    }

    /// Asks for a path and reads the whole answer.
    ///
    /// **Errors**: the answer is late, cut short or none.
    pub fn get(&mut self, path: &str) -> Result<Answer> {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: farm.test\r\n\r\n").as_bytes())?;
        self.receive()
    }

    /// Sends bytes as they are.
    ///
    /// **Errors**: the other side takes none.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.get_mut().write_all(bytes).context("send")
    }

    /// Reads one answer.
    ///
    /// **Errors**: it is late, cut short or none.
    pub fn receive(&mut self) -> Result<Answer> {
        let (status, fields) = self.receive_head()?;
        let mut answer = Answer {
            status,
            fields,
            body: Vec::new(),
        };
        answer.body = if status == 204 || status == 304 || status < 200 {
            Vec::new()
        } else if answer.field("transfer-encoding") == Some("chunked") {
            self.receive_chunks()?
        } else if let Some(length) = answer.field("content-length") {
            let mut body = vec![0; length.parse().context("Content-Length")?];
            self.stream.read_exact(&mut body).context("body")?;
            body
        } else {
            self.rest()?
        };
        Ok(answer)
    }

    /// Reads a head and leaves its body.
    ///
    /// **Errors**: it is late, cut short or none.
    pub fn receive_head(&mut self) -> Result<(u16, Vec<(String, String)>)> {
        let first = self.line()?;
        let Some(status) = first.split(' ').nth(1).and_then(|code| code.parse().ok()) else {
            bail!("no status line: {first:?}");
        };
        let mut fields = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok((status, fields));
            }
            let (name, value) = line.split_once(':').context("a field has a colon")?;
            fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    /// Reads on until the other side closes.
    ///
    /// **Errors**: it resets, or is silent for too long.
    pub fn rest(&mut self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.stream
            .read_to_end(&mut bytes)
            .context("read to the end")?;
        Ok(bytes)
    }

    /// The connection itself, with what was read ahead, for bodies too large to keep.
    pub fn reader(&mut self) -> &mut (impl Read + use<>) {
        &mut self.stream
    }

    fn receive_chunks(&mut self) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let size = usize::from_str_radix(line.split(';').next().unwrap_or_default(), 16);
            let size = size.with_context(|| format!("chunk size {line:?}"))?;
            let start = body.len();
            body.resize(start + size, 0);
            self.stream
                .read_exact(&mut body[start..])
                .context("chunk")?;
            if size == 0 {
                while !self.line()?.is_empty() {}
                return Ok(body);
            }
            self.line()?;
        }
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        let taken = self.stream.read_line(&mut line).context("read a line")?;
        if taken == 0 {
            bail!("closed before an answer");
        }
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }
}

/// One request on a connection of its own.
///
/// **Errors**: no connection, or the answer is late, cut short or none.
pub fn get(to: SocketAddr, path: &str) -> Result<Answer> {
    Connection::open(to)?.get(path)
}
