//! From the configuration to a document: complete, in a fixed order, without secrets.

mod contact;

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use farmux_raft::state::drill::Drill;
use farmux_raft::state::{
    Check, CheckKind, Config, Farm, Group, HttpCheck, LastResortPage, OnQuorumLoss, Persistence,
    Queue, Server, Service, ServiceKind, Vip, Watch, duration_text,
};

use super::read::check::PASSWORD_DEFAULT;
use contact::{write_contact, write_ladder, write_named, write_paging};

/// The whole configuration as a document that [`super::read`] understands.
pub fn export(config: &Config) -> String {
    let mut text = String::new();
    write(&mut text, config).expect("writing to a String does not fail");
    text
}

fn write(out: &mut String, config: &Config) -> fmt::Result {
    for (name, vip) in &config.vips {
        write_vip(out, name.as_str(), vip)?;
    }
    for (name, farm) in &config.farms {
        write_farm(out, name.as_str(), farm)?;
    }
    for (name, group) in &config.groups {
        write_group(out, name.as_str(), group)?;
    }
    for (name, watch) in &config.watches {
        write_watch(out, name.as_str(), watch)?;
    }
    for (name, contact) in &config.contacts {
        write_contact(out, name.as_str(), contact)?;
    }
    for (name, ladder) in &config.ladders {
        write_ladder(out, name.as_str(), ladder)?;
    }
    write_paging(out, &config.paging)?;
    for (name, drill) in &config.drills {
        write_drill(out, name.as_str(), drill)?;
    }
    Ok(())
}

fn write_drill(out: &mut String, name: &str, drill: &Drill) -> fmt::Result {
    let Drill {
        kind,
        target,
        weekly,
        tz,
    } = drill;
    writeln!(out, "[[drill]]\nname = {}\nkind = \"{kind}\"", quoted(name))?;
    if let Some(target) = target {
        writeln!(out, "target = {}", quoted(target))?;
    }
    writeln!(out, "weekly = \"{weekly}\"\ntz = {}\n", quoted(tz.as_str()))
}

/// A text as TOML quotes it.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn write_vip(out: &mut String, name: &str, vip: &Vip) -> fmt::Result {
    writeln!(out, "[[vip]]\nname = {}", quoted(name))?;
    writeln!(
        out,
        "address = \"{}\"\nnetwork = \"{}\"",
        vip.address, vip.network
    )?;
    if let Some(gateway) = vip.gateway {
        writeln!(out, "gateway = \"{gateway}\"")?;
    }
    let on_quorum_loss = match vip.on_quorum_loss {
        OnQuorumLoss::Release => "release",
        OnQuorumLoss::Hold | OnQuorumLoss::HoldOrTake => "hold",
    };
    writeln!(out, "on_quorum_loss = \"{on_quorum_loss}\"")?;
    if vip.on_quorum_loss.takes() {
        writeln!(out, "pair_takeover = \"gateway\"")?;
    }
    if let Some(group) = &vip.group {
        writeln!(out, "group = {}", quoted(group.as_str()))?;
    }
    if let Some(prefer) = &vip.prefer {
        writeln!(out, "prefer = {}", quoted(prefer.as_str()))?;
    }
    writeln!(out)
}

/// `field = ["…", "…"]`, or nothing where there is none.
fn write_list<T: ToString>(
    out: &mut String,
    field: &str,
    things: impl IntoIterator<Item = T>,
) -> fmt::Result {
    let words: Vec<String> = things
        .into_iter()
        .map(|thing| quoted(&thing.to_string()))
        .collect();
    match words.is_empty() {
        true => Ok(()),
        false => writeln!(out, "{field} = [{}]", words.join(", ")),
    }
}

fn write_farm(out: &mut String, name: &str, farm: &Farm) -> fmt::Result {
    writeln!(
        out,
        "[[farm]]\nname = {}\nvip = \"{}\"",
        quoted(name),
        farm.vip
    )?;
    write_list(out, "more_vips", &farm.more_vips)?;
    writeln!(
        out,
        "method = \"{}\"\nfate = \"{}\"",
        farm.method, farm.fate
    )?;
    if let Some(persistence) = farm.persistence {
        let Persistence {
            prefix_v4,
            prefix_v6,
            timeout,
        } = persistence;
        let timeout = duration_text(timeout);
        writeln!(
            out,
            "persistence = {{ prefix_v4 = {prefix_v4}, prefix_v6 = {prefix_v6}, \
             timeout = \"{timeout}\" }}"
        )?;
    }
    if !farm.slow_start.is_zero() {
        writeln!(out, "slow_start = \"{}\"", duration_text(farm.slow_start))?;
    }
    if let Some(LastResortPage { status, body }) = &farm.last_resort {
        writeln!(
            out,
            "last_resort = {{ status = {status}, body = {} }}",
            quoted(body)
        )?;
    }
    writeln!(out, "degraded_below = {}", farm.degraded_below)?;
    writeln!(out, "down_below = {}", farm.down_below)?;
    write_list(out, "depends_on", &farm.depends_on)?;
    writeln!(out, "on_parent_down = \"{}\"", farm.on_parent_down)?;
    write_named(out, farm.ladder.as_ref())?;
    writeln!(out)?;
    for (name, service) in &farm.services {
        write_service(out, name.as_str(), service)?;
    }
    for (name, server) in &farm.servers {
        write_server(out, name.as_str(), server)?;
    }
    Ok(())
}

fn write_service(out: &mut String, name: &str, service: &Service) -> fmt::Result {
    writeln!(out, "[[farm.service]]\nname = {}", quoted(name))?;
    writeln!(
        out,
        "kind = \"{}\"\nport = {}",
        service.kind.word(),
        service.port
    )?;
    if let ServiceKind::Ftp(ftp) = service.kind {
        writeln!(
            out,
            "data_ports = \"{}\"\ntls = \"{}\"",
            ftp.data_ports, ftp.tls
        )?;
    }
    if let Some(check) = &service.check {
        write_check(out, check)?;
    }
    let limits = service.limits.named();
    let limits = limits.map(|(name, limit)| format!("{name} = \"{}\"", duration_text(limit)));
    writeln!(out, "limits = {{ {} }}", limits.join(", "))?;
    if let Some(most) = service.max_connections {
        writeln!(out, "max_connections = {most}")?;
    }
    let Queue { length, timeout } = service.queue;
    let timeout = duration_text(timeout);
    writeln!(
        out,
        "queue = {{ length = {length}, timeout = \"{timeout}\" }}"
    )?;
    if let Some(version) = service.send_proxy {
        writeln!(out, "send_proxy = \"{version}\"")?;
    }
    write_list(out, "accept_proxy", &service.accept_proxy)?;
    writeln!(out)
}

fn write_check(out: &mut String, check: &Check) -> fmt::Result {
    let mut words = vec![format!("kind = \"{}\"", check.kind.word())];
    words.extend(kind_words(&check.kind));
    words.extend([
        format!("interval = \"{}\"", duration_text(check.interval)),
        format!("timeout = \"{}\"", duration_text(check.timeout)),
        format!("fall = {}", check.fall),
        format!("rise = {}", check.rise),
    ]);
    writeln!(out, "check = {{ {} }}", words.join(", "))
}

fn kind_words(kind: &CheckKind) -> Vec<String> {
    let word = |field: &str, text: &String| format!("{field} = {}", quoted(text));
    match kind {
        CheckKind::Tcp | CheckKind::Icmp | CheckKind::Greeting(_) => vec![],
        CheckKind::Http(http) => http_words(http),
        CheckKind::Https(https) => {
            let mut words = http_words(&https.http);
            words.push(format!("verify = {}", https.verify));
            words.push(format!("days_left = {}", https.days_left));
            words
        }
        CheckKind::Dns(dns) => {
            let mut words = vec![
                word("name", &dns.name),
                format!("record = \"{}\"", dns.record),
            ];
            words.extend(dns.value.iter().map(|value| word("value", value)));
            words
        }
        CheckKind::Udp(udp) => vec![word("send", &udp.send), word("expect", &udp.expect)],
        CheckKind::Ftp(ftp) => {
            let mut words = vec![word("user", &ftp.user)];
            if ftp.password.reveal() != PASSWORD_DEFAULT {
                words.push("password = { stored = true }".to_owned());
            }
            words.extend(ftp.fetch.iter().map(|fetch| word("fetch", fetch)));
            words
        }
        CheckKind::Nfs(nfs) => vec![
            format!("transport = \"{}\"", nfs.transport),
            format!("version = {}", nfs.version),
            format!("portmapper = {}", nfs.portmapper),
        ],
        CheckKind::Exec(exec) => {
            let arguments: Vec<String> = exec.arguments.iter().map(|text| quoted(text)).collect();
            vec![
                word("command", &exec.command),
                format!("arguments = [{}]", arguments.join(", ")),
            ]
        }
    }
}

fn http_words(http: &HttpCheck) -> Vec<String> {
    let mut words = vec![
        format!("path = {}", quoted(&http.path)),
        format!("status = {}", http.status),
    ];
    let named = [("host", &http.host), ("text", &http.text)];
    let named = named
        .into_iter()
        .filter_map(|(field, text)| Some((field, text.as_ref()?)));
    words.extend(named.map(|(field, text)| format!("{field} = {}", quoted(text))));
    if http.obey {
        words.push("obey = true".to_owned());
    }
    words
}

fn write_server(out: &mut String, name: &str, server: &Server) -> fmt::Result {
    writeln!(out, "[[farm.server]]\nname = {}", quoted(name))?;
    writeln!(out, "address = \"{}\"", server.address)?;
    if !server.ports.is_empty() {
        let ports = server.ports.iter();
        let ports: Vec<String> = ports
            .map(|(service, port)| format!("{} = {port}", quoted(service.as_str())))
            .collect();
        writeln!(out, "ports = {{ {} }}", ports.join(", "))?;
    }
    writeln!(
        out,
        "weight = {}\nrole = \"{}\"",
        server.weight, server.role
    )?;
    if let Some(most) = server.max_connections {
        writeln!(out, "max_connections = {most}")?;
    }
    if let Some(ports) = server.data_ports {
        writeln!(out, "data_ports = \"{ports}\"")?;
    }
    write_list(out, "depends_on", &server.depends_on)?;
    writeln!(out)
}

fn write_watch(out: &mut String, name: &str, watch: &Watch) -> fmt::Result {
    writeln!(
        out,
        "[[watch]]\nname = {}\naddress = \"{}\"",
        quoted(name),
        watch.address
    )?;
    if let Some(port) = watch.port {
        writeln!(out, "port = {port}")?;
    }
    if let Some(group) = &watch.group {
        writeln!(out, "group = {}", quoted(group.as_str()))?;
    }
    write_labels(out, &watch.labels)?;
    if let Some(check) = &watch.check {
        write_check(out, check)?;
    }
    write_list(out, "depends_on", &watch.depends_on)?;
    write_named(out, watch.ladder.as_ref())?;
    writeln!(out)
}

fn write_group(out: &mut String, name: &str, group: &Group) -> fmt::Result {
    writeln!(out, "[[group]]\nname = {}", quoted(name))?;
    write_labels(out, &group.labels)?;
    if let Some(check) = &group.check {
        write_check(out, check)?;
    }
    write_list(out, "depends_on", &group.depends_on)?;
    writeln!(out)
}

fn write_labels(out: &mut String, labels: &BTreeMap<String, String>) -> fmt::Result {
    if labels.is_empty() {
        return Ok(());
    }
    let labels: Vec<String> = labels
        .iter()
        .map(|(label, value)| format!("{} = {}", quoted(label), quoted(value)))
        .collect();
    writeln!(out, "labels = {{ {} }}", labels.join(", "))
}
