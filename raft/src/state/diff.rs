//! The difference of two configurations in lines for people. Secrets are compared, never shown.
//!
//! ```text
//!   + vip[front]: address 10.0.0.100, network lan
//!   ~ farm[shop].server[s1]: weight 1 -> 2
//!   - contact[ops]
//! ```

use std::collections::{BTreeMap, BTreeSet};

use super::text::duration_text;
use super::{
    Check, CheckKind, Config, Contact, Farm, Fate, Method, Relay, RelaySecurity, Server, Service,
    ServiceKind, Vip,
};

/// What changed from `old` to `new`, one line for each thing; at most 100 lines.
pub fn diff(old: &Config, new: &Config) -> Vec<String> {
    let (old, new) = (things(old), things(new));
    let places: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let line = |place: &String| match (old.get(place), new.get(place)) {
        (None, Some(new)) => Some(format!("+ {place}: {}", all(new))),
        (Some(_), None) => Some(format!("- {place}")),
        (Some(old), Some(new)) if old != new => Some(format!("~ {place}: {}", changes(old, new))),
        (Some(_), Some(_)) | (None, None) => None,
    };
    let mut lines: Vec<String> = places.into_iter().filter_map(line).collect();
    if lines.len() > LINES_MAX {
        let more = lines.len() - (LINES_MAX - 1);
        lines.truncate(LINES_MAX - 1);
        lines.push(format!("… and {more} more"));
    }
    lines
}

/// One property of a thing; the value is empty where there is none.
#[derive(PartialEq)]
struct Property {
    name: String,
    value: String,
    is_secret: bool,
}

type Things = BTreeMap<String, Vec<Property>>;

fn all(properties: &[Property]) -> String {
    let words = properties
        .iter()
        .filter(|property| !property.value.is_empty());
    let words: Vec<String> = words
        .map(
            |Property {
                 name,
                 value,
                 is_secret,
             }| match is_secret {
                true => format!("{name} set"),
                false => format!("{name} {value}"),
            },
        )
        .collect();
    words.join(", ")
}

fn changes(old: &[Property], new: &[Property]) -> String {
    let value = |properties: &[Property], name: &str| {
        let found = properties.iter().find(|property| property.name == name);
        found.map_or_else(String::new, |property| property.value.clone())
    };
    let names: BTreeSet<&String> = old
        .iter()
        .chain(new)
        .map(|property| &property.name)
        .collect();
    let secret = |name: &str| old.iter().chain(new).any(|p| p.name == name && p.is_secret);
    let shown = |value: String| {
        if value.is_empty() {
            "none".to_owned()
        } else {
            value
        }
    };
    let words: Vec<String> = names
        .into_iter()
        .map(|name| (name, value(old, name), value(new, name)))
        .filter(|(_, old, new)| old != new)
        .map(|(name, old, new)| match secret(name) {
            true => format!("{name} changed"),
            false => format!("{name} {} -> {}", shown(old), shown(new)),
        })
        .collect();
    words.join(", ")
}

fn things(config: &Config) -> Things {
    let mut things = Things::new();
    for (name, vip) in &config.vips {
        things.insert(format!("vip[{name}]"), of_vip(vip));
    }
    for (name, farm) in &config.farms {
        things.insert(format!("farm[{name}]"), of_farm(farm));
        for (service_name, service) in &farm.services {
            things.insert(
                format!("farm[{name}].service[{service_name}]"),
                of_service(service),
            );
        }
        for (server_name, server) in &farm.servers {
            things.insert(
                format!("farm[{name}].server[{server_name}]"),
                of_server(server),
            );
        }
    }
    for (name, contact) in &config.contacts {
        things.insert(format!("contact[{name}]"), of_contact(contact));
    }
    things
}

fn property(name: impl Into<String>, value: impl ToString) -> Property {
    Property {
        name: name.into(),
        value: value.to_string(),
        is_secret: false,
    }
}

fn of_vip(vip: &Vip) -> Vec<Property> {
    vec![
        property("address", vip.address),
        property("network", &vip.network),
        property(
            "gateway",
            vip.gateway
                .map_or_else(String::new, |gateway| gateway.to_string()),
        ),
    ]
}

fn of_farm(farm: &Farm) -> Vec<Property> {
    let method = match farm.method {
        Method::RoundRobin => "round-robin",
        Method::LeastConnections => "least-connections",
    };
    let fate = match farm.fate {
        Fate::Shared => "shared",
        Fate::Each => "each",
    };
    vec![
        property("vip", &farm.vip),
        property("method", method),
        property("fate", fate),
    ]
}

fn of_service(service: &Service) -> Vec<Property> {
    let kind = match service.kind {
        ServiceKind::Tcp => "tcp",
        ServiceKind::Http => "http",
    };
    let mut properties = vec![property("kind", kind), property("port", service.port)];
    properties.extend(service.check.iter().flat_map(of_check));
    let limits = service.limits;
    let named = [
        ("connect", limits.connect),
        ("header", limits.header),
        ("idle", limits.idle),
        ("total", limits.total),
    ];
    properties.extend(named.map(|(name, limit)| property(name, duration_text(limit))));
    properties
}

fn of_check(check: &Check) -> Vec<Property> {
    let mut properties = match &check.kind {
        CheckKind::Tcp => vec![property("check", "tcp")],
        CheckKind::Http(http) => vec![
            property("check", "http"),
            property("path", &http.path),
            property("host", http.host.as_deref().unwrap_or_default()),
            property("status", http.status),
            property(
                "text",
                http.text
                    .as_ref()
                    .map_or_else(String::new, |t| format!("{t:?}")),
            ),
        ],
    };
    properties.extend([
        property("interval", duration_text(check.interval)),
        property("timeout", duration_text(check.timeout)),
        property("fall", check.fall),
        property("rise", check.rise),
    ]);
    properties
}

fn of_server(server: &Server) -> Vec<Property> {
    let mut properties = vec![
        property("address", server.address),
        property("weight", server.weight),
        property("admin", server.admin),
    ];
    let ports = server.ports.iter();
    properties.extend(ports.map(|(service, port)| property(format!("{service} port"), port)));
    properties
}

fn of_contact(contact: &Contact) -> Vec<Property> {
    let mail = &contact.mail;
    let password = mail.relay.password.as_ref();
    let password = password.map_or_else(String::new, |secret| secret.reveal().to_owned());
    vec![
        property("mail to", mail.to.join(" ")),
        property("from", mail.from.as_deref().unwrap_or_default()),
        property("relay", &mail.relay),
        property("user", mail.relay.user.as_deref().unwrap_or_default()),
        Property {
            name: "password".to_owned(),
            value: password,
            is_secret: true,
        },
    ]
}

impl std::fmt::Display for Relay {
    /// Without user and password: `smtps://mail.example.com:465`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = match self.security {
            RelaySecurity::None => "smtp",
            RelaySecurity::Starttls => "smtp+starttls",
            RelaySecurity::Tls => "smtps",
        };
        match self.host.contains(':') {
            true => write!(f, "{scheme}://[{}]:{}", self.host, self.port),
            false => write!(f, "{scheme}://{}:{}", self.host, self.port),
        }
    }
}

/// What a person reads through before typing yes.
const LINES_MAX: usize = 100;
