//! PURE. SipHash-2-4 under keys that never change: equal on every node, in every version.
//!
//! The standard library's hasher promises neither its algorithm nor its result, so what nodes must
//! agree on is hashed here.
//!
//! **Source**: Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012), sections 2 and A.

/// A hash function of its own for each use, so that two uses never correlate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hash {
    /// The key: two little-endian words.
    pub key: [u64; 2],
}

impl Hash {
    /// The hash of `bytes`.
    pub fn of(self, bytes: &[u8]) -> u64 {
        let mut state = State::new(self.key);
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            state.compress(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        // The length modulo 256 stands in the last byte.
        last[7] = bytes.len().to_le_bytes()[0];
        state.compress(u64::from_le_bytes(last));
        state.finish()
    }
}

struct State([u64; 4]);

impl State {
    fn new([first, second]: [u64; 2]) -> State {
        State([
            first ^ 0x736f_6d65_7073_6575,
            second ^ 0x646f_7261_6e64_6f6d,
            first ^ 0x6c79_6765_6e65_7261,
            second ^ 0x7465_6462_7974_6573,
        ])
    }

    fn compress(&mut self, word: u64) {
        self.0[3] ^= word;
        self.round();
        self.round();
        self.0[0] ^= word;
    }

    fn finish(mut self) -> u64 {
        self.0[2] ^= 0xff;
        for _ in 0..4 {
            self.round();
        }
        self.0.iter().fold(0, |all, word| all ^ word)
    }

    fn round(&mut self) {
        let [v0, v1, v2, v3] = &mut self.0;
        *v0 = v0.wrapping_add(*v1);
        *v2 = v2.wrapping_add(*v3);
        *v1 = v1.rotate_left(13) ^ *v0;
        *v3 = v3.rotate_left(16) ^ *v2;
        *v0 = v0.rotate_left(32);
        *v2 = v2.wrapping_add(*v1);
        *v0 = v0.wrapping_add(*v3);
        *v1 = v1.rotate_left(17) ^ *v2;
        *v3 = v3.rotate_left(21) ^ *v0;
        *v2 = v2.rotate_left(32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The paper's example (appendix A), and the first of its authors' test vectors: key
    /// 00 01 … 0f, message 00 01 … of each length.
    #[test]
    fn the_published_vectors() {
        let hash = Hash {
            key: [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908],
        };
        let message: Vec<u8> = (0..15).collect();
        for (length, wanted) in [
            (0, 0x726f_db47_dd0e_0e31),
            (1, 0x74f8_39c5_93dc_67fd),
            (2, 0x0d6c_8009_d9a9_4f5a),
            (7, 0xab02_00f5_8b01_d137),
            (8, 0x93f5_f579_9a93_2462),
            (15, 0xa129_ca61_49be_45e5),
        ] {
            assert_eq!(hash.of(&message[..length]), wanted, "{length} bytes");
        }
    }
}
