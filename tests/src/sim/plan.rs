//! PURE. What a seed says of its round before it begins: how many nodes, which policy, how bad.

use std::time::Duration;

use farmux_raft::state::OnQuorumLoss;

use super::dice::Dice;
use super::wire::Weather;

/// The outline of a round.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) balancers: u64,
    pub(super) witnesses: u64,
    pub(super) policy: OnQuorumLoss,
    pub(super) weather: Weather,
    /// What is not late takes up to so long from one node to another.
    pub(super) usual_delay: Duration,
    /// A mishap so often, on the average.
    pub(super) mishap_every: Duration,
    /// A client's wish so often, on the average.
    pub(super) client_every: Duration,
    /// What follows a page within this time is one message.
    pub(super) gather: Duration,
    /// Another node is asked before something is called down.
    pub(super) second_opinion: bool,
    /// For some seconds nobody hears anybody.
    pub(super) blackout: bool,
    /// How long things go wrong.
    pub(super) storm: Duration,
}

impl Plan {
    pub(super) fn draw(dice: &mut Dice) -> Plan {
        let sizes = [(2, 0), (2, 1), (3, 0), (3, 0), (3, 2), (5, 0)];
        let (balancers, witnesses) = sizes[dice.below(sizes.len())];
        let policies = [OnQuorumLoss::Release, OnQuorumLoss::Hold];
        let pair = (balancers, witnesses) == (2, 0);
        let mut policy = policies[dice.below(policies.len())];
        if policy.holds() && pair && dice.percent(50) {
            policy = OnQuorumLoss::HoldOrTake;
        }
        let weather = Weather {
            loss: dice.roll() % 20,
            twice: dice.roll() % 10,
            late: dice.roll() % 12,
        };
        let every = [150, 300, 600];
        Plan {
            balancers,
            witnesses,
            policy,
            weather,
            usual_delay: Duration::from_micros(if dice.percent(50) { 200 } else { 2_000 }),
            mishap_every: Duration::from_millis(every[dice.below(every.len())]),
            client_every: Duration::from_millis(120),
            gather: Duration::from_millis(if dice.percent(50) { 0 } else { 1_000 }),
            second_opinion: dice.percent(50),
            blackout: dice.percent(25),
            storm: Duration::from_secs(10),
        }
    }
}
