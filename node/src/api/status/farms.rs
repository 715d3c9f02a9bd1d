//! PURE. Farms and servers as they are shown.

use farmux_raft::id::{FarmName, ServerName, ServiceName};
use farmux_raft::state::{
    AdminState, Check, CheckKey, Farm, Server, Service, State, duration_text,
};

use super::View;
use crate::api::types::{CheckReport, FarmReport, FarmStatus, Moment, ServerReport, ServiceReport};

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
    match view.owner(&farm.vip) {
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
        let services = farm.services.iter();
        FarmStatus {
            name: name.clone(),
            vip: farm.vip.clone(),
            services: services
                .map(|(name, service)| service_words(name, service))
                .collect(),
            servers: standing.total(),
            serving: standing.up,
            down: standing.down,
            unknown: standing.unknown,
            draining: standing.draining,
            maintenance: standing.maintenance,
        }
    };
    view.state.config.farms.iter().map(line).collect()
}

/// One farm with everything in it.
pub fn farm_report(view: &View<'_>, name: &FarmName) -> Option<FarmReport> {
    let farm = view.state.config.farms.get(name)?;
    let services = farm.services.iter().map(|(name, service)| ServiceReport {
        name: name.clone(),
        kind: service.kind,
        port: service.port.get(),
        check: service.check.as_ref().map(check_words),
    });
    let servers = farm.servers.iter().map(|(id, server)| ServerReport {
        name: id.clone(),
        address: server.address,
        ports: server
            .ports
            .iter()
            .map(|(name, port)| (name.clone(), port.get()))
            .collect(),
        weight: server.weight.get(),
        role: server.role,
        admin: server.admin,
        health: view.state.server_health(name, id),
        serves: farm
            .services
            .keys()
            .filter(|service| view.state.serves(name, id, service))
            .cloned()
            .collect(),
        active: active_at(view, name, id),
        checks: checks(view.state, name, farm, id),
    });
    Some(FarmReport {
        name: name.clone(),
        vip: farm.vip.clone(),
        address: view.state.config.vips.get(&farm.vip).map(|vip| vip.address),
        owner: view.owner(&farm.vip).and_then(|node| view.node_name(node)),
        method: farm.method,
        fate: farm.fate,
        services: services.collect(),
        servers: servers.collect(),
    })
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
fn check_words(check: &Check) -> String {
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
