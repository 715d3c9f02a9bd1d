//! PURE. What is measured: a URL, parsed once.
//!
//! **Source**: RFC 3986, 3: scheme, user, host, port, path and query; a fragment never leaves.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

use farmux_raft::state::Secret;

/// How the service is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scheme {
    /// HTTP/1.1.
    Http,
    /// The same within TLS.
    Https,
    /// A connection is an answer.
    Tcp,
    /// A login and a transfer.
    Ftp {
        /// Whom to log in as.
        user: String,
        /// The password.
        password: Secret,
    },
}

/// A service under a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// How it is spoken to.
    pub scheme: Scheme,
    /// A name or an address; IPv6 without brackets.
    pub host: String,
    /// The port, the scheme's own where none was named.
    pub port: NonZeroU16,
    /// Path and query; empty where there is none.
    pub path: String,
}

/// Why a text is no such URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Another scheme, or none.
    #[error("write http://, https://, tcp:// or ftp:// and a host, as in http://10.0.0.100/")]
    Scheme,
    /// No host, or one that is none.
    #[error("the host is missing or no name; an IPv6 address stands in brackets")]
    Host,
    /// No port, where there is none by custom, or a number that is none.
    #[error("the port is missing or no number from 1 to 65535")]
    Port,
    /// A user where there can be none.
    #[error("only ftp:// takes a user and a password")]
    User,
    /// A path where there can be none.
    #[error("tcp:// takes a host and a port, nothing else")]
    Path,
    /// A character that no URL has.
    #[error("blanks, control and other characters must be written as %XX")]
    Character,
}

impl FromStr for Target {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Target, UrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        if !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(UrlError::Character);
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let split = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(split);
        let (user, place) = match authority.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, authority),
        };
        let (scheme, usual) = scheme_of(scheme, user)?;
        let (host, port) = host_and_port(place)?;
        let path = match (&scheme, path) {
            (Scheme::Tcp, "" | "/") => String::new(),
            (Scheme::Tcp, _) => return Err(UrlError::Path),
            (Scheme::Http | Scheme::Https, path) if !path.starts_with('/') => format!("/{path}"),
            (Scheme::Http | Scheme::Https, path) => path.to_owned(),
            (Scheme::Ftp { .. }, path) => unescaped(path.strip_prefix('/').unwrap_or(path))?,
        };
        Ok(Target {
            port: port.or(usual).ok_or(UrlError::Port)?,
            scheme,
            host,
            path,
        })
    }
}

fn scheme_of(scheme: &str, user: Option<&str>) -> Result<(Scheme, Option<NonZeroU16>), UrlError> {
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "http" => (Scheme::Http, NonZeroU16::new(80)),
        "https" => (Scheme::Https, NonZeroU16::new(443)),
        "tcp" => (Scheme::Tcp, None),
        "ftp" => {
            let (user, password) = match user {
                None => ("anonymous", "farmux@"),
                Some(user) => user.split_once(':').unwrap_or((user, "")),
            };
            let (user, password) = (unescaped(user)?, Secret::new(unescaped(password)?));
            return Ok((Scheme::Ftp { user, password }, NonZeroU16::new(21)));
        }
        _ => return Err(UrlError::Scheme),
    };
    match user {
        None => Ok(scheme),
        Some(_) => Err(UrlError::User),
    }
}

fn host_and_port(place: &str) -> Result<(String, Option<NonZeroU16>), UrlError> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(UrlError::Host)?;
            let _: std::net::Ipv6Addr = host.parse().map_err(|_| UrlError::Host)?;
            let port = match port {
                "" => None,
                port => Some(port.strip_prefix(':').ok_or(UrlError::Port)?),
            };
            (host, port)
        }
        None => match place.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        },
    };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
    if host.is_empty() || host.len() > HOST_BYTES_MAX || !host.bytes().all(fits) {
        return Err(UrlError::Host);
    }
    let port = port.map(|port| port.parse().map_err(|_| UrlError::Port));
    Ok((host.to_owned(), port.transpose()?))
}

/// A part with its `%XX` undone; none of it may end a line.
fn unescaped(text: &str) -> Result<String, UrlError> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = rest.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let value = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
        bytes.push(value.ok_or(UrlError::Character)?);
        rest = rest.get(2..).unwrap_or_default();
    }
    let text = String::from_utf8(bytes).map_err(|_| UrlError::Character)?;
    match text.chars().any(char::is_control) {
        true => Err(UrlError::Character),
        false => Ok(text),
    }
}

/// A name of the DNS. **Source**: RFC 1035, 2.3.4.
const HOST_BYTES_MAX: usize = 253;

impl Target {
    /// Host and port as a URL and a `Host` field write them; without the port that is usual.
    pub fn authority(&self) -> String {
        let host = match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        };
        let usual = match self.scheme {
            Scheme::Http => 80,
            Scheme::Https => 443,
            Scheme::Ftp { .. } => 21,
            Scheme::Tcp => 0,
        };
        match self.port.get() == usual {
            true => host,
            false => format!("{host}:{}", self.port),
        }
    }
}

impl fmt::Display for Target {
    /// Without user and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, slash) = match self.scheme {
            Scheme::Http => ("http", ""),
            Scheme::Https => ("https", ""),
            Scheme::Tcp => ("tcp", ""),
            Scheme::Ftp { .. } => ("ftp", "/"),
        };
        write!(f, "{scheme}://{}{slash}{}", self.authority(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_parsed_and_shown_without_secrets() {
        let table = [
            ("http://10.0.0.100", "http://10.0.0.100/", 80),
            (
                "HTTP://shop.test:8080/a?b=c#d",
                "http://shop.test:8080/a?b=c",
                8080,
            ),
            ("http://shop.test?b", "http://shop.test/?b", 80),
            ("https://[fd00::100]/x", "https://[fd00::100]/x", 443),
            ("tcp://[::1]:22/", "tcp://[::1]:22", 22),
            ("tcp://db.test:5432", "tcp://db.test:5432", 5432),
            (
                "ftp://ann:s%20t@10.0.0.9/up/f%201",
                "ftp://10.0.0.9/up/f 1",
                21,
            ),
            ("ftp://10.0.0.9:2121", "ftp://10.0.0.9:2121/", 2121),
        ];
        for (text, shown, port) in table {
            let target: Target = text.parse().expect(text);
            assert_eq!(target.to_string(), shown, "{text}");
            assert_eq!(target.port.get(), port, "{text}");
        }
        let target: Target = "ftp://ann:secret@h/".parse().expect("a URL");
        assert!(!format!("{target:?} {target}").contains("secret"));
        let Scheme::Ftp { user, password } = target.scheme else {
            panic!("ftp");
        };
        assert_eq!((user.as_str(), password.reveal()), ("ann", "secret"));
    }

    #[test]
    fn what_is_no_url_says_why() {
        let table = [
            ("10.0.0.100", UrlError::Scheme),
            ("gopher://h/", UrlError::Scheme),
            ("http://", UrlError::Host),
            ("http://:80/", UrlError::Host),
            ("http://[10.0.0.1]/", UrlError::Host),
            ("http://[::1/", UrlError::Host),
            ("http://a b/", UrlError::Character),
            ("http://h/\r\nX: y", UrlError::Character),
            ("http://h:0/", UrlError::Port),
            ("http://h:65536/", UrlError::Port),
            ("http://[::1]80/", UrlError::Port),
            ("tcp://h", UrlError::Port),
            ("tcp://h:1/x", UrlError::Path),
            ("http://ann@h/", UrlError::User),
            ("ftp://h/a%0d%0aDELE%20b", UrlError::Character),
            ("ftp://h/a%4", UrlError::Character),
        ];
        for (text, why) in table {
            assert_eq!(text.parse::<Target>(), Err(why), "{text}");
        }
    }
}
