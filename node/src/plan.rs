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
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use farmux_netplane::plan::{
    Admission, Advice, DnsRecord, Footing, FtpPlan, FtpTls, Health, Hidden, LastResortPage, Limits,
    Method, NfsTransport, Persistence, Plan, PortRange, ProbeKey, ProbeKind, ProbePlan, ProbeTls,
    Protocol, ProxyPlan, ProxyVersion, Queue, ServerPlan, ServiceKey, ServiceKind, ServicePlan,
    SuspicionPlan, Tier, VipPlan,
};
use farmux_raft::id::{Ballot, FarmName, NetworkName, NodeId, ServerName, ServiceName, VipName};
use farmux_raft::state::{
    self, AdminState, Authority, CheckKey, CheckKind, Farm, Fate, HttpCheck, NodeRole, Server,
    ServerRole, Service, State, Sway,
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
    let questions = state.questions();
    for member in config.members() {
        for key in config.checks_of(&member) {
            if authority(stand, state, &key).is_some() {
                let asked = questions.get(&key).copied().unwrap_or(0);
                let planned = probe_plan(state, &key, asked);
                plan.probes
                    .extend(planned.map(|planned| (probe_key(&key), planned)));
            }
        }
    }
    for (key, asked) in state.asked_of(stand.me) {
        let planned = probe_plan(state, key, asked);
        plan.opinions
            .extend(planned.map(|planned| (probe_key(key), planned)));
    }
    plan.suspicion = suspicion_plan(state, stand.me);
    plan
}

/// When this machine suspects itself: only while there is somebody who could tell.
fn suspicion_plan(state: &State, me: NodeId) -> Option<SuspicionPlan> {
    let paging = &state.config.paging;
    let suspicion = state.suspicions.get(&me);
    let decided = suspicion.filter(|suspicion| suspicion.culprit().is_some());
    (paging.second_opinion && state.other_node(me).is_some()).then(|| SuspicionPlan {
        percent: paging.suspect_percent.get(),
        least: paging.suspect_least.get(),
        wait: paging.suspect_wait,
        told: decided.map(|suspicion| suspicion.id),
    })
}

/// By what right this machine makes a check and reports it; `None`: it does neither.
///
/// The owner of the first of the farm's VIPs that is owned probes it; when nobody owns any, the
/// leader, witness or not. Watches are the leader's.
///
/// **Source**: `vip-protocol.md`, section 9.
pub fn authority(stand: &Standpoint<'_>, state: &State, check: &CheckKey) -> Option<Authority> {
    let leader = stand.leads.map(|term| Authority::Leader {
        term,
        node: stand.me,
    });
    let farm = match check {
        CheckKey::Watch(_) => return leader,
        CheckKey::Server { farm, .. } => state.config.farms.get(farm)?,
    };
    for (place, vip) in farm.vips().enumerate() {
        if let Some(ballot) = stand.held.get(vip) {
            return (stand.role == NodeRole::Balancer).then(|| owner(place, *ballot));
        }
        // What our own acceptor granted us and we no longer hold is nobody's.
        let seen = stand.seen.get(vip);
        if seen.is_some_and(|(owner, _)| *owner != stand.me) {
            return None;
        }
    }
    leader
}

/// The right of whoever owns the VIP at a place of its farm.
fn owner(place: usize, ballot: Ballot) -> Authority {
    match place
        .checked_sub(1)
        .and_then(|beside| beside.try_into().ok())
    {
        Some(place) => Authority::OwnerBeside { place, ballot },
        None => Authority::Owner(ballot),
    }
}

fn services<'a>(
    state: &'a State,
    name: &'a FarmName,
    farm: &'a Farm,
) -> impl Iterator<Item = (ServiceKey, ServicePlan)> + 'a {
    let vips = farm.vips().filter_map(|vip| state.config.vips.get(vip));
    let vips: Vec<IpAddr> = vips.map(|vip| vip.address).collect();
    let listens = !vips.is_empty();
    let services = farm.services.iter().filter(move |_| listens);
    services.map(move |(service_name, service)| {
        let key = ServiceKey {
            farm: name.shared(),
            service: service_name.shared(),
        };
        let servers = farm.servers.iter().filter_map(|(server_name, server)| {
            let planned = server_plan(state, name, farm, (server_name, server), service_name)?;
            Some((server_name.shared(), planned))
        });
        let planned = ServicePlan {
            servers: servers.collect(),
            ..service_plan(farm, service, &vips)
        };
        (key, planned)
    })
}

/// A service without its servers, on these VIPs, of which there is one at least.
fn service_plan(farm: &Farm, service: &Service, vips: &[IpAddr]) -> ServicePlan {
    let port = service.port.get();
    let mut listens = vips.iter().map(|vip| SocketAddr::new(*vip, port));
    let listen = listens.next().expect("asked for with one at least");
    let limits = Limits {
        connect: service.limits.connect,
        header: service.limits.header,
        idle: service.limits.idle,
        total: service.limits.total,
    };
    let kind = match service.kind {
        state::ServiceKind::Tcp => ServiceKind::Tcp,
        state::ServiceKind::Http => ServiceKind::Http,
        state::ServiceKind::Ftp(ftp) => ServiceKind::Ftp(FtpPlan {
            data_ports: port_range(ftp.data_ports),
            tls: match ftp.tls {
                state::FtpTls::Refuse => FtpTls::Refuse,
                state::FtpTls::Pass => FtpTls::Pass,
            },
        }),
    };
    ServicePlan {
        method: match farm.method {
            state::Method::RoundRobin => Method::RoundRobin,
            state::Method::LeastConnections => Method::LeastConnections,
            state::Method::SourceHash => Method::SourceHash,
            state::Method::RandomOfTwo => Method::RandomOfTwo,
        },
        shared_fate: farm.fate == Fate::Shared,
        persistence: farm.persistence.map(|persistence| Persistence {
            prefix_v4: persistence.prefix_v4,
            prefix_v6: persistence.prefix_v6,
            timeout: persistence.timeout,
        }),
        slow_start: farm.slow_start,
        max_connections: service.max_connections,
        queue: Queue {
            length: service.queue.length,
            timeout: service.queue.timeout,
        },
        proxy: ProxyPlan {
            send: service.send_proxy.map(proxy_version),
            accept_from: service.accept_proxy.iter().copied().collect(),
        },
        last_resort: farm.last_resort.as_ref().map(|page| LastResortPage {
            status: page.status,
            body: Arc::from(page.body.as_str()),
        }),
        listen_also: listens.collect(),
        ..ServicePlan::plain(listen, kind, limits)
    }
}

fn proxy_version(version: state::ProxyVersion) -> ProxyVersion {
    match version {
        state::ProxyVersion::V1 => ProxyVersion::V1,
        state::ProxyVersion::V2 => ProxyVersion::V2,
    }
}

fn port_range(range: state::PortRange) -> PortRange {
    PortRange {
        first: range.first,
        last: range.last,
    }
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
        footing: match state.sway(name, server_name) {
            Sway::Kept => Footing::Kept,
            Sway::Removed => Footing::Removed,
            Sway::None => Footing::Checked {
                healthy: state.service_health(name, server_name, service) == state::Health::Up,
            },
        },
        tier: match state.role_now(name, server_name)? {
            ServerRole::Favorite | ServerRole::Active => Tier::First,
            ServerRole::Standby => Tier::Standby,
            ServerRole::LastResort => Tier::LastResort,
        },
        max_connections: server.max_connections,
        data_ports: server.data_ports.map(port_range),
        advice: advice(state.service_advice(name, server_name, service)),
    })
}

fn advice(logged: state::Advice) -> Advice {
    match logged {
        state::Advice::None => Advice::None,
        state::Advice::Overload => Advice::Overload,
        state::Advice::Quiesce => Advice::Quiesce,
        state::Advice::Weight(weight) => Advice::Weight(weight),
    }
}

/// The wire's name for a check.
pub fn probe_key(key: &CheckKey) -> ProbeKey {
    match key {
        CheckKey::Server {
            farm,
            server,
            service,
        } => ProbeKey::Server {
            farm: farm.shared(),
            server: server.shared(),
            service: service.shared(),
        },
        CheckKey::Watch(watch) => ProbeKey::Watch(watch.shared()),
    }
}

fn probe_plan(state: &State, key: &CheckKey, asked: u64) -> Option<ProbePlan> {
    let target = state.config.target(key)?;
    let check = state.config.check(key)?;
    Some(ProbePlan {
        target,
        kind: probe_kind(&check.kind, target),
        proxy: sent_proxy(state, key).map(proxy_version),
        interval: check.interval,
        timeout: check.timeout,
        fall: check.fall.get(),
        rise: check.rise.get(),
        remembered: match state.check_health(key) {
            state::Health::Unknown => Health::Unknown,
            state::Health::Up => Health::Up,
            state::Health::Down => Health::Down,
        },
        advised: advice(state.check_advice(key)),
        asked,
    })
}

/// What the service of this check sends to its servers first; nothing comes before a watch.
fn sent_proxy(state: &State, key: &CheckKey) -> Option<state::ProxyVersion> {
    match key {
        CheckKey::Watch(_) => None,
        CheckKey::Server { farm, service, .. } => {
            let farm = state.config.farms.get(farm)?;
            farm.services.get(service)?.send_proxy
        }
    }
}

fn probe_kind(kind: &CheckKind, target: SocketAddr) -> ProbeKind {
    match kind {
        CheckKind::Tcp => ProbeKind::Tcp,
        CheckKind::Http(http) => http_probe(http, None, target),
        CheckKind::Https(https) => {
            let host = https.http.host.as_deref();
            let name =
                host.map_or_else(|| target.ip().to_string(), |host| name_of(host).to_owned());
            let tls = ProbeTls {
                name: Arc::from(name),
                verify: https.verify,
                days_left: https.days_left,
            };
            http_probe(&https.http, Some(tls), target)
        }
        CheckKind::Greeting(protocol) => ProbeKind::Greeting(match protocol {
            state::Protocol::Smtp => Protocol::Smtp,
            state::Protocol::Pop3 => Protocol::Pop3,
            state::Protocol::Imap => Protocol::Imap,
            state::Protocol::Ssh => Protocol::Ssh,
            state::Protocol::Redis => Protocol::Redis,
            state::Protocol::Postgres => Protocol::Postgres,
            state::Protocol::Mysql => Protocol::Mysql,
        }),
        CheckKind::Dns(dns) => ProbeKind::Dns {
            name: Arc::from(dns.name.as_str()),
            record: match dns.record {
                state::DnsRecord::A => DnsRecord::A,
                state::DnsRecord::Aaaa => DnsRecord::Aaaa,
                state::DnsRecord::Cname => DnsRecord::Cname,
                state::DnsRecord::Mx => DnsRecord::Mx,
                state::DnsRecord::Ns => DnsRecord::Ns,
                state::DnsRecord::Ptr => DnsRecord::Ptr,
                state::DnsRecord::Soa => DnsRecord::Soa,
                state::DnsRecord::Txt => DnsRecord::Txt,
            },
            value: dns.value.as_deref().map(Arc::from),
        },
        CheckKind::Icmp => ProbeKind::Icmp,
        CheckKind::Udp(udp) => {
            let (send, expect) = udp.bytes();
            ProbeKind::Udp {
                send: Arc::from(send),
                expect: Arc::from(expect),
            }
        }
        CheckKind::Ftp(ftp) => ProbeKind::Ftp {
            user: Arc::from(ftp.user.as_str()),
            password: Hidden(Arc::from(ftp.password.reveal())),
            fetch: ftp.fetch.as_deref().map(Arc::from),
        },
        CheckKind::Nfs(nfs) => ProbeKind::Nfs {
            transport: match nfs.transport {
                state::NfsTransport::Tcp => NfsTransport::Tcp,
                state::NfsTransport::Udp => NfsTransport::Udp,
            },
            version: nfs.version,
            portmapper: nfs.portmapper,
        },
        CheckKind::Exec(exec) => ProbeKind::Exec {
            command: Arc::from(exec.command.as_str()),
            arguments: exec
                .arguments
                .iter()
                .map(|word| Arc::from(word.as_str()))
                .collect(),
        },
    }
}

fn http_probe(http: &HttpCheck, tls: Option<ProbeTls>, target: SocketAddr) -> ProbeKind {
    let customary = if tls.is_some() { 443 } else { 80 };
    ProbeKind::Http {
        path: Arc::from(http.path.as_str()),
        host: match &http.host {
            Some(host) => Arc::from(host.as_str()),
            None => Arc::from(host_of(target.ip(), target.port(), customary)),
        },
        status: http.status,
        text: http.text.as_deref().map(Arc::from),
        obey: http.obey,
        tls,
    }
}

/// A Host field without its port: what a certificate must bear.
fn name_of(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split_once(']').map_or(rest, |(address, _)| address);
    }
    host.split_once(':').map_or(host, |(name, _)| name)
}

/// A server's address as a Host field; the port that is customary for the scheme is left out
/// (RFC 9110, 4.2.3).
fn host_of(address: IpAddr, port: u16, customary: u16) -> String {
    let host = match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    };
    if port == customary {
        host
    } else {
        format!("{host}:{port}")
    }
}

#[cfg(test)]
mod tests;
