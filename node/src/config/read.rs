//! From the document to the configuration: every word understood, or every fault told.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use farmux_raft::id::{ContactName, FarmName, NodeId, ServerName, ServiceName, VipName};
use farmux_raft::state::{
    AdminState, Check, CheckKind, Config, Contact, Farm, Fate, HttpCheck, Limits, MailChannel,
    Method, Node, OnQuorumLoss, Relay, Secret, Server, ServerRole, Service, ServiceKind, Vip,
};

use super::ConfigError;
use super::document::{
    CheckTable, ContactTable, Document, FarmTable, LimitsTable, MailTable, Password, ServerTable,
    ServiceTable, VipTable, Word,
};
use super::reader::Reader;
use super::relay::parse_relay;

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
    for table in &document.contact {
        if let Some(entry) = contact(&mut reader, table, current) {
            reader.insert(&mut config.contacts, "contact", &table.name, entry);
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
    let on_quorum_loss = match &table.on_quorum_loss {
        None => Some(OnQuorumLoss::default()),
        Some(word) => {
            let choices = [("release", OnQuorumLoss::Release)];
            reader.choice(&format!("{at}.on_quorum_loss"), word, &choices, &["hold"])
        }
    };
    let vip = Vip {
        address: address?,
        network: network?,
        gateway: gateway?,
        on_quorum_loss: on_quorum_loss?,
    };
    Some((name?, vip))
}

/// Reads what may be absent: `None` when it is there and wrong.
fn optional<T>(word: Option<&Word>, read: impl FnOnce(&Word) -> Option<T>) -> Option<Option<T>> {
    match word {
        None => Some(None),
        Some(word) => read(word).map(Some),
    }
}

fn farm(reader: &mut Reader<'_>, table: &FarmTable, current: &Config) -> Option<(FarmName, Farm)> {
    let at = format!("farm[{}]", table.name.get_ref());
    let name: Option<FarmName> = reader.name(&at, &table.name);
    let vip = reader.name(&format!("{at}.vip"), &table.vip);
    let method = match &table.method {
        None => Some(Method::default()),
        Some(word) => {
            let choices = [
                ("round-robin", Method::RoundRobin),
                ("least-connections", Method::LeastConnections),
            ];
            reader.choice(&format!("{at}.method"), word, &choices, &[])
        }
    };
    let fate = match &table.fate {
        None => Some(Fate::default()),
        Some(word) => {
            let choices = [("shared", Fate::Shared), ("each", Fate::Each)];
            reader.choice(&format!("{at}.fate"), word, &choices, &[])
        }
    };
    let mut services = BTreeMap::new();
    for table in &table.service {
        let here = format!("{at}.service[{}]", table.name.get_ref());
        if let Some(entry) = service(reader, &here, table) {
            reader.insert(&mut services, &here, &table.name, entry);
        }
    }
    let before = name.as_ref().and_then(|name| current.farms.get(name));
    let mut servers = BTreeMap::new();
    for table in &table.server {
        let here = format!("{at}.server[{}]", table.name.get_ref());
        if let Some(entry) = server(reader, &here, table, before) {
            reader.insert(&mut servers, &here, &table.name, entry);
        }
    }
    Some((
        name?,
        Farm {
            vip: vip?,
            method: method?,
            fate: fate?,
            services,
            servers,
        },
    ))
}

fn service(
    reader: &mut Reader<'_>,
    at: &str,
    table: &ServiceTable,
) -> Option<(ServiceName, Service)> {
    let name = reader.name(at, &table.name);
    let choices = [("tcp", ServiceKind::Tcp), ("http", ServiceKind::Http)];
    let kind = reader.choice(
        &format!("{at}.kind"),
        &table.kind,
        &choices,
        &["ftp", "udp"],
    );
    let port = reader.port(&format!("{at}.port"), &table.port);
    let limits = match &table.limits {
        None => Some(Limits::default()),
        Some(table) => limits(reader, &format!("{at}.limits"), table),
    };
    let check = match &table.check {
        None => Some(None),
        Some(table) => check(reader, &format!("{at}.check"), table).map(Some),
    };
    Some((
        name?,
        Service {
            kind: kind?,
            port: port?,
            check: check?,
            limits: limits?,
        },
    ))
}

fn limits(reader: &mut Reader<'_>, at: &str, table: &LimitsTable) -> Option<Limits> {
    let default = Limits::default();
    let connect = reader.duration(
        &format!("{at}.connect"),
        table.connect.as_ref(),
        default.connect,
    );
    let header = reader.duration(
        &format!("{at}.header"),
        table.header.as_ref(),
        default.header,
    );
    let idle = reader.duration(&format!("{at}.idle"), table.idle.as_ref(), default.idle);
    let total = reader.duration(&format!("{at}.total"), table.total.as_ref(), default.total);
    Some(Limits {
        connect: connect?,
        header: header?,
        idle: idle?,
        total: total?,
    })
}

#[derive(Clone, Copy)]
enum Probed {
    Tcp,
    Http,
}

fn check(reader: &mut Reader<'_>, at: &str, table: &CheckTable) -> Option<Check> {
    reader.mark(at, &table.kind.span());
    let choices = [("tcp", Probed::Tcp), ("http", Probed::Http)];
    let kind = reader.choice(
        &format!("{at}.kind"),
        &table.kind,
        &choices,
        &["ftp", "udp"],
    );
    let kind = match kind {
        Some(Probed::Http) => http_check(reader, at, table).map(CheckKind::Http),
        Some(Probed::Tcp) => {
            refuse_http_words(reader, at, table);
            Some(CheckKind::Tcp)
        }
        None => None,
    };
    let interval = reader.duration(
        &format!("{at}.interval"),
        table.interval.as_ref(),
        INTERVAL_DEFAULT,
    );
    let timeout_default = TIMEOUT_DEFAULT.min(interval.unwrap_or(INTERVAL_DEFAULT));
    let timeout = reader.duration(
        &format!("{at}.timeout"),
        table.timeout.as_ref(),
        timeout_default,
    );
    let fall = reader.count(&format!("{at}.fall"), table.fall.as_ref(), FALL_DEFAULT);
    let rise = reader.count(&format!("{at}.rise"), table.rise.as_ref(), RISE_DEFAULT);
    let (kind, interval, timeout) = (kind?, interval?, timeout?);
    Some(Check {
        kind,
        interval,
        timeout,
        fall: fall?,
        rise: rise?,
    })
}

fn http_check(reader: &mut Reader<'_>, at: &str, table: &CheckTable) -> Option<HttpCheck> {
    let words = [
        ("path", &table.path),
        ("host", &table.host),
        ("text", &table.text),
    ];
    for (name, word) in words {
        if let Some(word) = word {
            reader.mark(&format!("{at}.{name}"), &word.span());
        }
    }
    let status = match &table.status {
        None => STATUS_DEFAULT,
        Some(number) => reader.status(&format!("{at}.status"), number)?,
    };
    let text = |word: &Option<Word>| word.as_ref().map(|word| word.get_ref().clone());
    Some(HttpCheck {
        path: text(&table.path).unwrap_or_else(|| "/".to_owned()),
        host: text(&table.host),
        status,
        text: text(&table.text),
    })
}

fn refuse_http_words(reader: &mut Reader<'_>, at: &str, table: &CheckTable) {
    let words = [
        ("path", &table.path),
        ("host", &table.host),
        ("text", &table.text),
    ];
    let spans = words.map(|(name, word)| (name, word.as_ref().map(Word::span)));
    let status = ("status", table.status.as_ref().map(toml::Spanned::span));
    for (name, span) in spans.into_iter().chain([status]) {
        if let Some(span) = span {
            reader.wrong(
                &format!("{at}.{name}"),
                &span,
                "only a check of kind \"http\" has this",
            );
        }
    }
}

fn server(
    reader: &mut Reader<'_>,
    at: &str,
    table: &ServerTable,
    before: Option<&Farm>,
) -> Option<(ServerName, Server)> {
    let name: Option<ServerName> = reader.name(at, &table.name);
    let address = reader.address(&format!("{at}.address"), &table.address);
    let weight = reader.count(
        &format!("{at}.weight"),
        table.weight.as_ref(),
        NonZeroU32::MIN,
    );
    let role = match &table.role {
        None => Some(ServerRole::default()),
        Some(word) => {
            let later = ["active", "standby", "last-resort"];
            let choices = [("favorite", ServerRole::Favorite)];
            reader.choice(&format!("{at}.role"), word, &choices, &later)
        }
    };
    let mut ports = BTreeMap::new();
    for (service, number) in &table.ports {
        let here = format!("{at}.ports");
        let port = reader.port(&format!("{here}.{service}"), number);
        match service.parse::<ServiceName>() {
            Ok(service) => {
                ports.extend(port.map(|port| (service, port)));
            }
            Err(error) => reader.wrong(&here, &number.span(), format!("{service:?}: {error}")),
        }
    }
    let name = name?;
    let ordered = before.and_then(|farm| farm.servers.get(&name));
    let admin = ordered.map_or_else(AdminState::default, |server| server.admin);
    Some((
        name,
        Server {
            address: address?,
            ports,
            weight: weight?,
            role: role?,
            admin,
        },
    ))
}

fn contact(
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
    let here = format!("{at}.password");
    reader.mark(&here, &word.span());
    let password = match word.get_ref() {
        Password::Written(text) => Secret::new(text.clone()),
        Password::Stored(table) if table.stored => {
            // Kept only for the relay that it was given for: it must not be sent elsewhere.
            let kept = stored.filter(|old| {
                Relay {
                    password: None,
                    ..(*old).clone()
                } == plain
            });
            match kept.and_then(|old| old.password.clone()) {
                Some(password) => password,
                None => {
                    let what = "no password is stored for this contact, relay and user; \
                                write password = \"…\"";
                    reader.wrong(&here, &word.span(), what);
                    return None;
                }
            }
        }
        Password::Stored(_) => {
            reader.wrong(
                &here,
                &word.span(),
                "leave password away where there is none",
            );
            return None;
        }
    };
    Some(Relay {
        password: Some(password),
        ..plain
    })
}

/// Often enough to page within a quarter of a minute, seldom enough not to be noticed.
const INTERVAL_DEFAULT: Duration = Duration::from_secs(5);

/// A server that needs longer than the interval is down in its users' eyes.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);

/// As in HAProxy: one lost packet is no outage.
const FALL_DEFAULT: NonZeroU32 = NonZeroU32::new(3).expect("not zero");

/// As in HAProxy: once can be luck.
const RISE_DEFAULT: NonZeroU32 = NonZeroU32::new(2).expect("not zero");

/// OK. **Source**: RFC 9110, 15.3.1.
const STATUS_DEFAULT: u16 = 200;
