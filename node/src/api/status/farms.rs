//! PURE. Farms and servers as they are shown.

use std::collections::BTreeSet;
use std::time::Duration;

use farmux_raft::id::{FarmName, ServerName, ServiceName, UnixMillis};
use farmux_raft::state::{
    AdminState, Check, CheckKey, Farm, FarmCondition, Parent, PortRange, Server, Service,
    ServiceKind, State, Sway, duration_text,
};

use super::View;
use crate::api::types::{
    CheckReport, Condition, FarmReport, FarmStatus, Footing, FtpReport, LastResortReport,
    MaintenanceReport, Moment, PersistenceReport, QueueReport, ServerReport, ServiceReport, Spoken,
};

/// Whether anybody looks after a server: one in maintenance is neither probed nor paged for.
pub(super) fn is_watched(server: &Server) -> bool {
    match server.admin {
        AdminState::Ready | AdminState::Drain => true,
        AdminState::Maintenance => false,
    }
}

/// What is in flight at a server, summed over the nodes that answered; `None`: the VIP has an
/// owner, and it did not say.
pub fn active_at(view: &View<'_>, name: &FarmName, server: &ServerName) -> Option<u64> {
    let farm = view.state.config.farms.get(name)?;
    // The first owner is the prober; what others have in hand counts as well.
    match farm.vips().find_map(|vip| view.owner(vip)) {
        Some(owner) if !view.reports.contains_key(&owner) => None,
        Some(_) | None => Some(
            view.reports
                .values()
                .map(|report| report.active(name, server))
                .sum(),
        ),
    }
}

/// Every farm in one line.
pub(super) fn farm_lines(view: &View<'_>) -> Vec<FarmStatus> {
    let line = |(name, farm): (&FarmName, &Farm)| {
        let standing = view.state.farm_standing(name);
        let (condition, reason) = condition(view.state, name);
        let services = farm.services.iter();
        let serves = |server: &&ServerName| serves(view.state, name, farm, server).next().is_some();
        FarmStatus {
            name: name.clone(),
            vip: farm.vip.clone(),
            services: services
                .map(|(name, service)| service_words(name, service))
                .collect(),
            condition,
            reason,
            servers: standing.total(),
            serving: farm.servers.keys().filter(serves).count(),
            down: standing.down,
            unreachable: standing.unreachable,
            unknown: standing.unknown,
            quiesced: standing.quiesced,
            draining: standing.draining,
            maintenance: standing.maintenance,
        }
    };
    view.state.config.farms.iter().map(line).collect()
}

/// One farm with everything in it.
pub fn farm_report(view: &View<'_>, name: &FarmName) -> Option<FarmReport> {
    let farm = view.state.config.farms.get(name)?;
    let (condition, reason) = condition(view.state, name);
    let servers = farm.servers.iter();
    let last_resort = farm.last_resort.as_ref().map(|page| LastResortReport {
        status: page.status,
        body_bytes: u64::try_from(page.body.len()).unwrap_or(u64::MAX),
    });
    Some(FarmReport {
        name: name.clone(),
        vip: farm.vip.clone(),
        more_vips: farm.more_vips.clone(),
        address: view.state.config.vips.get(&farm.vip).map(|vip| vip.address),
        owner: farm
            .vips()
            .find_map(|vip| view.owner(vip))
            .and_then(|node| view.node_name(node)),
        condition,
        reason,
        method: farm.method,
        slow_start_ms: millis(farm.slow_start),
        persistence: farm.persistence.map(|persistence| PersistenceReport {
            prefix_v4: persistence.prefix_v4,
            prefix_v6: persistence.prefix_v6,
            timeout_ms: millis(persistence.timeout),
        }),
        fate: farm.fate,
        degraded_below: farm.degraded_below,
        down_below: farm.down_below.get(),
        depends_on: words(&farm.depends_on),
        on_parent_down: farm.on_parent_down,
        last_resort,
        services: farm.services.iter().map(service_report).collect(),
        servers: servers
            .map(|(id, server)| server_report(view, (name, farm), (id, server)))
            .collect(),
    })
}

fn condition(state: &State, name: &FarmName) -> (Condition, String) {
    match state.farm_condition(name) {
        FarmCondition::Serving => (Condition::Serving, String::new()),
        FarmCondition::Degraded(reason) => (Condition::Degraded, reason),
        FarmCondition::Down(reason) => (Condition::Down, reason),
        FarmCondition::Undecided => (Condition::Undecided, String::new()),
    }
}

fn service_report((name, service): (&ServiceName, &Service)) -> ServiceReport {
    let (kind, ftp) = match service.kind {
        ServiceKind::Tcp => (Spoken::Tcp, None),
        ServiceKind::Http => (Spoken::Http, None),
        ServiceKind::Ftp(ftp) => {
            let data_ports = ftp.data_ports.to_string();
            let tls = ftp.tls;
            (Spoken::Ftp, Some(FtpReport { data_ports, tls }))
        }
    };
    ServiceReport {
        name: name.clone(),
        kind,
        ftp,
        port: service.port.get(),
        check: service.check.as_ref().map(check_words),
        max_connections: service.max_connections.map(u32::from),
        queue: QueueReport {
            length: service.queue.length,
            timeout_ms: millis(service.queue.timeout),
        },
        send_proxy: service.send_proxy,
        accept_proxy: service
            .accept_proxy
            .iter()
            .map(ToString::to_string)
            .collect(),
    }
}

fn server_report(
    view: &View<'_>,
    (name, farm): (&FarmName, &Farm),
    (id, server): (&ServerName, &Server),
) -> ServerReport {
    let state = view.state;
    let cause = state.cause_of(&Parent::Server(name.clone(), id.clone()));
    ServerReport {
        name: id.clone(),
        address: server.address,
        ports: server
            .ports
            .iter()
            .map(|(name, port)| (name.clone(), port.get()))
            .collect(),
        weight: server.weight.get(),
        role: server.role,
        role_now: state.role_now(name, id).unwrap_or(server.role),
        admin: server.admin,
        maintenance: maintenance_report(state, name, id, view.now),
        health: state.server_health(name, id),
        advice: state.server_advice(name, id),
        unreachable_because: cause.map(|cause| cause.to_string()),
        footing: match state.sway(name, id) {
            Sway::None => Footing::Checked,
            Sway::Kept => Footing::Kept,
            Sway::Removed => Footing::Removed,
        },
        serves: serves(state, name, farm, id).cloned().collect(),
        active: active_at(view, name, id),
        max_connections: server.max_connections.map(u32::from),
        data_ports: server.data_ports.map(|ports: PortRange| ports.to_string()),
        depends_on: words(&server.depends_on),
        checks: checks(state, name, farm, id),
    }
}

/// The order by which a server is in maintenance.
pub fn maintenance_report(
    state: &State,
    farm: &FarmName,
    server: &ServerName,
    now: UnixMillis,
) -> Option<MaintenanceReport> {
    let order = state.maintenances.get(farm, server)?;
    Some(MaintenanceReport {
        comment: order.comment.clone(),
        author: order.author.0.clone(),
        from: Moment(order.from),
        until: order.until.map(Moment),
        forgotten: order.is_forgotten(now),
    })
}

/// The services in which a server can be given new work.
fn serves<'a>(
    state: &'a State,
    name: &'a FarmName,
    farm: &'a Farm,
    server: &'a ServerName,
) -> impl Iterator<Item = &'a ServiceName> {
    let services = farm.services.keys();
    services.filter(move |service| state.serves(name, server, service))
}

fn checks(state: &State, name: &FarmName, farm: &Farm, server: &ServerName) -> Vec<CheckReport> {
    let checked = farm
        .services
        .iter()
        .filter(|(_, service)| service.check.is_some());
    let report = |(service, _): (&ServiceName, &Service)| {
        let key = CheckKey::Server {
            farm: name.clone(),
            server: server.clone(),
            service: service.clone(),
        };
        let record = state.health.get(&key);
        CheckReport {
            service: service.clone(),
            health: state.check_health(&key),
            advice: state.check_advice(&key),
            reason: record.map_or(String::new(), |record| record.reason.clone()),
            since: record.map(|record| Moment(record.since)),
        }
    };
    checked.map(report).collect()
}

fn service_words(name: &ServiceName, service: &Service) -> String {
    format!("{name} {} {}", service.kind.word(), service.port)
}

/// A check in one line: `http GET /health 200, every 2s, timeout 1s, fall 3, rise 2`.
pub(super) fn check_words(check: &Check) -> String {
    let Check {
        kind,
        interval,
        timeout,
        fall,
        rise,
    } = check;
    let (interval, timeout) = (duration_text(*interval), duration_text(*timeout));
    format!("{kind}, every {interval}, timeout {timeout}, fall {fall}, rise {rise}")
}

/// Things by their names.
pub(super) fn words(members: &BTreeSet<Parent>) -> Vec<String> {
    members.iter().map(Parent::to_string).collect()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
