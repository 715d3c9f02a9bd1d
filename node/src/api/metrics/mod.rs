//! PURE. Metrics: from what a node knows to Prometheus' text, made anew for each scrape.
//!
//! ```text
//!   View, WireView --expose--> text (OpenMetrics)
//! ```
//!
//! Nothing is counted here: the parts count, and this file names. Names and labels are documented
//! beside each, and never change their meaning.

mod drills;
mod fences;
mod vips;
mod wire;

#[cfg(test)]
mod tests;

pub use wire::WireView;

use std::collections::BTreeMap;
use std::fmt::Write;

use farmux_raft::id::NodeId;
use farmux_raft::state::{
    CheckKey, Counts, DeliveryOutcome, FarmStanding, Health, HealthRecord, HoldKind, ServerRole,
};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::status::{VERSION, View};

/// Label names and values of one sample.
pub(super) type Labels = Vec<(&'static str, String)>;

/// One scrape of a node; `None` for what it has not: without a cluster there is no view.
pub fn expose(view: Option<&View<'_>>, wire: Option<&WireView>) -> String {
    let mut registry = Registry::with_prefix("farmux");
    let version = vec![("version", VERSION.to_owned())];
    gauges(
        &mut registry,
        "build_info",
        "1, with the version as label",
        [(version, 1)],
    );
    let member = vec![(Labels::new(), i64::from(view.is_some()))];
    gauges(
        &mut registry,
        "member",
        "1 while this node is in a cluster",
        member,
    );
    if let Some(view) = view {
        agreement(&mut registry, view);
        leases(&mut registry, view);
        farms(&mut registry, view);
        standing(&mut registry, view);
        checks(&mut registry, view);
        pages(&mut registry, view);
        drills::expose(&mut registry, view);
    }
    if let Some(wire) = wire {
        wire::expose(&mut registry, wire);
    }
    let mut text = String::new();
    // Writing to a String fails only when the registry contradicts itself.
    if encode(&mut text, &registry).is_err() {
        let _ = writeln!(text, "# the metrics could not be written");
    }
    text
}

fn agreement(registry: &mut Registry, view: &View<'_>) {
    let log = &view.log;
    let one = |value: u64| [(Labels::new(), number(value))];
    gauges(registry, "raft_term", "Term of the log", one(log.term));
    gauges(
        registry,
        "raft_applied_index",
        "Log index applied to the state",
        one(log.applied),
    );
    let leads = u64::from(log.leader == Some(view.me));
    gauges(registry, "raft_leads", "1 on the leader", one(leads));
    let known = u64::from(log.leader.is_some());
    gauges(
        registry,
        "raft_leader_known",
        "1 while this node knows of a leader",
        one(known),
    );
    let lag = log
        .lag
        .iter()
        .map(|(node, lag)| (vec![("node", name(view, *node))], number(*lag)));
    gauges(
        registry,
        "raft_lag_entries",
        "Entries a member lacks, on the leader",
        lag,
    );
    let voters = view.voters().len();
    gauges(
        registry,
        "raft_voters",
        "Nodes that vote",
        one(voters as u64),
    );
    gauges(
        registry,
        "config_revision",
        "Newest revision",
        one(view.state.revision.0),
    );
}

fn leases(registry: &mut Registry, view: &View<'_>) {
    let held = view.reports.get(&view.me).map(|report| &report.held);
    let holds = view.state.config.vips.keys().map(|vip| {
        let here = held.is_some_and(|held| held.contains(vip));
        (vec![("vip", vip.to_string())], i64::from(here))
    });
    gauges(
        registry,
        "vip_held",
        "1 on the node that owns the VIP",
        holds,
    );
    let owned = view.state.config.vips.keys().map(|vip| {
        let owner = view.owner(vip);
        (vec![("vip", vip.to_string())], i64::from(owner.is_some()))
    });
    let paused = [(Labels::new(), i64::from(view.state.pause.is_some()))];
    let help = "1 while no VIP moves from a node that lives, by order";
    gauges(registry, "paused", help, paused);
    gauges(
        registry,
        "vip_owner_known",
        "1 while this node knows who owns the VIP",
        owned,
    );
}

fn farms(registry: &mut Registry, view: &View<'_>) {
    let mut servers = Vec::new();
    for farm in view.state.config.farms.keys() {
        let FarmStanding {
            up,
            down,
            unreachable,
            unknown,
            quiesced,
            draining,
            maintenance,
        } = view.state.farm_standing(farm);
        let conditions = [
            ("up", up),
            ("down", down),
            ("unreachable", unreachable),
            ("unknown", unknown),
            ("quiesced", quiesced),
            ("draining", draining),
            ("maintenance", maintenance),
        ];
        for (condition, count) in conditions {
            let labels = vec![
                ("farm", farm.to_string()),
                ("condition", condition.to_owned()),
            ];
            servers.push((labels, number(count as u64)));
        }
    }
    gauges(
        registry,
        "farm_servers",
        "Servers of a farm in a condition",
        servers,
    );
}

/// Whether farms do their work, in which role servers are, and who is held.
fn standing(registry: &mut Registry, view: &View<'_>) {
    let (mut conditions, mut roles) = (Vec::new(), Vec::new());
    for (name, farm) in &view.state.config.farms {
        let now = view.state.farm_condition(name).word();
        for condition in ["serving", "degraded", "down", "undecided"] {
            let labels = vec![
                ("farm", name.to_string()),
                ("condition", condition.to_owned()),
            ];
            conditions.push((labels, i64::from(condition == now)));
        }
        for server in farm.servers.keys() {
            let role = view.state.role_now(name, server);
            let labels = |role: ServerRole| {
                vec![
                    ("farm", name.to_string()),
                    ("server", server.to_string()),
                    ("role", role.to_string()),
                ]
            };
            roles.extend(role.map(|role| (labels(role), 1)));
        }
    }
    let help = "1 for the condition in which the farm is";
    gauges(registry, "farm_condition", help, conditions);
    let help = "1 for the role in which the server is now";
    gauges(registry, "server_role_now", help, roles);
    let mut held = BTreeMap::from(
        [
            "asking",
            "shadowed",
            "recovering",
            "doubted",
            "blind",
            "sighted",
        ]
        .map(|kind| (kind, 0)),
    );
    for (_, hold) in view.state.holds.iter() {
        let kind = match hold.kind {
            HoldKind::Asking { .. } => "asking",
            HoldKind::Shadowed(_) => "shadowed",
            HoldKind::Recovering(_) => "recovering",
            HoldKind::Doubted(_) => "doubted",
            HoldKind::Blind { .. } => "blind",
            HoldKind::Sighted { .. } => "sighted",
        };
        *held.entry(kind).or_insert(0) += 1;
    }
    let held = held
        .into_iter()
        .map(|(kind, count)| (vec![("kind", kind.to_owned())], count));
    let help = "Servers and watches that are down and have no page of their own, or none yet";
    gauges(registry, "holds", help, held);
}

fn checks(registry: &mut Registry, view: &View<'_>) {
    let up = |record: &HealthRecord| i64::from(record.health == Health::Up);
    let (mut servers, mut watches) = (Vec::new(), Vec::new());
    for (key, record) in view.state.health.iter() {
        match key {
            CheckKey::Server {
                farm,
                server,
                service,
            } => {
                let labels = vec![
                    ("farm", farm.to_string()),
                    ("server", server.to_string()),
                    ("service", service.to_string()),
                ];
                servers.push((labels, up(record)));
            }
            CheckKey::Watch(watch) => {
                watches.push((vec![("watch", watch.to_string())], up(record)));
            }
        }
    }
    gauges(registry, "check_up", "1 while the check says up", servers);
    gauges(registry, "watch_up", "1 while the watch says up", watches);
}

fn pages(registry: &mut Registry, view: &View<'_>) {
    let Counts {
        incidents,
        pages,
        deliveries_due,
        ..
    } = view.state.counts();
    let one = |value: usize| [(Labels::new(), number(value as u64))];
    gauges(
        registry,
        "incidents_open",
        "Incidents that are open",
        one(incidents),
    );
    gauges(
        registry,
        "pages_remembered",
        "Pages in the state",
        one(pages),
    );
    gauges(
        registry,
        "deliveries_due",
        "Deliveries that are due",
        one(deliveries_due),
    );
    let failing = usize::from(view.state.heartbeat_failing.is_some());
    let help = "1 while the heartbeat does not get through";
    gauges(registry, "heartbeat_failing", help, one(failing));
    let mut canaries = Vec::new();
    for (contact, canary) in view.state.canaries.iter() {
        for one in &canary.tries {
            let labels = vec![
                ("contact", contact.to_string()),
                ("channel", one.channel.to_string()),
            ];
            let taken = one.outcome == DeliveryOutcome::Delivered;
            canaries.push((labels, i64::from(taken)));
        }
    }
    let help = "1 where the last canary got through";
    gauges(registry, "canary_taken", help, canaries);
}

fn name(view: &View<'_>, node: NodeId) -> String {
    view.state.node_name(node)
}

/// A gauge is signed; nothing here comes near the end of it.
pub(super) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// One metric with all its samples.
pub(super) fn gauges(
    registry: &mut Registry,
    name: &str,
    help: &str,
    samples: impl IntoIterator<Item = (Labels, i64)>,
) {
    let samples: Vec<(Labels, i64)> = samples.into_iter().collect();
    // A family of one without labels would be written as `name{}`.
    if let [(labels, value)] = samples.as_slice()
        && labels.is_empty()
    {
        let gauge = Gauge::<i64>::default();
        gauge.set(*value);
        return registry.register(name, help, gauge);
    }
    let family = Family::<Labels, Gauge>::default();
    for (labels, value) in samples {
        family.get_or_create(&labels).set(value);
    }
    registry.register(name, help, family);
}
