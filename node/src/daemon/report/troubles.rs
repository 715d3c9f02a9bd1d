//! What this node sees around its VIPs and no check does: claims of other machines, hands of other
//! programs, loose cables. Said while it is so, and once more when it is over.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use farmux_netplane::vip::{Rival, Tally, VipStatus};
use farmux_raft::consensus::Consensus;
use farmux_raft::id::{Ballot, NodeId, VipName};
use farmux_raft::state::{Command, Mac, State, Subject, Trouble};
use tokio::sync::watch;

use super::{TICK, propose};

/// A claim that nobody saw again since this node owns the VIP is over after this: longer than the
/// five quiet minutes after which its own is (`netplane/src/vip/rivals.rs`), so that one that is
/// still seen is not closed and opened again.
const NOT_SEEN: Duration = Duration::from_secs(330);

type Statuses = BTreeMap<Arc<str>, VipStatus>;

/// Runs for ever.
pub(crate) async fn report_troubles(
    consensus: Consensus,
    mut statuses: watch::Receiver<Statuses>,
    held: watch::Receiver<BTreeMap<VipName, Ballot>>,
) {
    let me = consensus.config().me;
    let mut owned = Owned::default();
    loop {
        let seen = statuses.borrow_and_update().clone();
        let names: BTreeSet<VipName> = held.borrow().keys().cloned().collect();
        owned.follow(&names, Instant::now());
        let long = owned.since_long(Instant::now());
        let state = consensus.state().borrow().clone();
        for command in unreported(&state, me, &seen, &long) {
            propose(&consensus, command).await;
        }
        let changed = tokio::time::timeout(TICK, statuses.changed()).await;
        if changed.is_ok_and(|changed| changed.is_err()) {
            return;
        }
    }
}

/// Since when VIPs are ours.
#[derive(Debug, Default)]
struct Owned(BTreeMap<VipName, Instant>);

impl Owned {
    fn follow(&mut self, held: &BTreeSet<VipName>, now: Instant) {
        self.0.retain(|vip, _| held.contains(vip));
        for vip in held {
            self.0.entry(vip.clone()).or_insert(now);
        }
    }

    /// Those in which a claim that goes on would have been seen by now.
    fn since_long(&self, now: Instant) -> BTreeSet<VipName> {
        let long = |since: &Instant| now.duration_since(*since) >= NOT_SEEN;
        let vips = self.0.iter().filter(|(_, since)| long(since));
        vips.map(|(vip, _)| vip.clone()).collect()
    }
}

/// PURE. What differs between what this node sees and what the log knows of it.
fn unreported(
    state: &State,
    me: NodeId,
    seen: &Statuses,
    owned_long: &BTreeSet<VipName>,
) -> Vec<Command> {
    let mut now: BTreeMap<Trouble, String> = BTreeMap::new();
    for (name, status) in seen {
        let Ok(vip) = name.parse::<VipName>() else {
            continue;
        };
        for rival in &status.rivals {
            let trouble = Trouble::Claim(vip.clone(), Mac(rival.mac));
            now.insert(trouble, claim(state, &vip, *rival));
        }
        now.extend(meddling(me, &vip, &status.meddling));
        now.extend(carrier(me, &status.carrier_lost));
    }
    let open = |trouble: &Trouble| {
        let subject = Subject::Trouble(trouble.clone());
        state.incidents.contains_key(&subject)
    };
    let report = |trouble: &Trouble, reason: Option<String>| Command::ReportTrouble {
        node: me,
        trouble: trouble.clone(),
        reason,
    };
    let begun = now.iter().filter(|(trouble, _)| !open(trouble));
    let begun = begun.map(|(trouble, reason)| report(trouble, Some(reason.clone())));
    let over = state.incidents.keys().filter_map(Subject::trouble);
    let over = over.filter(|trouble| !now.contains_key(*trouble));
    let over = over.filter(|trouble| match trouble {
        Trouble::Claim(vip, _) => owned_long.contains(vip),
        Trouble::Meddling(node) | Trouble::Carrier(node) => *node == me,
        // Whoever looks at the disk says it: `room`.
        Trouble::Disk(_) => false,
    });
    begun
        .chain(over.map(|trouble| report(trouble, None)))
        .collect()
}

fn claim(state: &State, vip: &VipName, rival: Rival) -> String {
    let address = state.config.vips.get(vip).map(|vip| vip.address);
    let address = address.map_or_else(String::new, |address| format!(" {address}"));
    let mac = Mac(rival.mac);
    format!("a foreign machine, {mac}, claims the address{address} of VIP {vip}")
}

fn meddling(me: NodeId, vip: &VipName, tally: &Tally) -> Option<(Trouble, String)> {
    let times = tally.episode?;
    let last = &tally.last;
    let words = format!(
        "another program changed the address of VIP {vip} {times} times within 10m; last: {last}"
    );
    Some((Trouble::Meddling(me), words))
}

fn carrier(me: NodeId, tally: &Tally) -> Option<(Trouble, String)> {
    let times = tally.episode?;
    let interface = &tally.last;
    let words = format!("{interface} lost its carrier {times} times within 10m");
    Some((Trouble::Carrier(me), words))
}

#[cfg(test)]
mod tests {
    use farmux_raft::id::PageId;

    use super::*;

    const ME: NodeId = NodeId(1);
    const FOREIGN: [u8; 6] = [2, 0, 0, 0, 0, 7];

    fn front() -> VipName {
        "front".parse().expect("a name")
    }

    fn often(last: &str) -> Tally {
        Tally {
            total: 3,
            episode: Some(3),
            last: last.to_owned(),
        }
    }

    fn state(open: &[Trouble]) -> State {
        let mut state = State::default();
        let incidents = open.iter().cloned().map(Subject::Trouble);
        let incidents = incidents.map(|subject| (subject, PageId(1)));
        state.incidents = Arc::new(incidents.collect());
        state
    }

    fn said(commands: &[Command]) -> Vec<(Trouble, bool)> {
        let one = |command: &Command| {
            let Command::ReportTrouble {
                trouble, reason, ..
            } = command
            else {
                panic!("{command:?}");
            };
            (trouble.clone(), reason.is_some())
        };
        commands.iter().map(one).collect()
    }

    #[test]
    fn what_is_new_and_what_is_over_is_said_once() {
        let claim = Trouble::Claim(front(), Mac(FOREIGN));
        let (hands, cable) = (Trouble::Meddling(ME), Trouble::Carrier(ME));
        let status = VipStatus {
            rivals: vec![Rival {
                mac: FOREIGN,
                times: 1,
            }],
            meddling: often("10.0.0.100 was removed from eth0"),
            carrier_lost: often("eth0"),
            ..VipStatus::default()
        };
        let bad: Statuses = [(Arc::from("front"), status)].into();
        let well: Statuses = [(Arc::from("front"), VipStatus::default())].into();
        let all = [claim.clone(), hands.clone(), cable.clone()];
        let (nobody, ours) = (BTreeSet::new(), BTreeSet::from([front()]));
        // What the log knows, what is seen, what is ours for long; what is said.
        type Row<'a> = (
            &'a [Trouble],
            &'a Statuses,
            &'a BTreeSet<VipName>,
            &'a [(Trouble, bool)],
        );
        let begun = all.clone().map(|trouble| (trouble, true));
        let over = all.clone().map(|trouble| (trouble, false));
        let table: [Row<'_>; 5] = [
            (&[], &well, &ours, &[]),
            (&[], &bad, &nobody, &begun),
            (&all, &bad, &ours, &[]),
            (&all, &well, &ours, &over),
            // Whoever does not own it, or only just, does not know that a claim is over.
            (&all, &well, &nobody, &over[1..]),
        ];
        for (number, (open, seen, long, expected)) in table.into_iter().enumerate() {
            let commands = unreported(&state(open), ME, seen, long);
            assert_eq!(said(&commands), expected, "row {number}");
        }
        let others = [Trouble::Meddling(NodeId(2)), Trouble::Carrier(NodeId(2))];
        let commands = unreported(&state(&others), ME, &well, &ours);
        assert_eq!(said(&commands), [], "what another node sees is its own");
    }

    #[test]
    fn the_words_name_machine_interface_and_count() {
        let words = |found: Option<(Trouble, String)>| found.map(|(_, words)| words);
        let last = "10.0.0.100 was removed from eth0";
        assert_eq!(
            words(meddling(ME, &front(), &often(last))).as_deref(),
            Some(
                "another program changed the address of VIP front 3 times within 10m; last: \
                 10.0.0.100 was removed from eth0"
            )
        );
        assert_eq!(
            words(carrier(ME, &often("eth0"))).as_deref(),
            Some("eth0 lost its carrier 3 times within 10m")
        );
        let rival = Rival {
            mac: FOREIGN,
            times: 9,
        };
        assert_eq!(
            claim(&State::default(), &front(), rival),
            "a foreign machine, 02:00:00:00:00:07, claims the address of VIP front"
        );
    }

    #[test]
    fn a_vip_is_ours_for_long_from_when_it_came() {
        let (mut owned, start) = (Owned::default(), Instant::now());
        let held = BTreeSet::from([front()]);
        owned.follow(&held, start);
        assert!(owned.since_long(start + NOT_SEEN / 2).is_empty());
        assert_eq!(owned.since_long(start + NOT_SEEN), held);
        owned.follow(&BTreeSet::new(), start + NOT_SEEN);
        owned.follow(&held, start + NOT_SEEN);
        assert!(
            owned.since_long(start + NOT_SEEN).is_empty(),
            "it came anew"
        );
    }
}
