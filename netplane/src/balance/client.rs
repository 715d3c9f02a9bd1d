//! PURE. What makes a client: its address, or the leading bits of it.

use std::net::IpAddr;

use crate::plan::Persistence;

/// A client as persistence and hashing know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Client {
    /// The leading bits of an IPv4 address, the others zero.
    V4([u8; 4]),
    /// The leading bits of an IPv6 address, the others zero.
    V6([u8; 16]),
}

impl Client {
    /// The client behind `ip`: the whole address, or the prefix that persistence goes by.
    ///
    /// An IPv4 address in IPv6's clothes (`::ffff:0:0/96`) is the IPv4 address.
    pub fn of(ip: IpAddr, persistence: Option<&Persistence>) -> Client {
        let prefix = |of: fn(&Persistence) -> u8, all: u32| {
            persistence.map_or(all, |persistence| u32::from(of(persistence)).min(all))
        };
        match ip.to_canonical() {
            IpAddr::V4(ip) => {
                let cut = 32 - prefix(|persistence| persistence.prefix_v4, 32);
                let mask = u32::MAX.checked_shl(cut).unwrap_or(0);
                Client::V4((ip.to_bits() & mask).to_be_bytes())
            }
            IpAddr::V6(ip) => {
                let cut = 128 - prefix(|persistence| persistence.prefix_v6, 128);
                let mask = u128::MAX.checked_shl(cut).unwrap_or(0);
                Client::V6((ip.to_bits() & mask).to_be_bytes())
            }
        }
    }

    /// The bytes of the address: 4 or 16.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Client::V4(bytes) => bytes,
            Client::V6(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_table_of_prefixes() {
        // address, prefix lengths -> the address that stands for the client
        for (ip, v4, v6, wanted) in [
            ("192.0.2.77", 32, 128, "192.0.2.77"),
            ("192.0.2.77", 24, 128, "192.0.2.0"),
            ("192.0.2.77", 8, 128, "192.0.0.0"),
            ("192.0.2.77", 31, 128, "192.0.2.76"),
            ("::ffff:192.0.2.77", 24, 16, "192.0.2.0"),
            ("2001:db8:1:2:3::4", 24, 64, "2001:db8:1:2::"),
            ("2001:db8:1:2:3::4", 24, 128, "2001:db8:1:2:3::4"),
            ("2001:db8:1:2:3::4", 24, 16, "2001::"),
            ("2001:db8:1:2:3::4", 24, 47, "2001:db8::"),
        ] {
            let persistence = Persistence {
                prefix_v4: v4,
                prefix_v6: v6,
                timeout: Duration::ZERO,
            };
            let wanted: IpAddr = wanted.parse().expect("an address");
            let client = Client::of(ip.parse().expect("an address"), Some(&persistence));
            assert_eq!(client, Client::of(wanted, None), "{ip} by {v4} or {v6}");
        }
    }
}
