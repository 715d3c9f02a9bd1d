//! The fence over time: taken over, taken away, left behind by a process that was killed.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use farmux_netplane::fence::{DropReason, FenceMode, HookChoice, Stand};
use farmux_netplane::sys::{PacketSocket, boottime_ns};
use farmux_netplane::vip::{Leases, Vips};
use farmux_tests::lab::{CLIENT, Host, Lab, VIP, node_address, process, wait};
use tokio::sync::watch;

use super::frames::{self, BROADCAST, REPLY, REQUEST, arp, udp4};
use super::stage::{SECOND, Stage, arp_socket, ends_in, fenced, plan};
use super::yard::{VIP6, Way, Yard, both, lent};

/// What the lease thread writes ahead (`vip-protocol.md`, section 4).
const LEASE: Duration = Duration::from_millis(135);
/// Longer than a fence keeps a VIP closed that left the plan (3 s): after that it is forgotten.
const RETIRED: Duration = Duration::from_millis(3_200);
const STRANGER: [u8; 6] = [2, 0, 0, 0, 9, 9];

#[test]
fn a_restart_adopts_what_is_pinned() {
    both(|mut yard, mode| {
        let plan = [("front", VIP.into()), ("six", VIP6.into())];
        yard.stand(Stand::Open);
        let since = boottime_ns();
        yard.slot("front").extend(lent(Some(since)));
        let claim = arp(REPLY, (STRANGER, VIP), VIP);
        assert_eq!(yard.fate(Way::In, &claim), None);
        let packet = udp4(yard.eth0.mac, CLIENT, VIP);
        assert_eq!(yard.fate(Way::In, &packet), Some(DropReason::PacketIn));
        let before = yard.status("front");

        yard.restart();
        yard.follow(&plan);
        yard.assert_mode(mode);
        assert_eq!(yard.status("front"), before, "claim, counters and state");
        let slot = yard.slot("front");
        let left = slot.lent().expect("it did not leave in order");
        assert_eq!(left.alone_since_ns, Some(since));
        slot.gain(lent(None));
        slot.open_from(0);
        assert_eq!(
            yard.fate(Way::In, &packet),
            None,
            "one fence stands, and it is ours"
        );
    });
}

#[test]
fn a_fence_without_a_process_closes_at_its_deadline() {
    both(|mut yard, _| {
        yard.stand(Stand::Open);
        let mut soon = lent(None);
        soon.until_ns = boottime_ns() + 50_000_000;
        yard.slot("front").extend(soon);
        let packet = udp4(BROADCAST, VIP, CLIENT);
        let rooms = std::mem::take(&mut yard.rooms);
        yard.restart();
        yard.rooms = rooms;
        while boottime_ns() <= soon.until_ns {
            std::thread::yield_now();
        }
        assert_eq!(yard.fate(Way::Out, &packet), Some(DropReason::PacketOut));
    });
}

#[test]
fn a_vip_that_leaves_the_plan_is_forgotten_and_the_last_unpins() {
    both(|mut yard, _| {
        let pins = yard.settings.folder.join("fence-1");
        assert!(pins.is_dir());
        yard.stand(Stand::Open);
        let claim = arp(REPLY, (STRANGER, VIP), VIP);
        assert_eq!(yard.fate(Way::In, &claim), None);

        // A while it stays closed: whoever was killed left its address behind.
        let rest = [("six", VIP6.into())];
        let rooms = std::mem::take(&mut yard.rooms);
        yard.follow(&rest);
        assert!(yard.rooms.slot("front").is_none());
        rooms.slot("front").expect("as it was").close();
        yard.rooms = rooms;
        let packet = udp4(BROADCAST, VIP, CLIENT);
        assert_eq!(yard.fate(Way::Out, &packet), Some(DropReason::PacketOut));

        yard.pass(RETIRED);
        yard.follow(&rest);
        yard.follow(&[("front", VIP.into()), ("six", VIP6.into())]);
        let status = yard.status("front");
        assert_eq!(
            (status.claims, status.claim),
            (0, None),
            "another VIP, it may be"
        );
        assert!(status.drops.values().all(|count| *count == 0), "{status:?}");

        yard.follow(&[]);
        yard.pass(RETIRED);
        yard.follow(&[]);
        assert!(!pins.exists(), "all of it is gone");
        yard.follow(&[("front", VIP.into()), ("six", VIP6.into())]);
        yard.stand(Stand::Open);
        assert_eq!(yard.fate(Way::Out, &packet), None, "and comes back whole");
    });
}

#[test]
fn pins_of_another_layout_make_way() {
    let mut yard = Yard::new(HookChoice::Best);
    let plan = [("front", VIP.into()), ("six", VIP6.into())];
    let folder = yard.settings.folder.clone();
    yard.stand(Stand::Closed);
    // An older version stood here, with programs that are closed for ever.
    yard.restart();
    fs::rename(folder.join("fence-1"), folder.join("fence-0")).expect("renamed");
    yard.follow(&plan);
    assert!(!folder.join("fence-0").exists(), "it is taken away");
    yard.stand(Stand::Open);
    let packet = udp4(yard.eth0.mac, CLIENT, VIP);
    yard.wait_for_passage(&packet);

    // Maps of another shape under our own names.
    yard.restart();
    let pins = folder.join("fence-1");
    fs::rename(pins.join("places"), pins.join("was-places")).expect("renamed");
    fs::rename(pins.join("macs"), pins.join("places")).expect("renamed");
    fs::rename(pins.join("was-places"), pins.join("macs")).expect("renamed");
    yard.follow(&plan);
    yard.assert_mode(FenceMode::Tcx);
    yard.stand(Stand::Open);
    yard.wait_for_passage(&packet);
    yard.stand(Stand::Closed);
    assert_eq!(yard.fate(Way::In, &packet), Some(DropReason::PacketIn));
}

#[test]
fn without_a_bpffs_it_stands_and_says_what_is_lost() {
    let mut yard = Yard::new(HookChoice::Best);
    yard.follow(&[]);
    yard.pass(RETIRED);
    yard.follow(&[]);
    yard.restart();
    yard.settings.folder = yard.lab.folder().join("no-bpffs");
    yard.follow(&[("front", VIP.into()), ("six", VIP6.into())]);
    let status = yard.status("front");
    assert_eq!((status.mode, status.pinned), (FenceMode::Clsact, false));
    let trouble = status.trouble.expect("it is said");
    assert!(trouble.contains("mount -t bpf bpf /"), "{trouble}");
    let packet = udp4(yard.eth0.mac, CLIENT, VIP);
    assert_eq!(yard.fate(Way::In, &packet), Some(DropReason::PacketIn));
}

/// Not a test: an owner that renews its lease for ever. Where its pins are is told by the
/// environment; without that it has no fence.
#[test]
#[ignore = "started by another test, inside a namespace"]
fn child_owns_a_vip() {
    let (_plans, receiver) = watch::channel(plan());
    let pins = std::env::var_os("FENCE_PINS");
    let fenced = |folder| fenced(Path::new(&folder), HookChoice::Best);
    let leases = pins.map_or_else(Leases::default, fenced);
    let _vips = Vips::start(receiver, leases.clone(), Box::new(|_| {})).expect("a VIP thread");
    loop {
        leases.set("front", ends_in(LEASE));
        std::thread::sleep(Duration::from_millis(30));
    }
}

/// An owner in a process of its own, and a neighbour that keeps asking for its VIP.
struct Owned {
    child: process::Process,
    socket: PacketSocket,
    host: Host,
    _lab: Lab,
}

impl Owned {
    fn start(is_fenced: bool) -> Owned {
        let lab = Lab::new().expect("a lab needs root and iproute2");
        let host = lab.host("lb1", node_address(1)).expect("a host");
        let client = lab.host("client", CLIENT).expect("a client");
        let mut command = host.command(std::env::current_exe().expect("this test"));
        command.args(["--exact", "fence::life::child_owns_a_vip", "--ignored"]);
        if is_fenced {
            command.env("FENCE_PINS", lab.pins().join("lb1"));
        }
        let child = host.spawn("child", command).expect("a child");
        let socket = arp_socket(&client);
        let owned = Owned {
            child,
            socket,
            host,
            _lab: lab,
        };
        let answers = || owned.answers_within(Duration::from_millis(20)) > 0;
        wait::until_true("the VIP answers", 10 * SECOND, answers).expect("in time");
        owned
    }

    /// How many frames of the VIP come in that time, to somebody who asks all along.
    fn answers_within(&self, span: Duration) -> usize {
        let question = arp(REQUEST, (STRANGER, CLIENT), VIP).bytes;
        let (start, mut count, mut asked) = (Instant::now(), 0, Duration::ZERO);
        let mut buffer = [0; 128];
        while start.elapsed() < span {
            if start.elapsed() >= asked {
                self.socket.send(&question).expect("sent");
                asked += Duration::from_millis(1);
            }
            while let Ok(length) = self.socket.receive(&mut buffer) {
                count += usize::from(buffer[..length].get(28..32) == Some(&VIP.octets()));
            }
        }
        count
    }
}

#[test]
fn the_kernel_of_a_killed_owner_answers_no_more() {
    let mut fenced = Owned::start(true);
    fenced.child.kill();
    // The deadline was written before it died; whatever is in the socket came before that.
    fenced.answers_within(LEASE);
    let late = fenced.answers_within(SECOND);
    assert!(fenced.host.holds(VIP), "the address itself is there still");
    assert_eq!(late, 0, "frames after the deadline");

    let mut bare = Owned::start(false);
    bare.child.kill();
    bare.answers_within(LEASE);
    assert!(
        bare.answers_within(SECOND) > 0,
        "without a fence they would come"
    );
}

#[test]
fn a_taker_claims_before_it_opens_and_a_clean_stop_closes() {
    let stage = Stage::new();
    let Stage {
        host,
        socket,
        leases,
        ..
    } = &stage;
    let vips = stage.start();
    let stands = || leases.mode("front") == FenceMode::Tcx;
    wait::until_true("the fence stands", 5 * SECOND, stands).expect("in time");

    leases.set("front", ends_in(60 * SECOND));
    let (announced, answered) = first_heard(socket);
    let between = answered - announced;
    assert!(
        between >= Duration::from_millis(9),
        "opened after {between:?}"
    );
    let sysctl = |name: &str| {
        let path = format!("/proc/sys/net/ipv4/conf/eth0/{name}");
        process::run(host.command("cat").arg(path)).expect("a sysctl")
    };
    assert_eq!(
        (&*sysctl("arp_ignore"), &*sysctl("arp_announce")),
        ("1\n", "2\n")
    );

    drop(vips);
    let add = ["addr", "add", "10.0.0.100/32", "dev", "eth0"];
    process::run(host.command("ip").args(add)).expect("somebody adds it by hand");
    let question = arp(REQUEST, (STRANGER, CLIENT), VIP).bytes;
    drain(socket);
    let (start, mut buffer) = (Instant::now(), [0; 128]);
    while start.elapsed() < Duration::from_millis(300) {
        socket.send(&question).expect("sent");
        while let Ok(length) = socket.receive(&mut buffer) {
            let sender = buffer[..length].get(28..32);
            assert_ne!(sender, Some(&VIP.octets()[..]), "closed, and stays so");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn drain(socket: &PacketSocket) {
    let mut buffer = [0; 128];
    while socket.receive(&mut buffer).is_ok() {}
}

/// When the VIP was announced first, and when it first answered somebody who asked all along.
fn first_heard(socket: &PacketSocket) -> (Duration, Duration) {
    let question = arp(REQUEST, (STRANGER, CLIENT), VIP).bytes;
    let (start, mut announced, mut asked) = (Instant::now(), None, Duration::ZERO);
    // When nothing had been announced yet: whoever looks late would call it too late.
    let mut silent = Duration::ZERO;
    let mut buffer = [0; 128];
    while start.elapsed() < 5 * SECOND {
        if start.elapsed() >= asked {
            socket.send(&question).expect("sent");
            asked = start.elapsed() + Duration::from_micros(500);
        }
        let looked = start.elapsed();
        let Ok(length) = socket.receive(&mut buffer) else {
            silent = looked;
            continue;
        };
        let frame = &buffer[..length];
        if frame.get(28..32) != Some(&VIP.octets()[..]) {
            continue;
        }
        match frame.get(38..42) == Some(&VIP.octets()[..]) {
            true => announced = announced.or(Some(silent)),
            false => return (announced.expect("announced before"), start.elapsed()),
        }
    }
    panic!("it does not answer");
}

#[test]
fn a_refusal_ends_by_itself_and_a_claim_is_told() {
    let stage = Stage::new();
    let Stage {
        host,
        client,
        socket,
        leases,
        ..
    } = &stage;
    let _vips = stage.start();
    leases.set("front", ends_in(60 * SECOND));
    let status = || stage.status();
    let is_open = || status().stand == Stand::Open;
    wait::until_true("the fence opens", 5 * SECOND, is_open).expect("in time");
    let told = (leases.mode("front"), leases.refused("front"));
    assert_eq!(told, (FenceMode::Tcx, Some(0)));
    let of_none = (leases.mode("none"), leases.refused("none"));
    assert_eq!(of_none, (FenceMode::None, None));

    assert_eq!(leases.claim("front"), None);
    let claim = arp(REPLY, (STRANGER, VIP), VIP).bytes;
    socket.send(&claim).expect("sent");
    let told = || leases.claim("front").map(|claim| claim.mac) == Some(STRANGER);
    wait::until_true("the claim is told", SECOND, told).expect("in time");

    let took = client.within(|| refused(host, leases));
    let counted = status().drops[&DropReason::NewRefused];
    assert!(counted >= 1, "{:?}: {took:?}", status());
    assert_eq!(leases.refused("front"), Some(counted));
}

/// How long a connection to the VIP takes that begins while none may: its SYN is lost, and the
/// client's kernel sends it again after a second.
fn refused(host: &Host, leases: &Leases) -> Duration {
    let bind = || std::net::TcpListener::bind((VIP, 8080)).expect("a listener on the VIP");
    let _listener = host.within(bind);
    leases.refuse_new("front", true);
    let start = Instant::now();
    let address = (VIP, 8080).into();
    std::net::TcpStream::connect_timeout(&address, 5 * SECOND).expect("by its second SYN");
    let took = start.elapsed();
    assert!(took >= SECOND - Duration::from_millis(100), "{took:?}");
    took
}

#[test]
fn frames_are_as_long_as_they_say() {
    // Slips of these tests themselves would look like rules that hold.
    let packet = udp4([0; 6], CLIENT, VIP).bytes;
    assert_eq!(packet.len(), 14 + 28);
    assert_eq!(u16::from_be_bytes([packet[16], packet[17]]), 28);
    let chain = frames::tcp6([0; 6], VIP6, frames::SYN, &[0, 51, 44]).bytes;
    assert_eq!(chain.len(), 14 + 40 + 8 + 16 + 8 + 20);
    assert_eq!(chain[20], 0, "hop-by-hop first");
    assert_eq!(chain[14 + 40 + 8 + 16], 6, "the fragment is of TCP");
}
