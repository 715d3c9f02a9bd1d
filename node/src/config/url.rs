//! Places on the network as an operator writes them: `https://host/path`, `host:port`.

use farmux_raft::state::WebUrl;
use hyper::Uri;
use hyper::http::uri::Authority;

/// Why a text is no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum PlaceError {
    #[error("a URL starts with https:// or http://, and has a host")]
    Url,
    #[error("a user or password does not belong into a URL: write secret = \"…\" beside it")]
    User,
    #[error("write a host, perhaps with a port, as in pager.example.com:444")]
    Place,
}

/// Reads a URL.
pub(super) fn parse_url(text: &str) -> Result<WebUrl, PlaceError> {
    let uri: Uri = text.parse().map_err(|_| PlaceError::Url)?;
    let tls = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        Some(_) | None => return Err(PlaceError::Url),
    };
    let authority = uri.authority().ok_or(PlaceError::Url)?;
    if authority.as_str().contains('@') {
        return Err(PlaceError::User);
    }
    let (host, port) = parts(authority).ok_or(PlaceError::Url)?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    if host.is_empty() || text.contains('#') {
        return Err(PlaceError::Url);
    }
    Ok(WebUrl {
        tls,
        host: host.to_owned(),
        port: port.unwrap_or(if tls { 443 } else { 80 }),
        path: path.to_owned(),
    })
}

/// Reads a host and perhaps a port.
pub(super) fn parse_place(text: &str, customary: u16) -> Result<(String, u16), PlaceError> {
    let authority: Authority = text.parse().map_err(|_| PlaceError::Place)?;
    match parts(&authority) {
        Some((host, port)) if !host.is_empty() && !text.contains('@') => {
            Ok((host.to_owned(), port.unwrap_or(customary)))
        }
        Some(_) | None => Err(PlaceError::Place),
    }
}

/// Host, without brackets, and port; `None` where the port is none.
fn parts(authority: &Authority) -> Option<(&str, Option<u16>)> {
    let host = authority.host();
    let port = match authority.as_str().ends_with(host) {
        true => None,
        false => Some(authority.port_u16()?),
    };
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    Some((bare.unwrap_or(host), port))
}

/// Writes a host, and its port where it is not the customary one.
pub(super) fn place_text(host: &str, port: u16, customary: u16) -> String {
    let host = match host.contains(':') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    };
    match port == customary {
        true => host,
        false => format!("{host}:{port}"),
    }
}

/// **Source**: RFC 1861, 2.
pub(super) const SNPP_PORT: u16 = 444;

/// **Source**: RFC 5426, 3.3; over TCP it is what collectors use.
pub(super) const SYSLOG_PORT: u16 = 514;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_written_again() {
        for (text, wanted) in [
            ("https://a.example/x?y=1", "https://a.example/x?y=1"),
            ("http://10.0.0.9:8080", "http://10.0.0.9:8080/"),
            ("https://[fd00::9]:443/", "https://[fd00::9]/"),
        ] {
            let url = parse_url(text).expect(text);
            assert_eq!(url.to_string(), wanted);
            assert_eq!(parse_url(wanted), Ok(url), "{text}");
        }
        for text in [
            "a.example",
            "ftp://a/",
            "/x",
            "https:///x",
            "https://a/#b",
            "",
        ] {
            assert_eq!(parse_url(text), Err(PlaceError::Url), "{text}");
        }
        assert_eq!(parse_url("https://u:p@a/"), Err(PlaceError::User));
    }

    #[test]
    fn places_are_read_and_written_again() {
        for (text, host, port) in [
            ("pager.example", "pager.example", 444),
            ("10.0.0.9:1444", "10.0.0.9", 1444),
            ("[fd00::9]:1444", "fd00::9", 1444),
            ("[fd00::9]", "fd00::9", 444),
        ] {
            assert_eq!(
                parse_place(text, 444),
                Ok((host.to_owned(), port)),
                "{text}"
            );
            assert_eq!(place_text(host, port, 444), text);
        }
        for text in ["", ":444", "a:99999", "a b", "u@a"] {
            assert_eq!(parse_place(text, 444), Err(PlaceError::Place), "{text}");
        }
    }
}
