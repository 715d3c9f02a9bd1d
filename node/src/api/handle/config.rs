//! The configuration: apply, export, history, and the way back.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Query, State as Shared};
use farmux_raft::consensus::NewestError;
use farmux_raft::id::RevisionId;
use farmux_raft::state::{Applied, Command, Reject, Revision, State};
use serde::Deserialize;

use super::super::answer::{Answer, Order, answer};
use super::super::caller::Caller;
use super::super::types::{
    ApplyAnswer, ApplyRequest, ExportAnswer, Moment, Reading, RevisionReport, RollbackRequest,
};
use super::{Daemon, freshness, member};
use crate::config::{ConfigError, diff, export, read};
use crate::daemon::Member;
use crate::fault::{Code, Fault};

/// `POST /v1/config`.
pub(crate) async fn apply(
    Shared(node): Daemon,
    Extension(caller): Extension<Caller>,
    Order(request): Order<ApplyRequest>,
) -> Answer<ApplyAnswer> {
    let member = member(&node)?;
    let base = request.base.map(RevisionId);
    let change = |state: &State| {
        let config = read(&request.toml, &state.config, &state.nodes).map_err(unreadable)?;
        let lines = diff(&state.config, &config);
        Ok((config, lines))
    };
    let looks = |state: &State, lines: &[String]| {
        let based = base.is_none_or(|base| base == state.revision);
        based && (request.dry_run || !lines.is_empty())
    };
    let (state, (config, lines)) = settle(&member, change, looks).await?;
    if let Some(base) = base.filter(|base| *base != state.revision) {
        let newest = state.revision;
        return Err(Reject::RevisionMoved { base, newest }.into());
    }
    if request.dry_run || lines.is_empty() {
        return answer(ApplyAnswer {
            diff: lines,
            revision: None,
        });
    }
    let command = Command::Configure {
        author: caller.author(),
        base: state.revision,
        config: Box::new(config),
        note: request.note,
    };
    let revision = revise(&member, command).await?;
    answer(ApplyAnswer {
        diff: lines,
        revision,
    })
}

/// `POST /v1/config/rollback`.
pub(crate) async fn roll_back(
    Shared(node): Daemon,
    Extension(caller): Extension<Caller>,
    Order(request): Order<RollbackRequest>,
) -> Answer<ApplyAnswer> {
    let member = member(&node)?;
    let to = RevisionId(request.revision);
    let change = |state: &State| Ok(((), diff(&state.config, &state.config_again(to)?)));
    let looks = |_: &State, lines: &[String]| request.dry_run || !lines.is_empty();
    let (state, ((), lines)) = settle(&member, change, looks).await?;
    if request.dry_run || lines.is_empty() {
        return answer(ApplyAnswer {
            diff: lines,
            revision: None,
        });
    }
    let command = Command::Rollback {
        author: caller.author(),
        base: state.revision,
        to,
        note: match request.note.is_empty() {
            true => format!("rollback to {to}"),
            false => request.note,
        },
    };
    let revision = revise(&member, command).await?;
    answer(ApplyAnswer {
        diff: lines,
        revision,
    })
}

/// A change with its lines, made on this node's copy of the state; where the log would not be
/// asked by the looks of that, on the newest: a node that lags would say that nothing changes, of
/// what is long different.
async fn settle<C>(
    member: &Member,
    change: impl Fn(&State) -> Result<(C, Vec<String>), Fault>,
    looks: impl Fn(&State, &[String]) -> bool,
) -> Result<(Arc<State>, (C, Vec<String>)), Fault> {
    let state = member.state();
    let made = change(&state)?;
    if looks(&state, &made.1) {
        return Ok((state, made));
    }
    confirm_newest(member).await?;
    let state = member.state();
    let made = change(&state)?;
    Ok((state, made))
}

/// Waits until this node's copy is the newest; while a member may be of a release that cannot tell,
/// the copy has to do.
pub(super) async fn confirm_newest(member: &Member) -> Result<(), Fault> {
    match member.newest().await {
        Ok(()) | Err(NewestError::OlderFormat) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Has a revision made, and says which.
pub(super) async fn revise(member: &Member, command: Command) -> Result<Option<u64>, Fault> {
    Ok(match member.change(command).await? {
        Applied::Revision(revision) => Some(revision.0),
        Applied::Done
        | Applied::Unchanged
        | Applied::Node(_)
        | Applied::Silence(_)
        | Applied::Drill(_) => None,
    })
}

pub(super) fn unreadable(errors: Vec<ConfigError>) -> Fault {
    let lines: Vec<String> = errors.iter().map(ConfigError::to_string).collect();
    Fault::new(Code::ConfigUnreadable).why(lines.join("\n"))
}

/// The parameters of `GET /v1/config`.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(crate) struct Which {
    /// Of which revision; of the newest where none is named.
    revision: Option<u64>,
}

/// `GET /v1/config`.
pub(crate) async fn show(
    Shared(node): Daemon,
    Query(which): Query<Which>,
) -> Answer<Reading<ExportAnswer>> {
    let member = member(&node)?;
    // Before the copy is taken: what is said of it may be less than it has, never more.
    let fresh = freshness(&node, &member);
    let state = member.state();
    let config = match which.revision {
        None => &state.config,
        Some(revision) => state.config_at(RevisionId(revision))?,
    };
    answer(Reading {
        fresh,
        data: ExportAnswer {
            toml: export(config),
            revision: which.revision.unwrap_or(state.revision.0),
        },
    })
}

/// `GET /v1/config/history`, the newest first.
pub(crate) async fn history(Shared(node): Daemon) -> Answer<Reading<Vec<RevisionReport>>> {
    let member = member(&node)?;
    let fresh = freshness(&node, &member);
    let state = member.state();
    let report = |revision: &Revision| RevisionReport {
        id: revision.id.0,
        at: Moment(revision.at),
        author: revision.author.0.clone(),
        note: revision.note.clone(),
        diff: revision.diff.clone(),
    };
    let data = state
        .revisions
        .iter()
        .rev()
        .map(|revision| report(revision))
        .collect();
    answer(Reading { fresh, data })
}
