//! A machine with the VIP thread of this process, and a neighbour that listens.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use farmux_netplane::fence::{FenceSettings, FenceStatus, HookChoice};
use farmux_netplane::plan::VipPlan;
use farmux_netplane::sys::{PacketSocket, boottime_ns};
use farmux_netplane::vip::{Leases, Lent, Vips};
use farmux_tests::lab::{CLIENT, Host, Lab, VIP, node_address, process};
use tokio::sync::watch;

use super::frames::ARP;

pub(super) const SECOND: Duration = Duration::from_secs(1);

/// A plan with the VIP on `eth0`.
pub(super) fn plan() -> BTreeMap<Arc<str>, VipPlan> {
    let vip = VipPlan {
        address: VIP.into(),
        interface: Some("eth0".into()),
        held: false,
    };
    [(Arc::from("front"), vip)].into()
}

pub(super) fn ends_in(span: Duration) -> Option<Lent> {
    Some(Lent {
        until_ns: boottime_ns() + u64::try_from(span.as_nanos()).expect("short"),
        alone_since_ns: None,
        taken: false,
    })
}

pub(super) fn fenced(folder: &Path, hook: HookChoice) -> Leases {
    fs::create_dir_all(folder).expect("a folder in a bpffs");
    Leases::fenced(FenceSettings {
        folder: folder.to_owned(),
        hook,
    })
}

pub(super) fn arp_socket(of: &Host) -> PacketSocket {
    let index = process::run(of.command("cat").arg("/sys/class/net/eth0/ifindex"));
    let index = index.expect("an interface").trim().parse();
    let index = index.expect("a number");
    of.within(|| PacketSocket::open(index, ARP).expect("a raw socket"))
}

/// A machine for a VIP thread of this process, and a neighbour that hears its ARP.
pub(super) struct Stage {
    pub(super) host: Host,
    pub(super) client: Host,
    pub(super) socket: PacketSocket,
    pub(super) leases: Leases,
    plans: watch::Sender<BTreeMap<Arc<str>, VipPlan>>,
    _lab: Lab,
}

impl Stage {
    pub(super) fn new() -> Stage {
        Stage::hooked(HookChoice::Best)
    }

    pub(super) fn hooked(hook: HookChoice) -> Stage {
        let lab = Lab::new().expect("a lab needs root and iproute2");
        let host = lab.host("lb1", node_address(1)).expect("a host");
        let client = lab.host("client", CLIENT).expect("a client");
        Stage {
            host,
            socket: arp_socket(&client),
            client,
            leases: fenced(&lab.pins().join("lb1"), hook),
            plans: watch::Sender::new(plan()),
            _lab: lab,
        }
    }

    pub(super) fn start(&self) -> Vips {
        let plans = self.plans.subscribe();
        let start = || Vips::start(plans, self.leases.clone(), Box::new(|_| {}));
        self.host.within(start).expect("a VIP thread")
    }

    pub(super) fn status(&self) -> FenceStatus {
        let fences = self.leases.fences();
        fences.get("front").cloned().unwrap_or_default()
    }

    pub(super) fn tc(&self, arguments: &str) {
        let mut tc = self.host.command("tc");
        tc.args(arguments.split(' '));
        process::run(&mut tc).expect("tc");
    }
}
