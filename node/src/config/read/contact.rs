//! Reads contacts: who is paged, and through which channels.

use farmux_raft::id::ContactName;
use farmux_raft::state::{
    Channel, ChannelKind, Config, Contact, MailChannel, Relay, SnppChannel, SyslogChannel,
    WebhookChannel, Word as _,
};
use toml::Spanned;

use super::super::document::{
    ContactTable, MailTable, Password, SnppTable, SyslogTable, WebhookTable, Word,
};
use super::super::reader::Reader;
use super::super::relay::parse_relay;
use super::super::url::{SNPP_PORT, SYSLOG_PORT, parse_place, parse_url};
use super::{password, secret};

pub(super) fn contact(
    reader: &mut Reader<'_>,
    table: &ContactTable,
    current: &Config,
) -> Option<(ContactName, Contact)> {
    let at = format!("contact[{}]", table.name.get_ref());
    let name: Option<ContactName> = reader.name(&at, &table.name);
    let stored = name.as_ref().and_then(|name| current.contacts.get(name));
    let order = order(reader, &at, table)?;
    let channels: Vec<Option<Channel>> = order
        .into_iter()
        .map(|kind| channel(reader, &at, table, kind, stored))
        .collect();
    let channels: Option<Vec<Channel>> = channels.into_iter().collect();
    Some((
        name?,
        Contact {
            channels: channels?,
        },
    ))
}

/// The channels that are there, in the order in which they are tried.
fn order(reader: &mut Reader<'_>, at: &str, table: &ContactTable) -> Option<Vec<ChannelKind>> {
    let kinds = ChannelKind::WORDS.iter().map(|(_, kind)| *kind);
    let there: Vec<ChannelKind> = kinds.filter(|kind| has(table, *kind)).collect();
    if table.order.is_empty() {
        return Some(there);
    }
    let here = format!("{at}.order");
    let mut order = Vec::new();
    for word in &table.order {
        let kind = reader.choice(&here, word, ChannelKind::WORDS, &[])?;
        if order.contains(&kind) || !there.contains(&kind) {
            let what = format!("{kind} stands here twice, or is no channel of this contact");
            reader.wrong(&here, &word.span(), what);
            return None;
        }
        order.push(kind);
    }
    if let Some(missing) = there.iter().find(|kind| !order.contains(kind))
        && let Some(word) = table.order.first()
    {
        reader.wrong(
            &here,
            &word.span(),
            format!("{missing} is missing: name every channel"),
        );
        return None;
    }
    Some(order)
}

fn has(table: &ContactTable, kind: ChannelKind) -> bool {
    match kind {
        ChannelKind::Mail => table.mail.is_some(),
        ChannelKind::Webhook => table.webhook.is_some(),
        ChannelKind::Snpp => table.snpp.is_some(),
        ChannelKind::Syslog => table.syslog.is_some(),
    }
}

fn channel(
    reader: &mut Reader<'_>,
    at: &str,
    table: &ContactTable,
    kind: ChannelKind,
    stored: Option<&Contact>,
) -> Option<Channel> {
    let at = format!("{at}.{kind}");
    match kind {
        ChannelKind::Mail => mail(reader, &at, table.mail.as_ref()?, stored).map(Channel::Mail),
        ChannelKind::Webhook => {
            webhook(reader, &at, table.webhook.as_ref()?, stored).map(Channel::Webhook)
        }
        ChannelKind::Snpp => snpp(reader, &at, table.snpp.as_ref()?).map(Channel::Snpp),
        ChannelKind::Syslog => syslog(reader, &at, table.syslog.as_ref()?).map(Channel::Syslog),
    }
}

fn mail(
    reader: &mut Reader<'_>,
    at: &str,
    table: &MailTable,
    stored: Option<&Contact>,
) -> Option<MailChannel> {
    let stored = stored.and_then(Contact::mail);
    let stored = stored.map_or(&[][..], |mail| &mail.relays);
    let first = table
        .relay
        .as_ref()
        .map(|relay| (relay, table.password.as_ref()));
    let others = table
        .relays
        .iter()
        .map(|table| (&table.relay, table.password.as_ref()));
    let relays: Vec<Option<Relay>> = first
        .into_iter()
        .chain(others)
        .map(|(word, password)| relay(reader, at, word, password, stored))
        .collect();
    let relays: Option<Vec<Relay>> = relays.into_iter().collect();
    let to = table.to.first().map(|word| ("to", word));
    let from = table.from.as_ref().map(|word| ("from", word));
    for (field, word) in to.into_iter().chain(from) {
        reader.mark(&format!("{at}.{field}"), &word.span());
    }
    Some(MailChannel {
        to: table.to.iter().map(|word| word.get_ref().clone()).collect(),
        from: table.from.as_ref().map(|word| word.get_ref().clone()),
        relays: relays?,
    })
}

fn relay(
    reader: &mut Reader<'_>,
    at: &str,
    word: &Word,
    written: Option<&Spanned<Password>>,
    stored: &[Relay],
) -> Option<Relay> {
    let here = format!("{at}.relay");
    reader.mark(&here, &word.span());
    let plain = match parse_relay(word.get_ref(), None) {
        Ok(relay) => relay,
        Err(error) => {
            reader.wrong(&here, &word.span(), error);
            return None;
        }
    };
    let Some(written) = written else {
        return Some(plain);
    };
    // Kept only for the relay that it was given for: it must not be sent elsewhere.
    let same = stored.iter().find(|old| {
        Relay {
            password: None,
            ..(*old).clone()
        } == plain
    });
    let kept = same.and_then(|old| old.password.as_ref());
    let password = password(reader, at, written, kept, "contact, relay and user")?;
    Some(Relay {
        password: Some(password),
        ..plain
    })
}

fn webhook(
    reader: &mut Reader<'_>,
    at: &str,
    table: &WebhookTable,
    stored: Option<&Contact>,
) -> Option<WebhookChannel> {
    let url = reader.place(&format!("{at}.url"), &table.url, parse_url);
    let shape = reader.word(&format!("{at}.shape"), table.shape.as_ref());
    let plain = WebhookChannel {
        url: url?,
        shape: shape?,
        secret: None,
        allow_local: table.allow_local,
    };
    let Some(written) = &table.secret else {
        return Some(plain);
    };
    // Kept only for the place that it was given for.
    let kept = match stored.and_then(|stored| stored.channel(ChannelKind::Webhook)) {
        Some(Channel::Webhook(old)) if (&old.url, old.shape) == (&plain.url, plain.shape) => {
            old.secret.as_ref()
        }
        Some(Channel::Webhook(_) | Channel::Mail(_) | Channel::Snpp(_) | Channel::Syslog(_))
        | None => None,
    };
    let secret = secret(reader, at, "secret", written, kept, "url and shape")?;
    Some(WebhookChannel {
        secret: Some(secret),
        ..plain
    })
}

fn snpp(reader: &mut Reader<'_>, at: &str, table: &SnppTable) -> Option<SnppChannel> {
    let parse = |text: &str| parse_place(text, SNPP_PORT);
    let place = reader.place(&format!("{at}.server"), &table.server, parse);
    reader.mark(&format!("{at}.pager"), &table.pager.span());
    let words = reader.word(&format!("{at}.words"), table.words.as_ref());
    let (host, port) = place?;
    Some(SnppChannel {
        host,
        port,
        pager: table.pager.get_ref().clone(),
        words: words?,
    })
}

fn syslog(reader: &mut Reader<'_>, at: &str, table: &SyslogTable) -> Option<SyslogChannel> {
    let parse = |text: &str| parse_place(text, SYSLOG_PORT);
    let place = reader.place(&format!("{at}.server"), &table.server, parse);
    let transport = reader.word(&format!("{at}.transport"), table.transport.as_ref());
    let (host, port) = place?;
    Some(SyslogChannel {
        host,
        port,
        transport: transport?,
    })
}
