//! PURE. Whom a drill hits: as typed, or the first that fits; and what is done there.

use std::fmt;

use farmux_raft::id::{ContactName, FarmName, NodeId, NodeName, ServerName, VipName, WatchName};
use farmux_raft::state::{Health, NodeRole, Parent, Vip};

use super::super::DrillKind;
use super::super::refusal::Refusal;
use super::Injection;
use super::loss::{self, dependants_of};
use crate::api::status::View;
use crate::cli::place::ServerPlace;

/// Whom a drill hits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A VIP, and with it its owner.
    Vip(VipName),
    /// A node.
    Node(NodeName),
    /// A server.
    Server(FarmName, ServerName),
    /// A watch on which others depend.
    Watch(WatchName),
    /// Contacts; empty: all.
    Contacts(Vec<ContactName>),
}

/// A target with what is done to it.
#[derive(Debug, Clone)]
pub(super) struct Hit {
    pub(super) target: Target,
    pub(super) injection: Injection,
    /// The node on which it is done; `None`: on all, as an overlay.
    pub(super) node: Option<NodeId>,
}

pub(super) fn choose(
    kind: DrillKind,
    view: &View<'_>,
    typed: Option<&str>,
) -> Result<Hit, Refusal> {
    match kind {
        DrillKind::VipMove => owned(view, typed, |owned| {
            let vip = owned.name.clone();
            Ok(Injection::MoveVip { vip })
        }),
        DrillKind::OwnerCrash => owned(view, typed, |owned| {
            Ok(Injection::Crash { node: owned.owner })
        }),
        DrillKind::OwnerPause => owned(view, typed, |owned| {
            Ok(Injection::Pause { node: owned.owner })
        }),
        DrillKind::GatewayLoss => owned(view, typed, |owned| match owned.vip.gateway {
            None => refuse(format!("{} has no gateway", owned.name)),
            Some(gateway) => Ok(Injection::LoseGateway {
                node: owned.owner,
                gateway,
            }),
        }),
        DrillKind::QuorumLoss => owned(view, typed, |owned| {
            match owned.vip.on_quorum_loss.holds() {
                true => Ok(Injection::CutMajority {
                    nodes: loss::cut_from_all(view, owned.id),
                }),
                false => refuse(format!(
                    "{} has on_quorum_loss = \"release\": it goes by order, which is no failure",
                    owned.name
                )),
            }
        }),
        DrillKind::NodeIsolate => {
            let owns = |view: &View<'_>, id| owns_any(view, id);
            let (id, node) = node(view, typed, owns)?;
            Ok(on(id, &node, Injection::Isolate { node: node.clone() }))
        }
        DrillKind::DiskFull => {
            // It shall hit as little as it can.
            let idle = |view: &View<'_>, id| !owns_any(view, id) && view.log.leader != Some(id);
            let (id, node) = node(view, typed, idle)?;
            Ok(on(id, &node, Injection::FillDisk { node: node.clone() }))
        }
        DrillKind::Restore => {
            // A witness that is asked, or leads, has it done by the first balancer that answers.
            let own = node(view, typed, |view, id| id == view.me);
            let (id, node) = own.or_else(|_| node(view, typed, |view, id| view.answers(id)))?;
            Ok(on(id, &node, Injection::Restore { node: node.clone() }))
        }
        DrillKind::ServerDown => server(view, typed, |farm, server| Injection::ServerDown {
            farm,
            server,
        }),
        DrillKind::ServerSlow => server(view, typed, |farm, server| Injection::ServerSlow {
            farm,
            server,
        }),
        DrillKind::FileServerDown => watch(view, typed),
        DrillKind::PageTest => contacts(view, typed),
    }
}

fn refuse<T>(why: impl fmt::Display) -> Result<T, Refusal> {
    Err(Refusal::Target(why.to_string()))
}

fn on(id: NodeId, node: &NodeName, injection: Injection) -> Hit {
    Hit {
        target: Target::Node(node.clone()),
        injection,
        node: Some(id),
    }
}

struct Owned<'a> {
    name: &'a VipName,
    vip: &'a Vip,
    id: NodeId,
    owner: NodeName,
}

/// A VIP, and what is done to its owner.
fn owned(
    view: &View<'_>,
    typed: Option<&str>,
    injection: impl FnOnce(Owned<'_>) -> Result<Injection, Refusal>,
) -> Result<Hit, Refusal> {
    let mut vips = view.state.config.vips.iter();
    let found = match typed {
        Some(typed) => vips.find(|(name, _)| name.as_str() == typed),
        None => vips.find(|(name, _)| view.owner(name).is_some()),
    };
    let Some((name, vip)) = found else {
        return match typed {
            Some(typed) => refuse(format!("there is no VIP {typed}")),
            None => refuse("no VIP has an owner"),
        };
    };
    let Some(id) = view.owner(name) else {
        return refuse(format!("{name} has no owner"));
    };
    let Some(owner) = view.node_name(id) else {
        return refuse(format!("{id} is no node of this cluster"));
    };
    Ok(Hit {
        target: Target::Vip(name.clone()),
        injection: injection(Owned {
            name,
            vip,
            id,
            owner,
        })?,
        node: Some(id),
    })
}

pub(super) fn owns_any(view: &View<'_>, id: NodeId) -> bool {
    let mut vips = view.state.config.vips.keys();
    vips.any(|vip| view.owner(vip) == Some(id))
}

/// A node: the one that was typed, or the first balancer that fits.
fn node(
    view: &View<'_>,
    typed: Option<&str>,
    fits: impl Fn(&View<'_>, NodeId) -> bool,
) -> Result<(NodeId, NodeName), Refusal> {
    let mut nodes = view.state.nodes.iter();
    let found = match typed {
        Some(typed) => nodes.find(|(_, node)| node.name.as_str() == typed),
        None => nodes.find(|(id, node)| node.role == NodeRole::Balancer && fits(view, **id)),
    };
    match (found, typed) {
        (Some((id, node)), _) => Ok((*id, node.name.clone())),
        (None, Some(typed)) => refuse(format!("there is no node {typed}")),
        (None, None) => refuse("no node fits; name one with --target"),
    }
}

fn server(
    view: &View<'_>,
    typed: Option<&str>,
    injection: impl FnOnce(FarmName, ServerName) -> Injection,
) -> Result<Hit, Refusal> {
    let farms = &view.state.config.farms;
    let up =
        |farm: &FarmName, server: &ServerName| view.state.server_health(farm, server) == Health::Up;
    let (farm, server) = match typed {
        Some(typed) => {
            let place: Result<ServerPlace, _> = typed.parse();
            let ServerPlace { farm, server } = place.or_else(refuse)?;
            (farm, server)
        }
        None => {
            let all = farms.iter().flat_map(|(farm, known)| {
                let servers = known.servers.keys();
                servers.map(move |server| (farm.clone(), server.clone()))
            });
            let mut all = all.filter(|(farm, server)| up(farm, server));
            all.next()
                .ok_or_else(|| Refusal::Target("no server is up".to_owned()))?
        }
    };
    let known = farms
        .get(&farm)
        .and_then(|known| known.servers.get(&server));
    if known.is_none() {
        return refuse(format!("there is no server {farm}/{server}"));
    }
    if !up(&farm, &server) {
        return refuse(format!("{farm}/{server} is not up"));
    }
    Ok(Hit {
        target: Target::Server(farm.clone(), server.clone()),
        injection: injection(farm, server),
        node: None,
    })
}

fn watch(view: &View<'_>, typed: Option<&str>) -> Result<Hit, Refusal> {
    let has_some = |name: &WatchName| {
        let parent = Parent::Watch(name.clone());
        !dependants_of(view, &parent).is_empty()
    };
    let mut watches = view.state.config.watches.keys();
    let found = match typed {
        Some(typed) => watches.find(|name| name.as_str() == typed),
        None => watches.find(|name| has_some(name)),
    };
    let Some(watch) = found.cloned() else {
        return match typed {
            Some(typed) => refuse(format!("there is no watch {typed}")),
            None => refuse("nothing depends on a watch"),
        };
    };
    if view.state.member_health(&Parent::Watch(watch.clone())) != Health::Up {
        return refuse(format!("{watch} is not up"));
    }
    Ok(Hit {
        target: Target::Watch(watch.clone()),
        injection: Injection::ParentDown { watch },
        node: None,
    })
}

fn contacts(view: &View<'_>, typed: Option<&str>) -> Result<Hit, Refusal> {
    let mut names = view.state.config.contacts.keys();
    let contacts = match typed {
        None if names.next().is_none() => return refuse("there is no contact"),
        None => vec![],
        Some(typed) => match names.find(|name| name.as_str() == typed) {
            None => return refuse(format!("there is no contact {typed}")),
            Some(name) => vec![name.clone()],
        },
    };
    Ok(Hit {
        target: Target::Contacts(contacts.clone()),
        injection: Injection::Page { contacts },
        node: None,
    })
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Vip(vip) => write!(f, "{vip}"),
            Target::Node(node) => write!(f, "{node}"),
            Target::Server(farm, server) => write!(f, "{farm}/{server}"),
            Target::Watch(watch) => write!(f, "{watch}"),
            Target::Contacts(contacts) if contacts.is_empty() => f.write_str("all contacts"),
            Target::Contacts(contacts) => {
                let names: Vec<&str> = contacts.iter().map(ContactName::as_str).collect();
                f.write_str(&names.join(", "))
            }
        }
    }
}
