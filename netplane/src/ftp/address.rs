//! PURE. Addresses and ports as FTP writes them: PORT, EPRT, and the replies 227 and 229.
//!
//! **Source**: RFC 959 section 4.1.2, RFC 1123 section 4.1.2.6, RFC 2428, RFC 2577 section 3.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;

use super::refusal::FtpRefusal;

/// Below are the ports of well-known services, which no data connection may reach.
const PORT_MIN: u16 = 1024;

/// The address that a PORT names.
///
/// **Errors**: it names none.
pub(crate) fn port(argument: &[u8]) -> Result<SocketAddr, FtpRefusal> {
    let numbers: Vec<&[u8]> = argument.split(|byte| *byte == b',').collect();
    six(&numbers).ok_or(FtpRefusal::AddressSyntax)
}

/// The address that an EPRT names.
///
/// **Errors**: it names none, or its family is unknown or not that of its address.
pub(crate) fn eprt(argument: &[u8]) -> Result<SocketAddr, FtpRefusal> {
    let text = std::str::from_utf8(argument).map_err(|_| FtpRefusal::AddressSyntax)?;
    let delimiter = text.chars().next().ok_or(FtpRefusal::AddressSyntax)?;
    let parts: Vec<&str> = text.split(delimiter).collect();
    let ["", family, ip, port, ""] = parts[..] else {
        return Err(FtpRefusal::AddressSyntax);
    };
    let delimiter_allowed = delimiter.is_ascii_graphic() && !delimiter.is_ascii_alphanumeric();
    let port = number(port.as_bytes(), 5, 1..=u16::MAX).filter(|_| delimiter_allowed);
    let port = port.ok_or(FtpRefusal::AddressSyntax)?;
    let ip: IpAddr = match family {
        "1" => ip.parse().map(IpAddr::V4),
        "2" => ip.parse().map(IpAddr::V6),
        _ => return Err(FtpRefusal::AddressFamily),
    }
    .map_err(|_| FtpRefusal::AddressSyntax)?;
    Ok(SocketAddr::new(ip, port))
}

/// `address`, if a data connection may go there for this client.
///
/// **Errors**: it is another family, somebody else, or a port that is not for this.
pub(crate) fn only_to(address: SocketAddr, client: IpAddr) -> Result<SocketAddr, FtpRefusal> {
    if address.is_ipv4() != client.is_ipv4() {
        return Err(FtpRefusal::AddressFamily);
    }
    if address.ip() != client {
        return Err(FtpRefusal::ThirdAddress);
    }
    if address.port() < PORT_MIN {
        return Err(FtpRefusal::LowPort);
    }
    Ok(SocketAddr::new(client, address.port()))
}

/// The port in a server's reply to PASV (227) or EPSV (229); its address does not matter.
///
/// **Errors**: there is none, or it is not for this.
pub(crate) fn passive(code: u16, text: &[u8]) -> Result<u16, FtpRefusal> {
    let port = match code {
        227 => port_of_227(text),
        229 => port_of_229(text),
        _ => None,
    };
    port.filter(|port| *port >= PORT_MIN)
        .ok_or(FtpRefusal::PassiveReply)
}

/// Six numbers with commas between them, wherever they stand: not all servers write parentheses.
fn port_of_227(text: &[u8]) -> Option<u16> {
    let after_code = text.get(4..)?;
    let mut runs = after_code.split(|byte| !byte.is_ascii_digit() && *byte != b',');
    let address = runs.find_map(|run| six(&run.split(|byte| *byte == b',').collect::<Vec<_>>()));
    address.map(|address| address.port())
}

/// `(|||6446|)`, with any delimiter.
fn port_of_229(text: &[u8]) -> Option<u16> {
    let open = text.iter().rposition(|byte| *byte == b'(')?;
    let [one, two, three, rest @ ..] = &text[open + 1..] else {
        return None;
    };
    if one != two || two != three {
        return None;
    }
    let end = rest.iter().position(|byte| byte == one)?;
    if rest.get(end + 1) != Some(&b')') {
        return None;
    }
    number(&rest[..end], 5, 1..=u16::MAX)
}

/// What tells an IPv4 client where to connect.
pub(crate) fn reply_227(ip: Ipv4Addr, port: u16) -> Vec<u8> {
    let [a, b, c, d] = ip.octets();
    let [high, low] = port.to_be_bytes();
    format!("227 Entering Passive Mode ({a},{b},{c},{d},{high},{low}).\r\n").into_bytes()
}

/// What tells any client where to connect.
pub(crate) fn reply_229(port: u16) -> Vec<u8> {
    format!("229 Entering Extended Passive Mode (|||{port}|)\r\n").into_bytes()
}

/// What tells a client which protocol it may name: that of its own address (RFC 2428 section 2).
pub(crate) fn reply_522(client: IpAddr) -> Vec<u8> {
    let protocol = if client.is_ipv4() { 1 } else { 2 };
    format!("522 Network protocol not supported, use ({protocol}).\r\n").into_bytes()
}

/// Four numbers of an address and two of a port, which must not be 0.
fn six(numbers: &[&[u8]]) -> Option<SocketAddr> {
    let mut bytes = [0; 6];
    if numbers.len() != bytes.len() {
        return None;
    }
    for (byte, text) in bytes.iter_mut().zip(numbers) {
        *byte = number(text, 3, 0..=255).and_then(|value| u8::try_from(value).ok())?;
    }
    let [a, b, c, d, high, low] = bytes;
    let port = u16::from_be_bytes([high, low]);
    (port > 0).then(|| SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), port))
}

/// A number of decimal digits only.
fn number(text: &[u8], digits_max: usize, within: RangeInclusive<u16>) -> Option<u16> {
    if !(1..=digits_max).contains(&text.len()) || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value: u32 = text
        .iter()
        .fold(0, |value, digit| value * 10 + u32::from(digit - b'0'));
    u16::try_from(value)
        .ok()
        .filter(|value| within.contains(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::Ipv6Addr;

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn port_arguments() {
        assert_eq!(port(b"10,0,0,7,4,1"), Ok(at("10.0.0.7:1025")));
        for wrong in [
            "",
            "1,2,3,4,5",
            "1,2,3,4,5,6,7",
            "1,2,3,4,5,256",
            "1,2,3,4,5,-6",
            "1,2,3,4,5,+6",
            "1,2,3,4,5,0006",
            "1,2,3,4,5, 6",
            "1,2,3,4,,6",
            "1.2.3.4,5,6",
            "1,2,3,4,0,0",
        ] {
            assert_eq!(
                port(wrong.as_bytes()),
                Err(FtpRefusal::AddressSyntax),
                "{wrong}"
            );
        }
    }

    #[test]
    fn eprt_arguments() {
        assert_eq!(eprt(b"|1|132.235.1.2|6275|"), Ok(at("132.235.1.2:6275")));
        assert_eq!(
            eprt(b"|2|1080::8:800:200C:417A|5282|"),
            Ok(at("[1080::8:800:200c:417a]:5282"))
        );
        assert_eq!(eprt(b"!1!1.2.3.4!5!"), Ok(at("1.2.3.4:5")));
        assert_eq!(eprt(b"|3|1.2.3.4|5|"), Err(FtpRefusal::AddressFamily));
        for wrong in [
            "",
            "|",
            "|1|1.2.3.4|5",
            "1|1.2.3.4|5|",
            "|1|::1|5|",
            "|2|1.2.3.4|5|",
            "|1|1.2.3.4|0|",
            "|1|1.2.3.4|65536|",
            "|1|1.2.3.4||",
            "|1|1.2.3.4|+5|",
            "|2|fe80::1%1|5|",
            "|1|1.2.3.4|5||",
            "|1|h|5|",
            "919a.b.c.d9",
        ] {
            assert_eq!(
                eprt(wrong.as_bytes()),
                Err(FtpRefusal::AddressSyntax),
                "{wrong}"
            );
        }
    }

    #[test]
    fn data_connections_go_to_the_client_only() {
        let v4 = at("10.0.0.7:0").ip();
        let v6 = at("[fd00::7]:0").ip();
        let rows = [
            ("10.0.0.7:1024", v4, None),
            ("[fd00::7]:65535", v6, None),
            ("10.0.0.8:1024", v4, Some(FtpRefusal::ThirdAddress)),
            ("127.0.0.1:1024", v4, Some(FtpRefusal::ThirdAddress)),
            ("[fd00::8]:1024", v6, Some(FtpRefusal::ThirdAddress)),
            ("10.0.0.7:1023", v4, Some(FtpRefusal::LowPort)),
            ("[fd00::7]:1024", v4, Some(FtpRefusal::AddressFamily)),
            (
                "[::ffff:10.0.0.7]:1024",
                v4,
                Some(FtpRefusal::AddressFamily),
            ),
            ("10.0.0.7:1024", v6, Some(FtpRefusal::AddressFamily)),
        ];
        for (address, client, refused) in rows {
            let wanted = refused.map_or(Ok(at(address)), Err);
            assert_eq!(only_to(at(address), client), wanted, "{address}");
        }
    }

    #[test]
    fn passive_replies_of_all_sorts() {
        let rows: &[(u16, &str, Option<u16>)] = &[
            (
                227,
                "227 Entering Passive Mode (10,0,0,7,4,1).\r\n",
                Some(1025),
            ),
            (
                227,
                "227 Entering Passive Mode (10,0,0,7,4,1)\r\n",
                Some(1025),
            ),
            (
                227,
                "227 Entering Passive Mode 10,0,0,7,4,1\r\n",
                Some(1025),
            ),
            (227, "227 =10,0,0,7,4,1\r\n", Some(1025)),
            // Commas of the sentence are none of the address.
            (
                227,
                "227 Entering, in 1,2 ways, Passive Mode (10,0,0,7,4,1)\r\n",
                Some(1025),
            ),
            (227, "227 (10,0,0,7,3,255)\r\n", None),
            (227, "227 (10,0,0,7,0,21)\r\n", None),
            (227, "227 (10,0,0,7,4)\r\n", None),
            (227, "227 (10,0,0,7,256,1)\r\n", None),
            (227, "227 Entering Passive Mode\r\n", None),
            (227, "227\r\n", None),
            (
                229,
                "229 Entering Extended Passive Mode (|||6446|)\r\n",
                Some(6446),
            ),
            (229, "229 (a) Extended (!!!6446!)\r\n", Some(6446)),
            (229, "229 Extended (|||1023|)\r\n", None),
            (229, "229 Extended (|||70000|)\r\n", None),
            (229, "229 Extended (|1||6446|)\r\n", None),
            (229, "229 Extended (|||6446)\r\n", None),
            (229, "229 Extended\r\n", None),
            (200, "200 (10,0,0,7,4,1)\r\n", None),
        ];
        for (code, text, wanted) in rows {
            let wanted = wanted.ok_or(FtpRefusal::PassiveReply);
            assert_eq!(passive(*code, text.as_bytes()), wanted, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_can_be_read(ip: [u8; 4], port in PORT_MIN..) {
            let ip = Ipv4Addr::from(ip);
            prop_assert_eq!(passive(227, &reply_227(ip, port)), Ok(port));
            prop_assert_eq!(passive(229, &reply_229(port)), Ok(port));
        }

        #[test]
        fn eprt_of_any_address(ip: [u8; 16], port in 1u16..) {
            let ip = Ipv6Addr::from(ip);
            let wanted = SocketAddr::new(ip.into(), port);
            prop_assert_eq!(eprt(format!("|2|{ip}|{port}|").as_bytes()), Ok(wanted));
        }

        #[test]
        fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = (port(&bytes), eprt(&bytes), passive(227, &bytes), passive(229, &bytes));
        }
    }
}
