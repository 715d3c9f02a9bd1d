//! What probes of more kinds ask for, and what a server's own page does.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

/// What TLS around an HTTP probe must prove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeTls {
    /// The name that is asked for (SNI) and that the certificate must bear: a name or an address.
    pub name: Arc<str>,
    /// Whether the certificate must be good at all.
    pub verify: bool,
    /// For how many more days it must be good.
    pub days_left: u32,
}

/// A protocol in which the server speaks first, or answers a greeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// A type of DNS record. **Source**: RFC 1035, 3.2.2; RFC 3596.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DnsRecord {
    /// An IPv4 address.
    A,
    /// An IPv6 address.
    Aaaa,
    /// The true name.
    Cname,
    /// A mail server.
    Mx,
    /// A name server.
    Ns,
    /// The name of an address.
    Ptr,
    /// The start of a zone.
    Soa,
    /// A text.
    Txt,
}

/// What a server's own page asks for; `NOT OK` is no advice but a failure.
///
/// **Source**: the convention of the WebMux appliance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Advice {
    /// Nothing: `OK`, or no page that is obeyed.
    #[default]
    None,
    /// No new work until it says otherwise: `OVERLOAD`.
    Overload,
    /// No new work, what it has it finishes: `QUIESCE`.
    Quiesce,
    /// A share of this weight, 1 to 256: `WEIGHT=n`.
    Weight(NonZeroU32),
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Advice::None => f.write_str("OK"),
            Advice::Overload => f.write_str("OVERLOAD"),
            Advice::Quiesce => f.write_str("QUIESCE"),
            Advice::Weight(weight) => write!(f, "WEIGHT={weight}"),
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

impl fmt::Display for DnsRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DnsRecord::A => "A",
            DnsRecord::Aaaa => "AAAA",
            DnsRecord::Cname => "CNAME",
            DnsRecord::Mx => "MX",
            DnsRecord::Ns => "NS",
            DnsRecord::Ptr => "PTR",
            DnsRecord::Soa => "SOA",
            DnsRecord::Txt => "TXT",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stricter_of_every_two() {
        let weight = |n| Advice::Weight(NonZeroU32::new(n).expect("not 0"));
        let mildest_first = [
            Advice::None,
            weight(9),
            weight(2),
            Advice::Overload,
            Advice::Quiesce,
        ];
        for (one, mild) in mildest_first.into_iter().enumerate() {
            for (two, strict) in mildest_first.into_iter().enumerate() {
                let wanted = mildest_first[one.max(two)];
                assert_eq!(mild.stricter(strict), wanted, "{mild} and {strict}");
            }
        }
    }
}
