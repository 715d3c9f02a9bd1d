//! What can be said of a watch in a request or on a command line; what is not said is left as it
//! is.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use farmux_raft::state::Secret;
use serde::{Deserialize, Serialize};

/// What shall be different about a watch.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WatchFields {
    /// Where it answers.
    pub address: Option<String>,
    /// At which port; 0: at the check's customary one.
    pub port: Option<i64>,
    /// Whose defaults it has; empty: nobody's.
    pub group: Option<String>,
    /// Labels to put on.
    pub labels: BTreeMap<String, String>,
    /// Labels to take off, before others are put on.
    pub unlabel: BTreeSet<String>,
    /// What is different about its check.
    pub check: CheckFields,
    /// Whether it gives up its own check, for its group's.
    pub inherit_check: bool,
    /// What it depends on beside what it does: watches, or servers as `farm/server`.
    pub depends_on: BTreeSet<String>,
    /// What it depends on no more.
    pub not_depends_on: BTreeSet<String>,
    /// Who is paged after whom for it; empty: the ladder of what names none.
    pub ladder: Option<String>,
}

/// What is different about a check; a kind that is another begins anew with its defaults, and keeps
/// the pace.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, Args)]
#[serde(deny_unknown_fields, default)]
pub struct CheckFields {
    /// How it is checked: tcp, http, https, ftp, nfs, smtp, pop3, imap, ssh, redis, postgres,
    /// mysql, dns, icmp, udp or exec
    #[arg(long = "check", value_name = "KIND")]
    pub kind: Option<String>,
    /// http, https: what is asked for
    #[arg(long)]
    pub path: Option<String>,
    /// http, https: in whose name
    #[arg(long)]
    pub host: Option<String>,
    /// http, https: the status that is well
    #[arg(long)]
    pub status: Option<i64>,
    /// http, https: what the page must contain
    #[arg(long)]
    pub text: Option<String>,
    /// http, https: whether the page's own words are obeyed
    #[arg(long, value_name = "true|false")]
    pub obey: Option<bool>,
    /// https: whether the certificate must be good
    #[arg(long, value_name = "true|false")]
    pub verify: Option<bool>,
    /// https: for how many more days the certificate must be good
    #[arg(long, value_name = "DAYS")]
    pub days_left: Option<i64>,
    /// dns: what is looked up
    #[arg(long = "lookup", id = "lookup", value_name = "NAME")]
    pub name: Option<String>,
    /// dns: which kind of record
    #[arg(long)]
    pub record: Option<String>,
    /// dns: what the answer must be
    #[arg(long)]
    pub value: Option<String>,
    /// udp: what is sent
    #[arg(long)]
    pub send: Option<String>,
    /// udp: how the answer must begin
    #[arg(long)]
    pub expect: Option<String>,
    /// ftp: as whom
    #[arg(long)]
    pub user: Option<String>,
    /// ftp: with which password; never on a command line, where everybody on the machine sees it
    #[arg(skip)]
    pub password: Option<Secret>,
    /// ftp: which file is fetched
    #[arg(long)]
    pub fetch: Option<String>,
    /// nfs: tcp or udp
    #[arg(long)]
    pub transport: Option<String>,
    /// nfs: 3 or 4
    #[arg(long = "nfs-version", value_name = "N")]
    pub version: Option<i64>,
    /// nfs: whether the portmapper is asked
    #[arg(long, value_name = "true|false")]
    pub portmapper: Option<bool>,
    /// exec: the name of a file in exec_dir
    #[arg(long)]
    pub command: Option<String>,
    /// exec: once for each of its arguments
    #[arg(long = "argument", value_name = "WORD", allow_hyphen_values = true)]
    pub arguments: Option<Vec<String>>,
    /// From one probe to the next, as in 1s
    #[arg(long, value_name = "DURATION")]
    pub interval: Option<String>,
    /// How long a probe may take
    #[arg(long, value_name = "DURATION")]
    pub timeout: Option<String>,
    /// So many bad probes in a row are a failure
    #[arg(long, value_name = "N")]
    pub fall: Option<i64>,
    /// So many good ones are the end of it
    #[arg(long, value_name = "N")]
    pub rise: Option<i64>,
}
