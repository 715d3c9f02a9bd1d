//! PURE. ARP frames: what announces an address, what asks for one, and who says that it has it.
//!
//! **Source**: RFC 826; RFC 5227, 2.1.1 (a probe carries no sender address, so that it changes
//! nobody's table) and 3 (announcements); `vip-protocol.md`, sections 5 and 7.

use std::net::Ipv4Addr;

/// A frame as bytes: Ethernet header and ARP, without padding.
pub type Frame = [u8; FRAME_BYTES];

/// What a frame says, as far as a VIP is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Request or reply.
    pub form: Form,
    /// Whose claim.
    pub mac: [u8; 6],
    /// To which address.
    pub address: Ipv4Addr,
}

/// The two forms of an announcement; some listen to one only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Operation 1.
    Request,
    /// Operation 2. Its target MAC is the sender's: Linux ignores ff and zero within its locktime.
    Reply,
}

/// What an ARP frame says.
struct Said {
    form: Form,
    mac: [u8; 6],
    sender: Ipv4Addr,
    target_mac: [u8; 6],
    target: Ipv4Addr,
}

impl Claim {
    /// The frame, to everybody.
    pub fn frame(&self) -> Frame {
        let said = Said {
            form: self.form,
            mac: self.mac,
            sender: self.address,
            target_mac: match self.form {
                Form::Request => [0; 6],
                Form::Reply => self.mac,
            },
            target: self.address,
        };
        said.frame()
    }

    /// The claim in a frame; `None` where it claims nothing: another protocol, a question, a probe.
    pub fn parse(frame: &[u8]) -> Option<Claim> {
        let said = Said::parse(frame)?;
        let claims = !said.sender.is_unspecified() && said.sender == said.target;
        claims.then_some(Claim {
            form: said.form,
            mac: said.mac,
            address: said.sender,
        })
    }
}

/// Asks everybody who has `address`; a probe where `sender` is unspecified.
pub fn question(mac: [u8; 6], sender: Ipv4Addr, address: Ipv4Addr) -> Frame {
    let said = Said {
        form: Form::Request,
        mac,
        sender,
        target_mac: [0; 6],
        target: address,
    };
    said.frame()
}

/// Who says by this frame that `address` is its own: the sender of an answer, of an announcement,
/// or of a question that carries it.
pub fn owner(frame: &[u8], address: Ipv4Addr) -> Option<[u8; 6]> {
    let said = Said::parse(frame)?;
    (said.sender == address).then_some(said.mac)
}

impl Said {
    /// To everybody.
    fn frame(&self) -> Frame {
        let mut frame = [0; FRAME_BYTES];
        frame[..6].copy_from_slice(&[0xff; 6]);
        frame[6..12].copy_from_slice(&self.mac);
        frame[12..20].copy_from_slice(&ETHERNET_ARP);
        frame[21] = match self.form {
            Form::Request => 1,
            Form::Reply => 2,
        };
        frame[22..28].copy_from_slice(&self.mac);
        frame[28..32].copy_from_slice(&self.sender.octets());
        frame[32..38].copy_from_slice(&self.target_mac);
        frame[38..42].copy_from_slice(&self.target.octets());
        frame
    }

    /// `None`: cut off, or no question or answer about IPv4 over Ethernet.
    fn parse(frame: &[u8]) -> Option<Said> {
        let frame = frame.first_chunk::<FRAME_BYTES>()?;
        let form = match (frame[12..20] == ETHERNET_ARP, frame[20], frame[21]) {
            (true, 0, 1) => Form::Request,
            (true, 0, 2) => Form::Reply,
            _ => return None,
        };
        let address = |octets: &[u8]| <[u8; 4]>::try_from(octets).ok().map(Ipv4Addr::from);
        Some(Said {
            form,
            mac: frame[22..28].try_into().ok()?,
            sender: address(&frame[28..32])?,
            target_mac: frame[32..38].try_into().ok()?,
            target: address(&frame[38..42])?,
        })
    }
}

/// 14 of Ethernet and 28 of ARP.
pub const FRAME_BYTES: usize = 42;
/// Ethertype ARP; hardware Ethernet, protocol IPv4, lengths 6 and 4.
const ETHERNET_ARP: [u8; 8] = [0x08, 0x06, 0, 1, 0x08, 0, 6, 4];

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 7];
    const VIP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);

    #[test]
    fn both_forms_byte_by_byte() {
        let request = Claim {
            form: Form::Request,
            mac: MAC,
            address: VIP,
        };
        let expected = [
            255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 7, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0,
            0, 0, 7, 10, 0, 0, 100, 0, 0, 0, 0, 0, 0, 10, 0, 0, 100,
        ];
        assert_eq!(request.frame(), expected);
        let reply = Claim {
            form: Form::Reply,
            ..request
        }
        .frame();
        assert_eq!(reply[21], 2);
        assert_eq!(reply[32..38], MAC, "the target of a reply is its sender");
        for claim in [
            request,
            Claim {
                form: Form::Reply,
                ..request
            },
        ] {
            assert_eq!(Claim::parse(&claim.frame()), Some(claim));
        }
    }

    #[test]
    fn what_claims_nothing() {
        let frame = Claim {
            form: Form::Request,
            mac: MAC,
            address: VIP,
        }
        .frame();
        let changed = |at: usize, byte: u8| {
            let mut frame = frame;
            frame[at] = byte;
            frame
        };
        assert_eq!(Claim::parse(&frame[..41]), None, "cut off");
        assert_eq!(Claim::parse(&changed(13, 0)), None, "not ARP");
        assert_eq!(Claim::parse(&changed(21, 3)), None, "another operation");
        assert_eq!(
            Claim::parse(&changed(41, 99)),
            None,
            "asks for another address"
        );
        let mut probe = frame;
        probe[28..32].fill(0);
        assert_eq!(Claim::parse(&probe), None, "a probe");
    }

    #[test]
    fn a_probe_byte_by_byte() {
        let expected = [
            255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 7, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0,
            0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 100,
        ];
        assert_eq!(question(MAC, Ipv4Addr::UNSPECIFIED, VIP), expected);
    }

    #[test]
    fn who_owns() {
        let own = Ipv4Addr::new(10, 0, 0, 11);
        let asked = question(MAC, own, VIP);
        assert_eq!(owner(&asked, VIP), None, "a question is no answer");
        assert_eq!(owner(&asked, own), Some(MAC), "but says who asks");
        let probe = question(MAC, Ipv4Addr::UNSPECIFIED, VIP);
        assert_eq!(owner(&probe, VIP), None);
        let mut answer = question(MAC, VIP, own);
        answer[21] = 2;
        assert_eq!(owner(&answer, VIP), Some(MAC));
        assert_eq!(owner(&answer, own), None);
        answer[21] = 3;
        assert_eq!(owner(&answer, VIP), None, "RARP");
        assert_eq!(owner(&answer[..41], VIP), None, "cut off");
    }
}
