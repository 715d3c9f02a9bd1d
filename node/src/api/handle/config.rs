//! The configuration: apply, export, history.

use axum::Extension;
use axum::extract::State as Shared;
use farmux_raft::state::{Applied, Command, Revision};

use super::super::answer::{Answer, Order, answer};
use super::super::caller::Caller;
use super::super::types::{
    ApplyAnswer, ApplyRequest, ExportAnswer, Moment, Reading, RevisionReport,
};
use super::{Daemon, freshness, member};
use crate::config::{ConfigError, diff, export, read};
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
        config,
        note: request.note,
    };
    let revision = match member.change(command).await? {
        Applied::Revision(revision) => Some(revision.0),
        Applied::Done | Applied::Unchanged | Applied::Node(_) => None,
    };
    answer(ApplyAnswer {
        diff: lines,
        revision,
    })
}

fn unreadable(errors: Vec<ConfigError>) -> Fault {
    let lines: Vec<String> = errors.iter().map(ConfigError::to_string).collect();
    Fault::new(Code::ConfigUnreadable).why(lines.join("\n"))
}

/// `GET /v1/config`.
pub(crate) async fn show(Shared(node): Daemon) -> Answer<Reading<ExportAnswer>> {
    let member = member(&node)?;
    let toml = export(&member.state().config);
    answer(Reading {
        fresh: freshness(&node, &member),
        data: ExportAnswer { toml },
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
