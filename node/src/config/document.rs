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
    pub(super) group: Vec<GroupTable>,
    #[serde(default)]
    pub(super) watch: Vec<WatchTable>,
    #[serde(default)]
    pub(super) contact: Vec<ContactTable>,
    #[serde(default)]
    pub(super) ladder: Vec<LadderTable>,
    pub(super) paging: Option<PagingTable>,
    #[serde(default)]
    pub(super) drill: Vec<DrillTable>,
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
    /// `hold`, the default where there is a gateway, or `release`.
    pub(super) on_quorum_loss: Option<Word>,
    /// `never`, the default, or `gateway`; for a pair without a witness.
    pub(super) pair_takeover: Option<Word>,
    /// VIPs of one group move together; alone by default.
    pub(super) group: Option<Word>,
    /// A node's name; nobody by default.
    pub(super) prefer: Option<Word>,
}

/// `[[farm]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FarmTable {
    pub(super) name: Word,
    pub(super) vip: Word,
    /// Further VIPs, at most 7; none by default.
    #[serde(default)]
    pub(super) more_vips: Vec<Word>,
    /// `round-robin`, the default, `least-connections`, `source-hash` or `random-of-two`.
    pub(super) method: Option<Word>,
    /// `shared`, the default, or `each`.
    pub(super) fate: Option<Word>,
    /// None by default.
    pub(super) persistence: Option<PersistenceTable>,
    /// Up to 1 h; 0s, that is none, by default.
    pub(super) slow_start: Option<Word>,
    /// None by default.
    pub(super) last_resort: Option<LastResortTable>,
    /// 0, that is never, by default.
    pub(super) degraded_below: Option<Number>,
    /// From 1, the default.
    pub(super) down_below: Option<Number>,
    /// Watches, or servers as `farm/server`.
    #[serde(default)]
    pub(super) depends_on: Vec<Word>,
    /// `keep`, the default, or `remove`.
    pub(super) on_parent_down: Option<Word>,
    /// The cluster's by default.
    pub(super) ladder: Option<Word>,
    #[serde(default)]
    pub(super) service: Vec<ServiceTable>,
    #[serde(default)]
    pub(super) server: Vec<ServerTable>,
}

/// `persistence = { … }`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PersistenceTable {
    /// 8 to 32, the default.
    pub(super) prefix_v4: Option<Number>,
    /// 16 to 128; 64 by default.
    pub(super) prefix_v6: Option<Number>,
    /// 1 s to a day; 30 min by default.
    pub(super) timeout: Option<Word>,
}

/// `last_resort = { … }`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LastResortTable {
    /// 200 to 599; 503 by default.
    pub(super) status: Option<Number>,
    /// HTML, up to 16 KiB.
    pub(super) body: Word,
}

/// `[[farm.service]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServiceTable {
    pub(super) name: Word,
    /// `tcp`, `http` or `ftp`.
    pub(super) kind: Word,
    /// 1 to 65,535.
    pub(super) port: Number,
    /// ftp only, and needed there; as `40000-40999`.
    pub(super) data_ports: Option<Word>,
    /// ftp only; `refuse`, the default, or `pass`.
    pub(super) tls: Option<Word>,
    /// Bounded by the node's descriptors alone by default.
    pub(super) max_connections: Option<Number>,
    /// Where clients wait.
    pub(super) queue: Option<QueueTable>,
    /// `v1` or `v2`; none by default.
    pub(super) send_proxy: Option<Word>,
    /// Networks as `10.0.0.0/24`; none by default.
    #[serde(default)]
    pub(super) accept_proxy: Vec<Word>,
    /// Without one every server is taken to be up.
    pub(super) check: Option<Box<CheckTable>>,
    /// Each has a default.
    pub(super) limits: Option<LimitsTable>,
}

/// `queue = { … }`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QueueTable {
    /// 0 to 100,000; 100 by default.
    pub(super) length: Option<Number>,
    /// 10 ms to 1 h; 5 s by default.
    pub(super) timeout: Option<Word>,
}

/// `check = { … }`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckTable {
    /// `tcp`, `http`, `https`, `ftp`, `nfs`, `smtp`, `pop3`, `imap`, `ssh`, `redis`, `postgres`,
    /// `mysql`, `dns`, `icmp`, `udp` or `exec`; empty where it is not written. Needed, but in a
    /// watch whose group has a check: there it is the group's, with what else is written changed.
    #[serde(default = "unsaid")]
    pub(super) kind: Word,
    /// http and https only; `/` by default.
    pub(super) path: Option<Word>,
    /// http and https only; the server's address by default.
    pub(super) host: Option<Word>,
    /// http and https only; 200 by default.
    pub(super) status: Option<Number>,
    /// http and https only; nothing is looked for by default.
    pub(super) text: Option<Word>,
    /// http and https only; whether the page's OK, NOT OK, OVERLOAD, QUIESCE or WEIGHT=n is
    /// obeyed; false by default.
    pub(super) obey: Option<Spanned<bool>>,
    /// https only; whether the certificate must be good; true by default.
    pub(super) verify: Option<Spanned<bool>>,
    /// https only; the certificate must be good for so many more days; 0 by default.
    pub(super) days_left: Option<Number>,
    /// dns only, and needed there; what is looked up.
    pub(super) name: Option<Word>,
    /// dns only; `A`, the default, `AAAA`, `CNAME`, `MX`, `NS`, `PTR`, `SOA` or `TXT`.
    pub(super) record: Option<Word>,
    /// dns only; any answer by default.
    pub(super) value: Option<Word>,
    /// udp only, and needed there; what is sent, with `\xNN` for bytes. It must be something that
    /// is answered: a service that keeps silent cannot be told from a dead one.
    pub(super) send: Option<Word>,
    /// udp only; how the answer must begin; any answer by default.
    pub(super) expect: Option<Word>,
    /// ftp only; `anonymous` by default.
    pub(super) user: Option<Word>,
    /// ftp only; `farmux@` by default.
    pub(super) password: Option<Spanned<Password>>,
    /// ftp only; the folder is listed by default.
    pub(super) fetch: Option<Word>,
    /// nfs only; `tcp`, the default, or `udp`.
    pub(super) transport: Option<Word>,
    /// nfs only; 3, the default, or 4.
    pub(super) version: Option<Number>,
    /// nfs only; whether the portmapper is asked; by default for version 3.
    pub(super) portmapper: Option<Spanned<bool>>,
    /// exec only; the name of a file in `exec_dir` of `node.toml`.
    pub(super) command: Option<Word>,
    /// exec only.
    pub(super) arguments: Option<Spanned<Vec<String>>>,
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
    /// `favorite`, the default, `active`, `standby` or `last-resort`.
    pub(super) role: Option<Word>,
    /// For each service; unbounded by default.
    pub(super) max_connections: Option<Number>,
    /// Needed where an ftp service passes TLS on; as `40000-40099`.
    pub(super) data_ports: Option<Word>,
    /// Watches, or servers as `farm/server`.
    #[serde(default)]
    pub(super) depends_on: Vec<Word>,
}

/// What stands where nothing was written.
fn unsaid() -> Word {
    Spanned::new(0..0, String::new())
}

/// `[[group]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupTable {
    pub(super) name: Word,
    /// Of all its watches.
    #[serde(default)]
    pub(super) labels: BTreeMap<String, Word>,
    /// Of those that have none of their own.
    pub(super) check: Option<Box<CheckTable>>,
    /// Of all its watches: watches, or servers as `farm/server`.
    #[serde(default)]
    pub(super) depends_on: Vec<Word>,
}

/// `[[watch]]`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WatchTable {
    pub(super) name: Word,
    pub(super) address: Word,
    /// The check's customary one by default.
    pub(super) port: Option<Number>,
    /// None by default.
    pub(super) group: Option<Word>,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, Word>,
    /// The group's by default.
    pub(super) check: Option<Box<CheckTable>>,
    /// Watches, or servers as `farm/server`.
    #[serde(default)]
    pub(super) depends_on: Vec<Word>,
    /// The cluster's by default.
    pub(super) ladder: Option<Word>,
}

/// `[[ladder]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LadderTable {
    pub(super) name: Word,
    /// 1 to 10.
    pub(super) steps: Spanned<Vec<StepTable>>,
}

/// One of its steps.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StepTable {
    /// Rising, to 24h; 0s, the default, for the first.
    pub(super) after: Option<Word>,
    pub(super) contacts: Vec<Word>,
}

/// `[[contact]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ContactTable {
    pub(super) name: Word,
    /// The channels in the order in which they are tried; mail, webhook, snpp, syslog by default.
    #[serde(default)]
    pub(super) order: Vec<Word>,
    pub(super) mail: Option<MailTable>,
    pub(super) webhook: Option<WebhookTable>,
    pub(super) snpp: Option<SnppTable>,
    pub(super) syslog: Option<SyslogTable>,
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
    pub(super) relay: Option<Word>,
    /// Only with a user.
    pub(super) password: Option<Spanned<Password>>,
    /// Those that are tried after it, in order.
    #[serde(default)]
    pub(super) relays: Vec<RelayTable>,
}

/// One item of `relays = [{ … }]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RelayTable {
    /// As `relay` beside it.
    pub(super) relay: Word,
    /// Only with a user.
    pub(super) password: Option<Spanned<Password>>,
}

/// `webhook = { … }`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhookTable {
    /// `https://` or `http://`.
    pub(super) url: Word,
    /// `farmux`, the default, `pagerduty` or `ntfy`.
    pub(super) shape: Option<Word>,
    /// The key of the signature, the routing key, or the token; none by default.
    pub(super) secret: Option<Spanned<Password>>,
    /// Whether loopback and link-local addresses are possible; false by default.
    #[serde(default)]
    pub(super) allow_local: bool,
}

/// `snpp = { … }`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SnppTable {
    /// Host, perhaps with a port; 444 by default.
    pub(super) server: Word,
    /// The pager's number.
    pub(super) pager: Word,
    /// `text`, the default, or `codes`.
    pub(super) words: Option<Word>,
}

/// `syslog = { … }`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SyslogTable {
    /// Host, perhaps with a port; 514 by default.
    pub(super) server: Word,
    /// `udp`, the default, or `tcp`.
    pub(super) transport: Option<Word>,
}

/// `[paging]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PagingTable {
    /// The ladder of what names none; none by default.
    pub(super) ladder: Option<Word>,
    /// 0s to 10m; 30s by default.
    pub(super) storm: Option<Word>,
    /// 10m to 7d, or 0s: never; 4h by default.
    pub(super) repeat: Option<Word>,
    /// 2 to 100; 5 by default.
    pub(super) flap_changes: Option<Number>,
    /// 1m to 1d; 10m by default.
    pub(super) flap_within: Option<Word>,
    /// true by default.
    pub(super) second_opinion: Option<bool>,
    /// 1 to 100; 33 by default.
    pub(super) suspect_percent: Option<Number>,
    /// From 2; 10 by default.
    pub(super) suspect_least: Option<Number>,
    /// 100ms to 5s, the default.
    pub(super) suspect_wait: Option<Word>,
    /// None by default.
    pub(super) heartbeat: Option<HeartbeatTable>,
    /// A time of the day, UTC, as `09:30`; none by default.
    pub(super) canary: Option<Word>,
    /// What links in messages begin with; nodes by default.
    pub(super) link_base: Option<Word>,
    /// Who gets the pages of drills, at most 10; by default whoever gets real ones.
    #[serde(default)]
    pub(super) drill_contacts: Vec<Word>,
}

/// `[[drill]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DrillTable {
    /// What the schedule is called.
    pub(super) name: Word,
    /// Which drill; the one of that name by default.
    pub(super) kind: Option<Word>,
    /// Whom to hit; by default the drill chooses.
    pub(super) target: Option<Word>,
    /// A weekday and a time, as `Tue 03:00`.
    pub(super) weekly: Word,
    /// Whose time, as `Europe/Berlin`; UTC by default.
    pub(super) tz: Option<Word>,
}

/// `heartbeat = { … }`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HeartbeatTable {
    /// `https://` or `http://`.
    pub(super) url: Word,
    /// 10s to 1d; 1m by default.
    pub(super) every: Option<Word>,
    /// Whether loopback and link-local addresses are possible; false by default.
    #[serde(default)]
    pub(super) allow_local: bool,
}

/// `password = "…"` or `password = { stored = true }`.
#[derive(Clone, Deserialize)]
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
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stored {
    pub(super) stored: bool,
}
