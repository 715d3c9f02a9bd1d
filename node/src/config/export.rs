//! From the configuration to a document: complete, in a fixed order, without secrets.

use std::fmt::{self, Write as _};

use farmux_raft::state::{
    Check, CheckKind, Config, Contact, Farm, Fate, Limits, Method, OnQuorumLoss, Server,
    ServerRole, Service, ServiceKind, Vip, duration_text,
};

use super::relay::relay_text;

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
    for (name, contact) in &config.contacts {
        write_contact(out, name.as_str(), contact)?;
    }
    Ok(())
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
    };
    writeln!(out, "on_quorum_loss = \"{on_quorum_loss}\"\n")
}

fn write_farm(out: &mut String, name: &str, farm: &Farm) -> fmt::Result {
    let method = match farm.method {
        Method::RoundRobin => "round-robin",
        Method::LeastConnections => "least-connections",
    };
    let fate = match farm.fate {
        Fate::Shared => "shared",
        Fate::Each => "each",
    };
    writeln!(
        out,
        "[[farm]]\nname = {}\nvip = \"{}\"",
        quoted(name),
        farm.vip
    )?;
    writeln!(out, "method = \"{method}\"\nfate = \"{fate}\"\n")?;
    for (name, service) in &farm.services {
        write_service(out, name.as_str(), service)?;
    }
    for (name, server) in &farm.servers {
        write_server(out, name.as_str(), server)?;
    }
    Ok(())
}

fn write_service(out: &mut String, name: &str, service: &Service) -> fmt::Result {
    let kind = match service.kind {
        ServiceKind::Tcp => "tcp",
        ServiceKind::Http => "http",
    };
    writeln!(out, "[[farm.service]]\nname = {}", quoted(name))?;
    writeln!(out, "kind = \"{kind}\"\nport = {}", service.port)?;
    if let Some(check) = &service.check {
        writeln!(out, "check = {{ {} }}", check_words(check).join(", "))?;
    }
    let Limits {
        connect,
        header,
        idle,
        total,
    } = service.limits;
    let limits = [
        ("connect", connect),
        ("header", header),
        ("idle", idle),
        ("total", total),
    ];
    let limits = limits.map(|(name, limit)| format!("{name} = \"{}\"", duration_text(limit)));
    writeln!(out, "limits = {{ {} }}\n", limits.join(", "))
}

fn check_words(check: &Check) -> Vec<String> {
    let mut words = match &check.kind {
        CheckKind::Tcp => vec!["kind = \"tcp\"".to_owned()],
        CheckKind::Http(http) => {
            let mut words = vec![
                "kind = \"http\"".to_owned(),
                format!("path = {}", quoted(&http.path)),
                format!("status = {}", http.status),
            ];
            words.extend(
                http.host
                    .iter()
                    .map(|host| format!("host = {}", quoted(host))),
            );
            words.extend(
                http.text
                    .iter()
                    .map(|text| format!("text = {}", quoted(text))),
            );
            words
        }
    };
    words.extend([
        format!("interval = \"{}\"", duration_text(check.interval)),
        format!("timeout = \"{}\"", duration_text(check.timeout)),
        format!("fall = {}", check.fall),
        format!("rise = {}", check.rise),
    ]);
    words
}

fn write_server(out: &mut String, name: &str, server: &Server) -> fmt::Result {
    let role = match server.role {
        ServerRole::Favorite => "favorite",
    };
    writeln!(out, "[[farm.server]]\nname = {}", quoted(name))?;
    writeln!(out, "address = \"{}\"", server.address)?;
    if !server.ports.is_empty() {
        let ports = server.ports.iter();
        let ports: Vec<String> = ports
            .map(|(service, port)| format!("{} = {port}", quoted(service.as_str())))
            .collect();
        writeln!(out, "ports = {{ {} }}", ports.join(", "))?;
    }
    writeln!(out, "weight = {}\nrole = \"{role}\"\n", server.weight)
}

fn write_contact(out: &mut String, name: &str, contact: &Contact) -> fmt::Result {
    let mail = &contact.mail;
    let to: Vec<String> = mail.to.iter().map(|address| quoted(address)).collect();
    writeln!(
        out,
        "[[contact]]\nname = {}\n\n[contact.mail]",
        quoted(name)
    )?;
    writeln!(out, "to = [{}]", to.join(", "))?;
    if let Some(from) = &mail.from {
        writeln!(out, "from = {}", quoted(from))?;
    }
    writeln!(out, "relay = {}", quoted(&relay_text(&mail.relay)))?;
    if mail.relay.password.is_some() {
        writeln!(
            out,
            "password = {{ stored = true }} # is set; applying this keeps it"
        )?;
    }
    writeln!(out)
}
