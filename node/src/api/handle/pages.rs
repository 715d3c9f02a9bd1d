//! Pages.

use axum::Extension;
use axum::extract::{Path, Query, State as Shared};
use farmux_raft::id::{PageId, UnixMillis};
use farmux_raft::state::{Command, Delivery, Page, State};
use serde::Deserialize;

use super::super::answer::{Answer, Order, answer};
use super::super::caller::Caller;
use super::super::types::{
    AckRequest, DeliveryReport, DeliveryState, Done, Moment, PageReport, Reading,
};
use super::{Daemon, change, freshness, member};
use crate::daemon::wall_clock;
use crate::fault::{Code, Fault};

/// The parameters of `GET /v1/pages`.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(crate) struct Which {
    /// All that are remembered, not only the open, the due and the last day's.
    #[serde(default)]
    all: bool,
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
    let wanted = |page: &&Page| which.all || !page.is_settled() || page.at >= recent;
    let data = state
        .pages
        .iter()
        .rev()
        .filter(wanted)
        .map(report)
        .collect();
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
    let data = report(find(&state, &id)?);
    answer(Reading {
        fresh: freshness(&node, &member),
        data,
    })
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
    answer(change(&node, Command::Acknowledge { page, by }).await?)
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

fn report(page: &Page) -> PageReport {
    let deliveries = page.deliveries.iter().map(|(contact, delivery)| {
        let (state, at, failures, error) = match delivery {
            Delivery::Due {
                failures,
                last,
                error,
            } => (DeliveryState::Due, *last, *failures, error.clone()),
            Delivery::Delivered { at, .. } => {
                (DeliveryState::Delivered, Some(*at), 0, String::new())
            }
            Delivery::Expired => (DeliveryState::Expired, None, 0, String::new()),
        };
        let (contact, at) = (contact.to_string(), at.map(Moment));
        DeliveryReport {
            contact,
            state,
            at,
            failures,
            error,
        }
    });
    PageReport {
        id: page.id.to_string(),
        kind: page.kind,
        subject: page.title.clone(),
        at: Moment(page.at),
        cause: page.cause.clone(),
        left: page.left.clone(),
        evidence: page.evidence.clone(),
        open: page.over.is_none(),
        deliveries: deliveries.collect(),
        acknowledged_by: page.acknowledged.as_ref().map(|taken| taken.by.clone()),
        acknowledged_at: page.acknowledged.as_ref().map(|taken| Moment(taken.at)),
    }
}
