//! PURE. Writing a header in front of what is sent to a server.

use std::net::{IpAddr, Ipv6Addr};

use super::{Ends, SIGNATURE};
use crate::plan::ProxyVersion;

/// The header that tells a server of the client at `ends`.
///
/// Both ends are told in one family: IPv6, where only one of them is IPv4.
pub fn header(version: ProxyVersion, ends: &Ends) -> Vec<u8> {
    let ips = [ends.client, ends.local].map(|end| end.ip().to_canonical());
    let ports = [ends.client.port(), ends.local.port()];
    let ips = if ips.iter().all(IpAddr::is_ipv4) {
        ips
    } else {
        ips.map(|ip| IpAddr::V6(wide(ip)))
    };
    match version {
        ProxyVersion::V1 => line(ips, ports).into_bytes(),
        ProxyVersion::V2 => bytes(ips, ports),
    }
}

/// The header of a connection that is our own and no client's, as checks make it.
///
/// **Source**: section 2.1 (`UNKNOWN`), section 2.2 (`LOCAL`; family and length are 0).
pub fn own(version: ProxyVersion) -> Vec<u8> {
    match version {
        ProxyVersion::V1 => b"PROXY UNKNOWN\r\n".to_vec(),
        ProxyVersion::V2 => [&SIGNATURE[..], &[0x20, 0, 0, 0]].concat(),
    }
}

fn wide(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

fn line([client, local]: [IpAddr; 2], [from, to]: [u16; 2]) -> String {
    let family = if client.is_ipv4() { "TCP4" } else { "TCP6" };
    format!("PROXY {family} {client} {local} {from} {to}\r\n")
}

fn bytes(ips: [IpAddr; 2], ports: [u16; 2]) -> Vec<u8> {
    let mut body = Vec::new();
    for ip in ips {
        match ip {
            IpAddr::V4(ip) => body.extend(ip.octets()),
            IpAddr::V6(ip) => body.extend(ip.octets()),
        }
    }
    body.extend(ports.iter().flat_map(|port| port.to_be_bytes()));
    // Version 2, command PROXY; the family, as a stream; 12 or 36 bytes.
    let (family, length) = if ips[0].is_ipv4() {
        (0x11, 12)
    } else {
        (0x21, 36)
    };
    let mut out = SIGNATURE.to_vec();
    out.extend([0x21, family, 0, length]);
    out.extend(body);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::read;

    fn ends(client: &str, local: &str) -> Ends {
        Ends {
            client: client.parse().expect("an address"),
            local: local.parse().expect("an address"),
        }
    }

    /// Written by hand from sections 2.1 and 2.2.
    #[test]
    fn golden_bytes() {
        let v4 = ends("192.0.2.7:56789", "10.0.0.1:80");
        let v6 = ends("[2001:db8::9]:65535", "[fd00::1]:443");
        let mixed = ends("192.0.2.7:1", "[fd00::1]:443");
        let clothed = ends("[::ffff:192.0.2.7]:56789", "10.0.0.1:80");
        let v4_bytes = b"\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a\x21\x11\x00\x0c\
            \xc0\x00\x02\x07\x0a\x00\x00\x01\xdd\xd5\x00\x50";
        let v6_bytes = b"\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a\x21\x21\x00\x24\
            \x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x09\
            \xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\xff\xff\x01\xbb";
        let mixed_bytes = b"\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a\x21\x21\x00\x24\
            \0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x07\
            \xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x00\x01\x01\xbb";
        let v4_line = b"PROXY TCP4 192.0.2.7 10.0.0.1 56789 80\r\n";
        let v6_line = b"PROXY TCP6 2001:db8::9 fd00::1 65535 443\r\n";
        let mixed_line = b"PROXY TCP6 ::ffff:192.0.2.7 fd00::1 1 443\r\n";
        for (version, ends, wanted) in [
            (ProxyVersion::V1, v4, &v4_line[..]),
            (ProxyVersion::V1, clothed, v4_line),
            (ProxyVersion::V1, v6, v6_line),
            (ProxyVersion::V1, mixed, mixed_line),
            (ProxyVersion::V2, v4, v4_bytes),
            (ProxyVersion::V2, clothed, v4_bytes),
            (ProxyVersion::V2, v6, v6_bytes),
            (ProxyVersion::V2, mixed, mixed_bytes),
        ] {
            let got = header(version, &ends);
            assert_eq!(
                got.escape_ascii().to_string(),
                wanted.escape_ascii().to_string()
            );
        }
    }

    #[test]
    fn golden_bytes_of_our_own() {
        let line = own(ProxyVersion::V1);
        assert_eq!(line, b"PROXY UNKNOWN\r\n");
        let bytes = own(ProxyVersion::V2);
        assert_eq!(
            bytes,
            b"\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a\x20\x00\x00\x00"
        );
        for header in [line, bytes] {
            let (ends, length) = (None, header.len());
            assert_eq!(
                read::header(&header),
                Ok(Some(read::Header { ends, length }))
            );
        }
    }

    #[test]
    fn what_was_written_is_read_as_the_same() {
        for (client, local) in [
            ("192.0.2.7:0", "10.0.0.1:65535"),
            ("[::1]:9", "[fd00::1]:80"),
        ] {
            for version in [ProxyVersion::V1, ProxyVersion::V2] {
                let ends = ends(client, local);
                let bytes = header(version, &ends);
                let read = read::header(&bytes).map(|header| header.and_then(|read| read.ends));
                assert_eq!(read, Ok(Some(ends)));
            }
        }
    }
}
