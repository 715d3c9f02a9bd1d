//! Reads farms and their servers.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use farmux_raft::id::{FarmName, ServerName, ServiceName, VipName};
use farmux_raft::state::{AdminState, Config, Farm, LastResortPage, Persistence, Server};

use super::super::document::{FarmTable, LastResortTable, PersistenceTable, ServerTable};
use super::super::reader::Reader;
use super::ladder::named;
use super::optional;
use super::service::service;

/// Reads a farm; what its servers are ordered to be is taken over from `current`.
pub(super) fn farm(
    reader: &mut Reader<'_>,
    table: &FarmTable,
    current: &Config,
) -> Option<(FarmName, Farm)> {
    let at = format!("farm[{}]", table.name.get_ref());
    let here = |field: &str| format!("{at}.{field}");
    let name: Option<FarmName> = reader.name(&at, &table.name);
    let vip = reader.name(&here("vip"), &table.vip);
    let more_vips = table.more_vips.iter();
    let more_vips = more_vips.map(|word| reader.name(&here("more_vips"), word));
    let more_vips: Vec<Option<VipName>> = more_vips.collect();
    let method = reader.word(&here("method"), table.method.as_ref());
    let fate = reader.word(&here("fate"), table.fate.as_ref());
    let persistence = match &table.persistence {
        None => Some(None),
        Some(table) => persistence(reader, &here("persistence"), table).map(Some),
    };
    let slow_start = table.slow_start.as_ref();
    let slow_start = reader.duration(&here("slow_start"), slow_start, Duration::ZERO);
    let last_resort = match &table.last_resort {
        None => Some(None),
        Some(table) => last_resort(reader, &here("last_resort"), table).map(Some),
    };
    let degraded_below = table.degraded_below.as_ref();
    let degraded_below = reader.amount(&here("degraded_below"), degraded_below, 0);
    let down_below = table.down_below.as_ref();
    let down_below = reader.count(&here("down_below"), down_below, NonZeroU32::MIN);
    let depends_on = reader.list(&here("depends_on"), &table.depends_on);
    let on_parent_down = reader.word(&here("on_parent_down"), table.on_parent_down.as_ref());
    let before = name.as_ref().and_then(|name| current.farms.get(name));
    let ladder = named(reader, &at, table.ladder.as_ref());
    let mut services = BTreeMap::new();
    for table in &table.service {
        let here = format!("{at}.service[{}]", table.name.get_ref());
        if let Some(entry) = service(reader, &here, table, before) {
            reader.insert(&mut services, &here, &table.name, entry);
        }
    }
    let mut servers = BTreeMap::new();
    for table in &table.server {
        let here = format!("{at}.server[{}]", table.name.get_ref());
        if let Some(entry) = server(reader, &here, table, before) {
            reader.insert(&mut servers, &here, &table.name, entry);
        }
    }
    let farm = Farm {
        vip: vip?,
        method: method?,
        fate: fate?,
        persistence: persistence?,
        slow_start: slow_start?,
        last_resort: last_resort?,
        degraded_below: degraded_below?,
        down_below: down_below?,
        depends_on: depends_on?,
        on_parent_down: on_parent_down?,
        ladder: ladder?,
        services,
        servers,
        more_vips: more_vips.into_iter().collect::<Option<_>>()?,
    };
    Some((name?, farm))
}

fn persistence(reader: &mut Reader<'_>, at: &str, table: &PersistenceTable) -> Option<Persistence> {
    let (v4, v6) = (table.prefix_v4.as_ref(), table.prefix_v6.as_ref());
    let prefix_v4 = reader.bits(&format!("{at}.prefix_v4"), v4, PREFIX_V4_DEFAULT);
    let prefix_v6 = reader.bits(&format!("{at}.prefix_v6"), v6, PREFIX_V6_DEFAULT);
    let timeout = table.timeout.as_ref();
    let timeout = reader.duration(&format!("{at}.timeout"), timeout, PERSISTENCE_DEFAULT);
    Some(Persistence {
        prefix_v4: prefix_v4?,
        prefix_v6: prefix_v6?,
        timeout: timeout?,
    })
}

fn last_resort(
    reader: &mut Reader<'_>,
    at: &str,
    table: &LastResortTable,
) -> Option<LastResortPage> {
    reader.mark(&format!("{at}.body"), &table.body.span());
    let status = match &table.status {
        None => LAST_RESORT_STATUS_DEFAULT,
        Some(number) => reader.status(&format!("{at}.status"), number)?,
    };
    Some(LastResortPage {
        status,
        body: table.body.get_ref().clone(),
    })
}

fn server(
    reader: &mut Reader<'_>,
    at: &str,
    table: &ServerTable,
    before: Option<&Farm>,
) -> Option<(ServerName, Server)> {
    let here = |field: &str| format!("{at}.{field}");
    let name: Option<ServerName> = reader.name(at, &table.name);
    let address = reader.address(&here("address"), &table.address);
    let weight = reader.count(&here("weight"), table.weight.as_ref(), NonZeroU32::MIN);
    let role = reader.word(&here("role"), table.role.as_ref());
    let most = reader.most(&here("max_connections"), table.max_connections.as_ref());
    let data_ports = optional(table.data_ports.as_ref(), |word| {
        reader.name(&here("data_ports"), word)
    });
    let depends_on = reader.list(&here("depends_on"), &table.depends_on);
    let mut ports = BTreeMap::new();
    for (service, number) in &table.ports {
        let here = here("ports");
        let port = reader.port(&format!("{here}.{service}"), number);
        match service.parse::<ServiceName>() {
            Ok(service) => {
                ports.extend(port.map(|port| (service, port)));
            }
            Err(error) => reader.wrong(&here, &number.span(), format!("{service:?}: {error}")),
        }
    }
    let name = name?;
    let ordered = before.and_then(|farm| farm.servers.get(&name));
    let admin = ordered.map_or_else(AdminState::default, |server| server.admin);
    let server = Server {
        address: address?,
        ports,
        weight: weight?,
        role: role?,
        admin,
        max_connections: most?,
        data_ports: data_ports?,
        depends_on: depends_on?,
    };
    Some((name, server))
}

/// One address is one client.
const PREFIX_V4_DEFAULT: u8 = 32;

/// A machine changes its address within its network (RFC 8981), which is a /64.
const PREFIX_V6_DEFAULT: u8 = 64;

/// The customary life of a web session.
const PERSISTENCE_DEFAULT: Duration = Duration::from_secs(30 * 60);

/// Service Unavailable. **Source**: RFC 9110, 15.6.4.
const LAST_RESORT_STATUS_DEFAULT: u16 = 503;
