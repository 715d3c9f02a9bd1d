//! PURE. ARP frames that announce an address.
//!
//! **Source**: RFC 826; RFC 5227, section 3; `vip-protocol.md`, section 7.

use std::net::Ipv4Addr;

/// An announcement as bytes: Ethernet header and ARP, without padding.
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

impl Claim {
    /// The frame, to everybody.
    pub fn frame(&self) -> Frame {
        let mut frame = [0; FRAME_BYTES];
        let (operation, target) = match self.form {
            Form::Request => (1, [0; 6]),
            Form::Reply => (2, self.mac),
        };
        let address = self.address.octets();
        frame[..6].copy_from_slice(&[0xff; 6]);
        frame[6..12].copy_from_slice(&self.mac);
        frame[12..20].copy_from_slice(&ETHERNET_ARP);
        frame[21] = operation;
        frame[22..28].copy_from_slice(&self.mac);
        frame[28..32].copy_from_slice(&address);
        frame[32..38].copy_from_slice(&target);
        frame[38..42].copy_from_slice(&address);
        frame
    }

    /// The claim in a frame; `None` where it claims nothing: another protocol, a question, a probe.
    pub fn parse(frame: &[u8]) -> Option<Claim> {
        let frame = frame.first_chunk::<FRAME_BYTES>()?;
        let form = match (
            &frame[12..20] == ETHERNET_ARP.as_slice(),
            frame[20],
            frame[21],
        ) {
            (true, 0, 1) => Form::Request,
            (true, 0, 2) => Form::Reply,
            _ => return None,
        };
        let address = <[u8; 4]>::try_from(&frame[28..32])
            .ok()
            .map(Ipv4Addr::from)?;
        if address.is_unspecified() || frame[28..32] != frame[38..42] {
            return None;
        }
        Some(Claim {
            form,
            mac: frame[22..28].try_into().ok()?,
            address,
        })
    }
}

/// 14 of Ethernet and 28 of ARP.
const FRAME_BYTES: usize = 42;
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
}
