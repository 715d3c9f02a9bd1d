//! `farmux farm list` and `farmux farm show`.

use std::fmt::Write;

use farmux_raft::id::UnixMillis;
use farmux_raft::state::{Fate, Word as _};

use super::super::terminal::{Mood, Paint};
use super::table::{Columns, Word};
use super::{admin_words, health_words};
use crate::api::types::{FarmReport, Reading, ServerReport};

/// All farms, a line each.
pub fn farms(reading: &Reading<Vec<FarmReport>>, paint: Paint) -> String {
    let header = [
        "FARM", "VIP", "ADDRESS", "OWNER", "METHOD", "SERVICES", "SERVING",
    ];
    let mut columns = Columns::new(paint, &header);
    for farm in &reading.data {
        let serving = farm
            .servers
            .iter()
            .filter(|server| !server.serves.is_empty())
            .count();
        let services: Vec<String> = farm
            .services
            .iter()
            .map(|service| format!("{} {} {}", service.name, service.kind.word(), service.port))
            .collect();
        let mood = match serving {
            0 => Mood::Bad,
            some if some < farm.servers.len() => Mood::Poor,
            _ => Mood::Good,
        };
        columns.row([
            Word::from(&farm.name),
            Word::from(&farm.vip),
            Word::from(
                farm.address
                    .map_or(String::new(), |address| address.to_string()),
            ),
            Word::from(farm.owner.as_ref().map_or("nobody", |owner| owner.as_str())),
            Word::from(farm.method.word()),
            Word::from(services.join(", ")),
            Word::moody((&format!("{serving} of {}", farm.servers.len()), mood)),
        ]);
    }
    let none = "no farms yet: farmux config apply FILE";
    format!("{}\n{}\n", columns.finish(none), reading.fresh.in_words())
}

/// One farm with its services, servers and checks.
pub fn farm(reading: &Reading<FarmReport>, paint: Paint, now: UnixMillis) -> String {
    let farm = &reading.data;
    let mut text = String::new();
    let owner = farm.owner.as_ref().map_or("nobody", |owner| owner.as_str());
    let address = farm
        .address
        .map_or(String::new(), |address| format!(" {address}"));
    let _ = writeln!(text, "farm      {}", farm.name);
    let _ = writeln!(text, "vip       {}{address}, owned by {owner}", farm.vip);
    let _ = writeln!(text, "method    {}", farm.method.word());
    let _ = writeln!(text, "fate      {}", fate_words(farm.fate));
    for service in &farm.services {
        let check = service
            .check
            .as_deref()
            .unwrap_or("none: every server counts as up");
        let kind = service.kind.word();
        let _ = writeln!(
            text,
            "service   {} {kind} {}; check {check}",
            service.name, service.port
        );
    }
    text.push('\n');
    let header = [
        "SERVER", "ADDRESS", "WEIGHT", "ORDERED", "HEALTH", "ACTIVE", "SINCE", "REASON",
    ];
    let mut columns = Columns::new(paint, &header);
    for server in &farm.servers {
        let (since, reason) = why(server, now);
        columns.row([
            Word::from(&server.name),
            Word::from(addresses(server)),
            Word::from(server.weight),
            Word::moody(admin_words(server.admin)),
            Word::moody(health_words(server.health)),
            Word::from(
                server
                    .active
                    .map_or("?".to_owned(), |active| active.to_string()),
            ),
            Word::from(since),
            Word::from(reason),
        ]);
    }
    text.push_str(&columns.finish("no servers"));
    let _ = writeln!(text, "\n{}", reading.fresh.in_words());
    text
}

/// Since when and why: of the check that speaks for the server's health.
fn why(server: &ServerReport, now: UnixMillis) -> (String, String) {
    let speaks = server
        .checks
        .iter()
        .find(|check| check.health == server.health);
    let since = speaks
        .and_then(|check| check.since)
        .map_or(String::new(), |at| at.ago(now));
    let reason = match speaks {
        Some(check) if server.checks.len() > 1 && !check.reason.is_empty() => {
            format!("{}: {}", check.service, check.reason)
        }
        Some(check) => check.reason.clone(),
        None => String::new(),
    };
    (since, reason)
}

fn addresses(server: &ServerReport) -> String {
    let ports = server
        .ports
        .iter()
        .map(|(service, port)| format!(" {service}:{port}"));
    format!("{}{}", server.address, ports.collect::<String>())
}

fn fate_words(fate: Fate) -> &'static str {
    match fate {
        Fate::Shared => "shared: a failing check takes a server out of every service",
        Fate::Each => "each: a failing check takes a server out of its own service only",
    }
}
