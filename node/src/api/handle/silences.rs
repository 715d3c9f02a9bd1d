//! Silences.

use axum::Extension;
use axum::extract::{Path, State as Shared};
use farmux_raft::id::UnixMillis;
use farmux_raft::state::{Applied, Command, Matcher, Silence, State, Subject, Term};

use super::super::answer::{Answer, Order, answer};
use super::super::caller::Caller;
use super::super::types::{
    Done, Moment, Reading, SilenceAnswer, SilenceReport, SilenceRequest, SilencedReport,
};
use super::{Daemon, change, freshness, member};
use crate::daemon::wall_clock;
use crate::fault::{Code, Fault};

/// `GET /v1/silences`, the oldest first.
pub(crate) async fn list(Shared(node): Daemon) -> Answer<Reading<Vec<SilenceReport>>> {
    let member = member(&node)?;
    let (state, now) = (member.state(), wall_clock());
    let data = state
        .silences
        .iter()
        .map(|(number, silence)| report(&state, number, silence, now))
        .collect();
    answer(Reading {
        fresh: freshness(&node, &member),
        data,
    })
}

/// `POST /v1/silences`.
pub(crate) async fn add(
    Shared(node): Daemon,
    Extension(caller): Extension<Caller>,
    Order(request): Order<SilenceRequest>,
) -> Answer<SilenceAnswer> {
    let terms: Result<Vec<Term>, _> = request.terms.iter().map(|term| term.parse()).collect();
    let terms = terms.map_err(|error| Fault::new(Code::MatcherBad).why(error))?;
    let matcher = Matcher(terms);
    let member = member(&node)?;
    let now = wall_clock();
    let command = Command::AddSilence(Silence {
        matcher: matcher.clone(),
        comment: request.comment,
        author: caller.author(),
        from: now,
        until: UnixMillis(now.0.saturating_add(request.lasts_s.saturating_mul(1_000))),
    });
    let number = match member.change(command).await? {
        Applied::Silence(number) => number,
        Applied::Done
        | Applied::Unchanged
        | Applied::Revision(_)
        | Applied::Node(_)
        | Applied::Drill(_) => 0,
    };
    let state = member.state();
    let matched: Vec<String> = subjects(&state)
        .filter(|subject| state.matches(&matcher, subject))
        .map(|subject| state.title(&subject))
        .collect();
    answer(SilenceAnswer {
        number,
        count: matched.len(),
        matches: matched.into_iter().take(NAMED_MAX).collect(),
    })
}

/// `DELETE /v1/silences/NUMBER`.
pub(crate) async fn end(Shared(node): Daemon, Path(number): Path<u64>) -> Answer<Done> {
    answer(change(&node, Command::EndSilence(number)).await?)
}

/// The silence that hushes something.
pub(super) fn silenced(state: &State, subject: &Subject) -> Option<SilencedReport> {
    let number = state.silence_of(subject)?;
    let silence = state.silences.get(number)?;
    Some(SilencedReport {
        number,
        matcher: silence.matcher.to_string(),
        comment: silence.comment.clone(),
        author: silence.author.0.clone(),
        until: Moment(silence.until),
    })
}

/// Everything that pages can be about, but what cannot be hushed.
fn subjects(state: &State) -> impl Iterator<Item = Subject> + '_ {
    let members = state.config.members().map(|member| member.subject());
    let farms = state.config.farms.keys().cloned().map(Subject::Farm);
    let vips = state.config.vips.keys().cloned().map(Subject::Vip);
    let nodes = state.nodes.keys().copied().map(Subject::Node);
    members.chain(farms).chain(vips).chain(nodes)
}

fn report(state: &State, number: u64, silence: &Silence, now: UnixMillis) -> SilenceReport {
    let hushed = state.incidents.iter().filter(|(_, id)| {
        let page = state.pages.get(id);
        page.is_some_and(|page| page.silenced == Some(number))
    });
    SilenceReport {
        number,
        matcher: silence.matcher.to_string(),
        comment: silence.comment.clone(),
        author: silence.author.0.clone(),
        from: Moment(silence.from),
        until: Moment(silence.until),
        forgotten: silence.is_forgotten(now),
        hushes: hushed
            .map(|(subject, _)| state.title(subject))
            .take(NAMED_MAX)
            .collect(),
    }
}

/// Names that an answer lists.
const NAMED_MAX: usize = 100;
