//! One runtime: it makes its listeners match the plan, and knows its connections.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior};

use super::buffer::Buffers;
use super::listen;
use super::peer::Peer;
use super::service::{Open, Service};
use super::trickle::Turns;
use super::{CONNECTIONS_MIN, FILES_PER_CLIENT, Shared, Wish};
use crate::ftp;
use crate::http::answer::{self, Answer};
use crate::http::{self, refusal::Refusal};
use crate::plan::{ServiceKey, ServiceKind};
use crate::{proxy, tcp};

/// A tenth of what the lease's watchdog tolerates.
const BEAT: Duration = Duration::from_millis(100);
/// Idle server connections and growing weights are looked after this often.
const TEND: Duration = Duration::from_secs(1);

/// What the tasks of one runtime share.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) index: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) buffers: Rc<Buffers>,
    /// Of clients whose bodies trickle in.
    pub(crate) turns: Rc<Turns>,
    connections: RefCell<HashMap<u64, Connection>>,
    next: Cell<u64>,
    leaving: RefCell<BTreeSet<IpAddr>>,
    /// FTP data ports that are listened on for longer than a transfer.
    data_ports: Cell<usize>,
    /// Where the next draw comes from.
    random: Cell<u64>,
}

#[derive(Debug)]
struct Connection {
    /// The address that its client came to.
    ip: IpAddr,
    task: AbortHandle,
    reset: Rc<Cell<bool>>,
}

/// A service that is listened for.
struct Running {
    service: Rc<Service>,
    listens: Vec<SocketAddr>,
    kind: ServiceKind,
    listeners: Vec<AbortHandle>,
}

/// Runs until the control side is gone.
pub(crate) async fn run(index: usize, shared: Arc<Shared>, mut wish: watch::Receiver<Arc<Wish>>) {
    let worker = Rc::new(Worker {
        index,
        shared,
        buffers: Rc::default(),
        turns: Rc::default(),
        connections: RefCell::default(),
        next: Cell::new(0),
        leaving: RefCell::default(),
        data_ports: Cell::default(),
        // The standard library draws its keys from the system.
        random: Cell::new(RandomState::new().hash_one(index)),
    });
    let mut running: BTreeMap<ServiceKey, Running> = BTreeMap::new();
    let mut lost = BTreeMap::new();
    let mut beat = tokio::time::interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut tended = Instant::now();
    loop {
        tokio::select! {
            changed = wish.changed() => {
                if changed.is_err() {
                    return;
                }
                let wish = wish.borrow_and_update().clone();
                worker.obey(&wish, &mut lost);
                worker.reconcile(&wish, &mut running);
            }
            now = beat.tick() => {
                worker.shared.heartbeats[index].0.fetch_add(1, Ordering::Relaxed);
                running.values().for_each(|running| running.service.beat());
                if now.duration_since(tended) >= TEND {
                    tended = now;
                    running.values().for_each(|running| running.service.tend(now));
                }
            }
        }
    }
}

impl Worker {
    /// Takes note of addresses that leave or were lost.
    fn obey(&self, wish: &Wish, lost: &mut BTreeMap<IpAddr, u64>) {
        self.leaving.borrow_mut().clone_from(&wish.leaving);
        for (ip, times) in &wish.lost {
            if lost.insert(*ip, *times) != Some(*times) {
                self.abort(*ip);
            }
        }
    }

    /// Resets every connection whose client came to `ip`.
    fn abort(&self, ip: IpAddr) {
        for connection in self
            .connections
            .borrow()
            .values()
            .filter(|one| one.ip == ip)
        {
            connection.reset.set(true);
            connection.task.abort();
        }
    }

    /// Makes the listeners match: first those that go, then those that come.
    fn reconcile(self: &Rc<Self>, wish: &Wish, running: &mut BTreeMap<ServiceKey, Running>) {
        running.retain(|key, old| {
            let stays = wish.services.get(key).is_some_and(|wish| {
                wish.plan.listens().eq(old.listens.iter().copied()) && wish.plan.kind == old.kind
            });
            if !stays {
                old.listeners.iter().for_each(AbortHandle::abort);
                old.service.close();
            }
            stays
        });
        for (key, wish) in &wish.services {
            if let Some(old) = running.get(key) {
                old.service.adopt(wish);
                continue;
            }
            let service = Service::new(key.clone(), self.clone(), wish);
            let listens: Vec<SocketAddr> = wish.plan.listens().collect();
            let clients = listens.iter().map(|listen| {
                let task = listen::run(service.clone(), *listen);
                tokio::task::spawn_local(task).abort_handle()
            });
            let mut listeners: Vec<AbortHandle> = clients.collect();
            let data = tokio::task::spawn_local(ftp::tls::listen_for_data(service.clone()));
            listeners.push(data.abort_handle());
            running.insert(
                key.clone(),
                Running {
                    service,
                    listens,
                    kind: wish.plan.kind,
                    listeners,
                },
            );
        }
    }

    /// Takes in a client that came to `local`, if there is room.
    pub(crate) fn admit(
        self: &Rc<Self>,
        service: &Rc<Service>,
        stream: TcpStream,
        client: SocketAddr,
        local: SocketAddr,
    ) {
        let reset = Rc::new(Cell::new(false));
        let mut peer = Peer::new(stream, self.buffers.clone(), reset.clone());
        let plan = service.plan();
        if self.is_full() {
            service.count_refusal(Refusal::Full, client);
            turn_away(peer, plan.kind);
            return;
        }
        let (service, ip) = (service.clone(), local.ip());
        let open = Open::new(&service, ip);
        match plan.kind {
            ServiceKind::Http => self.run(ip, reset, async move {
                let _while_it_lives = open;
                if let Some(ends) = proxy::accept::ends(&service, &mut peer, client, local).await {
                    http::connection::serve(service, peer, ends, ip).await;
                }
            }),
            ServiceKind::Tcp => self.run(ip, reset, async move {
                let _while_it_lives = open;
                if let Some(ends) = proxy::accept::ends(&service, &mut peer, client, local).await {
                    tcp::serve(service, peer, ends).await;
                }
            }),
            ServiceKind::Ftp(ftp) => self.run(ip, reset, async move {
                let _while_it_lives = open;
                if let Some(ends) = proxy::accept::ends(&service, &mut peer, client, local).await {
                    ftp::serve(service, ftp, peer, ends, ip).await;
                }
            }),
        }
    }

    /// Runs what serves a connection to `ip`; where that is lost, its sockets that look at `reset`
    /// are reset.
    pub(crate) fn run(
        self: &Rc<Self>,
        ip: IpAddr,
        reset: Rc<Cell<bool>>,
        serve: impl Future<Output = ()> + 'static,
    ) {
        let id = self.next.get();
        self.next.set(id + 1);
        let listed = Listed {
            worker: self.clone(),
            id,
        };
        let task = tokio::task::spawn_local(async move {
            let _while_it_lives = listed;
            serve.await;
        });
        let connection = Connection {
            ip,
            task: task.abort_handle(),
            reset,
        };
        self.connections.borrow_mut().insert(id, connection);
    }

    /// Whether this runtime has as many connections as it may have: each data port it listens on
    /// is a descriptor that clients cannot have.
    pub(crate) fn is_full(&self) -> bool {
        let ports = self.data_ports.get().div_ceil(FILES_PER_CLIENT);
        let room = self.shared.connections_max.saturating_sub(ports);
        self.connections.borrow().len() >= room.max(CONNECTIONS_MIN)
    }

    /// A data port is listened on, for as long as what this returns lives.
    pub(crate) fn listens_for_data(self: &Rc<Self>) -> DataPort {
        self.data_ports.update(|ports| ports + 1);
        DataPort(self.clone())
    }

    /// An evenly distributed number; no secret.
    ///
    /// **Source**: Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (OOPSLA
    /// 2014), SplitMix64.
    pub(crate) fn random(&self) -> u64 {
        let state = self.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.random.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn is_leaving(&self, ip: IpAddr) -> bool {
        self.leaving.borrow().contains(&ip)
    }
}

/// Tells a client that there is no room, as well as one can without waiting.
fn turn_away(peer: Peer, kind: ServiceKind) {
    match kind {
        ServiceKind::Tcp => peer.reset_on_close(),
        ServiceKind::Ftp(_) => {
            // A fresh socket takes a line, or it is broken anyway.
            let _ = peer.stream.try_write(ftp::FULL);
        }
        ServiceKind::Http => {
            let mut out = Vec::new();
            let reason = Refusal::Full;
            let answer = Answer::closing(reason.status(), reason.name());
            answer::write(&mut out, &answer, SystemTime::now());
            // A fresh socket takes a few hundred bytes, or it is broken anyway.
            let _ = peer.stream.try_write(&out);
        }
    }
}

/// A data port that is listened on, counted for as long as this lives.
pub(crate) struct DataPort(Rc<Worker>);

impl Drop for DataPort {
    fn drop(&mut self) {
        self.0.data_ports.update(|ports| ports - 1);
    }
}

/// A connection in the list of its runtime, for as long as this lives.
struct Listed {
    worker: Rc<Worker>,
    id: u64,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.worker.connections.borrow_mut().remove(&self.id);
    }
}
