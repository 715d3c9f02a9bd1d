//! PURE. Reading a header, version 1 or 2, from the first bytes of a connection.
//!
//! What follows the addresses of a version 2 header (its TLVs) is skipped.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Ends, SIGNATURE, WORD};
use crate::http::refusal::Refusal;

/// The longest line that version 1 allows, with its CR LF (section 2.1).
const LINE_BYTES_MAX: usize = 107;
/// The longest header of version 2 that is taken: addresses need 52 bytes, and what proxies add
/// about TLS or a cloud's endpoints a few hundred.
const BYTES_MAX: usize = 4096;
/// Signature, version and command, family, length.
const FIXED_BYTES: usize = 16;
/// The addresses of version 2, by family: IPv4, IPv6, UNIX.
const V4_BYTES: usize = 12;
const V6_BYTES: usize = 36;
const UNIX_BYTES: usize = 216;

/// A whole header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Whom it speaks for; `None`: nobody but the sender itself, or nobody that it can name.
    pub ends: Option<Ends>,
    /// How many bytes it takes.
    pub length: usize,
}

/// Reads the header that `bytes` begin with; `None` while there is more to come.
///
/// **Errors**: the reason to close the connection; it has no header, or a bad one.
pub fn header(bytes: &[u8]) -> Result<Option<Header>, Refusal> {
    if begin_alike(bytes, &SIGNATURE) {
        return version_2(bytes);
    }
    if begin_alike(bytes, WORD) {
        return version_1(bytes);
    }
    Err(Refusal::ProxyMissing)
}

/// Whether one is the beginning of the other.
fn begin_alike(one: &[u8], two: &[u8]) -> bool {
    one.iter().zip(two).all(|(one, two)| one == two)
}

fn version_1(bytes: &[u8]) -> Result<Option<Header>, Refusal> {
    let window = &bytes[..bytes.len().min(LINE_BYTES_MAX)];
    let line = match window.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
        Some(end) => match window[end..] {
            [b'\r', b'\n', ..] => &window[..end],
            [b'\r'] if window.len() < LINE_BYTES_MAX => return Ok(None),
            [b'\r'] => return Err(Refusal::ProxyTooLong),
            _ => return Err(Refusal::ProxyLine),
        },
        None if window.len() < LINE_BYTES_MAX => return Ok(None),
        None => return Err(Refusal::ProxyTooLong),
    };
    let text = std::str::from_utf8(line).map_err(|_| Refusal::ProxyLine)?;
    let words: Vec<&str> = text.split(' ').collect();
    let ends = match words[..] {
        ["PROXY", "UNKNOWN", ..] => None,
        ["PROXY", family, client, local, from, to] => {
            let end = |ip, port| address(family, ip, port);
            Some(Ends {
                client: end(client, from)?,
                local: end(local, to)?,
            })
        }
        _ => return Err(Refusal::ProxyLine),
    };
    let length = line.len() + 2;
    Ok(Some(Header { ends, length }))
}

fn address(family: &str, ip: &str, port: &str) -> Result<SocketAddr, Refusal> {
    let ip = match family {
        "TCP4" => ip.parse().map(Ipv4Addr::into),
        "TCP6" => ip.parse().map(Ipv6Addr::into),
        _ => return Err(Refusal::ProxyFamily),
    };
    let ip = ip.map_err(|_| Refusal::ProxyAddress)?;
    // A number in its one spelling: digits, without leading zeros.
    let canonical = port == "0" || port.starts_with(|first: char| matches!(first, '1'..='9'));
    let port = port.parse().ok().filter(|_: &u16| canonical);
    let port = port.ok_or(Refusal::ProxyAddress)?;
    Ok(SocketAddr::new(ip, port))
}

fn version_2(bytes: &[u8]) -> Result<Option<Header>, Refusal> {
    let proxied = match bytes.get(SIGNATURE.len()) {
        Some(0x20) => false,
        Some(0x21) => true,
        Some(0x22..=0x2f) => return Err(Refusal::ProxyCommand),
        Some(_) => return Err(Refusal::ProxyVersion),
        None => return Ok(None),
    };
    let Some([_, family, high, low]) = bytes.get(SIGNATURE.len()..FIXED_BYTES) else {
        return Ok(None);
    };
    let told = usize::from(u16::from_be_bytes([*high, *low]));
    let length = FIXED_BYTES + told;
    if length > BYTES_MAX {
        return Err(Refusal::ProxyTooLong);
    }
    // What LOCAL says of addresses counts for nothing (section 2.2).
    let needed = match family {
        _ if !proxied => 0,
        0x00 => 0,
        0x11 => V4_BYTES,
        0x21 => V6_BYTES,
        0x31 => UNIX_BYTES,
        // Datagrams do not come as a stream; the rest is not assigned.
        _ => return Err(Refusal::ProxyFamily),
    };
    if told < needed {
        return Err(Refusal::ProxyLength);
    }
    let Some(body) = bytes.get(FIXED_BYTES..length) else {
        return Ok(None);
    };
    let ends = match needed {
        V4_BYTES => ends(body, |ip: [u8; 4]| Ipv4Addr::from(ip).into()),
        V6_BYTES => ends(body, |ip: [u8; 16]| Ipv6Addr::from(ip).into()),
        _ => None,
    };
    Ok(Some(Header { ends, length }))
}

/// Two addresses, then two ports.
fn ends<const N: usize>(body: &[u8], ip: fn([u8; N]) -> std::net::IpAddr) -> Option<Ends> {
    let (client, rest) = body.split_first_chunk::<N>()?;
    let (local, rest) = rest.split_first_chunk::<N>()?;
    let (from, rest) = rest.split_first_chunk::<2>()?;
    let to = rest.first_chunk::<2>()?;
    let end = |of: &[u8; N], port: &[u8; 2]| SocketAddr::new(ip(*of), u16::from_be_bytes(*port));
    Some(Ends {
        client: end(client, from),
        local: end(local, to),
    })
}

#[cfg(test)]
mod tests;
