//! PURE. Picking a server: who may be picked, and one method a file.
//!
//! ```text
//!   plan + health ──candidates()──▶ [place, weight] ──Picker──▶ place of the server
//!        slow_start: what a weight is worth now ─┘       ▲
//!        client: address or prefix ──────────────────────┘   persistence: whom it met before
//! ```
//!
//! A picker is made anew whenever other servers are candidates; where only their weights change,
//! turns go on. It holds only turns, no health.

pub mod client;
pub mod hash;
pub mod least_connections;
pub mod persistence;
pub mod random_of_two;
pub mod round_robin;
pub mod slow_start;
pub mod source_hash;

use std::cmp::Ordering;

use crate::plan::{Admission, Advice, Method, Tier};
use client::Client;
use least_connections::LeastConnections;
use random_of_two::RandomOfTwo;
use round_robin::RoundRobin;
use source_hash::SourceHash;

/// A server that may be given work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Its place in the service's list of servers.
    pub place: usize,
    /// Its share of the work, at least 1.
    pub weight: u32,
}

/// What makes a server a candidate, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Share of the work, as configured; 0 counts as 1.
    pub weight: u32,
    /// What an operator ordered.
    pub admission: Admission,
    /// What the server asks for.
    pub advice: Advice,
    /// When it is used.
    pub tier: Tier,
    /// Whether it is up.
    pub healthy: bool,
}

impl Standing {
    /// Whether it may be given work, where nobody of an earlier tier may.
    pub fn is_able(&self) -> bool {
        match self.admission {
            Admission::Ready => self.healthy && self.advice != Advice::Quiesce,
            Admission::Drain | Admission::Maintenance => false,
        }
    }

    /// Whether it finishes what it has, and no more.
    pub fn is_leaving(&self) -> bool {
        match self.admission {
            Admission::Ready => self.advice == Advice::Quiesce,
            Admission::Drain | Admission::Maintenance => true,
        }
    }

    /// Its share of the work: the one that it asks for takes the place of the configured one.
    fn share(&self) -> u32 {
        match self.advice {
            Advice::Weight(weight) => weight.get(),
            Advice::None | Advice::Overload | Advice::Quiesce => self.weight.max(1),
        }
    }
}

/// The servers that may be given work now: ready, healthy, not overloaded where anybody is not, and
/// of the first tier that has any.
///
/// Where all that are left say OVERLOAD, in whatever tier, they are used all the same: a farm that
/// is slow is worth more than one that answers 503, and a site whose servers all work hard is not
/// one that nobody may use. (HAProxy's agent-check would answer 503.) QUIESCE is honoured by all as
/// well as by one: somebody said so on each of them, as with a drain.
pub fn candidates(servers: impl IntoIterator<Item = Standing>) -> Vec<Candidate> {
    let numbered = servers.into_iter().enumerate();
    let mut able: Vec<_> = numbered.filter(|(_, server)| server.is_able()).collect();
    let is_free = |(_, server): &(usize, Standing)| server.advice != Advice::Overload;
    if able.iter().any(is_free) {
        able.retain(is_free);
    }
    let first = able.iter().map(|(_, server)| server.tier).min();
    able.into_iter()
        .filter(|(_, server)| Some(server.tier) == first)
        .map(|(place, server)| Candidate {
            place,
            weight: server.share(),
        })
        .collect()
}

/// Picks servers in turn, by the method of the service.
#[derive(Debug, Clone)]
pub enum Picker {
    /// Smooth weighted round-robin.
    RoundRobin(RoundRobin),
    /// Weighted least connections.
    LeastConnections(LeastConnections),
    /// The client's own, by a Maglev table.
    SourceHash(SourceHash),
    /// The better of two drawn at random.
    RandomOfTwo(RandomOfTwo),
}

impl Picker {
    /// A picker for these candidates; `name` tells the name of the server at a place.
    pub fn new<'a>(
        method: Method,
        candidates: Vec<Candidate>,
        name: impl Fn(usize) -> &'a str,
    ) -> Self {
        match method {
            Method::RoundRobin => Picker::RoundRobin(RoundRobin::new(candidates)),
            Method::LeastConnections => Picker::LeastConnections(LeastConnections::new(candidates)),
            Method::SourceHash => Picker::SourceHash(SourceHash::new(candidates, name)),
            Method::RandomOfTwo => Picker::RandomOfTwo(RandomOfTwo::new(candidates)),
        }
    }

    /// Goes on with other weights; `false` where it must be made anew: these are not the same
    /// places, or there are no turns that could go on.
    pub fn reweigh(&mut self, candidates: &[Candidate]) -> bool {
        match self {
            Picker::RoundRobin(turns) => turns.reweigh(candidates),
            Picker::LeastConnections(least) => least.reweigh(candidates),
            Picker::SourceHash(_) | Picker::RandomOfTwo(_) => false,
        }
    }

    /// The place of the next server, among those whose place is allowed.
    ///
    /// `client` asks, `random` is evenly distributed, and `active` tells how much the server at a
    /// place has in hand.
    pub fn pick(
        &mut self,
        client: &Client,
        random: u64,
        allowed: impl Fn(usize) -> bool,
        active: impl Fn(usize) -> u64,
    ) -> Option<usize> {
        match self {
            Picker::RoundRobin(turns) => turns.pick(allowed),
            Picker::LeastConnections(least) => least.pick(allowed, active),
            Picker::SourceHash(table) => table.pick(client, allowed),
            Picker::RandomOfTwo(two) => two.pick(random, allowed, active),
        }
    }
}

/// How two loads compare by weight, each told as (work in hand, weight), without a division.
fn compare((one, weight): (u64, u32), (two, per): (u64, u32)) -> Ordering {
    (u128::from(one) * u128::from(per)).cmp(&(u128::from(two) * u128::from(weight)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    /// Candidates of these weights, at the places 0, 1, …
    pub(super) fn list(weights: &[u32]) -> Vec<Candidate> {
        let numbered = weights.iter().enumerate();
        numbered
            .map(|(place, &weight)| Candidate { place, weight })
            .collect()
    }

    #[test]
    fn only_ready_and_healthy_servers_are_candidates() {
        let rows = [
            (Admission::Ready, true, true),
            (Admission::Ready, false, false),
            (Admission::Drain, true, false),
            (Admission::Drain, false, false),
            (Admission::Maintenance, true, false),
            (Admission::Maintenance, false, false),
        ];
        let wanted: Vec<usize> = (0..rows.len()).filter(|place| rows[*place].2).collect();
        let standings = rows.map(|(admission, healthy, _)| Standing {
            weight: 1,
            admission,
            advice: Advice::None,
            tier: Tier::First,
            healthy,
        });
        let got: Vec<usize> = candidates(standings).iter().map(|c| c.place).collect();
        assert_eq!(got, wanted);
    }

    /// (tier, healthy) of each server -> places that get work.
    #[test]
    fn only_the_first_tier_with_anybody_well_gets_work() {
        use Tier::{First, LastResort, Standby};
        type Row = (&'static [(Tier, bool)], &'static [usize]);
        let rows: &[Row] = &[
            (&[(First, true), (Standby, true), (LastResort, true)], &[0]),
            (&[(First, false), (Standby, true), (LastResort, true)], &[1]),
            (
                &[(First, false), (Standby, false), (LastResort, true)],
                &[2],
            ),
            (&[(Standby, true), (First, true), (First, true)], &[1, 2]),
            (
                &[(Standby, true), (Standby, false), (Standby, true)],
                &[0, 2],
            ),
            (&[(LastResort, false), (First, false)], &[]),
        ];
        for (servers, wanted) in rows {
            let standings = servers.iter().map(|&(tier, healthy)| Standing {
                weight: 1,
                admission: Admission::Ready,
                advice: Advice::None,
                tier,
                healthy,
            });
            let got: Vec<usize> = candidates(standings).iter().map(|c| c.place).collect();
            assert_eq!(got, *wanted, "{servers:?}");
        }
    }

    /// (tier, advice) of each server -> (place, weight) of those that get work; each is well and
    /// of weight 8.
    #[test]
    fn servers_are_heard() {
        use Advice::{None as Nothing, Overload, Quiesce};
        use Tier::{First, Standby};
        let two = Advice::Weight(std::num::NonZeroU32::new(2).expect("not 0"));
        type Row<'a> = (&'a [(Tier, Advice)], &'a [(usize, u32)]);
        let rows: &[Row<'_>] = &[
            (&[(First, two), (First, Nothing)], &[(0, 2), (1, 8)]),
            (&[(First, Overload), (First, two)], &[(1, 2)]),
            (&[(First, Quiesce), (First, Nothing)], &[(1, 8)]),
            (&[(First, Overload), (First, Overload)], &[(0, 8), (1, 8)]),
            (&[(First, Overload), (First, Quiesce)], &[(0, 8)]),
            (&[(First, Quiesce), (First, Quiesce)], &[]),
            // Who stands by helps out before the overloaded are used.
            (&[(First, Overload), (Standby, Nothing)], &[(1, 8)]),
            (&[(First, Overload), (Standby, Overload)], &[(0, 8)]),
            (&[(First, Quiesce), (Standby, Overload)], &[(1, 8)]),
        ];
        for (servers, wanted) in rows {
            let standings = servers.iter().map(|&(tier, advice)| Standing {
                weight: 8,
                admission: Admission::Ready,
                advice,
                tier,
                healthy: true,
            });
            let got = candidates(standings).into_iter();
            let got: Vec<_> = got.map(|one| (one.place, one.weight)).collect();
            assert_eq!(got, *wanted, "{servers:?}");
        }
    }

    #[test]
    fn a_weight_of_zero_counts_as_one() {
        let server = Standing {
            weight: 0,
            admission: Admission::Ready,
            advice: Advice::None,
            tier: Tier::First,
            healthy: true,
        };
        assert_eq!(
            candidates([server]),
            [Candidate {
                place: 0,
                weight: 1
            }]
        );
    }

    #[test]
    fn nobody_is_picked_from_nobody_or_from_the_barred_one() {
        let client = Client::of(Ipv4Addr::LOCALHOST.into(), None);
        for method in [
            Method::RoundRobin,
            Method::LeastConnections,
            Method::SourceHash,
            Method::RandomOfTwo,
        ] {
            let mut nobody = Picker::new(method, vec![], |_| "s");
            assert_eq!(nobody.pick(&client, 7, |_| true, |_| 0), None);
            let one = vec![Candidate {
                place: 4,
                weight: 3,
            }];
            let mut picker = Picker::new(method, one, |_| "s");
            assert_eq!(picker.pick(&client, 7, |place| place != 4, |_| 0), None);
            assert_eq!(picker.pick(&client, 7, |_| true, |_| 0), Some(4));
        }
    }
}
