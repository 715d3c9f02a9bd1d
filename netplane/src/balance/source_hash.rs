//! PURE. By the client's address, through a Maglev table: the same client meets the same server,
//! on every node and after every takeover, and a server that goes moves hardly anybody else.
//!
//! The table depends on the names and weights of the candidates and on nothing else: not on their
//! order, addresses, or what happened before. So that nodes of different versions agree, this is
//! fixed for ever (golden tests below):
//!
//! - Servers are sorted by name. Hashes are SipHash-2-4 of the name under keys of 16 ASCII bytes.
//! - The table has 16381 entries. A server's permutation is `(at + n * by) mod 16381` for
//!   n = 0, 1, …, with `at` = hash mod 16381 under `farmux-maglev-at` and `by` = 1 + hash mod 16380
//!   under `farmux-maglev-by`.
//! - In rounds, each server in turn gains its weight in credit. Whoever has as much as the heaviest
//!   server weighs pays so much, and takes the first entry of its permutation that is still free.
//! - A client's entry is the hash of the 4 or 16 bytes of its address, or of its prefix where the
//!   service has persistence, mod 16381, under `farmux-maglev-of`.
//! - Where the server of that entry may not be picked, every `1 + (hash / 16381) mod 16380`th entry
//!   behind it is asked. So the clients of one server spread over all others.
//!
//! **Source**: Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer" (NSDI
//! 2016), section 3.4.

use super::Candidate;
use super::client::Client;
use super::hash::Hash;

/// Entries of a table: a prime. The paper wants 100 entries a server for shares within a percent;
/// with 160 servers this is that. The runtime that fills it serves nobody meanwhile: measured, 0.05
/// ms for 3 servers, 0.26 for 100, 0.3 for 1000. Its 32 KiB stay in a core's second-level cache.
const ENTRIES: usize = 16_381;

/// Where a server's permutation begins.
const AT: Hash = keyed(b"farmux-maglev-at");
/// How far apart its entries are.
const BY: Hash = keyed(b"farmux-maglev-by");
/// Which entry is a client's.
const OF: Hash = keyed(b"farmux-maglev-of");

const fn keyed(key: &[u8; 16]) -> Hash {
    let all = u128::from_le_bytes(*key);
    // The two words of the key, cut out of it: nothing is lost.
    #[expect(clippy::cast_possible_truncation, reason = "the cut is meant")]
    let key = [all as u64, (all >> 64) as u64];
    Hash { key }
}

/// An entry that nobody has taken yet.
const FREE: u16 = u16::MAX;

/// The table, and who stands behind its entries.
#[derive(Debug, Clone)]
pub struct SourceHash {
    candidates: Vec<Candidate>,
    /// Indices into `candidates`; empty where there are none.
    entries: Box<[u16]>,
}

impl SourceHash {
    /// The table of these candidates; `name` tells the name of the server at a place.
    pub fn new<'a>(candidates: Vec<Candidate>, name: impl Fn(usize) -> &'a str) -> Self {
        let mut named: Vec<_> = candidates
            .iter()
            .map(|one| (name(one.place), *one))
            .collect();
        named.sort_unstable_by_key(|(name, _)| *name);
        let servers: Vec<_> = named
            .iter()
            .map(|(name, one)| (*name, one.weight))
            .collect();
        SourceHash {
            entries: fill(&servers),
            candidates: named.iter().map(|(_, one)| *one).collect(),
        }
    }

    /// The place of the client's server, or where it is not allowed of the next that is.
    pub fn pick(&self, client: &Client, allowed: impl Fn(usize) -> bool) -> Option<usize> {
        let anybody = self.candidates.iter().find(|one| allowed(one.place))?;
        let hash = OF.of(client.bytes());
        let mut at = entry(hash, ENTRIES);
        let by = 1 + entry(hash / ENTRIES as u64, ENTRIES - 1);
        // The number of entries is prime: this comes by all of them.
        for _ in 0..ENTRIES {
            let place = self.candidates[usize::from(self.entries[at])].place;
            if allowed(place) {
                return Some(place);
            }
            at = (at + by) % ENTRIES;
        }
        // Only servers are left whose weight is too small for an entry of their own.
        Some(anybody.place)
    }
}

/// Fills a table with indices into `servers`, which are sorted by name.
fn fill(servers: &[(&str, u32)]) -> Box<[u16]> {
    let Some(heaviest) = servers.iter().map(|(_, weight)| *weight).max() else {
        return Box::default();
    };
    // A farm with more servers than a table has entries cannot be configured; they would get none.
    let mut turns: Vec<_> = (0..FREE).zip(servers).map(Turn::new).collect();
    let mut entries = vec![FREE; ENTRIES].into_boxed_slice();
    let mut free = ENTRIES;
    while free > 0 {
        for turn in &mut turns {
            turn.credit += u64::from(turn.weight);
            if turn.credit < u64::from(heaviest) || free == 0 {
                continue;
            }
            turn.credit -= u64::from(heaviest);
            while entries[turn.next] != FREE {
                turn.advance();
            }
            entries[turn.next] = turn.index;
            free -= 1;
        }
    }
    entries
}

/// A server that fills its entries.
struct Turn {
    index: u16,
    weight: u32,
    credit: u64,
    next: usize,
    by: usize,
}

impl Turn {
    fn new((index, (name, weight)): (u16, &(&str, u32))) -> Turn {
        Turn {
            index,
            weight: *weight,
            credit: 0,
            next: entry(AT.of(name.as_bytes()), ENTRIES),
            by: 1 + entry(BY.of(name.as_bytes()), ENTRIES - 1),
        }
    }

    fn advance(&mut self) {
        self.next = (self.next + self.by) % ENTRIES;
    }
}

fn entry(hash: u64, of: usize) -> usize {
    usize::try_from(hash % of as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests;
