//! How long things take and may take in consensus, each with its reason.
//!
//! The log decides farms and pages, not failover: nothing here has to be eager.

use std::time::Duration;

/// A leader shows that it lives this often.
pub(super) const HEARTBEAT: Duration = Duration::from_millis(100);

/// Shortest silence of a leader after which a follower asks for an election: three heartbeats.
pub(super) const ELECTION_MIN: Duration = Duration::from_millis(300);

/// Longest such silence. Drawn anew for each round from the range, so that votes do not split for
/// ever.
pub(super) const ELECTION_MAX: Duration = Duration::from_millis(600);

/// A pre-vote question is answered from memory, so a tenth of a second is many round trips.
pub(super) const PRE_VOTE_DEADLINE: Duration = Duration::from_millis(150);

/// Whoever is asked for its vote has to keep it first, on a disk that may need half a second for
/// each of two syncs.
pub(super) const VOTE_DEADLINE: Duration = Duration::from_secs(2);

/// A leader waits for the answer before it says more, and an answer for the disk: for so long its
/// silence is no reason to elect another. Two syncs of half a second, and as much again.
pub(super) const KEPT_WITHIN: Duration = Duration::from_secs(2);

/// So long after the last answer of a majority a leader asks from memory whether it is followed:
/// openraft's heartbeats, of which each should be answered, are one and a half of ours apart.
pub(super) const ASKED_AFTER: Duration = Duration::from_millis(170);

/// How often it looks whether to ask. Whoever is asked shall hear it before it wants an election,
/// which leaves two round trips for that.
pub(super) const ASKED_EVERY: Duration = Duration::from_millis(50);

/// How long a leader may show that it lives without anything being kept. Two barriers of three
/// syncs of half a second wait for each other, on its disk or theirs, and as much again: then
/// something hangs, and another one shall lead.
pub(super) const KEPT_AT_MOST: Duration = Duration::from_secs(6);

/// Whoever got our vote may come to lead for so long: it writes twice before it does, on such a
/// disk.
pub(super) const PLEDGED_FOR: Duration = Duration::from_secs(4);

/// What a follower without room waits before it says so: a leader gives it a heartbeat's time, and
/// sends again at once.
pub(super) const NO_ROOM_PAUSE: Duration = Duration::from_millis(60);

/// How much later than others one without room stands for election: they had three rounds by then.
pub(super) const NO_ROOM_RELUCTANCE: Duration = Duration::from_secs(2);

/// How long one without room that got a piece of a snapshot waits: nothing can come of the next
/// piece either, and each is a megabyte.
pub(super) const NO_ROOM_SNAPSHOT_PAUSE: Duration = Duration::from_secs(2);

/// How soon a leader without room looks again for somebody who has some: each try is a pause of its
/// heartbeats.
pub(super) const STEP_ASIDE_AGAIN: Duration = Duration::from_secs(3);

/// openraft's own guard of a leader. Kept just above the heartbeat, because a leader that steps
/// aside has to sit it out; [`ELECTION_MIN`] and the vote guard in `serve` protect leaders instead.
pub(super) const BUILT_IN_LEASE: Duration = Duration::from_millis(102);

/// What a stepping-aside leader waits without heartbeats: [`BUILT_IN_LEASE`] has run out everywhere
/// then, and [`ELECTION_MIN`] nowhere.
pub(super) const STEP_ASIDE_PAUSE: Duration = Duration::from_millis(150);

/// A successor that was told to stand leads within this time, or the old leader goes on.
pub(super) const STEP_ASIDE_DEADLINE: Duration = Duration::from_millis(1_500);

/// Without a word from the leader for this long, nobody is called a leader any more. Above
/// [`ELECTION_MAX`], so that an ordinary election does not show.
pub(super) const SILENCE: Duration = Duration::from_secs(1);

/// Without a majority's answer for this long a leader calls itself none any more: an answer waits
/// for the disks of those who give it, where they know no question that is answered from memory.
pub(super) const UNFOLLOWED: Duration = KEPT_WITHIN;

/// A proposal is decided within this time, or its proposer hears why not. Operators
/// are promised three seconds; the rest is for the way to them.
pub(super) const PROPOSE_DEADLINE: Duration = Duration::from_millis(2_800);

/// A write that took longer than two heartbeats was slow: heartbeats wait for writes.
pub(super) const SLOW_WRITE: Duration = Duration::from_millis(200);

/// How soon a proposal that found no leader looks again: about one round trip of an election.
pub(super) const PROPOSE_RETRY: Duration = Duration::from_millis(50);

/// How long a proposer that was answered by the leader waits until its own node has applied the
/// same. One heartbeat carries the commit; five leave room.
pub(super) const READ_BACK_DEADLINE: Duration = Duration::from_millis(500);

/// How long a leader waits for a majority to say that it still leads: openraft gives each of them a
/// heartbeat's time; the rest is for a busy machine.
pub(super) const NEWEST_DEADLINE: Duration = Duration::from_millis(400);

/// A learner that has not caught up by then is not promoted: it downloads too slowly or not at all.
pub(super) const CATCH_UP_DEADLINE: Duration = Duration::from_secs(30);

/// How often catching up is looked at; about one heartbeat.
pub(super) const CATCH_UP_POLL: Duration = Duration::from_millis(100);

/// A learner this many entries behind counts as caught up; the rest arrives with the next
/// heartbeat.
pub(super) const CATCH_UP_ENTRIES: u64 = 16;

/// A learner accepts leases, uncounted, for S before it is promoted, with the largest T allowed (1
/// s).
///
/// **Source**: `vip-protocol.md`, sections 1 and 2.
pub(super) const LEARNER_SILENCE: Duration = Duration::from_millis(1_100);

/// A change of the membership is committed within this time or called undecided: two log entries.
pub(super) const CHANGE_DEADLINE: Duration = Duration::from_secs(5);

/// All of a change as its asker sees it: catching up, the silence, the change, one move of the
/// leader.
pub(super) const CHANGE_TOTAL_DEADLINE: Duration = Duration::from_secs(45);

/// One piece of a snapshot; the last one includes storing the whole on the other disk.
pub(super) const SNAPSHOT_DEADLINE: Duration = Duration::from_secs(10);

/// Length of one piece of a snapshot in bytes: well below the bound of an RPC.
pub(super) const SNAPSHOT_PIECE_BYTES: u64 = 1 << 20;

/// Entries in one `Append`: more would not be stored within a heartbeat on a slow disk.
pub(super) const APPEND_ENTRIES_MAX: u64 = 128;

/// A snapshot is made after this many entries: replaying them takes well under a second.
pub(super) const SNAPSHOT_EVERY: u64 = 5_000;

/// Entries kept behind a snapshot, so that a node away for a moment needs no snapshot.
pub(super) const ENTRIES_KEPT: u64 = 1_000;

/// How soon an unreachable node is tried again; within the range at random, so that two do not
/// march in step. openraft's own 500 ms would hold up a returning node for longer than an election.
pub(super) const BACKOFF_MIN: Duration = Duration::from_millis(20);

/// Longest wait before an unreachable node is tried again.
pub(super) const BACKOFF_MAX: Duration = Duration::from_millis(50);

/// A duration between the two, drawn anew each time.
pub(super) fn between(shortest: Duration, longest: Duration) -> Duration {
    let roll = u32::from_le_bytes(crate::clockwork::random());
    let share = f64::from(roll) / f64::from(u32::MAX);
    shortest + (longest - shortest).mul_f64(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_differ_and_stay_in_range() {
        let draws: Vec<_> = (0..50)
            .map(|_| between(ELECTION_MIN, ELECTION_MAX))
            .collect();
        assert!(
            draws
                .iter()
                .all(|d| (ELECTION_MIN..=ELECTION_MAX).contains(d))
        );
        assert!(
            draws.iter().any(|d| *d != draws[0]),
            "a fresh one each round"
        );
    }

    #[test]
    fn the_constants_keep_their_order() {
        assert!(HEARTBEAT < BUILT_IN_LEASE && BUILT_IN_LEASE < STEP_ASIDE_PAUSE);
        assert!(STEP_ASIDE_PAUSE < ELECTION_MIN && ELECTION_MAX < SILENCE);
        assert!(SILENCE < UNFOLLOWED && UNFOLLOWED < PROPOSE_DEADLINE);
        assert!(3 * HEARTBEAT / 2 < ASKED_AFTER && ASKED_AFTER + ASKED_EVERY < ELECTION_MIN);
        assert!(UNFOLLOWED < KEPT_AT_MOST);
        assert!(NO_ROOM_RELUCTANCE >= 3 * ELECTION_MAX);
        assert!(NO_ROOM_PAUSE < HEARTBEAT && 2 * NO_ROOM_SNAPSHOT_PAUSE < SNAPSHOT_DEADLINE);
    }
}
