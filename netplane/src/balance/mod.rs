//! PURE. Picking a server: who may be picked, and one method a file.
//!
//! ```text
//!   plan + health ──candidates()──▶ [place, weight] ──Picker──▶ place of the server
//! ```
//!
//! A picker is made anew whenever the list of candidates changes; it holds only turns, no health.

pub mod least_connections;
pub mod round_robin;

use crate::plan::{Admission, Method, Tier};
use least_connections::LeastConnections;
use round_robin::RoundRobin;

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
    /// Share of the work; 0 counts as 1.
    pub weight: u32,
    /// What an operator ordered.
    pub admission: Admission,
    /// When it is used.
    pub tier: Tier,
    /// Whether it is up.
    pub healthy: bool,
}

impl Standing {
    fn is_able(&self) -> bool {
        match self.admission {
            Admission::Ready => self.healthy,
            Admission::Drain | Admission::Maintenance => false,
        }
    }
}

/// The servers that may be given work now: ready, healthy, and of the first tier that has any.
pub fn candidates(servers: impl IntoIterator<Item = Standing>) -> Vec<Candidate> {
    let numbered = servers.into_iter().enumerate();
    let able: Vec<_> = numbered.filter(|(_, server)| server.is_able()).collect();
    let first = able.iter().map(|(_, server)| server.tier).min();
    able.into_iter()
        .filter(|(_, server)| Some(server.tier) == first)
        .map(|(place, server)| Candidate {
            place,
            weight: server.weight.max(1),
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
}

impl Picker {
    /// A picker for these candidates.
    pub fn new(method: Method, candidates: Vec<Candidate>) -> Self {
        match method {
            Method::RoundRobin | Method::SourceHash => {
                Picker::RoundRobin(RoundRobin::new(candidates))
            }
            Method::LeastConnections | Method::RandomOfTwo => {
                Picker::LeastConnections(LeastConnections::new(candidates))
            }
        }
    }

    /// The place of the next server; never `except`, which has just failed.
    ///
    /// `active` tells how much the server at a place has in hand.
    pub fn pick(&mut self, except: Option<usize>, active: impl Fn(usize) -> u64) -> Option<usize> {
        match self {
            Picker::RoundRobin(turns) => turns.pick(|place| Some(place) != except),
            Picker::LeastConnections(least) => least.pick(except, active),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
                tier,
                healthy,
            });
            let got: Vec<usize> = candidates(standings).iter().map(|c| c.place).collect();
            assert_eq!(got, *wanted, "{servers:?}");
        }
    }

    #[test]
    fn a_weight_of_zero_counts_as_one() {
        let server = Standing {
            weight: 0,
            admission: Admission::Ready,
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
    fn nobody_is_picked_from_nobody_or_from_the_excepted_one() {
        for method in [Method::RoundRobin, Method::LeastConnections] {
            assert_eq!(Picker::new(method, vec![]).pick(None, |_| 0), None);
            let one = vec![Candidate {
                place: 4,
                weight: 3,
            }];
            let mut picker = Picker::new(method, one);
            assert_eq!(picker.pick(Some(4), |_| 0), None);
            assert_eq!(picker.pick(None, |_| 0), Some(4));
        }
    }
}
