//! Two machines and the fence of one of them, without the daemon around it.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use farmux_netplane::fence::{
    DropReason, FenceMode, FenceSettings, FenceStatus, HookChoice, Owner, Rooms, Slot, Stand,
    Wanted,
};
use farmux_netplane::sys::{Interface, PacketSocket, boottime_ns};
use farmux_netplane::vip::Lent;
use farmux_tests::lab::{CLIENT, Host, Lab, VIP, node_address, process, wait};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::frames::{self, BROADCAST, Frame, Mac};

pub(super) const VIP6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0x100);
/// An address that no fence knows.
pub(super) const OTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 77);
pub(super) const OTHER6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0x77);
/// A lease that no test outlives.
const LONG_NS: u64 = 60_000_000_000;
/// A frame on a bridge needs microseconds; a busy machine more.
const ARRIVES_WITHIN: Duration = Duration::from_secs(5);

/// Into the fenced machine, or out of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    In,
    Out,
}

/// One end of a cable.
pub(super) struct End {
    pub(super) host: Host,
    pub(super) name: &'static str,
    pub(super) index: u32,
    pub(super) mac: Mac,
}

impl End {
    fn new(host: &Host, name: &'static str) -> End {
        let read = |file: &str| {
            let path = format!("/sys/class/net/{name}/{file}");
            process::run(host.command("cat").arg(path)).expect("an interface")
        };
        let index = read("ifindex").trim().parse().expect("a number");
        let text = read("address");
        let mut bytes = text.trim().split(':');
        let mac = std::array::from_fn(|_| {
            u8::from_str_radix(bytes.next().expect("six"), 16).expect("hex")
        });
        End {
            host: host.clone(),
            name,
            index,
            mac,
        }
    }

    fn socket(&self, protocol: u16) -> PacketSocket {
        let open = || PacketSocket::open(self.index, protocol);
        self.host.within(open).expect("a raw socket")
    }

    fn interface(&self) -> Interface {
        Interface {
            index: self.index,
            name: self.name.to_owned(),
            ethernet: true,
            macs: vec![self.mac],
            ..Interface::default()
        }
    }
}

/// The fenced machine `lb1` with two interfaces, and a neighbour at each.
pub(super) struct Yard {
    /// The interface of its VIPs.
    pub(super) eth0: End,
    /// At the other end of its cable.
    pub(super) client: End,
    /// A second network, with `peer1` at its other end.
    pub(super) eth1: End,
    pub(super) peer1: End,
    pub(super) settings: FenceSettings,
    pub(super) owner: Owner,
    pub(super) rooms: Rooms,
    numbered: u64,
    /// How far the fence is ahead of the clock, for which alone it is asked to wait.
    ahead: Duration,
    // Dropped last.
    pub(super) lab: Lab,
}

impl Yard {
    pub(super) fn new(hook: HookChoice) -> Yard {
        let lab = Lab::new().expect("a lab needs root and iproute2");
        let host = lab.host("lb1", node_address(1)).expect("a host");
        let client = lab.host("client", CLIENT).expect("a client");
        let ip = |args: &[&str]| process::run(host.command("ip").args(args)).expect("ip");
        ip(&[
            "link", "add", "eth1", "type", "veth", "peer", "name", "peer1",
        ]);
        ip(&["link", "set", "eth1", "up"]);
        ip(&["link", "set", "peer1", "up"]);
        // A cable of its own: a bridge may cut off the marks behind a packet.
        let far = ["peer", "name", "cable", "netns", client.namespace()];
        ip(&[&["link", "add", "cable", "type", "veth"], &far[..]].concat());
        ip(&["link", "set", "cable", "up"]);
        let up = ["link", "set", "cable", "up"];
        process::run(client.command("ip").args(up)).expect("ip");
        let folder = lab.pins().join("lb1");
        fs::create_dir_all(&folder).expect("a folder in a bpffs");
        let mut yard = Yard {
            eth0: End::new(&host, "cable"),
            client: End::new(&client, "cable"),
            eth1: End::new(&host, "eth1"),
            peer1: End::new(&host, "peer1"),
            settings: FenceSettings { folder, hook },
            owner: Owner::default(),
            rooms: Rooms::default(),
            numbered: 0,
            ahead: Duration::ZERO,
            lab,
        };
        yard.follow(&[("front", VIP.into()), ("six", VIP6.into())]);
        for ends in [(&yard.eth0, &yard.client), (&yard.client, &yard.eth0)] {
            let carries = || carries(ends.0, ends.1);
            wait::until_true("the cable carries frames", ARRIVES_WITHIN, carries).expect("soon");
        }
        yard
    }

    /// Has the fence follow a plan of these VIPs.
    pub(super) fn follow(&mut self, vips: &[(&str, IpAddr)]) {
        self.follow_with(vips, None);
    }

    /// The same while this process may open nothing: the kernel answers no question.
    pub(super) fn follow_blindly(&mut self, vips: &[(&str, IpAddr)]) {
        self.follow_with(vips, Some(0));
    }

    fn follow_with(&mut self, vips: &[(&str, IpAddr)], open_files: Option<u64>) {
        let interface = self.eth0.index;
        let wanted = |(name, address): &(&str, IpAddr)| {
            let address = *address;
            (Arc::from(*name), Wanted { address, interface })
        };
        let wanted: BTreeMap<Arc<str>, Wanted> = vips.iter().map(wanted).collect();
        let links = [self.eth0.interface(), self.eth1.interface()];
        let (owner, settings) = (&mut self.owner, &self.settings);
        let ahead = u64::try_from(self.ahead.as_nanos()).expect("short");
        let follow = || {
            let before = getrlimit(Resource::Nofile);
            let current = open_files.or(before.current);
            let limit = |current| Rlimit { current, ..before };
            setrlimit(Resource::Nofile, limit(current)).expect("a soft limit");
            let rooms = owner.follow(settings, &wanted, &links, boottime_ns() + ahead);
            setrlimit(Resource::Nofile, limit(before.current)).expect("a soft limit");
            rooms
        };
        self.rooms = self.eth0.host.within(follow);
    }

    /// Has that much time pass for the fence, which is told what time it is.
    pub(super) fn pass(&mut self, span: Duration) {
        self.ahead += span;
    }

    /// Another process in its place: what is attached and pinned is all there is.
    pub(super) fn restart(&mut self) {
        self.rooms = Rooms::default();
        self.owner = Owner::default();
    }

    pub(super) fn slot(&self, vip: &str) -> Slot {
        self.rooms.slot(vip).expect("a fence").clone()
    }

    pub(super) fn status(&self, vip: &str) -> FenceStatus {
        let all = self.rooms.status(boottime_ns());
        all.get(vip).expect("a VIP of the plan").clone()
    }

    pub(super) fn assert_mode(&self, mode: FenceMode) {
        for vip in ["front", "six"] {
            let status = self.status(vip);
            assert_eq!((status.mode, status.trouble), (mode, None), "{vip}");
        }
    }

    /// Brings both VIPs into that state.
    pub(super) fn stand(&self, stand: Stand) {
        for vip in ["front", "six"] {
            let slot = self.slot(vip);
            match stand {
                Stand::Closed => slot.close(),
                Stand::Claiming => slot.gain(lent(None)),
                Stand::Open => {
                    slot.gain(lent(None));
                    slot.open_from(0);
                }
            }
            assert_eq!(self.status(vip).stand, stand, "{vip}");
        }
    }

    /// What became of a frame between `eth0` and the client: dropped for a reason, or arrived.
    pub(super) fn fate(&mut self, way: Way, frame: &Frame) -> Option<DropReason> {
        let before = self.drops();
        let (numbered, ends) = (self.numbered, (&self.eth0, &self.client));
        let (from, to) = match way {
            Way::In => (ends.1, ends.0),
            Way::Out => (ends.0, ends.1),
        };
        let arrived = arrives(from, to, frame, numbered);
        self.numbered += 1;
        self.told(&before, arrived, frame)
    }

    /// Waits until a frame gets in: the kernel lets go of what was unpinned a moment later.
    pub(super) fn wait_for_passage(&mut self, frame: &Frame) {
        let (from, to) = (&self.client, &self.eth0);
        let mut number = self.numbered;
        let arrives = || {
            number += 1;
            arrives(from, to, frame, number)
        };
        wait::until_true("the frame gets in", ARRIVES_WITHIN, arrives).expect("in time");
        self.numbered = number + 1;
    }

    /// The same between `eth1` and its neighbour.
    pub(super) fn fate_elsewhere(&mut self, way: Way, frame: &Frame) -> Option<DropReason> {
        let before = self.drops();
        let (from, to) = match way {
            Way::In => (&self.peer1, &self.eth1),
            Way::Out => (&self.eth1, &self.peer1),
        };
        let arrived = arrives(from, to, frame, self.numbered);
        self.numbered += 1;
        self.told(&before, arrived, frame)
    }

    fn told(
        &self,
        before: &BTreeMap<DropReason, u64>,
        arrived: bool,
        frame: &Frame,
    ) -> Option<DropReason> {
        let after = self.drops();
        let risen = |reason: &&DropReason| after[reason] != before[reason];
        let risen: Vec<DropReason> = DropReason::ALL.iter().filter(risen).copied().collect();
        match risen[..] {
            [] => {
                assert!(arrived, "lost without a reason: {frame:x?}");
                None
            }
            [reason] => {
                assert!(
                    !arrived,
                    "counted as {reason:?} and let through: {frame:x?}"
                );
                assert_eq!(
                    after[&reason],
                    before[&reason] + 1,
                    "{reason:?}: {frame:x?}"
                );
                Some(reason)
            }
            _ => panic!("several reasons for one frame: {risen:?}: {frame:x?}"),
        }
    }

    /// Drops of both VIPs together, by reason.
    fn drops(&self) -> BTreeMap<DropReason, u64> {
        let (front, six) = (self.status("front").drops, self.status("six").drops);
        let sum = |reason: DropReason| (reason, front[&reason] + six[&reason]);
        DropReason::ALL.into_iter().map(sum).collect()
    }
}

/// Runs a test with each way of attaching.
pub(super) fn both(test: impl Fn(Yard, FenceMode)) {
    for (hook, mode) in [
        (HookChoice::Best, FenceMode::Tcx),
        (HookChoice::Clsact, FenceMode::Clsact),
    ] {
        let yard = Yard::new(hook);
        yard.assert_mode(mode);
        test(yard, mode);
    }
}

pub(super) fn lent(alone_since_ns: Option<u64>) -> Lent {
    Lent {
        until_ns: boottime_ns() + LONG_NS,
        alone_since_ns,
        taken: false,
    }
}

/// Whether both ends have seen that the other is up.
fn carries(from: &End, to: &End) -> bool {
    let (receiver, sender) = (to.socket(frames::ARP), from.socket(frames::ARP));
    let frame = frames::arp(frames::REQUEST, (from.mac, OTHER), OTHER).bytes;
    sender.send(&frame).expect("nobody stops it");
    let (start, mut buffer) = (Instant::now(), [0; 512]);
    while start.elapsed() < Duration::from_millis(20) {
        if receiver
            .receive(&mut buffer)
            .is_ok_and(|length| buffer[..length] == frame)
        {
            return true;
        }
    }
    false
}

/// Whether a frame comes out at the other end. One that nobody stops follows it on the same way, so
/// that nothing has to be waited for.
fn arrives(from: &End, to: &End, frame: &Frame, number: u64) -> bool {
    let receiver = to.socket(frame.protocol);
    let sender = from.socket(frame.protocol);
    let mark = |what: u8| [&[0xfa, what][..], &number.to_be_bytes()[..]].concat();
    let (tested, follower) = (mark(1), mark(2));
    let harmless = match frame.protocol {
        frames::ARP => frames::arp(frames::REQUEST, (from.mac, OTHER), OTHER),
        frames::IP4 => frames::udp4(BROADCAST, OTHER, OTHER),
        _ => frames::udp6(BROADCAST, OTHER6, OTHER6),
    };
    // One that is dropped on its way out is told to whoever sent it: that is no slip of the test.
    let _ = sender.send(&[&frame.bytes[..], &tested].concat());
    let sent = sender.send(&[&harmless.bytes[..], &follower].concat());
    sent.expect("nobody stops it");
    let (start, mut seen, mut buffer) = (Instant::now(), false, [0; 512]);
    while start.elapsed() < ARRIVES_WITHIN {
        let Ok(length) = receiver.receive(&mut buffer) else {
            std::thread::yield_now();
            continue;
        };
        seen |= buffer[..length].ends_with(&tested);
        if buffer[..length].ends_with(&follower) {
            return seen;
        }
    }
    panic!("the harmless frame did not arrive");
}
