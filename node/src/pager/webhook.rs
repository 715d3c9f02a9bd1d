//! The webhook channel: a call as HTTP requests, in the shape that the other side expects.
//!
//! ```text
//!   Call --shape: farmux | pagerduty | ntfy--> Ask, one or several --Session--> server
//! ```
//!
//! Only 2xx counts. Several requests go over one connection, one after another; the first that
//! fails ends the attempt, and the next attempt sends all again: each carries an id by which the
//! other side folds repeats.

mod farmux;
mod ntfy;
mod pagerduty;

use std::time::Duration;

use farmux_netplane::origin::Origin;
use farmux_raft::id::UnixMillis;
use farmux_raft::state::{WebhookChannel, WebhookShape};
use hyper::header::{HeaderName, HeaderValue};
use tokio::time::{Instant, timeout_at};

use super::call::Call;
use super::trust::Trust;
use super::web::{Ask, Session, Target};

pub(super) use farmux::subject;

/// Sends a call; the last words of the other side.
///
/// **Errors**: the other side did not take it, or nobody can tell, in words.
pub(super) async fn send(
    call: &Call,
    channel: &WebhookChannel,
    origin: &Origin,
    trust: &Trust,
    now: UnixMillis,
) -> Result<String, String> {
    let mut session = Session::new(Target {
        url: &channel.url,
        allow_local: channel.allow_local,
        origin,
        trust,
    });
    let asks = asks(call, channel, now)?;
    let (all, end) = (asks.len(), Instant::now() + ALL_TIME_MAX);
    let mut words = Err("nothing to send".to_owned());
    for (place, ask) in asks.into_iter().enumerate() {
        let asked = timeout_at(end, session.ask(ask, REQUEST_TIME_MAX)).await;
        words = asked.unwrap_or_else(|_elapsed| {
            let seconds = ALL_TIME_MAX.as_secs();
            Err(format!("{place} of {all} events taken within {seconds} s"))
        });
        if words.is_err() {
            break;
        }
    }
    words
}

/// PURE. The requests that a call becomes.
fn asks(call: &Call, channel: &WebhookChannel, now: UnixMillis) -> Result<Vec<Ask>, String> {
    match channel.shape {
        WebhookShape::Farmux => {
            farmux::ask(call, channel.secret.as_ref(), now).map(|ask| vec![ask])
        }
        WebhookShape::Pagerduty => pagerduty::asks(call, channel.secret.as_ref(), now),
        WebhookShape::Ntfy => ntfy::ask(call, channel.secret.as_ref(), now).map(|ask| vec![ask]),
    }
}

/// A header of our own making.
fn header(name: &'static str, text: &str) -> Result<(HeaderName, HeaderValue), String> {
    // The error would show the value.
    let value = HeaderValue::from_str(text).map_err(|_| format!("{name} would be no header"))?;
    Ok((HeaderName::from_static(name), value))
}

/// **Source**: issue 4: "5 s". A receiver that works longer answers first and works then.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(5);

/// All requests of one call together: as long as a mail may take.
const ALL_TIME_MAX: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
