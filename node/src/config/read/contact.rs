//! Reads contacts: who is paged, and through which relay.

use farmux_raft::id::ContactName;
use farmux_raft::state::{Config, Contact, MailChannel, Relay};

use super::super::document::{ContactTable, MailTable};
use super::super::reader::Reader;
use super::super::relay::parse_relay;
use super::password;

pub(super) fn contact(
    reader: &mut Reader<'_>,
    table: &ContactTable,
    current: &Config,
) -> Option<(ContactName, Contact)> {
    let at = format!("contact[{}]", table.name.get_ref());
    let name: Option<ContactName> = reader.name(&at, &table.name);
    let stored = name.as_ref().and_then(|name| current.contacts.get(name));
    let stored = stored.map(|contact| &contact.mail.relay);
    let mail = &table.mail;
    let here = format!("{at}.mail");
    let relay = relay(reader, &here, mail, stored);
    for (field, word) in mail
        .to
        .first()
        .map(|word| ("to", word))
        .into_iter()
        .chain(mail.from.as_ref().map(|word| ("from", word)))
    {
        reader.mark(&format!("{here}.{field}"), &word.span());
    }
    let channel = MailChannel {
        to: mail.to.iter().map(|word| word.get_ref().clone()).collect(),
        from: mail.from.as_ref().map(|word| word.get_ref().clone()),
        relay: relay?,
    };
    Some((name?, Contact { mail: channel }))
}

fn relay(
    reader: &mut Reader<'_>,
    at: &str,
    mail: &MailTable,
    stored: Option<&Relay>,
) -> Option<Relay> {
    let here = format!("{at}.relay");
    reader.mark(&here, &mail.relay.span());
    let plain = match parse_relay(mail.relay.get_ref(), None) {
        Ok(relay) => relay,
        Err(error) => {
            reader.wrong(&here, &mail.relay.span(), error);
            return None;
        }
    };
    let Some(word) = &mail.password else {
        return Some(plain);
    };
    // Kept only for the relay that it was given for: it must not be sent elsewhere.
    let same = stored.filter(|old| {
        Relay {
            password: None,
            ..(*old).clone()
        } == plain
    });
    let kept = same.and_then(|old| old.password.as_ref());
    let password = password(reader, at, word, kept, "contact, relay and user")?;
    Some(Relay {
        password: Some(password),
        ..plain
    })
}
