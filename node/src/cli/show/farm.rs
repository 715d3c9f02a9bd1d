//! `farmux farm list` and `farmux farm show`.

use std::fmt::Write;
use std::time::Duration;

use farmux_raft::id::UnixMillis;
use farmux_raft::state::{Fate, FtpTls, OnParentDown, Word as _, duration_text};

use super::super::terminal::{Mood, Paint};
use super::silence::maintenance_words;
use super::table::{Columns, Word};
use super::{admin_words, condition_words, health_words, reason_words};
use crate::api::types::{FarmReport, Footing, Reading, ServerReport, ServiceReport};

/// All farms, a line each.
pub fn farms(reading: &Reading<Vec<FarmReport>>, paint: Paint) -> String {
    let header = [
        "FARM",
        "VIP",
        "ADDRESS",
        "OWNER",
        "METHOD",
        "SERVICES",
        "SERVING",
        "CONDITION",
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
            Word::moody(condition_words(farm.condition)),
        ]);
    }
    let none = "no farms yet: farmux config apply FILE";
    format!("{}\n{}\n", columns.finish(none), reading.fresh.in_words())
}

/// One farm with its services, servers and checks.
pub fn farm(reading: &Reading<FarmReport>, paint: Paint, now: UnixMillis) -> String {
    let farm = &reading.data;
    let mut text = head(farm, paint);
    for service in &farm.services {
        text.push_str(&service_words(service));
    }
    text.push('\n');
    let header = [
        "SERVER", "ADDRESS", "WEIGHT", "ROLE", "ORDERED", "HEALTH", "ACTIVE", "SINCE", "REASON",
    ];
    let mut columns = Columns::new(paint, &header);
    for server in &farm.servers {
        let (since, reason) = why(server, now);
        let because = server.unreachable_because.as_ref();
        let (health, mood) = health_words(server.health, because, server.advice);
        columns.row([
            Word::from(&server.name),
            Word::from(addresses(server)),
            Word::from(server.weight),
            Word::from(server.role_now.word()),
            Word::moody(admin_words(server.admin)),
            Word::moody((&health, mood)),
            Word::from(active(server)),
            Word::from(since),
            Word::from(reason),
        ]);
    }
    text.push_str(&columns.finish("no servers"));
    let notes = notes(farm, now);
    if !notes.is_empty() {
        let _ = writeln!(text, "\n{}", notes.join("\n"));
    }
    let _ = writeln!(text, "\n{}", reading.fresh.in_words());
    text
}

/// Everything that is the farm's own; what is not configured has no line.
fn head(farm: &FarmReport, paint: Paint) -> String {
    let owner = farm.owner.as_ref().map_or("nobody", |owner| owner.as_str());
    let address = farm
        .address
        .map_or(String::new(), |address| format!(" {address}"));
    let (condition, mood) = condition_words(farm.condition);
    let condition = paint.paint(mood, condition);
    let condition = match farm.reason.as_str() {
        "" => condition,
        reason => format!("{condition}: {reason}"),
    };
    let slow_start = match farm.slow_start_ms {
        0 => String::new(),
        ms => format!(", slow start over {}", span(ms)),
    };
    let mut text = String::new();
    let mut line = |word: &str, value: &str| {
        let _ = writeln!(text, "{word:<9} {value}");
    };
    line("farm", farm.name.as_str());
    let more = farm.more_vips.iter().map(|vip| format!(", {vip}"));
    let more: String = more.collect();
    line(
        "vip",
        &format!("{}{address}{more}, owned by {owner}", farm.vip),
    );
    line("condition", &condition);
    line("method", &format!("{}{slow_start}", farm.method.word()));
    line("fate", fate_words(farm.fate));
    if let Some(persistence) = &farm.persistence {
        let (v4, v6) = (persistence.prefix_v4, persistence.prefix_v6);
        let timeout = span(persistence.timeout_ms);
        let words = format!(
            "a client (its /{v4} of IPv4, /{v6} of IPv6) meets the same server again within \
             {timeout}"
        );
        line("persists", &words);
    }
    if (farm.degraded_below, farm.down_below) != (0, 1) {
        let (degraded, down) = (farm.degraded_below, farm.down_below);
        let words = match degraded {
            0 => format!("down with fewer than {down} up"),
            _ => format!("degraded with fewer than {degraded} up, down with fewer than {down}"),
        };
        line("needs", &words);
    }
    if !farm.depends_on.is_empty() {
        let parents = farm.depends_on.join(" ");
        let then = parent_words(farm.on_parent_down);
        line("depends", &format!("on {parents}; {then}"));
    }
    if let Some(page) = &farm.last_resort {
        let words = format!(
            "without a server: a page of {} bytes, status {}",
            page.body_bytes, page.status
        );
        line("page", &words);
    }
    text
}

/// A service, and below it what is not as everywhere.
fn service_words(service: &ServiceReport) -> String {
    let check = service
        .check
        .as_deref()
        .unwrap_or("none: every server counts as up");
    let mut text = format!(
        "service   {} {} {}; check {check}\n",
        service.name,
        service.kind.word(),
        service.port
    );
    let mut line = |words: String| {
        let _ = writeln!(text, "          {words}");
    };
    if let Some(ftp) = &service.ftp {
        let tls = match ftp.tls {
            FtpTls::Refuse => "TLS refused",
            FtpTls::Pass => "TLS passed on to the server",
        };
        line(format!("data ports {}, {tls}", ftp.data_ports));
    }
    if let Some(most) = service.max_connections {
        let queue = match service.queue.length {
            0 => "nobody waits".to_owned(),
            length => format!("{length} more wait for {}", span(service.queue.timeout_ms)),
        };
        line(format!("at most {most} at once, {queue}"));
    }
    if let Some(version) = service.send_proxy {
        line(format!("sends PROXY {}", version.word()));
    }
    if !service.accept_proxy.is_empty() {
        let networks = service.accept_proxy.join(" ");
        line(format!("takes PROXY from {networks}"));
    }
    text
}

/// What stands out about servers and has no column.
fn notes(farm: &FarmReport, now: UnixMillis) -> Vec<String> {
    let mut notes = Vec::new();
    for server in &farm.servers {
        let name = &server.name;
        if let Some(order) = &server.maintenance {
            notes.push(format!("{name} is in {}", maintenance_words(order, now)));
        }
        if server.role_now != server.role {
            notes.push(format!(
                "{name} failed and stands by; `farmux server ready {}/{name}` brings it back",
                farm.name
            ));
        }
        if !server.depends_on.is_empty() {
            let parents = server.depends_on.join(" ");
            notes.push(format!("{name} depends on {parents} besides"));
        }
        if let Some(ports) = &server.data_ports {
            notes.push(format!("{name} has data ports {ports}"));
        }
    }
    let swayed = [
        (
            Footing::Kept,
            "in use whatever their checks say: on_parent_down = \"keep\"",
        ),
        (
            Footing::Removed,
            "not used whatever their checks say: on_parent_down = \"remove\"",
        ),
    ];
    for (footing, words) in swayed {
        let servers = farm
            .servers
            .iter()
            .filter(|server| server.footing == footing);
        let names: Vec<&str> = servers.map(|server| server.name.as_str()).collect();
        if !names.is_empty() {
            notes.push(format!("{}: {words}", names.join(" ")));
        }
    }
    notes
}

/// What is in hand, and of how much: `3`, `3/100`, `?`.
fn active(server: &ServerReport) -> String {
    let active = server
        .active
        .map_or("?".to_owned(), |active| active.to_string());
    match server.max_connections {
        None => active,
        Some(most) => format!("{active}/{most}"),
    }
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
    let because = server.unreachable_because.as_ref();
    (since, reason_words(&reason, because))
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

fn parent_words(then: OnParentDown) -> &'static str {
    match then {
        OnParentDown::Keep => "while it is down the servers stay in use",
        OnParentDown::Remove => "while it is down no server is used",
    }
}

fn span(ms: u64) -> String {
    duration_text(Duration::from_millis(ms))
}
