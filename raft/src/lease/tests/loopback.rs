//! Three lease threads with real sockets: the owner falls silent, another owns.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{front, roster};
use crate::id::NodeId;
use crate::lease::{Hooks, LeaseHandle, Outlook, Timing, spawn};

/// Who says that it owns, by node, and when that began.
type Owners = Arc<Mutex<BTreeMap<u64, Instant>>>;

fn thread(me: u64, socket: UdpSocket, owners: &Owners) -> LeaseHandle {
    let owners = Arc::clone(owners);
    let hooks = Hooks {
        on_start: Box::new(|| {}),
        on_change: Box::new(move |_, held| {
            let mut owners = owners.lock().expect("a map");
            match held {
                Some(_) => {
                    owners.entry(me).or_insert_with(Instant::now);
                }
                None => {
                    owners.remove(&me);
                }
            }
        }),
        serving: Box::new(|_| true),
        outlook: Box::new(|_, _| Outlook::default()),
        resumable: Box::new(|_| None),
    };
    // Long, so that a thread that is late loses no round, and a handover is told from an expiry.
    let timing = Timing::new(Duration::from_secs(1)).expect("as long as it may be");
    spawn(vec![socket], timing, hooks).expect("a thread")
}

/// Three threads, two balancers and a witness.
fn three() -> (Vec<LeaseHandle>, Owners) {
    let bind = |_| UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let sockets: Vec<UdpSocket> = (0..3).map(bind).collect();
    let addresses: Vec<SocketAddr> = sockets
        .iter()
        .map(|socket| socket.local_addr().expect("bound"))
        .collect();
    let owners = Owners::default();
    let mut handles = Vec::new();
    for (me, socket) in (1..).zip(sockets) {
        let mut roster = roster(me, 2, 1);
        for (member, address) in roster.members.values_mut().zip(&addresses) {
            member.addresses = vec![*address];
        }
        let handle = thread(me, socket, &owners);
        handle.set_roster(Some(roster));
        handles.push(handle);
    }
    (handles, owners)
}

fn wait_for_owner(owners: &Owners, who: impl Fn(u64) -> bool, limit: Duration) -> u64 {
    let start = Instant::now();
    loop {
        let owner = owners
            .lock()
            .expect("a map")
            .keys()
            .copied()
            .find(|node| who(*node));
        if let Some(owner) = owner {
            return owner;
        }
        assert!(start.elapsed() < limit, "no owner within {limit:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn index(node: u64) -> usize {
    usize::try_from(node - 1).expect("small")
}

/// The 3 T for which a proposer is quiet after its start, and some for a busy machine.
const FIRST: Duration = Duration::from_secs(10);

/// Between the few datagrams of a handover and what is left of a lease that was renewed a fifth
/// of T ago: 800 ms.
const AT_ONCE: Duration = Duration::from_millis(500);

/// A lease that nobody renews, and what a busy machine adds.
const FOLLOWED_WITHIN: Duration = Duration::from_secs(3);

#[test]
fn a_silent_owner_is_followed_when_its_lease_is_over() {
    let (handles, owners) = three();
    let owner = wait_for_owner(&owners, |_| true, FIRST);
    let start = Instant::now();
    // Without a membership it answers nothing, like the dead; unlike them, it says that it lost.
    handles[index(owner)].set_roster(None);
    let next = wait_for_owner(&owners, |node| node != owner, FIRST);
    let took = start.elapsed();
    assert!(next != owner && next != 3, "a witness never owns");
    assert!(took > AT_ONCE, "{took:?}: the lease was not waited for");
    assert!(took < FOLLOWED_WITHIN, "{took:?}: it ends after 1 s");
}

#[test]
fn a_stopped_owner_hands_over_at_once() {
    let (mut handles, owners) = three();
    let owner = wait_for_owner(&owners, |_| true, FIRST);
    let start = Instant::now();
    handles.remove(index(owner)).stop();
    wait_for_owner(&owners, |node| node != owner, FIRST);
    let took = start.elapsed();
    assert!(took < AT_ONCE, "{took:?}");
}

#[test]
fn a_planned_move_goes_where_it_is_told() {
    let (handles, owners) = three();
    let owner = wait_for_owner(&owners, |_| true, FIRST);
    let to = 3 - owner;
    let start = Instant::now();
    handles[index(owner)].release(&front(), Some(NodeId(to)));
    wait_for_owner(&owners, |node| node == to, FIRST);
    let took = start.elapsed();
    assert!(took < AT_ONCE, "{took:?}");
    let seen = handles[2].seen();
    let deadline = Instant::now() + Duration::from_secs(1);
    while seen.borrow().get(&front()).map(|(node, _)| *node) != Some(NodeId(to)) {
        assert!(
            Instant::now() < deadline,
            "the witness knows the owner: {:?}",
            seen.borrow()
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn dead_serving_runtimes_release_everything() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let alive = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let pulse = Arc::clone(&alive);
    let hooks = Hooks {
        on_start: Box::new(|| {}),
        on_change: Box::new(|_, _| {}),
        serving: Box::new(move |_| pulse.load(std::sync::atomic::Ordering::Relaxed)),
        outlook: Box::new(|_, _| Outlook::default()),
        resumable: Box::new(|_| None),
    };
    let handle = spawn(vec![socket], Timing::default(), hooks).expect("a thread");
    handle.set_roster(Some(roster(1, 1, 0)));
    let held = handle.held();
    let wait = |holds: bool| {
        let start = Instant::now();
        while held.borrow().is_empty() == holds {
            assert!(start.elapsed() < FIRST, "held: {holds}");
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    wait(true);
    alive.store(false, std::sync::atomic::Ordering::Relaxed);
    wait(false);
    std::thread::sleep(Duration::from_millis(600));
    assert!(
        held.borrow().is_empty(),
        "it does not take again what it cannot serve"
    );
    alive.store(true, std::sync::atomic::Ordering::Relaxed);
    wait(true);
}
