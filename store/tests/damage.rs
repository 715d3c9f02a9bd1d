//! What was acknowledged is all there after a restart, or the store says that it is not.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{append, entry, long_entry, open, vote};
use farmux_raft::id::NodeId;
use farmux_store::{OpenError, Store};
use openraft::RaftLogReader;
use openraft::storage::{RaftLogStorage, RaftStateMachine};

const ME: NodeId = NodeId(7);

/// A store with a vote and entries 0..=count-1, closed again.
async fn filled(folder: &Path, count: u64) {
    let mut store = open(folder, ME);
    store
        .log
        .save_vote(&vote(3, ME))
        .await
        .expect("the vote is stored");
    for index in 0..count {
        append(&mut store.log, [entry(3, index)]).await;
    }
}

fn is_damaged(folder: &Path) -> bool {
    matches!(Store::open(folder, ME), Err(OpenError::Damaged { .. }))
}

#[tokio::test]
async fn a_restart_finds_vote_entries_and_what_is_committed() {
    let folder = tempfile::tempdir().expect("a folder");
    {
        let mut store = open(folder.path(), ME);
        store
            .log
            .save_vote(&vote(3, ME))
            .await
            .expect("the vote is stored");
        append(
            &mut store.log,
            [entry(3, 0), long_entry(3, 1, 300_000), entry(3, 2)],
        )
        .await;
        let committed = entry(3, 1).log_id;
        store
            .log
            .save_committed(Some(committed))
            .await
            .expect("it is stored");
    }
    let mut store = open(folder.path(), ME);
    assert_eq!(
        store.log.read_vote().await.expect("it is read"),
        Some(vote(3, ME))
    );
    let entries = store
        .log
        .try_get_log_entries(..)
        .await
        .expect("they are read");
    assert_eq!(
        entries,
        [entry(3, 0), long_entry(3, 1, 300_000), entry(3, 2)]
    );
    let committed = store.log.read_committed().await.expect("it is read");
    assert_eq!(committed.map(|id| id.index), Some(1));
}

#[tokio::test]
async fn truncated_and_purged_logs_reopen() {
    let folder = tempfile::tempdir().expect("a folder");
    filled(folder.path(), 20).await;
    {
        let mut store = open(folder.path(), ME);
        store
            .log
            .truncate(entry(3, 15).log_id)
            .await
            .expect("it is truncated");
        append(&mut store.log, [entry(4, 15), entry(4, 16)]).await;
    }
    {
        let mut store = open(folder.path(), ME);
        let ids = store
            .log
            .try_get_log_entries(14..)
            .await
            .expect("they are read");
        let ids: Vec<_> = ids
            .iter()
            .map(|e| (e.log_id.leader_id.term, e.log_id.index))
            .collect();
        assert_eq!(ids, [(3, 14), (4, 15), (4, 16)]);
        common::apply_and_snapshot(&mut store.machine, 0..=9).await;
        store
            .log
            .purge(entry(3, 9).log_id)
            .await
            .expect("it is purged");
    }
    let mut store = open(folder.path(), ME);
    let state = store.log.get_log_state().await.expect("it is read");
    assert_eq!(state.last_purged_log_id, Some(entry(3, 9).log_id));
    assert_eq!(state.last_log_id, Some(entry(4, 16).log_id));
    assert_eq!(
        store
            .log
            .try_get_log_entries(..)
            .await
            .expect("they are read")
            .len(),
        7
    );
}

#[tokio::test]
async fn an_entry_that_vanished_is_noticed() {
    let folder = tempfile::tempdir().expect("a folder");
    filled(folder.path(), 30).await;
    for gone in [0_u64, 12, 29] {
        let copy = tempfile::tempdir().expect("a folder");
        common::copy(folder.path(), copy.path());
        assert!(!is_damaged(copy.path()), "whole before");
        common::forget_entry(&copy.path().join("log"), gone);
        assert!(is_damaged(copy.path()), "entry {gone} is gone");
    }
}

#[tokio::test]
async fn a_log_put_back_from_yesterday_is_noticed() {
    let folder = tempfile::tempdir().expect("a folder");
    filled(folder.path(), 5).await;
    let yesterday = tempfile::tempdir().expect("a folder");
    common::copy(&folder.path().join("log"), yesterday.path());
    {
        let mut store = open(folder.path(), ME);
        append(&mut store.log, [entry(3, 5)]).await;
    }
    fs::remove_dir_all(folder.path().join("log")).expect("it goes");
    common::copy(yesterday.path(), &folder.path().join("log"));
    assert!(is_damaged(folder.path()));
}

#[tokio::test]
async fn a_lost_vote_or_mark_is_noticed() {
    let folder = tempfile::tempdir().expect("a folder");
    filled(folder.path(), 2).await;
    let copy = tempfile::tempdir().expect("a folder");
    common::copy(folder.path(), copy.path());
    common::forget(&copy.path().join("log"), b"m/vote");
    assert!(is_damaged(copy.path()), "the vote is gone");
    fs::remove_file(folder.path().join("mark")).expect("it goes");
    assert!(is_damaged(folder.path()), "the mark is gone");
}

#[tokio::test]
async fn what_was_never_answered_for_is_cut() {
    let folder = tempfile::tempdir().expect("a folder");
    filled(folder.path(), 5).await;
    common::plant_entry(&folder.path().join("log"), 5, b"half an entry");
    let mut store = open(folder.path(), ME);
    let state = store.log.get_log_state().await.expect("it is read");
    assert_eq!(state.last_log_id, Some(entry(3, 4).log_id));
    append(&mut store.log, [entry(3, 5)]).await;
    drop(store);
    assert!(!is_damaged(folder.path()), "what came after links again");
}

#[tokio::test]
async fn a_torn_file_of_sled_does_not_keep_it_closed() {
    let folder = tempfile::tempdir().expect("a folder");
    filled(folder.path(), 5).await;
    let torn = folder.path().join("log/snap.0000000000000FFF.generating");
    fs::write(&torn, b"torn").expect("it is written");
    drop(open(folder.path(), ME));
    assert!(!torn.exists());
}

#[tokio::test]
async fn another_nodes_store_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    filled(folder.path(), 1).await;
    let other = Store::open(folder.path(), NodeId(8))
        .err()
        .expect("it is refused");
    assert!(
        matches!(other, OpenError::OtherNode { found: ME, .. }),
        "{other}"
    );
}

#[tokio::test]
async fn an_open_store_is_in_use() {
    let folder = tempfile::tempdir().expect("a folder");
    let _open = open(folder.path(), ME);
    let second = Store::open(folder.path(), ME).err().expect("it is refused");
    assert!(matches!(second, OpenError::InUse(_)), "{second}");
}

#[tokio::test]
async fn a_damaged_store_is_set_aside_and_a_new_one_begins() {
    let parent = tempfile::tempdir().expect("a folder");
    let folder = parent.path().join("store");
    filled(&folder, 3).await;
    fs::write(folder.join("mark"), [0; 4608]).expect("it is overwritten");
    assert!(is_damaged(&folder));
    let aside = Store::set_aside(&folder).expect("it moves");
    assert!(aside.join("log/db").exists());
    let mut store = open(&folder, NodeId(8));
    let state = store.log.get_log_state().await.expect("it is read");
    assert_eq!(state.last_log_id, None);
}

#[tokio::test]
async fn a_torn_snapshot_is_noticed() {
    let folder = tempfile::tempdir().expect("a folder");
    filled(folder.path(), 3).await;
    {
        let mut store = open(folder.path(), ME);
        common::apply_and_snapshot(&mut store.machine, 0..=2).await;
    }
    drop(open(folder.path(), ME));
    let path = folder.path().join("snapshot");
    let mut bytes = fs::read(&path).expect("it is read");
    bytes[5] ^= 4;
    fs::write(&path, bytes).expect("it is written");
    assert!(is_damaged(folder.path()));
}

/// One bit flipped at each of 60 places of every file: it opens with all that was acknowledged, or
/// it says that it is damaged. What it must not do is open with records missing (the database
/// alone did, at 17 of 60 places).
#[tokio::test]
async fn a_flipped_bit_loses_nothing_in_silence() {
    const PLACES: usize = 60;
    const ENTRIES: u64 = 300;
    const APPLIED: u64 = 99;
    let folder = tempfile::tempdir().expect("a folder");
    filled(folder.path(), ENTRIES).await;
    {
        let mut store = open(folder.path(), ME);
        common::apply_and_snapshot(&mut store.machine, 0..=APPLIED).await;
        let purged = store.log.purge(entry(3, APPLIED / 2).log_id).await;
        purged.expect("it is purged");
    }
    for file in files(folder.path()) {
        let whole = fs::read(folder.path().join(&file)).expect("it is read");
        let last = whole.iter().rposition(|byte| *byte != 0);
        let Some(used) = last else { continue };
        let mut noticed = 0;
        for place in 0..PLACES {
            let copy = tempfile::tempdir().expect("a folder");
            common::copy(folder.path(), copy.path());
            let mut bytes = whole.clone();
            bytes[used * place / PLACES] ^= 1 << (place % 8);
            fs::write(copy.path().join(&file), bytes).expect("it is written");
            let here = format!("{} place {place}", file.display());
            match Store::open(copy.path(), ME) {
                Ok(store) => check_whole(store, APPLIED, ENTRIES, &here).await,
                Err(OpenError::Damaged { .. } | OpenError::OtherVersion { .. }) => noticed += 1,
                Err(other) => panic!("{here}: {other}"),
            }
        }
        let none = "not one flip was noticed: the test flips nothing that counts";
        // Of two marks one is whole still: with a log that is whole as well, that is enough.
        let spare = file == Path::new("mark");
        assert!(noticed > 0 || spare, "{}: {none}", file.display());
    }
}

/// Every file of a store.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for inside in ["", "log"] {
        let entries = fs::read_dir(folder.join(inside)).expect("it is read");
        let paths = entries.map(|entry| entry.expect("it is read").path());
        let paths = paths.filter(|path| path.is_file());
        files.extend(paths.map(|path| {
            let inside = path.strip_prefix(folder);
            inside.expect("it is in there").to_owned()
        }));
    }
    files.sort();
    files
}

/// Whether it has the vote, all entries behind the purge point, and the state as of its snapshot.
async fn check_whole(mut store: Store, applied: u64, entries: u64, here: &str) {
    let state = store.log.get_log_state().await.expect("it is read");
    let purged = state.last_purged_log_id.map_or(0, |id| id.index + 1);
    assert!(purged <= applied + 1, "{here}: purged up to {purged}");
    // What was purged may still lie there; nobody asks for it.
    let found = store.log.try_get_log_entries(purged..).await;
    let found = found.expect("they are read");
    let expected: Vec<_> = (purged..entries).map(|index| entry(3, index)).collect();
    let have = found.len();
    assert!(
        found == expected,
        "{here}: opened with entries missing: {have}, purged up to {purged}"
    );
    let found = store.log.read_vote().await.expect("it is read");
    assert_eq!(found, Some(vote(3, ME)), "{here}");
    let (last, _) = store.machine.applied_state().await.expect("it is read");
    assert_eq!(last.map(|id| id.index), Some(applied), "{here}");
}
