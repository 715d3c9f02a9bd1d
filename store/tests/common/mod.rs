//! What the store's tests share: entries, appends that wait for their answer, and a hand in the
//! database.

#![allow(dead_code, reason = "each test binary uses its part of it")]

pub(crate) mod cluster;

use std::fs;
use std::path::Path;

use farmux_raft::consensus::TypeConfig;
use farmux_raft::id::{NodeId, RequestId, UnixMillis};
use farmux_raft::state::{Command, Proposal, TokenId};
use farmux_store::{LogStore, Machine, Store};
use openraft::storage::{RaftLogStorageExt, RaftStateMachine};
use openraft::{CommittedLeaderId, Entry, EntryPayload, LogId, RaftSnapshotBuilder, Vote};

/// Opens a store that must open.
pub(crate) fn open(folder: &Path, me: NodeId) -> Store {
    Store::open(folder, me).expect("the store opens")
}

/// A vote for a node.
pub(crate) fn vote(term: u64, node: NodeId) -> Vote<NodeId> {
    Vote::new(term, node)
}

/// A short entry.
pub(crate) fn entry(term: u64, index: u64) -> Entry<TypeConfig> {
    with_command(term, index, Command::RevokeToken(TokenId(index)))
}

/// An entry that is cut into many pieces.
pub(crate) fn long_entry(term: u64, index: u64, bytes: usize) -> Entry<TypeConfig> {
    let page = farmux_raft::id::PageId(9);
    with_command(
        term,
        index,
        Command::Acknowledge {
            taken: farmux_raft::state::Taken::Pages([page].into()),
            by: "x".repeat(bytes),
        },
    )
}

fn with_command(term: u64, index: u64, command: Command) -> Entry<TypeConfig> {
    let id = RequestId(u128::from(index));
    let proposal = Proposal {
        id,
        at: UnixMillis(1),
        command,
    };
    Entry {
        log_id: LogId::new(CommittedLeaderId::new(term, NodeId(1)), index),
        payload: EntryPayload::Normal(proposal),
    }
}

/// Appends, and waits for the answer.
pub(crate) async fn append(
    log: &mut LogStore,
    entries: impl IntoIterator<Item = Entry<TypeConfig>>,
) {
    let entries: Vec<_> = entries.into_iter().collect();
    log.blocking_append(entries).await.expect("they are stored");
}

/// Applies short entries of term 3 and makes a snapshot.
pub(crate) async fn apply_and_snapshot(
    machine: &mut Machine,
    range: std::ops::RangeInclusive<u64>,
) {
    let entries: Vec<_> = range.map(|index| entry(3, index)).collect();
    machine.apply(entries).await.expect("they are applied");
    let mut builder = machine.get_snapshot_builder().await;
    builder.build_snapshot().await.expect("it is built");
}

/// Copies a folder with all that is in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("it is made");
    for item in fs::read_dir(from).expect("it is read") {
        let path = item.expect("it is read").path();
        let target = to.join(path.file_name().expect("it has a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).expect("it is copied");
        }
    }
}

/// Takes a key out of a closed database.
pub(crate) fn forget(database: &Path, key: &[u8]) {
    let db = sled::open(database).expect("it opens");
    assert!(
        db.remove(key).expect("it is removed").is_some(),
        "it was there"
    );
    db.flush().expect("it is flushed");
}

/// Takes an entry of one piece out of a closed database.
pub(crate) fn forget_entry(database: &Path, index: u64) {
    forget(database, &entry_key(index));
}

/// Puts bytes where an entry belongs.
pub(crate) fn plant_entry(database: &Path, index: u64, bytes: &[u8]) {
    let db = sled::open(database).expect("it opens");
    db.insert(entry_key(index), bytes).expect("it is written");
    db.flush().expect("it is flushed");
}

fn entry_key(index: u64) -> Vec<u8> {
    [&b"e"[..], &index.to_be_bytes(), &[0, 0]].concat()
}
