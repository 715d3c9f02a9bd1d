//! Saving all that the cluster agreed on.

use axum::body::Body;
use axum::extract::State as Shared;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use farmux_raft::consensus::NewestError;
use farmux_raft::consensus::record::LogIdRecord;
use farmux_raft::state::State;
use farmux_store::Saved;

use super::super::answer::Order;
use super::super::types::SnapshotRequest;
use super::{Daemon, member};
use crate::backup::{PASSPHRASE_CHARS_MIN, seal};
use crate::fault::{Code, Fault};

/// `POST /v1/snapshot`: the file, sealed here, so that no secret leaves the daemon in the clear.
pub(crate) async fn save(
    Shared(node): Daemon,
    Order(request): Order<SnapshotRequest>,
) -> Result<Response, Fault> {
    let member = member(&node)?;
    if request.passphrase.reveal().chars().count() < PASSPHRASE_CHARS_MIN {
        return Err(Fault::new(Code::PassphraseUnfit));
    }
    // Without a majority it is saved all the same, and says so: that may be all that is left.
    let newest = match member.newest().await {
        Ok(()) => Some(true),
        Err(NewestError::OlderFormat) => None,
        Err(
            why @ (NewestError::NoLeader
            | NewestError::NoQuorum
            | NewestError::Behind
            | NewestError::Stopped),
        ) => {
            tracing::warn!(%why, "the state that is saved may lack what was decided last");
            Some(false)
        }
    };
    // The state first: what is said of it below may be newer, and is not older.
    let state = member.state();
    let standing = member.consensus().standing().borrow().clone();
    let at = LogIdRecord {
        term: standing.term,
        node: standing.leader.unwrap_or(standing.me),
        index: standing.applied_index.unwrap_or(0),
    };
    let name = node.settings().name.clone();
    let sealing = tokio::task::spawn_blocking(move || {
        let saved = Saved {
            at,
            state: State::clone(&state),
        };
        seal(&saved, newest, &name, request.passphrase.reveal())
    });
    let bytes = match sealing.await {
        Ok(sealed) => sealed.map_err(|why| Fault::new(Code::Broken).why(why))?,
        Err(error) => return Err(Fault::new(Code::Broken).why(error)),
    };
    tracing::info!(revision = %member.state().revision, "the state was saved to a file");
    let kind = [(CONTENT_TYPE, "application/octet-stream")];
    Ok((kind, Body::from(bytes)).into_response())
}
