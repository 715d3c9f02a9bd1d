//! Checks beside tcp, http, ftp, nfs and exec: https, greetings, dns and udp; and what a server's
//! own page asks for.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::check::{TEXT_CHARS_MAX, host};
use super::fault::Faults;
use super::text::plain;
use super::word::words;
use super::{FaultKind, HttpCheck};

/// What an HTTPS probe asks and expects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpsCheck {
    /// The same as without TLS; its `host` is also the name that the certificate must bear.
    pub http: HttpCheck,
    /// Whether the certificate must be good: from a CA that the machine trusts, for this name.
    pub verify: bool,
    /// The certificate must be good for so many more days; 0: it must not have expired.
    pub days_left: u32,
}

/// A protocol in which the server speaks first, or answers a greeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// `220`, `EHLO`, `QUIT`. **Source**: RFC 5321, 3.1.
    Smtp,
    /// `+OK`. **Source**: RFC 1939, 4.
    Pop3,
    /// `* OK` or `* PREAUTH`. **Source**: RFC 9051, 7.1.
    Imap,
    /// `SSH-2.0-`. **Source**: RFC 4253, 4.2.
    Ssh,
    /// `PING`, and `+PONG` or `-NOAUTH`. **Source**: the RESP protocol.
    Redis,
    /// A `StartupMessage`, and what it is answered. **Source**: PostgreSQL, 55.2.
    Postgres,
    /// The initial handshake packet, and a login. **Source**: MySQL, Protocol::HandshakeV10.
    Mysql,
}

words!(Protocol {
    Smtp => "smtp",
    Pop3 => "pop3",
    Imap => "imap",
    Ssh => "ssh",
    Redis => "redis",
    Postgres => "postgres",
    Mysql => "mysql",
});

impl Protocol {
    /// Its word.
    pub fn word(self) -> &'static str {
        super::Word::word(self)
    }

    /// The port that it was given. **Source**: IANA's registry of service names and ports.
    pub fn port(self) -> u16 {
        match self {
            Protocol::Smtp => 25,
            Protocol::Pop3 => 110,
            Protocol::Imap => 143,
            Protocol::Ssh => 22,
            Protocol::Redis => 6379,
            Protocol::Postgres => 5432,
            Protocol::Mysql => 3306,
        }
    }
}

/// What a DNS probe asks and expects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsCheck {
    /// The name that is looked up.
    pub name: String,
    /// Which of its records.
    pub record: DnsRecord,
    /// One of the answers must be this; `None`: any answer is well.
    pub value: Option<String>,
}

/// A type of DNS record. **Source**: RFC 1035, 3.2.2; RFC 3596.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DnsRecord {
    /// An IPv4 address.
    #[default]
    A,
    /// An IPv6 address.
    Aaaa,
    /// The true name.
    Cname,
    /// A mail server; `value` is its name.
    Mx,
    /// A name server.
    Ns,
    /// The name of an address.
    Ptr,
    /// The start of a zone; `value` is its serial number.
    Soa,
    /// A text.
    Txt,
}

words!(DnsRecord {
    A => "A",
    Aaaa => "AAAA",
    Cname => "CNAME",
    Mx => "MX",
    Ns => "NS",
    Ptr => "PTR",
    Soa => "SOA",
    Txt => "TXT",
});

/// What a UDP probe sends and expects.
///
/// A service that does not answer what it is sent cannot be told from a dead one: only what answers
/// can be checked so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UdpCheck {
    /// What is sent, with `\xNN`, `\r`, `\n`, `\t` and `\\` for bytes that are no text.
    pub send: String,
    /// How an answer must begin, written alike; empty: any answer is well.
    pub expect: String,
}

/// What a server's own page asks for (the convention of the WebMux appliance).
///
/// `NOT OK` is no advice: it is a failure of the check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Advice {
    /// Nothing: `OK`, or no page that is obeyed.
    #[default]
    None,
    /// No new work until it says otherwise: `OVERLOAD`.
    Overload,
    /// No new work ever, what it has it finishes: `QUIESCE`.
    Quiesce,
    /// A share of this weight: `WEIGHT=n`, 1 to 256.
    Weight(NonZeroU32),
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Advice::None => Ok(()),
            Advice::Overload => f.write_str("overload"),
            Advice::Quiesce => f.write_str("quiesce"),
            Advice::Weight(weight) => write!(f, "weight {weight}"),
        }
    }
}

impl Advice {
    /// Of what two checks of one server say, what leaves it less work; of two weights the lower.
    pub fn stricter(self, other: Advice) -> Advice {
        match (self, other) {
            (Advice::Quiesce, _) | (_, Advice::Quiesce) => Advice::Quiesce,
            (Advice::Overload, _) | (_, Advice::Overload) => Advice::Overload,
            (Advice::Weight(one), Advice::Weight(two)) => Advice::Weight(one.min(two)),
            (weight @ Advice::Weight(_), Advice::None) => weight,
            (Advice::None, other) => other,
        }
    }
}

impl HttpsCheck {
    pub(super) fn check(&self, at: &str, faults: &mut Faults) {
        self.http.check(at, faults);
        if self.days_left > DAYS_MAX {
            let (have, min, max) = (self.days_left.into(), 0, DAYS_MAX.into());
            faults.add(
                format!("{at}.days_left"),
                FaultKind::Range { have, min, max },
            );
        }
    }
}

impl DnsCheck {
    pub(super) fn check(&self, at: &str, faults: &mut Faults) {
        faults.check(format!("{at}.name"), host(&self.name));
        if let Some(value) = &self.value {
            let at = format!("{at}.value");
            faults.check(&at, plain(value, 1, TEXT_CHARS_MAX));
            if !self.record.can_be(value) {
                faults.add(&at, FaultKind::NoSuchValue(self.record));
            }
        }
    }
}

impl DnsRecord {
    /// Whether a record of this type can have that value at all.
    fn can_be(self, value: &str) -> bool {
        match self {
            DnsRecord::A => value.parse::<Ipv4Addr>().is_ok(),
            DnsRecord::Aaaa => value.parse::<Ipv6Addr>().is_ok(),
            DnsRecord::Soa => value.parse::<u32>().is_ok(),
            DnsRecord::Cname | DnsRecord::Mx | DnsRecord::Ns | DnsRecord::Ptr => {
                !value.contains(char::is_whitespace)
            }
            DnsRecord::Txt => true,
        }
    }
}

impl UdpCheck {
    pub(super) fn check(&self, at: &str, faults: &mut Faults) {
        for (field, text, min) in [("send", &self.send, 1), ("expect", &self.expect, 0)] {
            let here = format!("{at}.{field}");
            faults.check(&here, plain(text, min, TEXT_CHARS_MAX));
            if unescape(text).is_none() {
                faults.add(&here, FaultKind::Escape);
            }
        }
    }

    /// The bytes that are sent, and those that an answer must begin with.
    pub fn bytes(&self) -> (Vec<u8>, Vec<u8>) {
        let bytes = |text: &str| unescape(text).unwrap_or_default();
        (bytes(&self.send), bytes(&self.expect))
    }
}

/// The bytes of a text with escapes; `None` where one is not known.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            bytes.extend(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        bytes.push(match chars.next()? {
            'x' => {
                let digits = [chars.next()?, chars.next()?].map(|c| c.to_digit(16));
                let [Some(high), Some(low)] = digits else {
                    return None;
                };
                u8::try_from(high * 16 + low).ok()?
            }
            'r' => b'\r',
            'n' => b'\n',
            't' => b'\t',
            '\\' => b'\\',
            _ => return None,
        });
    }
    Some(bytes)
}

/// Certificates live 398 days at most. **Source**: CA/Browser Forum, baseline requirements, 6.3.2.
const DAYS_MAX: u32 = 398;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_become_bytes() {
        for (text, wanted) in [
            ("ping", Some(&b"ping"[..])),
            (r"\x00\xff\r\n\t\\", Some(b"\x00\xff\r\n\t\\")),
            ("é", Some("é".as_bytes())),
            (r"\x0", None),
            (r"\xgg", None),
            (r"\q", None),
            (r"\", None),
        ] {
            assert_eq!(unescape(text).as_deref(), wanted, "{text}");
        }
    }

    #[test]
    fn values_fit_their_record() {
        for (record, good, bad) in [
            (DnsRecord::A, "10.0.0.1", "2001:db8::1"),
            (DnsRecord::Aaaa, "2001:db8::1", "10.0.0.1"),
            (DnsRecord::Soa, "2026112601", "ns.example"),
            (DnsRecord::Mx, "mail.example.", "10 mail.example."),
            (DnsRecord::Ns, "ns.example", "ns example"),
        ] {
            assert!(record.can_be(good) && !record.can_be(bad), "{record}");
        }
        assert!(DnsRecord::Txt.can_be("v=spf1 -all"));
    }
}
