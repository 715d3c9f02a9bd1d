//! The document as TOML has it: words, not yet understood. Unknown fields are refused.
//!
//! No `Debug` here: a document may hold a password.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

/// A word with its place in the text.
pub(super) type Word = Spanned<String>;

/// A number with its place in the text; its bounds are checked later, where the message is better.
pub(super) type Number = Spanned<i64>;

/// The whole.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    #[serde(default)]
    pub(super) vip: Vec<VipTable>,
    #[serde(default)]
    pub(super) farm: Vec<FarmTable>,
    #[serde(default)]
    pub(super) contact: Vec<ContactTable>,
}

/// `[[vip]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VipTable {
    pub(super) name: Word,
    pub(super) address: Word,
    pub(super) network: Word,
    /// Optional.
    pub(super) gateway: Option<Word>,
    /// `release`, the default for now.
    pub(super) on_quorum_loss: Option<Word>,
}

/// `[[farm]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FarmTable {
    pub(super) name: Word,
    pub(super) vip: Word,
    /// `round-robin`, the default, or `least-connections`.
    pub(super) method: Option<Word>,
    /// `shared`, the default, or `each`.
    pub(super) fate: Option<Word>,
    #[serde(default)]
    pub(super) service: Vec<ServiceTable>,
    #[serde(default)]
    pub(super) server: Vec<ServerTable>,
}

/// `[[farm.service]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServiceTable {
    pub(super) name: Word,
    /// `tcp` or `http`.
    pub(super) kind: Word,
    /// 1 to 65,535.
    pub(super) port: Number,
    /// Without one every server is taken to be up.
    pub(super) check: Option<CheckTable>,
    /// Each has a default.
    pub(super) limits: Option<LimitsTable>,
}

/// `check = { … }`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckTable {
    /// `tcp` or `http`.
    pub(super) kind: Word,
    /// http only; `/` by default.
    pub(super) path: Option<Word>,
    /// http only; the server's address by default.
    pub(super) host: Option<Word>,
    /// http only; 200 by default.
    pub(super) status: Option<Number>,
    /// http only; nothing is looked for by default.
    pub(super) text: Option<Word>,
    /// 100 ms to 1 h; 5 s by default.
    pub(super) interval: Option<Word>,
    /// 10 ms to the interval; 5 s by default, or the interval if that is shorter.
    pub(super) timeout: Option<Word>,
    /// 1 to 100; 3 by default.
    pub(super) fall: Option<Number>,
    /// 1 to 100; 2 by default.
    pub(super) rise: Option<Number>,
}

/// `limits = { … }`, each 10 ms to a day.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitsTable {
    /// 5 s by default.
    pub(super) connect: Option<Word>,
    /// 10 s by default.
    pub(super) header: Option<Word>,
    /// 60 s by default.
    pub(super) idle: Option<Word>,
    /// 1 h by default.
    pub(super) total: Option<Word>,
}

/// `[[farm.server]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServerTable {
    pub(super) name: Word,
    pub(super) address: Word,
    /// By service, where they differ from the service's own.
    #[serde(default)]
    pub(super) ports: BTreeMap<String, Number>,
    /// 1 to 256; 1 by default.
    pub(super) weight: Option<Number>,
    /// `favorite`, the default.
    pub(super) role: Option<Word>,
}

/// `[[contact]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ContactTable {
    pub(super) name: Word,
    pub(super) mail: MailTable,
}

/// `mail = { … }`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MailTable {
    /// 1 to 20 addresses.
    pub(super) to: Vec<Word>,
    /// `farmux@<cluster>` by default.
    pub(super) from: Option<Word>,
    /// `smtp://`, `smtp+starttls://` or `smtps://`, perhaps with a user, perhaps with a port.
    pub(super) relay: Word,
    /// Only with a user.
    pub(super) password: Option<Spanned<Password>>,
}

/// `password = "…"` or `password = { stored = true }`.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a password is a text, or { stored = true } to keep the stored one"
)]
pub(super) enum Password {
    /// A new one.
    Written(String),
    /// The one that the cluster has.
    Stored(Stored),
}

/// What an export says in place of a secret.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stored {
    pub(super) stored: bool,
}
