//! A restore that is rehearsed: the state is saved as `farmux snapshot save` saves it, read back
//! with its passphrase, compared with what lives here, made the seed of a store in a scratch folder
//! as `farmux snapshot restore` makes it, opened as a daemon opens it, and compared once more.
//!
//! ```text
//!   state ─seal─▶ FILE ─open─▶ Saved ═?═ state
//!                                └─restore, seed─▶ scratch store ─open─▶ ═?═ restored state
//! ```
//!
//! The scratch folder goes in the end, or with the next start. Nothing of this cluster is touched,
//! and no secret leaves the machine: the passphrase is drawn for the file and forgotten.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use farmux_raft::consensus::record::LogIdRecord;
use farmux_raft::id::NodeName;
use farmux_raft::peer::key::random;
use farmux_raft::state::{FreshStart, LeaseKey, Node, NodeRole, State};
use farmux_store::{Saved, Store};

use super::Place;
use crate::backup::{Draft, open, seal};
use crate::daemon::{Member, wall_clock};
use crate::drill::RunId;

/// Restores the present state beside the store, and compares.
///
/// **Errors**: in words: what differs, or what does not work.
pub(super) async fn restore(place: &Place, member: &Arc<Member>, run: RunId) -> Result<(), String> {
    let folder = folder(place);
    let scratch = folder.join(format!("{SCRATCH}{}", run.0));
    std::fs::create_dir_all(&scratch).map_err(|error| at(&scratch, &error))?;
    let done = rehearse(&scratch, &place.name, member).await;
    if let Err(error) = std::fs::remove_dir_all(&scratch) {
        tracing::warn!(folder = %scratch.display(), %error, "a scratch folder is left behind");
    }
    done
}

/// Removes the scratch folders that a former process left.
pub(super) fn clear(place: &Place) {
    let Ok(entries) = std::fs::read_dir(folder(place)) else {
        return;
    };
    for entry in entries.flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(SCRATCH);
        if ours && let Err(error) = std::fs::remove_dir_all(entry.path()) {
            tracing::warn!(folder = %entry.path().display(), %error, "it cannot be removed");
        }
    }
}

fn folder(place: &Place) -> PathBuf {
    place.data.join("drills")
}

async fn rehearse(scratch: &Path, name: &NodeName, member: &Arc<Member>) -> Result<(), String> {
    // The state first: what is said of it below may be newer, and is not older.
    let live = member.state();
    let standing = member.consensus().standing().borrow().clone();
    let saved = Saved {
        at: LogIdRecord {
            term: standing.term,
            node: standing.leader.unwrap_or(standing.me),
            index: standing.applied_index.unwrap_or(0),
        },
        state: State::clone(&live),
    };
    let (file, by) = (scratch.join("state.farmux"), name.clone());
    let read = tokio::task::spawn_blocking(move || through_a_file(&saved, &file, &by)).await;
    let read = read.map_err(|error| error.to_string())??;
    same("the file", &live, &read.state)?;
    seed(scratch, read, member).await
}

/// Writes the file, and reads it back.
fn through_a_file(saved: &Saved, file: &Path, by: &NodeName) -> Result<Saved, String> {
    let passphrase = format!("{:032x}", u128::from_be_bytes(random()));
    let bytes = seal(saved, Some(true), by, &passphrase)?;
    let mut draft = Draft::begin(file).map_err(|error| error.to_string())?;
    draft.add(&bytes).map_err(|error| error.to_string())?;
    draft.keep().map_err(|error| error.to_string())?;
    let bytes = std::fs::read(file).map_err(|error| at(file, &error))?;
    let (_header, read) = open(&bytes, &passphrase).map_err(|error| error.to_string())?;
    match read.at == saved.at {
        true => Ok(read),
        false => Err("the file says another entry of the log".to_owned()),
    }
}

/// Makes a store of it, for a machine like this one, and opens that.
async fn seed(scratch: &Path, mut saved: Saved, member: &Arc<Member>) -> Result<(), String> {
    let node = match saved.state.nodes.get(&member.me()) {
        // A witness restores nothing; a balancer would, with the same addresses.
        Some(node) => Node {
            role: NodeRole::Balancer,
            ..node.clone()
        },
        None => return Err("this node is not in the saved state".to_owned()),
    };
    let fresh = FreshStart {
        node,
        lease_key: LeaseKey(random()),
        tag: u32::from_be_bytes(random()),
        at: wall_clock(),
    };
    let me = saved.state.restore(fresh).map_err(|why| why.to_string())?;
    let restored = saved.state.clone();
    let folder = scratch.join("store");
    let seeded = saved.seed(&folder, me).await;
    seeded.map_err(|error| error.to_string())?;
    let opened = tokio::task::spawn_blocking(move || {
        let store = Store::open(&folder, me).map_err(|error| error.to_string())?;
        let state = Arc::clone(&store.state.borrow());
        Ok::<_, String>(state)
    });
    let opened = opened.await.map_err(|error| error.to_string())??;
    same("the restored store", &restored, &opened)
}

/// PURE. Says which parts differ, if any does.
fn same(what: &str, live: &State, read: &State) -> Result<(), String> {
    if live == read {
        return Ok(());
    }
    let parts = [
        ("the cluster", live.cluster == read.cluster),
        ("nodes", live.nodes == read.nodes),
        ("the configuration", live.config == read.config),
        ("revisions", live.revisions == read.revisions),
        ("health", live.health == read.health),
        ("pages", live.pages == read.pages),
        ("silences", live.silences == read.silences),
        ("VIPs", live.vips == read.vips),
        ("tokens", live.tokens == read.tokens),
        ("events", live.journal == read.journal),
    ];
    let differing = parts.iter().filter(|(_, same)| !same);
    let differing: Vec<&str> = differing.map(|(part, _)| *part).collect();
    Err(match differing.is_empty() {
        true => format!("{what} differs from what lives here"),
        false => format!(
            "{what} differs from what lives here: {}",
            differing.join(", ")
        ),
    })
}

fn at(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

/// How a scratch folder's name begins; the number of the run follows.
const SCRATCH: &str = "scratch-";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named() {
        let live = State::default();
        assert_eq!(same("the file", &live, &live.clone()), Ok(()));
        let mut read = live.clone();
        read.tokens.clear();
        read.last_node.0 += 1;
        let why = same("the file", &live, &read).expect_err("they differ");
        assert_eq!(why, "the file differs from what lives here");
        let mut read = live.clone();
        read.cluster = None;
        read.nodes.clear();
        read.revision.0 += 1;
        assert!(same("the file", &live, &read).is_err());
    }
}
