//! The configuration: apply, export, history, and the way back.

use axum::Extension;
use axum::extract::{Query, State as Shared};
use farmux_raft::id::RevisionId;
use farmux_raft::state::{Applied, Command, Revision};
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
    let state = member.state();
    let config = read(&request.toml, &state.config, &state.nodes).map_err(unreadable)?;
    let lines = diff(&state.config, &config);
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
    let state = member.state();
    let to = RevisionId(request.revision);
    let lines = diff(&state.config, &state.config_again(to)?);
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

/// Has a revision made, and says which.
pub(super) async fn revise(member: &Member, command: Command) -> Result<Option<u64>, Fault> {
    Ok(match member.change(command).await? {
        Applied::Revision(revision) => Some(revision.0),
        Applied::Done | Applied::Unchanged | Applied::Node(_) | Applied::Silence(_) => None,
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
    let state = member.state();
    let config = match which.revision {
        None => &state.config,
        Some(revision) => state.config_at(RevisionId(revision))?,
    };
    answer(Reading {
        fresh: freshness(&node, &member),
        data: ExportAnswer {
            toml: export(config),
            revision: which.revision.unwrap_or(state.revision.0),
        },
    })
}

/// `GET /v1/config/history`, the newest first.
pub(crate) async fn history(Shared(node): Daemon) -> Answer<Reading<Vec<RevisionReport>>> {
    let member = member(&node)?;
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
    answer(Reading {
        fresh: freshness(&node, &member),
        data,
    })
}
