//! A snapshot of version 0.1.0, made by its own encoder, is read; and one that is made while the
//! cluster agrees on its format is read by it: byte by byte the same.

use farmux_raft::codec::{NEWEST, format_of};
use farmux_raft::id::NodeId;
use farmux_store::Store;
use ring::digest::{SHA256, digest};

const SNAPSHOT: &[u8] = include_bytes!("golden/1-snapshot.bin");

fn sealed(bytes: &[u8]) -> Vec<u8> {
    let mut sealed = bytes.to_vec();
    sealed.extend_from_slice(digest(&SHA256, bytes).as_ref());
    sealed
}

#[test]
fn a_snapshot_of_the_release_before_is_opened() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("snapshot"), sealed(SNAPSHOT)).expect("a file");
    let store = Store::open(folder.path(), NodeId(1)).expect("it opens");
    let state = store.state.borrow().clone();
    assert_eq!(state.format.number(), 1);
    assert!(state.revision.0 > 10 && state.pages.len() > 10);
    assert!(!state.config.farms.is_empty() && !state.config.watches.is_empty());
}

/// A node of the release before, at the store of this one: it names the format and touches nothing.
#[test]
fn a_newer_snapshot_is_named_and_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("snapshot");
    let mut newer = SNAPSHOT.to_vec();
    newer[..2].copy_from_slice(&(NEWEST + 1).to_be_bytes());
    assert_eq!(format_of(&newer), Some(NEWEST + 1));
    let newer = sealed(&newer);
    std::fs::write(&path, &newer).expect("a file");
    let refused = Store::open(folder.path(), NodeId(1)).map(|_| ());
    let error = refused.expect_err("it cannot be read");
    assert!(
        matches!(error, farmux_store::OpenError::OtherVersion { .. }),
        "{error}"
    );
    let words = format!(
        "record format {}, where this version reads {NEWEST}",
        NEWEST + 1
    );
    assert!(error.to_string().contains(&words), "{error}");
    assert_eq!(std::fs::read(&path).expect("it is there"), newer);
}
