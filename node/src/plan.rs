//! PURE. From what the cluster wants to what this machine does: `(State, Standpoint) -> Plan`.
//!
//! ```text
//!   State       what all nodes hold equally
//!   Standpoint  who I am, which leases I hold or see, whether I lead, my interfaces
//!      |
//!      v
//!   Plan        VIPs to show, services to listen for, servers behind them, checks to run
//! ```
//! Every VIP bug can be found here: nothing else decides what a machine shows.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use farmux_netplane::plan::{
    Admission, Footing, Health, Limits, Method, Plan, ProbeKey, ProbeKind, ProbePlan, ServerPlan,
    ServiceKey, ServiceKind, ServicePlan, Tier, VipPlan,
};
use farmux_raft::id::{Ballot, FarmName, NetworkName, NodeId, ServerName, ServiceName, VipName};
use farmux_raft::state::{
    self, AdminState, Authority, Check, CheckKey, CheckKind, Farm, Fate, NodeRole, Server,
    ServerRole, State,
};

/// Where this machine stands, as far as the log does not say it.
#[derive(Debug, Clone, Copy)]
pub struct Standpoint<'a> {
    /// Who we are.
    pub me: NodeId,
    /// What we may do. A witness serves nothing and holds nothing.
    pub role: NodeRole,
    /// The leases that we hold.
    pub held: &'a BTreeMap<VipName, Ballot>,
    /// The live leases that our acceptor granted, to whomever.
    pub seen: &'a BTreeMap<VipName, (NodeId, Ballot)>,
    /// Our interface for each network, from `node.toml`.
    pub interfaces: &'a BTreeMap<NetworkName, String>,
    /// The term in which we lead the log, if we do.
    pub leads: Option<u64>,
}

/// Everything this machine must show.
pub fn plan(state: &State, stand: &Standpoint<'_>) -> Plan {
    let mut plan = Plan::default();
    let config = &state.config;
    if stand.role == NodeRole::Balancer {
        for (name, vip) in &config.vips {
            let interface = stand.interfaces.get(&vip.network);
            let planned = VipPlan {
                address: vip.address,
                interface: interface.map(|interface| Arc::from(interface.as_str())),
                held: stand.held.contains_key(name),
            };
            plan.vips.insert(name.shared(), planned);
        }
        for (name, farm) in &config.farms {
            plan.services.extend(services(state, name, farm));
        }
    }
    for (name, farm) in &config.farms {
        if authority(stand, farm).is_some() {
            plan.probes.extend(probes(state, name, farm));
        }
    }
    plan
}

/// By what right this machine probes a farm and reports its health; `None`: it does neither.
///
/// The owner of the farm's VIP probes it; when nobody owns the VIP, the leader, witness or not.
///
/// **Source**: `vip-protocol.md`, section 9.
pub fn authority(stand: &Standpoint<'_>, farm: &Farm) -> Option<Authority> {
    if let Some(ballot) = stand.held.get(&farm.vip) {
        return (stand.role == NodeRole::Balancer).then_some(Authority::Owner(*ballot));
    }
    // What our own acceptor granted us and we no longer hold is nobody's.
    let owner = stand
        .seen
        .get(&farm.vip)
        .filter(|(owner, _)| *owner != stand.me);
    match (owner, stand.leads) {
        (None, Some(term)) => Some(Authority::Leader {
            term,
            node: stand.me,
        }),
        (Some(_), _) | (None, None) => None,
    }
}

fn services<'a>(
    state: &'a State,
    name: &'a FarmName,
    farm: &'a Farm,
) -> impl Iterator<Item = (ServiceKey, ServicePlan)> + 'a {
    let vip = state.config.vips.get(&farm.vip);
    let services = vip
        .into_iter()
        .flat_map(|vip| farm.services.iter().map(move |s| (vip, s)));
    services.map(move |(vip, (service_name, service))| {
        let key = ServiceKey {
            farm: name.shared(),
            service: service_name.shared(),
        };
        let servers = farm.servers.iter().filter_map(|(server_name, server)| {
            let planned = server_plan(state, name, farm, (server_name, server), service_name)?;
            Some((server_name.shared(), planned))
        });
        let listen = (vip.address, service.port.get()).into();
        let kind = match service.kind {
            state::ServiceKind::Tcp => ServiceKind::Tcp,
            state::ServiceKind::Http => ServiceKind::Http,
        };
        let limits = Limits {
            connect: service.limits.connect,
            header: service.limits.header,
            idle: service.limits.idle,
            total: service.limits.total,
        };
        let planned = ServicePlan {
            method: match farm.method {
                state::Method::RoundRobin => Method::RoundRobin,
                state::Method::LeastConnections => Method::LeastConnections,
            },
            shared_fate: farm.fate == Fate::Shared,
            servers: servers.collect(),
            ..ServicePlan::plain(listen, kind, limits)
        };
        (key, planned)
    })
}

fn server_plan(
    state: &State,
    name: &FarmName,
    farm: &Farm,
    (server_name, server): (&ServerName, &Server),
    service: &ServiceName,
) -> Option<ServerPlan> {
    Some(ServerPlan {
        address: farm.target(server_name, service)?,
        weight: server.weight.get(),
        admission: match server.admin {
            AdminState::Ready => Admission::Ready,
            AdminState::Drain => Admission::Drain,
            AdminState::Maintenance => Admission::Maintenance,
        },
        footing: Footing::Checked {
            healthy: state.service_health(name, server_name, service) == state::Health::Up,
        },
        tier: match server.role {
            ServerRole::Favorite => Tier::First,
        },
        max_connections: None,
        data_ports: None,
    })
}

fn probes<'a>(
    state: &'a State,
    name: &'a FarmName,
    farm: &'a Farm,
) -> impl Iterator<Item = (ProbeKey, ProbePlan)> + 'a {
    let servers = farm.servers.iter();
    let probed = servers.filter(|(_, server)| server.admin != AdminState::Maintenance);
    probed.flat_map(move |(server, _)| {
        farm.checks().filter_map(move |(service, check)| {
            let key = CheckKey {
                farm: name.clone(),
                server: server.clone(),
                service: service.clone(),
            };
            Some((probe_key(&key), probe_plan(state, farm, &key, check)?))
        })
    })
}

/// The wire's name for a check.
pub fn probe_key(key: &CheckKey) -> ProbeKey {
    ProbeKey::Server {
        farm: key.farm.shared(),
        server: key.server.shared(),
        service: key.service.shared(),
    }
}

fn probe_plan(state: &State, farm: &Farm, key: &CheckKey, check: &Check) -> Option<ProbePlan> {
    let target = farm.target(&key.server, &key.service)?;
    let kind = match &check.kind {
        CheckKind::Tcp => ProbeKind::Tcp,
        CheckKind::Http(http) => ProbeKind::Http {
            path: Arc::from(http.path.as_str()),
            host: match &http.host {
                Some(host) => Arc::from(host.as_str()),
                None => Arc::from(host_of(target.ip(), target.port())),
            },
            status: http.status,
            text: http.text.as_deref().map(Arc::from),
        },
    };
    Some(ProbePlan {
        target,
        kind,
        interval: check.interval,
        timeout: check.timeout,
        fall: check.fall.get(),
        rise: check.rise.get(),
        remembered: match state.check_health(key) {
            state::Health::Unknown => Health::Unknown,
            state::Health::Up => Health::Up,
            state::Health::Down => Health::Down,
        },
        asked: 0,
    })
}

/// A server's address as a Host field; the port of http itself is left out (RFC 9110, 4.2.3).
fn host_of(address: IpAddr, port: u16) -> String {
    let host = match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    };
    if port == 80 {
        host
    } else {
        format!("{host}:{port}")
    }
}

#[cfg(test)]
mod tests;
