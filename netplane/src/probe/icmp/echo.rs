//! PURE. Echo requests, and what is an answer to one.
//!
//! **Source**: RFC 792 (ICMP); RFC 4443, 4 (ICMPv6); RFC 1071 (checksum).

/// An echo request: random, so that nothing else passes for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Echo {
    /// Which version of IP carries it.
    pub(crate) v4: bool,
    /// Replaced by the kernel on a datagram socket, and by that alone.
    pub(crate) id: u16,
    /// Rises when it is sent again.
    pub(crate) sequence: u16,
    /// Must come back.
    pub(crate) payload: [u8; PAYLOAD_BYTES],
}

impl Echo {
    /// The message that asks for it. Its checksum is right for IPv4; for IPv6, where it covers the
    /// addresses too, the kernel makes it on either kind of socket.
    pub(crate) fn request(&self) -> Vec<u8> {
        let kind = if self.v4 { REQUEST_V4 } else { REQUEST_V6 };
        let mut message = vec![kind, 0, 0, 0];
        message.extend(self.id.to_be_bytes());
        message.extend(self.sequence.to_be_bytes());
        message.extend(self.payload);
        let sum = checksum(&message).to_be_bytes();
        for (byte, sum) in message.iter_mut().skip(2).zip(sum) {
            *byte = sum;
        }
        message
    }

    /// Whether a message is the answer; `any_id` where the kernel chose the identifier. Sequence
    /// numbers do not count: whichever sending of this request is echoed, it is echoed.
    pub(crate) fn is_answered_by(&self, message: &[u8], any_id: bool) -> bool {
        let kind = if self.v4 { REPLY_V4 } else { REPLY_V6 };
        let Some((head, payload)) = message.split_first_chunk::<8>() else {
            return false;
        };
        let id = u16::from_be_bytes([head[4], head[5]]);
        head[..2] == [kind, 0] && (any_id || id == self.id) && payload == self.payload
    }
}

/// An ICMP message without the IPv4 head before it; `None`: that is not whole.
pub(crate) fn without_ip_head(packet: &[u8]) -> Option<&[u8]> {
    let words = packet.first()? & 0x0f;
    packet.get(usize::from(words) * 4..)
}

fn checksum(message: &[u8]) -> u16 {
    let mut sum: u32 = message
        .chunks(2)
        .map(|pair| {
            let low = pair.get(1).copied().unwrap_or(0);
            u32::from(u16::from_be_bytes([pair[0], low]))
        })
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

/// Random bytes in a request: nobody who does not see it guesses them.
pub(crate) const PAYLOAD_BYTES: usize = 16;

const REQUEST_V4: u8 = 8;
const REPLY_V4: u8 = 0;
const REQUEST_V6: u8 = 128;
const REPLY_V6: u8 = 129;

#[cfg(test)]
mod tests {
    use super::*;

    const ECHO: Echo = Echo {
        v4: true,
        id: 0x1234,
        sequence: 7,
        payload: *b"0123456789abcdef",
    };

    #[test]
    fn a_request_sums_up_to_nothing() {
        let request = ECHO.request();
        assert_eq!(request[..2], [8, 0]);
        assert_eq!(request[4..8], [0x12, 0x34, 0, 7]);
        assert_eq!(checksum(&request), 0);
        // RFC 1071, 3: the example.
        assert_eq!(
            checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]),
            !0xddf2
        );
    }

    #[test]
    fn only_the_echo_is_an_answer() {
        for v4 in [true, false] {
            let echo = Echo { v4, ..ECHO };
            let mut answer = echo.request();
            assert!(!echo.is_answered_by(&answer, true), "the request itself");
            answer[0] = if v4 { 0 } else { 129 };
            assert!(echo.is_answered_by(&answer, false));
            let other = Echo { id: 1, ..echo };
            assert!(!other.is_answered_by(&answer, false));
            assert!(other.is_answered_by(&answer, true));
            let spoil = |at: usize| {
                let mut spoilt = answer.clone();
                spoilt[at] ^= 1;
                echo.is_answered_by(&spoilt, false)
            };
            assert!(!spoil(1) && !spoil(5) && !spoil(8) && !spoil(23));
            assert!(spoil(7), "whichever sending");
            for length in 0..answer.len() {
                assert!(!echo.is_answered_by(&answer[..length], false));
            }
            answer.push(0);
            assert!(!echo.is_answered_by(&answer, false));
        }
    }

    #[test]
    fn heads_of_any_length_go() {
        assert_eq!(without_ip_head(&[0x45; 20]), Some(&[][..]));
        let with_options = [[0x46; 24].as_slice(), b"icmp"].concat();
        assert_eq!(without_ip_head(&with_options), Some(&b"icmp"[..]));
        assert_eq!(without_ip_head(&[0x45; 19]), None);
        assert_eq!(without_ip_head(&[]), None);
    }
}
