//! PURE. A request head: parsed by httparse, then held to what a proxy may pass on.

use std::mem::MaybeUninit;

use super::fields::{Known, is_token, members, trim};
use super::framing::{Declared, Framing};
use super::head::{FIELDS_MAX, METHOD_BYTES_MAX};
use super::refusal::Refusal;
use super::target::{self, Target};

/// Room for the fields of one head, on the caller's stack.
pub type FieldRoom<'b> = [MaybeUninit<httparse::Header<'b>>; FIELDS_MAX];

/// Empty room for fields; costs nothing, as nothing is written.
pub const fn field_room<'b>() -> FieldRoom<'b> {
    [const { MaybeUninit::uninit() }; FIELDS_MAX]
}

/// A parsed request head.
#[derive(Debug)]
pub struct Request<'h, 'b> {
    /// The method.
    pub method: &'b str,
    /// Where it goes.
    pub target: Target<'b>,
    /// The fields in their order, all of them.
    pub fields: &'h [httparse::Header<'b>],
    /// The host to name to the server; `None` only in HTTP/1.0.
    pub host: Option<&'b [u8]>,
    /// The protocol asked for, where the request may become a tunnel.
    pub upgrade: Option<&'b [u8]>,
    /// Whether any `Connection` nominates fields to be dropped.
    pub nominates: bool,
    /// What the engine must know after the head is gone.
    pub facts: Facts,
}

/// What is kept of a request once it was written on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// HTTP/1.0: served and closed.
    pub http10: bool,
    /// The answer has no body.
    pub head: bool,
    /// Asking twice does what asking once does.
    pub idempotent: bool,
    /// The body of the request.
    pub body: Framing,
    /// The client wants the connection closed after the answer.
    pub close: bool,
    /// The client waits for a `100` before it sends the body.
    pub expects_continue: bool,
    /// It asked for a tunnel.
    pub upgrade: bool,
    /// It takes trailers.
    pub trailers: bool,
}

impl Facts {
    /// Whether it can be sent again to a server that closed without having answered.
    pub fn is_repeatable(&self) -> bool {
        self.idempotent && self.has_no_body()
    }

    /// Whether the request has no body at all.
    pub fn has_no_body(&self) -> bool {
        matches!(self.body, Framing::None | Framing::Length(0))
    }
}

/// Parses a whole head, as [`super::head::find_end`] delimits it.
///
/// **Errors**: the reason to refuse the client; nothing of it may be sent on.
pub fn parse<'h, 'b>(
    head: &'b [u8],
    room: &'h mut FieldRoom<'b>,
) -> Result<Request<'h, 'b>, Refusal> {
    let mut parsed = httparse::Request::new(&mut []);
    match parsed.parse_with_uninit_headers(head, room) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        Ok(_) => return Err(diagnose(head)),
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal::FieldsTooMany),
        Err(_) => return Err(diagnose(head)),
    }
    let (Some(method), Some(path), Some(minor)) = (parsed.method, parsed.path, parsed.version)
    else {
        return Err(Refusal::RequestLine);
    };
    if method.len() > METHOD_BYTES_MAX {
        return Err(Refusal::Method);
    }
    if method == "CONNECT" {
        return Err(Refusal::Connect);
    }
    let http10 = minor == 0;
    let target = target::parse(method, path)?;
    let fields: &'h [httparse::Header<'b>] = parsed.headers;
    let mut reading = Reading::default();
    for field in fields {
        reading.take(field)?;
    }
    let host = host(reading.host, target.authority, http10)?;
    let body = reading.declared.framing(http10)?.unwrap_or(Framing::None);
    if method == "TRACE" && body != Framing::None {
        return Err(Refusal::TraceWithBody);
    }
    let upgrade = reading
        .tunnel()
        .filter(|_| !http10 && body == Framing::None);
    let facts = Facts {
        http10,
        head: method == "HEAD",
        idempotent: matches!(
            method,
            "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE"
        ),
        body,
        close: reading.close || http10,
        expects_continue: reading.expects_continue && !http10 && body != Framing::None,
        upgrade: upgrade.is_some(),
        trailers: reading.trailers,
    };
    Ok(Request {
        method,
        target,
        fields,
        host,
        upgrade,
        nominates: reading.nominates,
        facts,
    })
}

/// What the fields say, gathered one by one.
#[derive(Default)]
struct Reading<'b> {
    declared: Declared,
    host: Option<&'b [u8]>,
    upgrade: Option<&'b [u8]>,
    connection_upgrade: bool,
    close: bool,
    nominates: bool,
    expects_continue: bool,
    trailers: bool,
}

impl<'b> Reading<'b> {
    fn take(&mut self, field: &httparse::Header<'b>) -> Result<(), Refusal> {
        match Known::of(field.name) {
            Known::Host => {
                if self.host.replace(trim(field.value)).is_some() {
                    return Err(Refusal::HostRepeated);
                }
            }
            Known::ContentLength => self.declared.length(field.value)?,
            Known::TransferEncoding => self.declared.coding(field.value)?,
            Known::Connection => {
                for member in members(field.value) {
                    if member.eq_ignore_ascii_case(b"close") {
                        self.close = true;
                    } else if member.eq_ignore_ascii_case(b"upgrade") {
                        self.connection_upgrade = true;
                    } else if !member.eq_ignore_ascii_case(b"keep-alive") {
                        self.nominates = true;
                    }
                }
            }
            Known::Upgrade => self.upgrade = Some(trim(field.value)),
            Known::Te => {
                let trailers = |member: &[u8]| member.eq_ignore_ascii_case(b"trailers");
                self.trailers |= members(field.value).any(trailers);
            }
            Known::Expect => {
                if !trim(field.value).eq_ignore_ascii_case(b"100-continue") {
                    return Err(Refusal::Expect);
                }
                self.expects_continue = true;
            }
            Known::Legacy | Known::Forwarded | Known::Other => {}
        }
        Ok(())
    }

    /// The one protocol that a tunnel may be asked for. Never HTTP/2 or TLS: what is said through
    /// them would pass by every check in here; such a request is served as HTTP/1.1.
    fn tunnel(&self) -> Option<&'b [u8]> {
        let protocol = self.upgrade.filter(|_| self.connection_upgrade)?;
        let name = protocol
            .split(|byte| *byte == b'/')
            .next()
            .unwrap_or_default();
        let barred = [&b"h2c"[..], b"h2", b"http", b"tls"];
        let barred = barred
            .iter()
            .any(|barred| name.eq_ignore_ascii_case(barred));
        let plain = protocol.split(|byte| *byte == b'/').all(is_token);
        (plain && !barred).then_some(protocol)
    }
}

/// The host to be named to the server.
fn host<'b>(
    field: Option<&'b [u8]>,
    authority: Option<&'b str>,
    http10: bool,
) -> Result<Option<&'b [u8]>, Refusal> {
    match (field, authority) {
        (None, _) if !http10 => Err(Refusal::HostMissing),
        (None, authority) => Ok(authority.map(str::as_bytes)),
        (Some(host), _) if !target::is_host(host) => Err(Refusal::HostInvalid),
        (Some(host), Some(authority)) if !host.eq_ignore_ascii_case(authority.as_bytes()) => {
            Err(Refusal::HostDiffers)
        }
        (Some(host), _) => Ok(Some(host)),
    }
}

/// Finds the name for what httparse refused; the lines are known to end in CR LF.
fn diagnose(head: &[u8]) -> Refusal {
    let mut lines = head.split(|byte| *byte == b'\n');
    let mut lines = lines
        .by_ref()
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let first = diagnose_line(lines.next().unwrap_or_default());
    first
        .or_else(|| lines.find_map(diagnose_field))
        .unwrap_or(Refusal::RequestLine)
}

fn diagnose_line(line: &[u8]) -> Option<Refusal> {
    if line == b"PRI * HTTP/2.0" {
        return Some(Refusal::Http2Preface);
    }
    let words: Vec<_> = line.splitn(4, |byte| *byte == b' ').collect();
    match words[..] {
        [method, ..] if !is_token(method) => Some(Refusal::Method),
        [_, target] if target.starts_with(b"/") => Some(Refusal::Http09),
        [_, target, version] => match version {
            b"HTTP/1.0" | b"HTTP/1.1" if target.is_empty() => Some(Refusal::RequestLine),
            b"HTTP/1.0" | b"HTTP/1.1" if target.iter().all(u8::is_ascii_graphic) => None,
            b"HTTP/1.0" | b"HTTP/1.1" => Some(Refusal::Target),
            [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
                if major.is_ascii_digit() && minor.is_ascii_digit() =>
            {
                Some(Refusal::Version)
            }
            _ => Some(Refusal::RequestLine),
        },
        _ => Some(Refusal::RequestLine),
    }
}

/// What is wrong with a field line, if anything.
fn diagnose_field(line: &[u8]) -> Option<Refusal> {
    if line.is_empty() {
        return None;
    }
    if matches!(line[0], b' ' | b'\t') {
        return Some(Refusal::ObsFold);
    }
    let Some(colon) = line.iter().position(|byte| *byte == b':') else {
        return Some(Refusal::FieldName);
    };
    match &line[..colon] {
        [.., b' ' | b'\t'] => Some(Refusal::SpaceBeforeColon),
        name if is_token(name) => None,
        _ => Some(Refusal::FieldName),
    }
}

#[cfg(test)]
mod tests;
