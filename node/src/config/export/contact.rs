//! Contacts and paging as a document has them.

use std::fmt::{self, Write as _};

use farmux_raft::id::LadderName;
use farmux_raft::state::{
    Channel, Contact, Ladder, MailChannel, Paging, Relay, WebUrl, WebhookChannel, duration_text,
};

use super::super::relay::relay_text;
use super::super::url::{SNPP_PORT, SYSLOG_PORT, place_text};
use super::{quoted, write_list};

pub(super) fn write_contact(out: &mut String, name: &str, contact: &Contact) -> fmt::Result {
    writeln!(out, "[[contact]]\nname = {}", quoted(name))?;
    write_list(out, "order", contact.channels.iter().map(Channel::kind))?;
    for channel in &contact.channels {
        writeln!(out, "\n[contact.{}]", channel.kind())?;
        match channel {
            Channel::Mail(mail) => write_mail(out, mail)?,
            Channel::Webhook(webhook) => write_webhook(out, webhook)?,
            Channel::Snpp(snpp) => {
                let place = place_text(&snpp.host, snpp.port, SNPP_PORT);
                writeln!(out, "server = {}", quoted(&place))?;
                writeln!(out, "pager = {}", quoted(&snpp.pager))?;
                writeln!(out, "words = \"{}\"", snpp.words)?;
            }
            Channel::Syslog(syslog) => {
                let place = place_text(&syslog.host, syslog.port, SYSLOG_PORT);
                writeln!(out, "server = {}", quoted(&place))?;
                writeln!(out, "transport = \"{}\"", syslog.transport)?;
            }
        }
    }
    writeln!(out)
}

fn write_mail(out: &mut String, mail: &MailChannel) -> fmt::Result {
    let to: Vec<String> = mail.to.iter().map(|address| quoted(address)).collect();
    writeln!(out, "to = [{}]", to.join(", "))?;
    if let Some(from) = &mail.from {
        writeln!(out, "from = {}", quoted(from))?;
    }
    let Some((first, others)) = mail.relays.split_first() else {
        return Ok(());
    };
    writeln!(out, "relay = {}", quoted(&relay_text(first)))?;
    if first.password.is_some() {
        writeln!(out, "password = {STORED} # is set; applying this keeps it")?;
    }
    let other = |relay: &Relay| {
        let password = match relay.password.is_some() {
            true => format!(", password = {STORED}"),
            false => String::new(),
        };
        format!("{{ relay = {}{password} }}", quoted(&relay_text(relay)))
    };
    match others.is_empty() {
        true => Ok(()),
        false => {
            let others: Vec<String> = others.iter().map(other).collect();
            writeln!(out, "relays = [{}]", others.join(", "))
        }
    }
}

fn write_webhook(out: &mut String, webhook: &WebhookChannel) -> fmt::Result {
    writeln!(out, "url = {}", quoted(&webhook.url.to_string()))?;
    writeln!(out, "shape = \"{}\"", webhook.shape)?;
    if webhook.secret.is_some() {
        writeln!(out, "secret = {STORED} # is set; applying this keeps it")?;
    }
    match webhook.allow_local {
        true => writeln!(out, "allow_local = true"),
        false => Ok(()),
    }
}

pub(super) fn write_ladder(out: &mut String, name: &str, ladder: &Ladder) -> fmt::Result {
    let steps = ladder.steps.iter().map(|step| {
        let contacts = step.contacts.iter().map(|contact| quoted(contact.as_str()));
        let contacts = contacts.collect::<Vec<_>>().join(", ");
        let after = duration_text(step.after);
        format!("  {{ after = \"{after}\", contacts = [{contacts}] }},\n")
    });
    let steps: String = steps.collect();
    writeln!(
        out,
        "[[ladder]]\nname = {}\nsteps = [\n{steps}]\n",
        quoted(name)
    )
}

/// The ladder of a farm or a watch, where it has its own.
pub(super) fn write_named(out: &mut String, ladder: Option<&LadderName>) -> fmt::Result {
    match ladder {
        Some(name) => writeln!(out, "ladder = {}", quoted(name.as_str())),
        None => Ok(()),
    }
}

/// What differs from the defaults; nothing where nothing does.
pub(super) fn write_paging(out: &mut String, paging: &Paging) -> fmt::Result {
    let default = Paging::default();
    if *paging == default {
        return Ok(());
    }
    let ladder = paging.ladder.as_ref().map(LadderName::as_str);
    let base = paging.link_base.as_ref().map(WebUrl::to_string);
    writeln!(out, "[paging]")?;
    for (field, word) in [("ladder", ladder), ("link_base", base.as_deref())] {
        if let Some(word) = word {
            writeln!(out, "{field} = {}", quoted(word))?;
        }
    }
    for (field, duration) in [
        ("storm", paging.storm),
        ("repeat", paging.repeat),
        ("flap_within", paging.flap_within),
        ("suspect_wait", paging.suspect_wait),
    ] {
        writeln!(out, "{field} = \"{}\"", duration_text(duration))?;
    }
    for (field, count) in [
        ("flap_changes", paging.flap_changes),
        ("suspect_percent", paging.suspect_percent),
        ("suspect_least", paging.suspect_least),
    ] {
        writeln!(out, "{field} = {count}")?;
    }
    writeln!(out, "second_opinion = {}", paging.second_opinion)?;
    write_list(out, "drill_contacts", &paging.drill_contacts)?;
    if let Some(at) = paging.canary {
        writeln!(out, "canary = \"{:02}:{:02}\"", at / 60, at % 60)?;
    }
    if let Some(heartbeat) = &paging.heartbeat {
        let url = quoted(&heartbeat.url.to_string());
        let every = duration_text(heartbeat.every);
        let local = match heartbeat.allow_local {
            true => ", allow_local = true",
            false => "",
        };
        writeln!(
            out,
            "heartbeat = {{ url = {url}, every = \"{every}\"{local} }}"
        )?;
    }
    writeln!(out)
}

/// In place of a secret.
const STORED: &str = "{ stored = true }";
