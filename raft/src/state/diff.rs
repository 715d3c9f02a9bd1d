//! The difference of two configurations in lines for people. Secrets are compared, never shown.
//!
//! ```text
//!   + vip[front]: address 10.0.0.100, network lan
//!   ~ farm[shop].server[s1]: weight 1 -> 2
//!   - contact[ops]
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::drill::Drill;
use super::text::duration_text;
use super::{
    Channel, Check, CheckKind, Config, Contact, Farm, Group, Heartbeat, HttpCheck, Ladder,
    MailChannel, OnParentDown, Paging, Persistence, Queue, Secret, Server, Service, ServiceKind,
    Vip, Watch, WebUrl,
};
use crate::id::{GroupName, LadderName, NodeName, VipGroupName};

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
    for (name, group) in &config.groups {
        things.insert(format!("group[{name}]"), of_group(group));
    }
    for (name, watch) in &config.watches {
        things.insert(format!("watch[{name}]"), of_watch(watch));
    }
    for (name, contact) in &config.contacts {
        things.insert(format!("contact[{name}]"), of_contact(contact));
    }
    for (name, ladder) in &config.ladders {
        things.insert(format!("ladder[{name}]"), of_ladder(ladder));
    }
    things.insert("paging".to_owned(), of_paging(&config.paging));
    for (name, drill) in &config.drills {
        things.insert(format!("drill[{name}]"), of_drill(drill));
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
        property("on quorum loss", vip.on_quorum_loss),
        property("group", vip.group.as_ref().map_or("", VipGroupName::as_str)),
        property("prefer", vip.prefer.as_ref().map_or("", NodeName::as_str)),
    ]
}

fn of_farm(farm: &Farm) -> Vec<Property> {
    let mut properties = vec![
        property("vip", &farm.vip),
        property("more vips", joined(&farm.more_vips)),
        property("method", farm.method),
        property("fate", farm.fate),
        property("down below", farm.down_below),
        property("depends on", joined(&farm.depends_on)),
    ];
    if farm.on_parent_down != OnParentDown::default() {
        properties.push(property("on parent down", farm.on_parent_down));
    }
    if let Some(ladder) = &farm.ladder {
        properties.push(property("ladder", ladder));
    }
    if farm.degraded_below > 0 {
        properties.push(property("degraded below", farm.degraded_below));
    }
    if !farm.slow_start.is_zero() {
        properties.push(property("slow start", duration_text(farm.slow_start)));
    }
    if let Some(persistence) = farm.persistence {
        let Persistence {
            prefix_v4,
            prefix_v6,
            timeout,
        } = persistence;
        let words = format!("/{prefix_v4} /{prefix_v6} for {}", duration_text(timeout));
        properties.push(property("persistence", words));
    }
    if let Some(page) = &farm.last_resort {
        // Which body it is, not all of it: it may be long.
        let digest = ring::digest::digest(&ring::digest::SHA256, page.body.as_bytes());
        let digest = digest
            .as_ref()
            .iter()
            .take(4)
            .map(|byte| format!("{byte:02x}"));
        let (digest, bytes) = (digest.collect::<String>(), page.body.len());
        let words = format!("{} with {bytes} bytes, {digest}", page.status);
        properties.push(property("last resort", words));
    }
    properties
}

fn joined<T: ToString>(things: impl IntoIterator<Item = T>) -> String {
    let words: Vec<String> = things.into_iter().map(|thing| thing.to_string()).collect();
    words.join(" ")
}

fn of_service(service: &Service) -> Vec<Property> {
    let mut properties = vec![
        property("kind", service.kind.word()),
        property("port", service.port),
    ];
    if let ServiceKind::Ftp(ftp) = service.kind {
        properties.push(property("data ports", ftp.data_ports));
        properties.push(property("tls", ftp.tls));
    }
    properties.extend(service.check.iter().flat_map(of_check));
    let limits = service.limits.named();
    properties.extend(limits.map(|(name, limit)| property(name, duration_text(limit))));
    if let Some(most) = service.max_connections {
        properties.push(property("max connections", most));
    }
    let Queue { length, timeout } = service.queue;
    properties.push(property(
        "queue",
        format!("{length} for {}", duration_text(timeout)),
    ));
    if let Some(version) = service.send_proxy {
        properties.push(property("send proxy", version));
    }
    properties.push(property("accept proxy", joined(&service.accept_proxy)));
    properties
}

fn of_check(check: &Check) -> Vec<Property> {
    let mut properties = vec![property("check", check.kind.word())];
    properties.extend(of_check_kind(&check.kind));
    properties.extend([
        property("interval", duration_text(check.interval)),
        property("timeout", duration_text(check.timeout)),
        property("fall", check.fall),
        property("rise", check.rise),
    ]);
    properties
}

fn of_check_kind(kind: &CheckKind) -> Vec<Property> {
    let quoted = |text: &String| format!("{text:?}");
    match kind {
        CheckKind::Tcp | CheckKind::Icmp | CheckKind::Greeting(_) => vec![],
        CheckKind::Http(http) => of_http(http),
        CheckKind::Https(https) => {
            let mut properties = of_http(&https.http);
            properties.push(property("verify", https.verify));
            properties.push(property("days left", https.days_left));
            properties
        }
        CheckKind::Dns(dns) => vec![
            property("name", &dns.name),
            property("record", dns.record),
            property("value", dns.value.as_ref().map_or_else(String::new, quoted)),
        ],
        CheckKind::Udp(udp) => vec![
            property("send", quoted(&udp.send)),
            property("expect", quoted(&udp.expect)),
        ],
        CheckKind::Ftp(ftp) => vec![
            property("user", &ftp.user),
            secret("password", &ftp.password),
            property("fetch", ftp.fetch.as_deref().unwrap_or_default()),
        ],
        CheckKind::Nfs(nfs) => vec![
            property("transport", nfs.transport),
            property("version", nfs.version),
            property("portmapper", nfs.portmapper),
        ],
        CheckKind::Exec(exec) => vec![
            property("command", &exec.command),
            property("arguments", joined(exec.arguments.iter().map(quoted))),
        ],
    }
}

fn of_http(http: &HttpCheck) -> Vec<Property> {
    let text = http.text.as_ref();
    vec![
        property("path", &http.path),
        property("host", http.host.as_deref().unwrap_or_default()),
        property("status", http.status),
        property(
            "text",
            text.map_or_else(String::new, |text| format!("{text:?}")),
        ),
        property("obey", http.obey),
    ]
}

fn of_server(server: &Server) -> Vec<Property> {
    let mut properties = vec![
        property("address", server.address),
        property("weight", server.weight),
        property("role", server.role),
        property("admin", server.admin),
        property("depends on", joined(&server.depends_on)),
    ];
    if let Some(most) = server.max_connections {
        properties.push(property("max connections", most));
    }
    if let Some(ports) = server.data_ports {
        properties.push(property("data ports", ports));
    }
    let ports = server.ports.iter();
    properties.extend(ports.map(|(service, port)| property(format!("{service} port"), port)));
    properties
}

/// What was written; what a watch inherits is its group's line.
fn of_watch(watch: &Watch) -> Vec<Property> {
    let target = match (&watch.check, watch.port) {
        (Some(check), _) => watch.target(check).to_string(),
        (None, Some(port)) => SocketAddr::new(watch.address, port.get()).to_string(),
        (None, None) => watch.address.to_string(),
    };
    let mut properties = vec![
        property("target", target),
        property("group", watch.group.as_ref().map_or("", GroupName::as_str)),
        property("labels", of_labels(&watch.labels)),
        property("depends on", joined(&watch.depends_on)),
    ];
    if let Some(ladder) = &watch.ladder {
        properties.push(property("ladder", ladder));
    }
    properties.extend(watch.check.iter().flat_map(of_check));
    properties
}

fn of_ladder(ladder: &Ladder) -> Vec<Property> {
    let steps = ladder.steps.iter().enumerate();
    let step = |(number, step): (usize, &super::Step)| {
        let after = duration_text(step.after);
        let contacts = joined(&step.contacts);
        property(
            format!("step {}", number + 1),
            format!("{contacts} after {after}"),
        )
    };
    steps.map(step).collect()
}

fn of_group(group: &Group) -> Vec<Property> {
    let mut properties = vec![
        property("labels", of_labels(&group.labels)),
        property("depends on", joined(&group.depends_on)),
    ];
    properties.extend(group.check.iter().flat_map(of_check));
    properties
}

fn of_labels(labels: &BTreeMap<String, String>) -> String {
    joined(labels.iter().map(|(name, value)| format!("{name}={value}")))
}

fn secret(name: &str, secret: &Secret) -> Property {
    Property {
        name: name.to_owned(),
        value: secret.reveal().to_owned(),
        is_secret: true,
    }
}

fn of_contact(contact: &Contact) -> Vec<Property> {
    let kinds = contact.channels.iter().map(Channel::kind);
    let mut properties = vec![property("channels", joined(kinds))];
    properties.extend(contact.channels.iter().flat_map(of_channel));
    properties
}

fn of_channel(channel: &Channel) -> Vec<Property> {
    match channel {
        Channel::Mail(mail) => of_mail(mail),
        Channel::Webhook(webhook) => {
            let mut properties = vec![
                property("url", &webhook.url),
                property("shape", webhook.shape),
                property("allow local", webhook.allow_local),
            ];
            properties.extend(webhook.secret.iter().map(|key| secret("secret", key)));
            properties
        }
        Channel::Snpp(snpp) => vec![
            property("paging server", format!("{}:{}", snpp.host, snpp.port)),
            property("pager", &snpp.pager),
            property("words", snpp.words),
        ],
        Channel::Syslog(syslog) => vec![
            property("collector", format!("{}:{}", syslog.host, syslog.port)),
            property("transport", syslog.transport),
        ],
    }
}

fn of_mail(mail: &MailChannel) -> Vec<Property> {
    let mut properties = vec![
        property("mail to", mail.to.join(" ")),
        property("from", mail.from.as_deref().unwrap_or_default()),
    ];
    for (number, relay) in mail.relays.iter().enumerate() {
        let numbered = |name: &str| match number {
            0 => name.to_owned(),
            number => format!("{name} {}", number + 1),
        };
        properties.push(property(numbered("relay"), relay));
        let user = relay.user.as_deref().unwrap_or_default();
        properties.push(property(numbered("user"), user));
        let password = relay.password.iter();
        properties.extend(password.map(|password| secret(&numbered("password"), password)));
    }
    properties
}

fn of_paging(paging: &Paging) -> Vec<Property> {
    let heartbeat = paging.heartbeat.as_ref();
    let canary = paging
        .canary
        .map(|at| format!("{:02}:{:02}", at / 60, at % 60));
    vec![
        property(
            "ladder",
            paging.ladder.as_ref().map_or("", LadderName::as_str),
        ),
        property("storm", duration_text(paging.storm)),
        property("repeat", duration_text(paging.repeat)),
        property("flap changes", paging.flap_changes),
        property("flap within", duration_text(paging.flap_within)),
        property("second opinion", paging.second_opinion),
        property("suspect percent", paging.suspect_percent),
        property("suspect least", paging.suspect_least),
        property("suspect wait", duration_text(paging.suspect_wait)),
        property(
            "heartbeat",
            heartbeat.map_or_else(String::new, Heartbeat::to_string),
        ),
        property("canary", canary.unwrap_or_default()),
        property("drill contacts", joined(&paging.drill_contacts)),
        property(
            "link base",
            paging
                .link_base
                .as_ref()
                .map_or_else(String::new, WebUrl::to_string),
        ),
    ]
}

fn of_drill(drill: &Drill) -> Vec<Property> {
    vec![
        property("kind", drill.kind),
        property("target", drill.target.as_deref().unwrap_or_default()),
        property("weekly", drill.weekly),
        property("tz", &drill.tz),
    ]
}

/// What a person reads through before typing yes.
const LINES_MAX: usize = 100;
