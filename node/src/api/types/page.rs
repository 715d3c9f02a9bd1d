//! Pages and what became of them.

use farmux_raft::state::PageKind;
use serde::{Deserialize, Serialize};

use super::Moment;

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
    /// Whether the incident that it opened is still open.
    pub open: bool,
    /// What became of it, contact by contact.
    pub deliveries: Vec<DeliveryReport>,
    /// Who took it on; null: nobody yet.
    pub acknowledged_by: Option<String>,
    /// When.
    pub acknowledged_at: Option<Moment>,
}

/// What became of a page at one contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryReport {
    /// Whom it is for.
    pub contact: String,
    /// What became of it.
    pub state: DeliveryState,
    /// When it was delivered, or failed last.
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
    /// The relay took it.
    Delivered,
    /// Given up: the incident has been over for a day.
    Expired,
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
    /// What the relay said when it took the mail.
    pub words: String,
}
