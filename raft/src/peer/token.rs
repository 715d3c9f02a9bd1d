//! The join token: one printable string by which a machine finds its cluster and proves to be
//! expected.
//!
//! ```text
//!   farmux1 | base32(role | CA fingerprint 32 | secret 32 | n | n x (4|6, address, port) | sum 8)
//! ```
//!
//! Whoever alters it, also by a slip of the hand, is told so before any connection is made.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use super::key::{random, sha256};
use crate::id::UnixMillis;
use crate::state::{NodeRole, Token, TokenId};

/// How every token of this format starts; the digit is the format.
const PREFIX: &str = "farmux1";

/// Most addresses in a token: those of three nodes with two paths each, and room for two more.
pub const TOKEN_ADDRESSES_MAX: usize = 8;

/// Bytes of the checksum: one altered token in 2^64 goes unnoticed, and then its secret is wrong.
const SUM_BYTES: usize = 8;

/// What a joiner is given.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinToken {
    /// As what its user joins.
    pub role: NodeRole,
    /// SHA-256 of the CA certificate of the cluster that made it.
    pub ca_fingerprint: [u8; 32],
    /// Known to the token alone; the cluster keeps its hash.
    pub secret: TokenSecret,
    /// Where members answer, 1 to [`TOKEN_ADDRESSES_MAX`].
    pub addresses: Vec<SocketAddr>,
}

/// 256 random bits.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct TokenSecret([u8; 32]);

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSecret(…)")
    }
}

impl TokenSecret {
    /// What the cluster keeps of it.
    pub fn hash(&self) -> [u8; 32] {
        sha256(&self.0)
    }
}

/// Why a text is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It starts with something else.
    #[error("this is no join token: one starts with '{PREFIX}'")]
    Prefix,
    /// A character that no token has.
    #[error("the token has a character that no token has; it was altered or badly copied")]
    Character,
    /// Too short, too long, or altered.
    #[error("the token was altered or badly copied: its checksum does not fit")]
    Checksum,
    /// It fits its checksum and makes no sense: a newer farmux made it.
    #[error("the token was made by another version of farmux")]
    Version,
}

impl JoinToken {
    /// Draws a new one.
    ///
    /// **Shape**: addresses beyond [`TOKEN_ADDRESSES_MAX`] are left out.
    pub fn create(role: NodeRole, ca_fingerprint: [u8; 32], addresses: &[SocketAddr]) -> JoinToken {
        let addresses = addresses
            .iter()
            .copied()
            .take(TOKEN_ADDRESSES_MAX)
            .collect();
        JoinToken {
            role,
            ca_fingerprint,
            secret: TokenSecret(random()),
            addresses,
        }
    }

    /// The string to hand to the joiner: the only place where the secret is shown.
    pub fn reveal(&self) -> String {
        let mut bytes = vec![match self.role {
            NodeRole::Balancer => 0,
            NodeRole::Witness => 1,
        }];
        bytes.extend(self.ca_fingerprint);
        bytes.extend(self.secret.0);
        bytes.push(u8::try_from(self.addresses.len()).expect("at most 8 addresses"));
        for address in &self.addresses {
            match address.ip() {
                IpAddr::V4(ip) => {
                    bytes.push(4);
                    bytes.extend(ip.octets());
                }
                IpAddr::V6(ip) => {
                    bytes.push(6);
                    bytes.extend(ip.octets());
                }
            }
            bytes.extend(address.port().to_be_bytes());
        }
        bytes.extend(sum(&bytes));
        format!("{PREFIX}{}", base32(&bytes))
    }

    /// Its public name.
    pub fn id(&self) -> TokenId {
        TokenId::of(&self.secret.hash())
    }

    /// What the replicated state keeps of it.
    pub fn record(&self, created: UnixMillis, expires: UnixMillis) -> Token {
        Token {
            hash: self.secret.hash(),
            role: self.role,
            created,
            expires,
            claimed: None,
            used: false,
        }
    }
}

impl fmt::Display for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}…({:016x})", self.id().0)
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for JoinToken {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<JoinToken, TokenError> {
        let coded = text.trim().strip_prefix(PREFIX).ok_or(TokenError::Prefix)?;
        let bytes = unbase32(coded)?;
        let body = bytes
            .len()
            .checked_sub(SUM_BYTES)
            .ok_or(TokenError::Checksum)?;
        let (body, given) = bytes.split_at(body);
        if sum(body) != *given {
            return Err(TokenError::Checksum);
        }
        parse(body).ok_or(TokenError::Version)
    }
}

/// Reads what the checksum vouches for.
fn parse(body: &[u8]) -> Option<JoinToken> {
    let (&role, rest) = body.split_first()?;
    let role = match role {
        0 => NodeRole::Balancer,
        1 => NodeRole::Witness,
        _ => return None,
    };
    let (ca_fingerprint, rest) = rest.split_first_chunk::<32>()?;
    let (secret, rest) = rest.split_first_chunk::<32>()?;
    let (&count, mut rest) = rest.split_first()?;
    let mut addresses = Vec::new();
    for _ in 0..count {
        let (&family, after) = rest.split_first()?;
        let (ip, after) = match family {
            4 => {
                let (octets, after) = after.split_first_chunk::<4>()?;
                (IpAddr::V4(Ipv4Addr::from(*octets)), after)
            }
            6 => {
                let (octets, after) = after.split_first_chunk::<16>()?;
                (IpAddr::V6(Ipv6Addr::from(*octets)), after)
            }
            _ => return None,
        };
        let (port, after) = after.split_first_chunk::<2>()?;
        addresses.push(SocketAddr::new(ip, u16::from_be_bytes(*port)));
        rest = after;
    }
    let whole = rest.is_empty() && (1..=TOKEN_ADDRESSES_MAX).contains(&addresses.len());
    whole.then_some(JoinToken {
        role,
        ca_fingerprint: *ca_fingerprint,
        secret: TokenSecret(*secret),
        addresses,
    })
}

fn sum(body: &[u8]) -> [u8; SUM_BYTES] {
    let whole = sha256(&[PREFIX.as_bytes(), body].concat());
    whole[..SUM_BYTES].try_into().expect("32 bytes have 8")
}

/// Small letters and digits only: a double click selects all of it, and it can be read aloud.
///
/// **Source**: RFC 4648, section 6, in small letters and without padding.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

fn base32(bytes: &[u8]) -> String {
    let mut text = String::new();
    for group in bytes.chunks(5) {
        let mut bits = 0u64;
        for place in 0..5 {
            bits = bits << 8 | u64::from(group.get(place).copied().unwrap_or(0));
        }
        // 8 bits a byte, 5 a character, the last one filled up with zeros.
        let characters = (group.len() * 8).div_ceil(5);
        for place in 0..characters {
            let digit = bits >> (35 - 5 * place) & 0x1f;
            text.push(char::from(
                ALPHABET[usize::try_from(digit).expect("five bits")],
            ));
        }
    }
    text
}

fn unbase32(text: &str) -> Result<Vec<u8>, TokenError> {
    // Far more than the longest token, which has 8 IPv6 addresses.
    const CHARACTERS_MAX: usize = 1024;
    if text.len() > CHARACTERS_MAX {
        return Err(TokenError::Checksum);
    }
    let (mut bits, mut held, mut bytes) = (0u32, 0u32, Vec::new());
    for character in text.bytes() {
        let digit = match character {
            b'a'..=b'z' => character - b'a',
            b'2'..=b'7' => character - b'2' + 26,
            _ => return Err(TokenError::Character),
        };
        bits = (bits << 5 | u32::from(digit)) & 0xfff;
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).expect("eight bits"));
        }
    }
    // The bits that fill up the last character are zero: one token has one spelling.
    let filling = bits & ((1 << held) - 1);
    if held >= 5 || filling != 0 {
        return Err(TokenError::Checksum);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> JoinToken {
        let addresses = ["10.0.0.11:7946", "[fd00::11]:7946"].map(|a| a.parse().expect("address"));
        JoinToken::create(NodeRole::Witness, [7; 32], &addresses)
    }

    #[test]
    fn what_is_revealed_can_be_read_and_nothing_else_shows_it() {
        let token = token();
        let text = token.reveal();
        assert_eq!(text.parse(), Ok(token.clone()));
        assert_eq!(format!(" {text}\n").parse(), Ok(token.clone()));
        assert!(
            text.bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        );
        let shown = format!("{token} {token:?} {:?}", token.secret);
        assert!(!shown.contains(&text[50..70]), "{shown}");
        assert!(shown.contains(&format!("{:016x}", token.id().0)));
        assert_eq!(
            TokenId::of(&token.record(UnixMillis(0), UnixMillis(1)).hash),
            token.id()
        );
    }

    #[test]
    fn every_single_altered_character_is_noticed() {
        let text = token().reveal();
        for place in 0..text.len() {
            for other in "ab27z0-A".chars() {
                let mut altered: Vec<char> = text.chars().collect();
                if altered[place] == other {
                    continue;
                }
                altered[place] = other;
                let altered: String = altered.into_iter().collect();
                assert!(altered.parse::<JoinToken>().is_err(), "{altered}");
            }
        }
    }

    #[test]
    fn a_cut_or_lengthened_token_is_noticed() {
        let text = token().reveal();
        for end in 0..text.len() {
            assert!(text[..end].parse::<JoinToken>().is_err());
        }
        assert_eq!(
            format!("{text}a").parse::<JoinToken>(),
            Err(TokenError::Checksum)
        );
        assert_eq!(
            "a".repeat(5000).parse::<JoinToken>(),
            Err(TokenError::Prefix)
        );
        let long = format!("farmux1{}", "a".repeat(5000));
        assert_eq!(long.parse::<JoinToken>(), Err(TokenError::Checksum));
        assert_eq!("kadmin".parse::<JoinToken>(), Err(TokenError::Prefix));
    }

    #[test]
    fn nonsense_with_a_good_checksum_is_another_version() {
        let mut body = vec![9; 66];
        body.extend(sum(&body.clone()));
        let text = format!("{PREFIX}{}", base32(&body));
        assert_eq!(text.parse::<JoinToken>(), Err(TokenError::Version));
    }
}
