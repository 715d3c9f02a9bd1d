//! PURE. The fields that mean something to a proxy, and the lists in their values.

/// The fields that the engine itself reads, drops or writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// `Connection`: hop by hop, and names others that are.
    Connection,
    /// `Content-Length`.
    ContentLength,
    /// `Transfer-Encoding`.
    TransferEncoding,
    /// `Host`.
    Host,
    /// `Expect`.
    Expect,
    /// `Upgrade`.
    Upgrade,
    /// `TE`.
    Te,
    /// `Keep-Alive` and `Proxy-Connection`: hop by hop, from before HTTP/1.1.
    Legacy,
    /// `X-Forwarded-For`, `X-Forwarded-Proto` and `Forwarded`: a client's claims about itself.
    Forwarded,
    /// Everything else: passed on.
    Other,
}

impl Known {
    /// What a field's name stands for.
    ///
    /// The forwarding fields are also known with `_` for `-`: servers behind CGI or WSGI see no
    /// difference, and would take a client's claim for ours.
    pub fn of(name: &str) -> Known {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        match name.len() {
            2 if is("te") => Known::Te,
            4 if is("host") => Known::Host,
            6 if is("expect") => Known::Expect,
            7 if is("upgrade") => Known::Upgrade,
            9 if is("forwarded") => Known::Forwarded,
            10 if is("connection") => Known::Connection,
            10 if is("keep-alive") => Known::Legacy,
            14 if is("content-length") => Known::ContentLength,
            15 if folded_is(name, "x-forwarded-for") => Known::Forwarded,
            16 if is("proxy-connection") => Known::Legacy,
            17 if is("transfer-encoding") => Known::TransferEncoding,
            17 if folded_is(name, "x-forwarded-proto") => Known::Forwarded,
            _ => Known::Other,
        }
    }
}

/// Whether the names are equal but for case and `_` in place of `-`.
fn folded_is(name: &str, known: &str) -> bool {
    let fold = |byte: u8| {
        if byte == b'_' {
            b'-'
        } else {
            byte.to_ascii_lowercase()
        }
    };
    name.len() == known.len() && name.bytes().map(fold).eq(known.bytes())
}

/// The value without white space around it.
pub fn trim(value: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value
        .iter()
        .position(|byte| !blank(byte))
        .unwrap_or(value.len());
    let end = value
        .iter()
        .rposition(|byte| !blank(byte))
        .map_or(start, |last| last + 1);
    &value[start..end]
}

/// The members of a comma-separated list, trimmed; empty ones are left out.
pub fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|byte| *byte == b',')
        .map(trim)
        .filter(|member| !member.is_empty())
}

/// Whether `byte` may stand in a token, such as a method or a field's name.
///
/// **Source**: RFC 9110 section 5.6.2.
pub fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Whether this is a token.
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().copied().all(is_token_byte)
}

/// Whether `byte` may stand in a field's value: no control but tab.
///
/// **Source**: RFC 9110 section 5.5.
pub fn is_value_byte(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_in_any_case() {
        for (name, known) in [
            ("Host", Known::Host),
            ("HOST", Known::Host),
            ("tE", Known::Te),
            ("Transfer-Encoding", Known::TransferEncoding),
            ("Transfer_Encoding", Known::Other),
            ("content-length", Known::ContentLength),
            ("X_Forwarded-For", Known::Forwarded),
            ("x-forwarded-proto", Known::Forwarded),
            ("X-Forwarded-Host", Known::Other),
            ("Proxy-Connection", Known::Legacy),
            ("Keep-Alive", Known::Legacy),
            ("", Known::Other),
        ] {
            assert_eq!(Known::of(name), known, "{name}");
        }
    }

    #[test]
    fn lists_are_split_and_trimmed() {
        let got: Vec<_> = members(b" a ,, b\t,c d").collect();
        assert_eq!(got, [&b"a"[..], b"b", b"c d"]);
        assert_eq!(trim(b" \t "), b"");
    }
}
