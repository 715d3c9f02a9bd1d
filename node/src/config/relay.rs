//! The address of a mail relay: `smtp://`, `smtp+starttls://` or `smtps://`.
//!
//! A user may stand in it (`smtps://farmux@mail.example.com`), a password never: it would be shown.

use farmux_raft::state::{Relay, RelaySecurity, Secret};

/// Why a text is no relay.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum RelayError {
    #[error("a relay starts with smtp://, smtp+starttls:// or smtps://")]
    Scheme,
    #[error("a password does not belong into the address: write password = \"…\" beside it")]
    Password,
    #[error("the user is not well formed; '%' and ':' and '@' in it are written %25, %3A and %40")]
    User,
    #[error("the host is not well formed")]
    Host,
    #[error("the port is not a number from 1 to 65535")]
    Port,
    #[error("nothing may follow the host and port")]
    Path,
}

/// Reads a relay; its password comes from beside it.
pub(super) fn parse_relay(text: &str, password: Option<Secret>) -> Result<Relay, RelayError> {
    let (scheme, rest) = text.split_once("://").ok_or(RelayError::Scheme)?;
    let (security, default_port) = match scheme {
        "smtp" => (RelaySecurity::None, 25),
        "smtp+starttls" => (RelaySecurity::Starttls, 587),
        "smtps" => (RelaySecurity::Tls, 465),
        _ => return Err(RelayError::Scheme),
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (user, place) = match rest.rsplit_once('@') {
        Some((user, place)) => (Some(parse_user(user)?), place),
        None => (None, rest),
    };
    if place.contains(['/', '?', '#']) {
        return Err(RelayError::Path);
    }
    let (host, port) = split_port(place)?;
    if host.is_empty() {
        return Err(RelayError::Host);
    }
    let port = match port {
        None => default_port,
        Some(digits) => parse_port(digits)?,
    };
    Ok(Relay {
        host: host.to_owned(),
        port,
        security,
        user,
        password,
    })
}

/// Host, without brackets, and port, as it stands there.
fn split_port(place: &str) -> Result<(&str, Option<&str>), RelayError> {
    if let Some(rest) = place.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or(RelayError::Host)?;
        host.parse::<std::net::Ipv6Addr>()
            .map_err(|_| RelayError::Host)?;
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if after.is_empty() => Ok((host, None)),
            None => Err(RelayError::Host),
        };
    }
    match place.split_once(':') {
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((place, None)),
    }
}

fn parse_port(digits: &str) -> Result<u16, RelayError> {
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(RelayError::Port);
    }
    digits
        .parse()
        .ok()
        .filter(|port| *port != 0)
        .ok_or(RelayError::Port)
}

fn parse_user(text: &str) -> Result<String, RelayError> {
    if text.contains(':') {
        return Err(RelayError::Password);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let (digits, tail) = rest.split_at_checked(2).ok_or(RelayError::User)?;
        let digits = std::str::from_utf8(digits).map_err(|_| RelayError::User)?;
        // `from_str_radix` alone would take a sign.
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(RelayError::User);
        }
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| RelayError::User)?);
        rest = tail;
    }
    let user = String::from_utf8(bytes).map_err(|_| RelayError::User)?;
    if user.is_empty() {
        Err(RelayError::User)
    } else {
        Ok(user)
    }
}

/// Writes a relay with its user and without its password.
pub(super) fn relay_text(relay: &Relay) -> String {
    let plain = relay.to_string();
    match (&relay.user, plain.split_once("://")) {
        (Some(user), Some((scheme, place))) => format!("{scheme}://{}@{place}", user_text(user)),
        (Some(_), None) | (None, _) => plain,
    }
}

fn user_text(user: &str) -> String {
    let byte_text = |b: u8| match b {
        b if b.is_ascii_alphanumeric() || b"-._~".contains(&b) => char::from(b).to_string(),
        b => format!("%{b:02X}"),
    };
    user.bytes().map(byte_text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_relays_and_writes_them_again() {
        for (text, host, port, security, user) in [
            (
                "smtp://10.0.0.9:25",
                "10.0.0.9",
                25,
                RelaySecurity::None,
                None,
            ),
            ("smtp://mail", "mail", 25, RelaySecurity::None, None),
            (
                "smtp+starttls://mail/",
                "mail",
                587,
                RelaySecurity::Starttls,
                None,
            ),
            (
                "smtps://ops@mail:4650",
                "mail",
                4650,
                RelaySecurity::Tls,
                Some("ops"),
            ),
            (
                "smtps://a%40b%3A%25@mail",
                "mail",
                465,
                RelaySecurity::Tls,
                Some("a@b:%"),
            ),
            (
                "smtps://a@b@mail",
                "mail",
                465,
                RelaySecurity::Tls,
                Some("a@b"),
            ),
            (
                "smtp://[fd00::9]:26",
                "fd00::9",
                26,
                RelaySecurity::None,
                None,
            ),
            ("smtp://[fd00::9]", "fd00::9", 25, RelaySecurity::None, None),
        ] {
            let relay = parse_relay(text, None).expect(text);
            let read = (
                relay.host.as_str(),
                relay.port,
                relay.security,
                relay.user.as_deref(),
            );
            assert_eq!(read, (host, port, security, user), "{text}");
            assert_eq!(parse_relay(&relay_text(&relay), None), Ok(relay), "{text}");
        }
    }

    #[test]
    fn says_what_is_wrong_with_a_relay() {
        for (text, wanted) in [
            ("mail:25", RelayError::Scheme),
            ("http://mail", RelayError::Scheme),
            ("smtps://ops:secret@mail", RelayError::Password),
            ("smtps://%4@mail", RelayError::User),
            ("smtps://%+4@mail", RelayError::User),
            ("smtps://%ff@mail", RelayError::User),
            ("smtps://@mail", RelayError::User),
            ("smtp://", RelayError::Host),
            ("smtp://[::1", RelayError::Host),
            ("smtp://[mail]", RelayError::Host),
            ("smtp://mail:0", RelayError::Port),
            ("smtp://mail:+25", RelayError::Port),
            ("smtp://mail:", RelayError::Port),
            ("smtp://fd00::9", RelayError::Port),
            ("smtp://mail/inbox", RelayError::Path),
        ] {
            assert_eq!(parse_relay(text, None), Err(wanted), "{text}");
        }
    }
}
