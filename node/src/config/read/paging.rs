//! Reads how failures become calls, and calls become messages.

use farmux_raft::state::{Heartbeat, Paging};

use super::super::document::{HeartbeatTable, PagingTable, Word};
use super::super::reader::Reader;
use super::super::url::parse_url;
use super::optional;

pub(super) fn paging(reader: &mut Reader<'_>, table: &PagingTable) -> Option<Paging> {
    let at = |field: &str| format!("paging.{field}");
    let default = Paging::default();
    let ladder = optional(table.ladder.as_ref(), |word| {
        reader.name(&at("ladder"), word)
    });
    let storm = reader.duration(&at("storm"), table.storm.as_ref(), default.storm);
    let repeat = reader.duration(&at("repeat"), table.repeat.as_ref(), default.repeat);
    let flap_within = table.flap_within.as_ref();
    let flap_within = reader.duration(&at("flap_within"), flap_within, default.flap_within);
    let suspect_wait = table.suspect_wait.as_ref();
    let suspect_wait = reader.duration(&at("suspect_wait"), suspect_wait, default.suspect_wait);
    let mut count = |field: &str, number, default| reader.count(&at(field), number, default);
    let flap_changes = count(
        "flap_changes",
        table.flap_changes.as_ref(),
        default.flap_changes,
    );
    let percent = table.suspect_percent.as_ref();
    let suspect_percent = count("suspect_percent", percent, default.suspect_percent);
    let least = table.suspect_least.as_ref();
    let suspect_least = count("suspect_least", least, default.suspect_least);
    let heartbeat = match &table.heartbeat {
        None => Some(None),
        Some(table) => heartbeat(reader, table).map(Some),
    };
    let canary = optional(table.canary.as_ref(), |word| time_of_day(reader, word));
    let link_base = optional(table.link_base.as_ref(), |word| {
        reader.place(&at("link_base"), word, parse_url)
    });
    let drill_contacts = reader.list(&at("drill_contacts"), &table.drill_contacts);
    Some(Paging {
        ladder: ladder?,
        storm: storm?,
        repeat: repeat?,
        flap_changes: flap_changes?,
        flap_within: flap_within?,
        second_opinion: table.second_opinion.unwrap_or(default.second_opinion),
        suspect_percent: suspect_percent?,
        suspect_least: suspect_least?,
        suspect_wait: suspect_wait?,
        heartbeat: heartbeat?,
        canary: canary?,
        link_base: link_base?,
        drill_contacts: drill_contacts?,
    })
}

fn heartbeat(reader: &mut Reader<'_>, table: &HeartbeatTable) -> Option<Heartbeat> {
    let at = "paging.heartbeat";
    let url = reader.place(&format!("{at}.url"), &table.url, parse_url);
    let every = table.every.as_ref();
    let every = reader.duration(&format!("{at}.every"), every, EVERY_DEFAULT);
    Some(Heartbeat {
        url: url?,
        every: every?,
        allow_local: table.allow_local,
    })
}

/// Minutes after midnight of `09:30`.
fn time_of_day(reader: &mut Reader<'_>, word: &Word) -> Option<u16> {
    let read = || {
        let (hours, minutes) = word.get_ref().split_once(':')?;
        let number = |text: &str, below: u16| {
            let digits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
            let number = text.parse::<u16>().ok().filter(|number| *number < below);
            number.filter(|_| digits)
        };
        Some(number(hours, 24)? * 60 + number(minutes, 60)?)
    };
    let at = "paging.canary";
    reader.mark(at, &word.span());
    let minutes = read();
    if minutes.is_none() {
        let what = format!(
            "{:?} is no time of the day; write it as 09:30, in UTC",
            word.get_ref()
        );
        reader.wrong(at, &word.span(), what);
    }
    minutes
}

/// As often as the services that wait for such calls count.
const EVERY_DEFAULT: std::time::Duration = std::time::Duration::from_secs(60);
