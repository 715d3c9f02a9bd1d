//! Builds a member: opens, binds and starts everything, in the order in which things need each
//! other.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use farmux_netplane::fence::FenceSettings;
use farmux_netplane::health::HealthOverlay;
use farmux_netplane::probe::Probing;
use farmux_netplane::reference::References;
use farmux_netplane::serve::Serving;
use farmux_netplane::vip::{Leases, Vips};
use farmux_raft::consensus::{Consensus, ConsensusConfig};
use farmux_raft::id::NodeId;
use farmux_raft::lease::{self, LeaseHandle, Legs, Timing};
use farmux_raft::peer::{Addresses, Identity, JoinStage, PeerClient, PeerServer};
use farmux_raft::state::NodeRole;
use farmux_store::Store;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::admission::be_admitted;
use super::handler::{PeerHandler, Reporter};
use super::member::{Member, VipPlans, Wire};
use super::plugins::{PluginsUnusable, probe_settings};
use super::wall_clock;
use super::{ebb, follow, legs, report, voice, watchdog};
use crate::identity::{Home, HomeError, keep_renewed};
use crate::moving::{self, Desk};
use crate::rehearsal::{self, Room};
use crate::settings::Settings;

/// Why a member does not start; the daemon stops, and an operator reads it.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The store does not open.
    #[error(transparent)]
    Store(#[from] farmux_store::OpenError),
    /// An address of `node.toml` cannot be used.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The data folder is damaged.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// `exec` checks cannot be made as `node.toml` says.
    #[error(transparent)]
    Plugins(#[from] PluginsUnusable),
    /// A part does not start.
    #[error("{0}")]
    Part(String),
}

/// What a member is made of, before its tasks run.
struct Parts {
    member: Member,
    vip_plans: watch::Sender<VipPlans>,
    addresses: watch::Receiver<Addresses>,
    addresses_out: watch::Sender<Addresses>,
    stage_out: watch::Sender<Option<JoinStage>>,
}

/// Starts this machine as a member.
///
/// **Errors**: [`BuildError`]; nothing goes on running.
pub(super) async fn build(
    settings: &Settings,
    identity: Identity,
    seeds: Addresses,
    report: Reporter,
) -> Result<Arc<Member>, BuildError> {
    let home = Home::open(&settings.data)?;
    let parts = assemble(settings, identity, seeds, report).await?;
    Ok(start_tasks(settings, home, parts))
}

async fn assemble(
    settings: &Settings,
    identity: Identity,
    seeds: Addresses,
    report: Reporter,
) -> Result<Parts, BuildError> {
    let me = identity.node();
    let role = identity.role();
    let config = ConsensusConfig {
        me,
        cluster: identity.cluster(),
        epoch: identity.epoch(),
    };
    // What an operator may have to mend comes first: nothing has been opened yet when it fails.
    let probes = probe_settings(settings)?;
    let listeners = listen(&settings.peer).await?;
    let sockets = bind(&settings.peer)?;
    let store = open_store(&settings.data, me).await?;
    let (identity, identities) = watch::channel(Arc::new(identity));
    let (addresses_out, addresses) = watch::channel(seeds.clone());
    let seeds = watch::Sender::new(seeds);
    let refusals = Arc::default();
    let peers = PeerClient::new(identities.clone(), addresses.clone(), Arc::clone(&refusals))
        .map_err(part)?;
    let state = store.state.clone();
    let transport = Arc::new(peers.clone());
    let consensus = Consensus::start(config, store.log, store.machine, state, transport)
        .await
        .map_err(part)?;
    consensus.mind_room(store.room);
    let handler = Arc::new(PeerHandler::new(consensus.clone(), report));
    let server =
        PeerServer::spawn(listeners, identities, handler, Arc::clone(&refusals)).map_err(part)?;
    let leases = fenced(settings);
    let (vip_plans, plans) = watch::channel(BTreeMap::new());
    let wire = match role {
        NodeRole::Balancer => Some(start_wire(settings, vip_plans.clone(), plans, &leases)?),
        NodeRole::Witness => None,
    };
    let overlay = wire.as_ref().map_or_else(
        || Arc::new(HealthOverlay::new()),
        |wire| wire.serving.overlay(),
    );
    let rehearsal = Room::open(settings, Arc::clone(&overlay), store.pretend_full).await;
    let own = probes.own.clone();
    let (probing, verdicts) = Probing::start(overlay, probes).map_err(part)?;
    let lease = start_lease(sockets, leases, wire.as_ref())?;
    let voice = voice::start(
        &settings.name,
        role,
        &consensus,
        &lease,
        &probing,
        verdicts,
        own,
    );
    let (stage_out, stage) = watch::channel(None);
    let member = Member {
        identity,
        consensus,
        lease,
        peers,
        refusals,
        wire,
        probing,
        voice,
        legs: watch::Sender::new(Legs::ALL),
        seeds,
        stage,
        desk: Desk::default(),
        rehearsal,
        drills: Arc::new(rehearsal::Desk::new(rehearsal::Tracks::of(&settings.data))),
        data: settings.data.clone(),
        tasks: Mutex::new(JoinSet::new()),
        _server: server,
    };
    Ok(Parts {
        member,
        vip_plans,
        addresses,
        addresses_out,
        stage_out,
    })
}

fn start_tasks(settings: &Settings, home: Home, parts: Parts) -> Arc<Member> {
    let member = Arc::new(parts.member);
    let consensus = || member.consensus.clone();
    let state = member.consensus.state();
    let seeds = member.seeds.subscribe();
    member.spawn(follow::follow_addresses(state, seeds, parts.addresses_out));
    member.spawn(follow::follow_roster(Arc::clone(&member)));
    let interfaces = settings.networks.clone();
    if let Some(wire) = &member.wire {
        let (references, interfaces) = (wire.references.clone(), interfaces.clone());
        member.spawn(follow::follow_references(
            member.consensus.state(),
            references,
            interfaces,
        ));
    }
    member.spawn(follow::follow_plan(
        Arc::clone(&member),
        interfaces,
        parts.vip_plans,
    ));
    member.spawn(report::report_nodes(consensus()));
    member.spawn(report::finish_joins(consensus()));
    member.spawn(report::end_holds(consensus()));
    member.spawn(report::pass_time(consensus()));
    member.spawn(report::step_aside(consensus()));
    member.spawn(report::raise_format(consensus(), member.peers.clone()));
    member.spawn(moving::rest(Arc::clone(&member)));
    let ledger = Arc::new(rehearsal::Ledger::of(&member, settings.name.clone()));
    let drills = Arc::clone(&member.drills);
    member.spawn(rehearsal::conduct(ledger.clone(), ledger, drills));
    let by_own_word = member.voice.of_health.by_own_word.clone();
    let removed = || member.peers.removed();
    let reporter = report::RoomReporter {
        consensus: consensus(),
        data: settings.data.clone(),
        removed: removed(),
        by_own_word: by_own_word.clone(),
    };
    member.spawn(reporter.run());
    member.spawn(report::report_quorum(consensus(), removed(), by_own_word));
    member.spawn(report::tell_roles(consensus(), removed()));
    member.spawn(report::report_vips(consensus(), member.lease.held()));
    if let Some(wire) = &member.wire {
        member.spawn(ebb::give_back(Arc::clone(&wire.serving)));
        let statuses = wire.vips.status();
        let held = member.lease.held();
        member.spawn(report::report_troubles(consensus(), statuses, held));
        let mut own: Vec<IpAddr> = settings.peer.iter().map(SocketAddr::ip).collect();
        own.dedup();
        member.spawn(legs::follow_legs(Arc::clone(&member), own));
    }
    member.spawn(report::tell_alone(
        member.lease.alone(),
        member.lease.held(),
    ));
    member.spawn(be_admitted(
        Arc::clone(&member),
        parts.addresses,
        parts.stage_out,
    ));
    member.spawn(watchdog::stop_with_consensus(consensus()));
    let peers = member.peers.clone();
    member.spawn(keep_renewed(
        member.identity.clone(),
        home,
        peers,
        consensus(),
        wall_clock,
    ));
    member
}

fn part(error: impl std::fmt::Display) -> BuildError {
    BuildError::Part(error.to_string())
}

/// Where the store is.
pub fn store_folder(data: &Path) -> PathBuf {
    data.join("store")
}

/// Opening reads the whole log, which may take a while on a slow disk.
async fn open_store(data: &Path, me: NodeId) -> Result<Store, BuildError> {
    let folder = store_folder(data);
    let opened = tokio::task::spawn_blocking(move || Store::open(&folder, me)).await;
    Ok(opened.map_err(part)??)
}

async fn listen(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, BuildError> {
    let mut listeners = Vec::new();
    for &address in addresses {
        let bound = TcpListener::bind(address).await;
        listeners.push(bound.map_err(|source| BuildError::Listen { address, source })?);
    }
    Ok(listeners)
}

/// Leases that the kernel enforces, as far as `node.toml` and this machine let it.
fn fenced(settings: &Settings) -> Leases {
    Leases::fenced(FenceSettings {
        folder: settings.bpf.clone(),
        hook: settings.fence,
    })
}

fn start_wire(
    settings: &Settings,
    vip_plans: watch::Sender<VipPlans>,
    plans: watch::Receiver<VipPlans>,
    leases: &Leases,
) -> Result<Wire, BuildError> {
    let threads = NonZeroUsize::new(settings.threads()).unwrap_or(NonZeroUsize::MIN);
    let serving = Arc::new(Serving::start(threads).map_err(part)?);
    let abort = Arc::clone(&serving);
    let on_lost = Box::new(move |address: IpAddr| abort.abort(address));
    let vips = Vips::start(plans, leases.clone(), on_lost).map_err(part)?;
    Ok(Wire {
        vips,
        vip_plans,
        serving,
        references: References::start().map_err(part)?,
        leases: leases.clone(),
    })
}

/// One UDP socket a path, for the leases.
fn bind(addresses: &[SocketAddr]) -> Result<Vec<UdpSocket>, BuildError> {
    let bind = |&address: &SocketAddr| {
        UdpSocket::bind(address).map_err(|source| BuildError::Listen { address, source })
    };
    addresses.iter().map(bind).collect()
}

fn start_lease(
    sockets: Vec<UdpSocket>,
    leases: Leases,
    wire: Option<&Wire>,
) -> Result<LeaseHandle, BuildError> {
    let serving = wire.map(|wire| Arc::clone(&wire.serving));
    let references = wire.map(|wire| wire.references.clone());
    let hooks = watchdog::hooks(leases, serving, references);
    lease::spawn(sockets, Timing::default(), hooks).map_err(part)
}
