//! The leader watches the other nodes: who answers heartbeats, and who does not any more.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use farmux_raft::consensus::{Consensus, Quorum};
use farmux_raft::id::NodeId;
use farmux_raft::state::{Command, NodeCondition, State};

use super::{TICK, propose};

/// A node silent for so long is lost: thirty heartbeats, and well past an election.
const LOST_AFTER: Duration = Duration::from_secs(3);

/// A tick so late is a pause of our own: three of them.
const PAUSED_AFTER: Duration = Duration::from_millis(1_500);

/// A node that answered within this time is there: ten heartbeats.
const FRESH: Duration = Duration::from_secs(1);

/// Runs for ever; reports only while this node leads with a majority.
pub(crate) async fn report_nodes(consensus: Consensus) {
    let standing = consensus.standing();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut listening = Listening::from(Instant::now());
    loop {
        ticks.tick().await;
        listening.tick(Instant::now());
        let Quorum::Fresh { since } = standing.borrow().quorum else {
            continue;
        };
        let now = Instant::now();
        let silent = |at: Instant| now.saturating_duration_since(at);
        let silence = consensus
            .answered()
            .into_iter()
            .map(|(id, at)| (id, silent(at)))
            .collect();
        let state = consensus.state().borrow().clone();
        // Who was given an id and has not joined yet is nobody's loss.
        let members = consensus.membership().borrow().voters();
        for command in changes(
            &state,
            &members,
            consensus.config().me,
            silent(since.max(listening.since)),
            &silence,
        ) {
            propose(&consensus, command).await;
        }
    }
}

/// Since when we hear the others without a pause of our own.
#[derive(Debug, Clone, Copy)]
struct Listening {
    since: Instant,
    last_tick: Instant,
}

impl Listening {
    fn from(now: Instant) -> Listening {
        Listening {
            since: now,
            last_tick: now,
        }
    }

    /// PURE. After a pause it was us who did not listen: the silence of the others is measured
    /// anew.
    fn tick(&mut self, now: Instant) {
        if now.saturating_duration_since(self.last_tick) > PAUSED_AFTER {
            self.since = now;
        }
        self.last_tick = now;
    }
}

/// PURE. What the state does not know yet, after we led for `led` and heard nothing for `silence`.
fn changes(
    state: &State,
    members: &BTreeSet<NodeId>,
    me: NodeId,
    led: Duration,
    silence: &BTreeMap<NodeId, Duration>,
) -> Vec<Command> {
    let mut commands = Vec::new();
    for (&id, node) in state.nodes.iter().filter(|(id, _)| members.contains(id)) {
        // Nobody is silent for longer than we have been listening; we hear ourselves all the time.
        let (silent, heard) = if id == me {
            (Duration::ZERO, true)
        } else {
            let silent = silence.get(&id).copied().unwrap_or(led).min(led);
            (silent, silence.contains_key(&id) && silent < FRESH)
        };
        let report = |reachable, reason| Command::ReportNode {
            node: id,
            reachable,
            reason,
        };
        match node.condition {
            NodeCondition::Reachable if silent > LOST_AFTER => {
                let reason = format!("no answer for {} s", silent.as_secs());
                commands.push(report(false, reason));
            }
            NodeCondition::Lost { .. } if heard => {
                commands.push(report(true, "answers again".to_owned()));
            }
            NodeCondition::Reachable | NodeCondition::Lost { .. } => {}
        }
    }
    commands
}

#[cfg(test)]
mod tests {
    use farmux_raft::id::UnixMillis;
    use farmux_raft::state::{Node, NodeRole};

    use super::*;

    const ME: NodeId = NodeId(1);
    const LONG: Duration = Duration::from_secs(60);

    fn state(condition: NodeCondition) -> State {
        let mut state = State::default();
        for id in [ME, NodeId(2)] {
            let node = Node {
                name: format!("lb{}", id.0).parse().expect("a name"),
                role: NodeRole::Balancer,
                peer_addresses: vec!["10.0.0.11:7946".parse().expect("an address")],
                admin_address: "10.0.0.11:9443".parse().expect("an address"),
                joined: UnixMillis(0),
                condition: condition.clone(),
            };
            state.nodes.insert(id, node);
        }
        state
    }

    /// What is reported of node 2, after we led for `led` and it was silent for `silent`.
    fn reported(condition: NodeCondition, led: Duration, silent: Option<Duration>) -> Option<bool> {
        let silence = silent
            .map(|silent| (NodeId(2), silent))
            .into_iter()
            .collect();
        let members = BTreeSet::from([ME, NodeId(2)]);
        let commands = changes(&state(condition), &members, ME, led, &silence);
        let commands: Vec<_> = commands
            .into_iter()
            .filter(|command| !is_about_us(command))
            .collect();
        assert!(
            commands.len() <= 1,
            "one of two nodes is ourselves: {commands:?}"
        );
        commands.into_iter().next().map(|command| {
            let Command::ReportNode {
                node, reachable, ..
            } = command
            else {
                panic!("{command:?} reports no node");
            };
            assert_eq!(node, NodeId(2));
            reachable
        })
    }

    #[test]
    fn a_node_is_lost_after_three_seconds_and_back_at_its_first_answer() {
        let seconds = Duration::from_secs;
        let there = || NodeCondition::Reachable;
        let lost = || NodeCondition::Lost {
            since: UnixMillis(1),
        };
        let table = [
            (there(), LONG, Some(seconds(0)), None),
            (there(), LONG, Some(seconds(3)), None),
            (there(), LONG, Some(seconds(4)), Some(false)),
            (there(), LONG, None, Some(false)),
            // A new leader has heard nobody yet: its own time counts.
            (there(), seconds(2), None, None),
            (there(), seconds(2), Some(seconds(50)), None),
            (lost(), LONG, Some(seconds(0)), Some(true)),
            (lost(), LONG, Some(seconds(2)), None),
            (lost(), LONG, None, None),
            (lost(), Duration::ZERO, None, None),
        ];
        for (condition, led, silent, expected) in table {
            let what = format!("{condition:?}, led {led:?}, silent {silent:?}");
            assert_eq!(reported(condition, led, silent), expected, "{what}");
        }
    }

    #[test]
    fn a_pause_of_our_own_is_nobody_elses_silence() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut listening = Listening::from(start);
        for (tick, since) in [
            (500, 0),
            (2_000, 0),
            // 1.5 s late at most is a busy machine; more is a pause.
            (3_501, 3_501),
            (4_000, 3_501),
            (60_000, 60_000),
            (60_500, 60_000),
        ] {
            listening.tick(at(tick));
            assert_eq!(listening.since, at(since), "after the tick at {tick} ms");
        }
        // What that is for: a leader that slept for a minute has lost nobody by it.
        let led = at(60_500).saturating_duration_since(listening.since);
        let silent = Some(Duration::from_secs(60));
        assert_eq!(reported(NodeCondition::Reachable, led, silent), None);
    }

    fn is_about_us(command: &Command) -> bool {
        matches!(command, Command::ReportNode { node: ME, .. })
    }

    #[test]
    fn a_leader_that_was_lost_itself_says_that_it_is_back() {
        let lost = NodeCondition::Lost {
            since: UnixMillis(1),
        };
        let members = BTreeSet::from([ME]);
        let commands = changes(&state(lost), &members, ME, Duration::ZERO, &BTreeMap::new());
        assert!(matches!(
            commands.as_slice(),
            [Command::ReportNode {
                node: ME,
                reachable: true,
                ..
            }]
        ));
    }

    #[test]
    fn who_has_not_joined_yet_is_nobodys_loss() {
        let nobody = BTreeMap::new();
        let members = BTreeSet::from([ME]);
        let state = state(NodeCondition::Reachable);
        assert_eq!(changes(&state, &members, ME, LONG, &nobody), vec![]);
    }
}
