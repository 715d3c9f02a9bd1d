//! PURE. The request target and the host: which forms are taken, and what they become.
//!
//! **Source**: RFC 9112 section 3.2, RFC 3986 section 3.2.2.

use std::net::Ipv6Addr;

use super::refusal::Refusal;

/// A target, as it is sent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'b> {
    /// The authority of an absolute target; it must agree with `Host`.
    pub authority: Option<&'b str>,
    /// What is sent on: path and query, or `*`; empty stands for `/`.
    pub path: &'b str,
}

/// Takes a target apart.
///
/// Any visible ASCII but `#` passes: browsers send `|`, `^` and `{}` in queries as they are.
///
/// **Errors**: a form that does not exist, is not for this method, or another scheme than `http`.
pub fn parse<'b>(method: &str, target: &'b str) -> Result<Target<'b>, Refusal> {
    if !target
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'#')
    {
        return Err(Refusal::Target);
    }
    if target.starts_with('/') {
        return Ok(Target {
            authority: None,
            path: target,
        });
    }
    if target == "*" {
        let allowed = method == "OPTIONS";
        return if allowed {
            Ok(Target {
                authority: None,
                path: "*",
            })
        } else {
            Err(Refusal::Target)
        };
    }
    let (scheme, rest) = target.split_once("://").ok_or(Refusal::Target)?;
    if !scheme.eq_ignore_ascii_case("http") {
        return Err(Refusal::Scheme);
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if !is_host(authority.as_bytes()) {
        return Err(Refusal::Target);
    }
    if path.starts_with('?') {
        // `http://host?query` has an empty path, which cannot be sent on without rewriting it.
        return Err(Refusal::Target);
    }
    Ok(Target {
        authority: Some(authority),
        path,
    })
}

/// Whether this is one host with an optional port.
///
/// Stricter than the grammar: no sub-delimiters, so no comma that would make it a list.
pub fn is_host(value: &[u8]) -> bool {
    let Ok(value) = std::str::from_utf8(value) else {
        return false;
    };
    let (host, port) = match value.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((inner, port)) if inner.parse::<Ipv6Addr>().is_ok() => (inner, port),
            Some(_) | None => return false,
        },
        None => {
            let split = value.find(':').unwrap_or(value.len());
            let (host, port) = value.split_at(split);
            if !host
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte))
            {
                return false;
            }
            (host, port)
        }
    };
    !host.is_empty() && is_port(port)
}

/// Nothing, or a colon and a port number.
fn is_port(port: &str) -> bool {
    let Some(digits) = port.strip_prefix(':') else {
        return port.is_empty();
    };
    digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_target() {
        let ok = |authority, path| Ok(Target { authority, path });
        for (method, target, wanted) in [
            ("GET", "/", ok(None, "/")),
            ("GET", "/a?b=|^{}\\", ok(None, "/a?b=|^{}\\")),
            ("GET", "//double", ok(None, "//double")),
            ("GET", "http://h:80/x", ok(Some("h:80"), "/x")),
            ("GET", "HTTP://h", ok(Some("h"), "")),
            ("OPTIONS", "*", ok(None, "*")),
            ("GET", "*", Err(Refusal::Target)),
            ("GET", "**", Err(Refusal::Target)),
            ("GET", "h:80", Err(Refusal::Target)),
            ("GET", "index.html", Err(Refusal::Target)),
            ("GET", "/a#b", Err(Refusal::Target)),
            ("GET", "/\u{e4}", Err(Refusal::Target)),
            ("GET", "https://h/", Err(Refusal::Scheme)),
            ("GET", "ftp://h/", Err(Refusal::Scheme)),
            ("GET", "http:///x", Err(Refusal::Target)),
            ("GET", "http://u@h/x", Err(Refusal::Target)),
            ("GET", "http://h?x", Err(Refusal::Target)),
            ("GET", "http://h:99999/", Err(Refusal::Target)),
        ] {
            assert_eq!(parse(method, target), wanted, "{method} {target}");
        }
    }

    #[test]
    fn hosts() {
        for good in [
            "a",
            "a.example:80",
            "10.0.0.1",
            "[::1]",
            "[::1]:8080",
            "a_b",
            "x%20y",
            "h:0",
        ] {
            assert!(is_host(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            ":80",
            "a b",
            "a,b",
            "a:b",
            "a:",
            "a:80:80",
            "a:99999",
            "a:+1",
            "[::1",
            "[::1]x",
            "[g::]",
            "::1",
            "a/b",
            "u@h",
            "a?b",
            "\u{e4}",
            "[10.0.0.1]",
            "a\\b",
            "<h>",
        ] {
            assert!(!is_host(bad.as_bytes()), "{bad}");
        }
    }
}
