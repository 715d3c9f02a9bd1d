//! Whether servers are reached from here: one connect a farm, every two seconds, on every node
//! alike, so that what nodes find can be compared.
//!
//! A stand-by probes nothing else: a farm has one prober. And an owner's checks would not do: they
//! ask more than whether a server is reached, and would find faults that every node would.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use farmux_netplane::origin::Origin;
use farmux_raft::id::FarmName;
use farmux_raft::state::{AdminState, Health, State};
use tokio::net::TcpSocket;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Between two rounds: a leg that fails moves a VIP after five seconds more, so that every node
/// has looked twice by then.
const EVERY: Duration = Duration::from_secs(2);
/// A server on the same site accepts within milliseconds; a whole farm is tried within a round.
const CONNECT_WITHIN: Duration = Duration::from_millis(500);
/// The first farms by name, the same on every node: enough to tell whether servers are reached,
/// and no more than eight connects a second.
const FARMS_MAX: usize = 16;
/// The first servers of each, those that are up first.
const SERVERS_MAX: usize = 3;
/// One lost packet moves nothing.
const FAILS: u32 = 2;

/// Samples for ever, and tells whether any server of each sampled farm is reached.
pub(super) async fn sample_servers(
    mut states: watch::Receiver<Arc<State>>,
    origin: Origin,
    told: watch::Sender<BTreeMap<FarmName, bool>>,
) {
    let mut book = Book::default();
    loop {
        let state = states.borrow_and_update().clone();
        let sample = sample(&state);
        let vips = state.config.vips.values().map(|vip| vip.address);
        let origin = Arc::new(Origin {
            never: vips.collect(),
            ..origin.clone()
        });
        let mut asked = JoinSet::new();
        for (farm, servers) in sample {
            let origin = Arc::clone(&origin);
            asked.spawn(async move { (farm, reaches_any(&servers, &origin).await) });
        }
        let found: BTreeMap<FarmName, bool> = asked.join_all().await.into_iter().collect();
        let verdicts = book.take(&found);
        told.send_if_modified(|old| {
            let differs = *old != verdicts;
            *old = verdicts;
            differs
        });
        tokio::time::sleep(EVERY).await;
        if states.has_changed().is_err() {
            return;
        }
    }
}

/// PURE. Whom to try: of the first farms, the servers that should answer.
fn sample(state: &State) -> BTreeMap<FarmName, Vec<SocketAddr>> {
    let farms = state.config.farms.iter().filter_map(|(name, farm)| {
        let (service, _) = farm.services.first_key_value()?;
        let ready = farm.servers.iter();
        let ready = ready.filter(|(_, server)| server.admin == AdminState::Ready);
        let (up, others): (Vec<_>, Vec<_>) =
            ready.partition(|(server, _)| state.server_health(name, server) == Health::Up);
        let first = up.into_iter().chain(others).take(SERVERS_MAX);
        let targets = first.filter_map(|(server, _)| farm.target(server, service));
        let targets: Vec<SocketAddr> = targets.collect();
        (!targets.is_empty()).then(|| (name.clone(), targets))
    });
    farms.take(FARMS_MAX).collect()
}

async fn reaches_any(servers: &[SocketAddr], origin: &Origin) -> bool {
    for server in servers {
        let reached = tokio::time::timeout(CONNECT_WITHIN, connect(*server, origin)).await;
        // A machine that refuses is reached: what is wrong is not the way to it.
        let refused =
            |error: &std::io::Error| error.kind() == std::io::ErrorKind::ConnectionRefused;
        if reached.is_ok_and(|reached| reached.as_ref().err().is_none_or(refused)) {
            return true;
        }
    }
    false
}

async fn connect(server: SocketAddr, origin: &Origin) -> std::io::Result<()> {
    let socket = match server {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    if let Some(source) = origin.source_for(server).map_err(std::io::Error::other)? {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    socket.connect(server).await.map(drop)
}

/// How often in a row nobody of a farm was reached.
#[derive(Debug, Default)]
struct Book(BTreeMap<FarmName, u32>);

impl Book {
    /// Takes a round in; what is believed of each farm of it.
    fn take(&mut self, found: &BTreeMap<FarmName, bool>) -> BTreeMap<FarmName, bool> {
        let known: BTreeSet<&FarmName> = found.keys().collect();
        self.0.retain(|farm, _| known.contains(farm));
        let mut believed = BTreeMap::new();
        for (farm, reached) in found {
            let fails = self.0.entry(farm.clone()).or_default();
            *fails = if *reached { 0 } else { fails.saturating_add(1) };
            believed.insert(farm.clone(), *fails < FAILS);
        }
        believed
    }
}

#[cfg(test)]
mod tests {
    use farmux_raft::state::{Config, Farm, Server, Service, ServiceKind};

    use super::*;

    fn farm(servers: u8) -> Farm {
        let port = 80.try_into().expect("not zero");
        let server = |n: u8| (format!("s{n}").parse().expect("a name"), n);
        let mut farm = Farm::plain("front".parse().expect("a name"));
        let web = Service::plain(ServiceKind::Http, port);
        farm.services.insert("web".parse().expect("a name"), web);
        for (name, n) in (1..=servers).map(server) {
            farm.servers
                .insert(name, Server::plain([10, 0, 0, n].into()));
        }
        farm
    }

    fn state(farms: Vec<Farm>) -> State {
        let named = farms.into_iter().enumerate().map(|(number, farm)| {
            let name = format!("f{number:03}");
            (name.parse().expect("a name"), farm)
        });
        let config = Config {
            farms: named.collect(),
            ..Config::default()
        };
        State {
            config: Arc::new(config),
            ..State::default()
        }
    }

    #[test]
    fn a_sample_has_a_bound_and_asks_only_who_should_answer() {
        let mut idle = farm(1);
        let drained = idle.servers.values_mut();
        drained.for_each(|server| server.admin = AdminState::Drain);
        let mut farms = vec![idle, farm(9), farm(0)];
        farms.extend((0..40).map(|_| farm(1)));
        let asked = sample(&state(farms));
        assert_eq!(asked.len(), FARMS_MAX);
        assert!(!asked.contains_key("f000"), "nobody there is to answer");
        assert!(!asked.contains_key("f002"), "nobody is there");
        assert_eq!(asked["f001"].len(), SERVERS_MAX);
        assert_eq!(asked["f001"][0].to_string(), "10.0.0.1:80");
    }

    #[test]
    fn two_rounds_in_a_row_are_believed_and_one_success_is() {
        let name: FarmName = "shop".parse().expect("a name");
        let mut book = Book::default();
        let mut believed = |reached: bool| {
            let round = [(name.clone(), reached)].into();
            book.take(&round)[&name]
        };
        let answers = [true, false, true, false, false, false, true].map(&mut believed);
        assert_eq!(answers, [true, true, true, true, false, false, true]);
        assert_eq!(book.take(&BTreeMap::new()), BTreeMap::new(), "it is gone");
    }
}
