//! From the document to the configuration: every word understood, or every fault told.
//! One file a noun.

pub(super) mod check;
mod contact;
mod drill;
mod farm;
mod group;
mod ladder;
mod paging;
mod service;
pub(super) mod watch;

use std::collections::BTreeMap;

use farmux_raft::id::{NodeId, VipName};
use farmux_raft::state::{Config, Node, OnQuorumLoss, Secret, Vip};
use toml::Spanned;

use super::ConfigError;
use super::document::{Document, Password, VipTable, Word};
use super::reader::Reader;
use contact::contact;
use drill::drill;
use farm::farm;
use group::group;
use ladder::ladder;
use paging::paging;
use watch::watch;

/// Reads a document that shall replace `current` beside these nodes.
///
/// What servers are ordered to be is taken over from `current`, and so are passwords that the
/// document calls stored.
///
/// **Errors**: everything that is wrong, as far as it can be told at once; at most 20.
pub fn read(
    text: &str,
    current: &Config,
    nodes: &BTreeMap<NodeId, Node>,
) -> Result<Config, Vec<ConfigError>> {
    let mut reader = Reader::new(text);
    let document: Document = toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| reader.line(&span));
        // Never the error's own picture of the line: a password may stand there.
        vec![ConfigError {
            line,
            at: String::new(),
            what: error.message().to_owned(),
        }]
    })?;
    let mut config = Config::default();
    for table in &document.vip {
        if let Some(entry) = vip(&mut reader, table) {
            reader.insert(&mut config.vips, "vip", &table.name, entry);
        }
    }
    for table in &document.farm {
        if let Some(entry) = farm(&mut reader, table, current) {
            reader.insert(&mut config.farms, "farm", &table.name, entry);
        }
    }
    for table in &document.group {
        if let Some(entry) = group(&mut reader, table, current) {
            reader.insert(&mut config.groups, "group", &table.name, entry);
        }
    }
    for table in &document.watch {
        if let Some(entry) = watch(&mut reader, table, current, &config.groups) {
            reader.insert(&mut config.watches, "watch", &table.name, entry);
        }
    }
    for table in &document.contact {
        if let Some(entry) = contact(&mut reader, table, current) {
            reader.insert(&mut config.contacts, "contact", &table.name, entry);
        }
    }
    for table in &document.ladder {
        if let Some(entry) = ladder(&mut reader, table) {
            reader.insert(&mut config.ladders, "ladder", &table.name, entry);
        }
    }
    if let Some(table) = &document.paging
        && let Some(read) = paging(&mut reader, table)
    {
        config.paging = read;
    }
    for table in &document.drill {
        if let Some(entry) = drill(&mut reader, table) {
            reader.insert(&mut config.drills, "drill", &table.name, entry);
        }
    }
    reader.check()?;
    let faults = config.faults(nodes);
    if !faults.is_empty() {
        return Err(faults
            .into_iter()
            .map(|fault| reader.locate(fault))
            .collect());
    }
    Ok(config)
}

fn vip(reader: &mut Reader<'_>, table: &VipTable) -> Option<(VipName, Vip)> {
    let at = format!("vip[{}]", table.name.get_ref());
    let name = reader.name(&at, &table.name);
    let address = reader.address(&format!("{at}.address"), &table.address);
    let network = reader.name(&format!("{at}.network"), &table.network);
    let gateway = optional(table.gateway.as_ref(), |word| {
        reader.address(&format!("{at}.gateway"), word)
    });
    let on_quorum_loss = on_quorum_loss(reader, &at, table);
    let group = optional(table.group.as_ref(), |word| {
        reader.name(&format!("{at}.group"), word)
    });
    let prefer = optional(table.prefer.as_ref(), |word| {
        reader.name(&format!("{at}.prefer"), word)
    });
    let vip = Vip {
        address: address?,
        network: network?,
        gateway: gateway?,
        on_quorum_loss: on_quorum_loss?,
        group: group?,
        prefer: prefer?,
    };
    Some((name?, vip))
}

/// What becomes of a VIP without a majority, of two words that mean something only together.
fn on_quorum_loss(reader: &mut Reader<'_>, at: &str, table: &VipTable) -> Option<OnQuorumLoss> {
    let without = match &table.on_quorum_loss {
        // Without a reference nobody could tell a cut network from dead nodes.
        None if table.gateway.is_none() => OnQuorumLoss::Release,
        None => OnQuorumLoss::Hold,
        Some(word) => {
            let choices = [
                ("hold", OnQuorumLoss::Hold),
                ("release", OnQuorumLoss::Release),
            ];
            reader.choice(&format!("{at}.on_quorum_loss"), word, &choices, &[])?
        }
    };
    let Some(word) = &table.pair_takeover else {
        return Some(without);
    };
    let here = format!("{at}.pair_takeover");
    let choices = [("never", false), ("gateway", true)];
    match (reader.choice(&here, word, &choices, &[])?, without) {
        (false, _) => Some(without),
        (true, OnQuorumLoss::Hold | OnQuorumLoss::HoldOrTake) => Some(OnQuorumLoss::HoldOrTake),
        (true, OnQuorumLoss::Release) => {
            let why = "who takes a VIP without a majority has to hold it without one; write \
                       on_quorum_loss = \"hold\" and the gateway that is asked";
            reader.wrong(&here, &word.span(), why);
            None
        }
    }
}

/// Reads what may be absent: `None` when it is there and wrong.
fn optional<T>(word: Option<&Word>, read: impl FnOnce(&Word) -> Option<T>) -> Option<Option<T>> {
    match word {
        None => Some(None),
        Some(word) => read(word).map(Some),
    }
}

/// A password as it is written, or the stored one; `kept` is what is stored for the same use.
fn password(
    reader: &mut Reader<'_>,
    at: &str,
    word: &Spanned<Password>,
    kept: Option<&Secret>,
    used_by: &str,
) -> Option<Secret> {
    secret(reader, at, "password", word, kept, used_by)
}

/// A secret of any other name.
fn secret(
    reader: &mut Reader<'_>,
    at: &str,
    field: &str,
    word: &Spanned<Password>,
    kept: Option<&Secret>,
    used_by: &str,
) -> Option<Secret> {
    let here = format!("{at}.{field}");
    reader.mark(&here, &word.span());
    let wrong = match (word.get_ref(), kept) {
        (Password::Written(text), _) => return Some(Secret::new(text.clone())),
        (Password::Stored(table), Some(kept)) if table.stored => return Some(kept.clone()),
        (Password::Stored(table), _) if table.stored => {
            format!("no {field} is stored for this {used_by}; write {field} = \"…\"")
        }
        (Password::Stored(_), _) => format!("leave {field} away where there is none"),
    };
    reader.wrong(&here, &word.span(), wrong);
    None
}
