//! PURE. Whose disk is full, and whether changes are still decided.

use std::collections::BTreeSet;

use farmux_raft::id::NodeId;

use super::View;
use crate::api::types::Overall;

/// A line for each full disk, and one more where too few have room.
pub(super) fn full(view: &View<'_>, add: &mut impl FnMut(Overall, String)) {
    let mut full = BTreeSet::new();
    for (node, report) in &view.reports {
        let Some(folder) = &report.full else { continue };
        full.insert(*node);
        let name = view.state.node_name(*node);
        let text = format!(
            "node {name}: no room is left on the disk of {folder}: it keeps no change, and goes on \
             serving what it knows: free space there"
        );
        add(Overall::Degraded, text);
    }
    if !full.is_empty() && !decides(view, &full) {
        let text = "no change can be written: too few nodes have room on their disks; what is \
                    served goes on: farmux explain FMX-214";
        add(Overall::Critical, text.to_owned());
    }
}

/// Whether those that answer and have room are a majority of each half.
fn decides(view: &View<'_>, full: &BTreeSet<NodeId>) -> bool {
    let counts = |node: &&NodeId| view.answers(**node) && !full.contains(*node);
    let is_majority = |half: &BTreeSet<NodeId>| 2 * half.iter().filter(counts).count() > half.len();
    view.halves.iter().all(is_majority)
}

#[cfg(test)]
mod tests {
    use farmux_raft::state::NodeRole::Balancer;

    use super::*;
    use crate::api::status::sample;

    #[test]
    fn one_full_disk_is_told_and_two_stop_changes() {
        let state = sample::state(&[Balancer, Balancer, Balancer]);
        // Who answers, whose disk is full, what is said.
        let table: [(&[u64], &[u64], &[Overall]); 5] = [
            (&[1, 2, 3], &[], &[]),
            (&[1, 2, 3], &[2], &[Overall::Degraded]),
            (
                &[1, 2, 3],
                &[2, 3],
                &[Overall::Degraded, Overall::Degraded, Overall::Critical],
            ),
            // The third one is silent.
            (&[1, 2], &[2], &[Overall::Degraded, Overall::Critical]),
            (&[1, 2], &[], &[]),
        ];
        for (answering, full_ones, expected) in table {
            let mut view = sample::view(&state, answering);
            for node in full_ones {
                let report = view.reports.get_mut(&NodeId(*node)).expect("it answers");
                report.full = Some("/var/lib/farmux".to_owned());
            }
            let mut said = Vec::new();
            full(&view, &mut |level, text: String| said.push((level, text)));
            let levels: Vec<Overall> = said.iter().map(|(level, _)| *level).collect();
            assert_eq!(levels, expected, "{said:?}");
        }
    }
}
