//! PURE. A small mutator for the short run in CI: the same seed makes the same inputs. Whoever
//! hunts uses libFuzzer, which looks at what each input reaches (`tests/fuzz.sh`).

use crate::chance::Chance;

/// Numbers from a seed.
#[derive(Debug, Clone)]
pub struct Random(Chance);

impl Random {
    /// The sequence of a seed.
    pub fn new(seed: u64) -> Random {
        Random(Chance::new(seed))
    }

    /// A number below `bound`; 0 where nothing is below it.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).expect("a length fits").max(1);
        usize::try_from(self.0.roll() % bound).expect("it is below a length")
    }

    fn byte(&mut self) -> u8 {
        self.0.roll().to_be_bytes()[0]
    }
}

/// An input made from one of `seeds`, and of another one where the dice say so; at most
/// `bytes_max` long.
pub fn mutated(random: &mut Random, seeds: &[&[u8]], bytes_max: usize) -> Vec<u8> {
    let mut bytes = pick(random, seeds).to_vec();
    for _ in 0..=random.below(CHANGES_MAX) {
        change(random, seeds, &mut bytes);
    }
    bytes.truncate(bytes_max);
    bytes
}

fn pick<'a>(random: &mut Random, seeds: &[&'a [u8]]) -> &'a [u8] {
    seeds
        .get(random.below(seeds.len()))
        .copied()
        .unwrap_or_default()
}

fn change(random: &mut Random, seeds: &[&[u8]], bytes: &mut Vec<u8>) {
    let at = random.below(bytes.len());
    let length = 1 + random.below(PIECE_BYTES_MAX);
    let end = (at + length).min(bytes.len());
    match random.below(8) {
        0 => bytes.truncate(at),
        1 => drop(bytes.drain(at..end)),
        2 => {
            let again = bytes[at..end].to_vec();
            insert(bytes, at, &again);
        }
        3 => {
            let other = pick(random, seeds);
            let from = random.below(other.len());
            let to = (from + length).min(other.len());
            insert(bytes, at, &other[from..to]);
        }
        4 => insert(bytes, at, TELLING[random.below(TELLING.len())]),
        5 => replace(bytes, at, random.byte()),
        6 => {
            let bit = 1 << random.below(8);
            let now = bytes.get(at).copied().unwrap_or_default();
            replace(bytes, at, now ^ bit);
        }
        _ => replace(bytes, at, LIMITS[random.below(LIMITS.len())]),
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, piece: &[u8]) {
    let at = at.min(bytes.len());
    bytes.splice(at..at, piece.iter().copied());
}

fn replace(bytes: &mut [u8], at: usize, byte: u8) {
    if let Some(place) = bytes.get_mut(at) {
        *place = byte;
    }
}

/// Changes to one seed: more make noise of it.
const CHANGES_MAX: usize = 6;

/// Longest piece that is left out, repeated or taken over.
const PIECE_BYTES_MAX: usize = 32;

/// Bytes at which lengths and numbers change their meaning.
const LIMITS: [u8; 10] = [0, 1, 0x7f, 0x80, 0xff, 251, 252, 253, 254, b'9'];

/// What decoders of text stumble over.
const TELLING: [&[u8]; 20] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b"\r\n\r\n",
    b" ",
    b"\t",
    b":",
    b",",
    b"\"",
    b"\\",
    b"-",
    b"+",
    b"=",
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
    b"18446744073709551616",
    b"\xe2\x80\xa8",
    b"\xc3\xa4",
    b"\xff\xf4",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_inputs() {
        let seeds: [&[u8]; 2] = [b"GET / HTTP/1.1\r\n\r\n", b""];
        let inputs = |seed| -> Vec<Vec<u8>> {
            let mut random = Random::new(seed);
            (0..200).map(|_| mutated(&mut random, &seeds, 40)).collect()
        };
        assert_eq!(inputs(1), inputs(1));
        assert_ne!(inputs(1), inputs(2));
        assert!(inputs(3).iter().all(|input| input.len() <= 40));
        assert_eq!(mutated(&mut Random::new(1), &[], 0), b"");
    }
}
