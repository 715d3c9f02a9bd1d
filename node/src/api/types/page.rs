//! Pages and what became of them.

use farmux_raft::state::{ChannelKind, PageKind, PageVerdict};
use serde::{Deserialize, Serialize};

use super::{MaintenanceReport, Moment, SilencedReport};

/// One item of `GET /v1/pages`, the newest first; `GET /v1/pages/ID`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageReport {
    /// Its id for ever, 32 hexadecimal digits.
    pub id: String,
    /// What kind of call.
    pub kind: PageKind,
    /// What it is about: `server shop/s2`.
    pub subject: String,
    /// When it happened.
    pub at: Moment,
    /// Why, in one line.
    pub cause: String,
    /// What is left: `3 of 4 up`.
    pub left: String,
    /// What was seen, one line each.
    pub evidence: Vec<String>,
    /// Whose fault it is by a second opinion; null: nobody else was to be asked.
    #[serde(default)]
    pub verdict: Option<PageVerdict>,
    /// Whether the incident that it opened is still open.
    pub open: bool,
    /// What became of it, contact by contact.
    pub deliveries: Vec<DeliveryReport>,
    /// Who took it on; null: nobody yet.
    pub acknowledged_by: Option<String>,
    /// When.
    pub acknowledged_at: Option<Moment>,
    /// Who closed it before its incident was over; null: nobody.
    pub resolved_by: Option<String>,
    /// When.
    pub resolved_at: Option<Moment>,
    /// Why.
    pub resolved_why: Option<String>,
    /// The drill whose doing it is; null: it is real.
    #[serde(default)]
    pub drill: Option<u64>,
}

/// What became of a page at one contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryReport {
    /// Whom it is for.
    pub contact: String,
    /// What became of it.
    pub state: DeliveryState,
    /// In which step of its ladder; 1 is the first.
    pub step: u32,
    /// Which of the contact's messages it goes in; those with the same number go together.
    pub message: u64,
    /// How often it was sent again because nobody took it on.
    pub reminders: u32,
    /// When it is due, as long as it is.
    pub due: Option<Moment>,
    /// When it was delivered last, or failed last.
    pub at: Option<Moment>,
    /// Attempts that failed.
    pub failures: u32,
    /// What the relay said last.
    pub error: String,
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeliveryState {
    /// Still to be made.
    Due,
    /// The other side took it.
    Delivered,
    /// Not needed any more when its step came.
    Spared,
    /// Given up: the incident has been over for a day.
    Expired,
}

/// `POST /v1/pages/ID/resolve`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResolveRequest {
    /// In whose name; the author's where there is none.
    #[serde(default)]
    pub by: Option<String>,
    /// Why.
    #[serde(default)]
    pub why: String,
}

/// `POST /v1/pages/ack`: several, or one message.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AckManyRequest {
    /// Ids, or the first digits of them.
    #[serde(default)]
    pub pages: Vec<String>,
    /// Every page whose incident is open and that nobody took on.
    #[serde(default)]
    pub all_open: bool,
    /// One message with all of its pages.
    #[serde(default)]
    pub message: Option<MessageName>,
    /// In whose name; the author's where there is none.
    #[serde(default)]
    pub by: Option<String>,
}

/// A message to one contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageName {
    /// To whom it went.
    pub contact: String,
    /// Its number.
    pub message: u64,
}

/// `GET /v1/pages/preview?subject=SUBJECT`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewReport {
    /// What it is about, in words.
    pub subject: String,
    /// The ladder that counts; null: everybody at once.
    pub ladder: Option<String>,
    /// Why there would be no page of its own; empty: there would be.
    pub held: String,
    /// The silence that would hush it; null: none would.
    #[serde(default)]
    pub silenced: Option<SilencedReport>,
    /// The order by which it is in maintenance; null: it is not.
    #[serde(default)]
    pub maintenance: Option<MaintenanceReport>,
    /// Who would hear of it, in order; nobody while it is silenced or in maintenance.
    pub calls: Vec<PreviewCallReport>,
}

/// One message that would go out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewCallReport {
    /// To whom.
    pub contact: String,
    /// In which step of the ladder; 1 is the first.
    pub step: u32,
    /// How long after the failure its step comes, in milliseconds.
    pub after_ms: u64,
    /// When it would leave: later than that while a window gathers.
    pub at: Moment,
    /// Through which channels, in the order in which they are tried.
    pub channels: Vec<ChannelKind>,
}

/// `POST /v1/pages/ID/ack`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AckRequest {
    /// In whose name; the author's where there is none.
    #[serde(default)]
    pub by: Option<String>,
}

/// The answer to `POST /v1/contacts/NAME/test`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactTestAnswer {
    /// Each channel that was tried, in the contact's order.
    pub channels: Vec<ChannelTest>,
}

/// What came of one channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelTest {
    /// Which.
    pub channel: ChannelKind,
    /// Whether the other side took it.
    pub taken: bool,
    /// Its own words; where it said none, ours.
    pub words: String,
}
