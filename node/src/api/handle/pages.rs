//! Pages.

use std::collections::BTreeSet;

use axum::Extension;
use axum::extract::{Path, Query, State as Shared};
use farmux_raft::id::{ContactName, PageId, UnixMillis};
use farmux_raft::state::{
    Command, Delivery, Page, Parent, PreviewCall, Progress, State, Subject, Taken,
};
use serde::Deserialize;

use super::super::answer::{Answer, Order, answer, parse};
use super::super::caller::Caller;
use super::super::status::maintenance_report;
use super::super::types::{
    AckManyRequest, AckRequest, DeliveryReport, DeliveryState, Done, MessageName, Moment,
    PageReport, PreviewCallReport, PreviewReport, Reading, ResolveRequest,
};
use super::{Daemon, change, freshness, member, silences};
use crate::daemon::wall_clock;
use crate::fault::{Code, Fault};

/// The parameters of `GET /v1/pages`.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Which {
    /// All that are remembered, not only the open, the due and the last day's.
    #[serde(default)]
    all: bool,
    /// Only those whose subject contains this.
    subject: Option<String>,
    /// Only those from then on, in milliseconds since 1970.
    since: Option<u64>,
}

/// The parameters of `GET /v1/pages/preview`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct About {
    /// A watch, `farm/server`, a farm, or a node.
    subject: String,
}

/// How long a page that is over stays in the short list: until the same shift tomorrow.
const RECENT_MS: u64 = 24 * 3_600 * 1_000;

/// `GET /v1/pages`, the newest first.
pub(crate) async fn list(
    Shared(node): Daemon,
    Query(which): Query<Which>,
) -> Answer<Reading<Vec<PageReport>>> {
    let member = member(&node)?;
    let state = member.state();
    let recent = UnixMillis(wall_clock().0.saturating_sub(RECENT_MS));
    let since = which.since.map(UnixMillis);
    let wanted = |page: &&Page| {
        let listed = which.all || !page.is_settled() || page.at >= recent;
        let subject = which.subject.as_ref();
        listed
            && subject.is_none_or(|subject| page.title.contains(subject.as_str()))
            && since.is_none_or(|since| page.at >= since)
    };
    let pages = state.pages.iter().rev().filter(wanted);
    let data = pages.map(|page| report(&state, page)).collect();
    answer(Reading {
        fresh: freshness(&node, &member),
        data,
    })
}

/// `GET /v1/pages/ID`.
pub(crate) async fn show(
    Shared(node): Daemon,
    Path(id): Path<String>,
) -> Answer<Reading<PageReport>> {
    let member = member(&node)?;
    let state = member.state();
    let data = report(&state, find(&state, &id)?);
    answer(Reading {
        fresh: freshness(&node, &member),
        data,
    })
}

/// `GET /v1/pages/preview`.
pub(crate) async fn preview(
    Shared(node): Daemon,
    Query(about): Query<About>,
) -> Answer<Reading<PreviewReport>> {
    let member = member(&node)?;
    let state = member.state();
    let subject = subject(&state, &about.subject).ok_or_else(|| {
        let wanted = &about.subject;
        Fault::new(Code::RequestInvalid)
            .what(format!("{wanted:?} is nothing that pages are about"))
            .why("it is no watch, no server as FARM/SERVER, no farm and no node")
            .mend("see what there is: farmux status, farmux watch list")
    })?;
    let now = wall_clock();
    let preview = state.preview(&subject, now);
    let ordered = match &subject {
        Subject::Server(farm, server) => maintenance_report(&state, farm, server, now),
        Subject::Watch(_)
        | Subject::Farm(_)
        | Subject::Strength(_)
        | Subject::Node(_)
        | Subject::Path(_)
        | Subject::Vip(_)
        | Subject::Channel(..)
        | Subject::Trouble(_)
        | Subject::Drill(_)
        | Subject::Rehearsal(_)
        | Subject::Quorum => None,
    };
    let call = |call: PreviewCall| PreviewCallReport {
        contact: call.rung.contact.to_string(),
        step: u32::from(call.rung.step) + 1,
        after_ms: call.rung.after_ms,
        at: Moment(call.at),
        channels: call.channels,
    };
    answer(Reading {
        fresh: freshness(&node, &member),
        data: PreviewReport {
            subject: preview.title,
            ladder: preview.ladder.map(|name| name.to_string()),
            held: preview.held,
            silenced: silences::silenced(&state, &subject),
            maintenance: ordered,
            calls: preview.calls.into_iter().map(call).collect(),
        },
    })
}

/// What is called so: a watch, `farm/server`, a farm, or a node.
fn subject(state: &State, words: &str) -> Option<Subject> {
    let member = words.parse::<Parent>().ok();
    if let Some(member) = member
        && (state.config.checks_of(&member).next().is_some() || state.config.is_suspended(&member))
    {
        return Some(member.subject());
    }
    let farm = state
        .config
        .farms
        .keys()
        .find(|farm| farm.as_str() == words);
    let node = || {
        let node = state.nodes.iter();
        node.into_iter()
            .find(|(_, node)| node.name.as_str() == words)
            .map(|(id, _)| Subject::Node(*id))
    };
    farm.map(|farm| Subject::Farm(farm.clone())).or_else(node)
}

/// `POST /v1/pages/ID/ack`.
pub(crate) async fn acknowledge(
    Shared(node): Daemon,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Order(request): Order<AckRequest>,
) -> Answer<Done> {
    let page: PageId = find(&member(&node)?.state(), &id)?.id;
    let by = request.by.unwrap_or_else(|| caller.author().0);
    let taken = Taken::Pages([page].into());
    answer(change(&node, Command::Acknowledge { taken, by }).await?)
}

/// `POST /v1/pages/ack`.
pub(crate) async fn acknowledge_many(
    Shared(node): Daemon,
    Extension(caller): Extension<Caller>,
    Order(request): Order<AckManyRequest>,
) -> Answer<Done> {
    let state = member(&node)?.state();
    let by = request.by.unwrap_or_else(|| caller.author().0);
    let taken = match request.message {
        Some(MessageName { contact, message }) => Taken::Message {
            contact: parse(&contact)?,
            bundle: message,
        },
        None => {
            let open = state
                .pages
                .iter()
                .filter(|page| page.is_waiting_for_somebody());
            let open = open.map(|page| page.id).filter(|_| request.all_open);
            let mut pages: BTreeSet<PageId> = open.collect();
            for id in &request.pages {
                pages.insert(find(&state, id)?.id);
            }
            Taken::Pages(pages)
        }
    };
    answer(change(&node, Command::Acknowledge { taken, by }).await?)
}

/// `POST /v1/pages/ID/resolve`.
pub(crate) async fn resolve(
    Shared(node): Daemon,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Order(request): Order<ResolveRequest>,
) -> Answer<Done> {
    let page: PageId = find(&member(&node)?.state(), &id)?.id;
    let command = Command::Resolve {
        pages: [page].into(),
        by: request.by.unwrap_or_else(|| caller.author().0),
        why: request.why,
    };
    answer(change(&node, command).await?)
}

/// The one page whose id starts with these digits.
fn find<'a>(state: &'a State, digits: &str) -> Result<&'a Page, Fault> {
    let digits = digits.to_ascii_lowercase();
    let unknown = || Fault::new(Code::PageUnknown).what(format!("there is no page {digits:?}"));
    if digits.is_empty() {
        return Err(unknown());
    }
    let mut found = state
        .pages
        .iter()
        .filter(|page| page.id.to_string().starts_with(&digits));
    match (found.next(), found.next()) {
        (Some(page), None) => Ok(page),
        (Some(_), Some(_)) => Err(unknown()
            .what(format!("several pages start with {digits:?}"))
            .mend("more digits: farmux page list -o json")),
        (None, _) => Err(unknown()),
    }
}

pub(super) fn report(state: &State, page: &Page) -> PageReport {
    let deliveries = page.deliveries.iter();
    let deliveries = deliveries.map(|(contact, made)| delivery(state, contact, made));
    PageReport {
        id: page.id.to_string(),
        kind: page.kind,
        subject: page.marked_title(),
        at: Moment(page.at),
        cause: page.cause.clone(),
        left: page.left.clone(),
        evidence: page.evidence.clone(),
        verdict: page.verdict,
        open: page.over.is_none(),
        deliveries: deliveries.collect(),
        acknowledged_by: page.acknowledged.as_ref().map(|taken| taken.by.clone()),
        acknowledged_at: page.acknowledged.as_ref().map(|taken| Moment(taken.at)),
        resolved_by: page.resolved.as_ref().map(|closed| closed.by.clone()),
        resolved_at: page.resolved.as_ref().map(|closed| Moment(closed.at)),
        resolved_why: page.resolved.as_ref().map(|closed| closed.why.clone()),
        drill: page.drill.map(|run| run.0),
    }
}

fn delivery(state: &State, contact: &ContactName, made: &Delivery) -> DeliveryReport {
    let open = state.bundles.get(contact, made.bundle);
    let open = open.filter(|_| made.is_due());
    let told = made.told.map(|told| told.at);
    let words = match made.progress {
        // Its reminder waits.
        Progress::Due if made.told.is_some() => DeliveryState::Delivered,
        Progress::Due => DeliveryState::Due,
        Progress::Delivered => DeliveryState::Delivered,
        Progress::Spared => DeliveryState::Spared,
        Progress::Expired => DeliveryState::Expired,
    };
    DeliveryReport {
        contact: contact.to_string(),
        state: words,
        step: u32::from(made.step) + 1,
        message: made.bundle,
        reminders: match made.is_due() {
            true => made.round.saturating_sub(1),
            false => made.round,
        },
        due: open.map(|open| Moment(open.not_before)),
        at: open.and_then(|open| open.last).or(told).map(Moment),
        failures: open.map_or(0, |open| open.failures),
        error: open.map_or_else(String::new, |open| open.error.clone()),
    }
}
