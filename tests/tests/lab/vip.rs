//! VIPs on real interfaces: what the kernel answers for, and what the LAN hears of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use farmux_netplane::arp::{Claim, Form};
use farmux_netplane::plan::VipPlan;
use farmux_netplane::sys::{PacketSocket, boottime_ns};
use farmux_netplane::vip::{Leases, Lent, VipStatus, Vips};
use farmux_tests::lab::{CLIENT, Host, Lab, VIP, node_address, process, wait};
use tokio::sync::watch;

pub(crate) type Plans = BTreeMap<Arc<str>, VipPlan>;

pub(crate) const NAME: &str = "front";
/// A lease that no test outlives.
pub(crate) const LONG: Duration = Duration::from_secs(60);
pub(crate) const SECOND: Duration = Duration::from_secs(1);
/// Below half a second, in which it looks at everything anyway.
pub(crate) const WOKEN_WITHIN: Duration = Duration::from_millis(450);
/// After 0, 50, 250 ms and 1.2 s (`vip-protocol.md`, section 7).
const FIFTH_ANNOUNCEMENT: Duration = Duration::from_millis(2_500);

/// A plan with the VIP on this interface.
pub(crate) fn plan(interface: Option<&str>) -> Plans {
    plan_of(VIP.into(), interface)
}

/// A plan with this address as the VIP.
pub(crate) fn plan_of(address: IpAddr, interface: Option<&str>) -> Plans {
    let interface = interface.map(Arc::from);
    let vip = VipPlan {
        address,
        interface,
        held: false,
    };
    [(Arc::from(NAME), vip)].into()
}

pub(crate) fn ends_in(span: Duration) -> Option<Lent> {
    Some(Lent {
        until_ns: boottime_ns() + u64::try_from(span.as_nanos()).expect("short"),
        alone_since_ns: None,
        taken: false,
    })
}

/// A machine with an actuator.
pub(crate) struct Machine {
    host: Host,
    plans: watch::Sender<Plans>,
    pub(crate) leases: Leases,
    lost: Arc<Mutex<Vec<IpAddr>>>,
    pub(crate) vips: Vips,
}

impl Machine {
    pub(crate) fn start(host: Host, first: Plans) -> Machine {
        let (plans, receiver) = watch::channel(first);
        let (leases, lost) = (Leases::default(), Arc::new(Mutex::new(Vec::new())));
        let (shared, list) = (leases.clone(), Arc::clone(&lost));
        let on_lost = move |address| list.lock().expect("a list").push(address);
        let start = || Vips::start(receiver, shared, Box::new(on_lost));
        let vips = host.within(start).expect("a VIP thread");
        Machine {
            host,
            plans,
            leases,
            lost,
            vips,
        }
    }

    pub(crate) fn status(&self) -> VipStatus {
        self.vips
            .status()
            .borrow()
            .get(NAME)
            .cloned()
            .unwrap_or_default()
    }

    pub(crate) fn wait_for(&self, what: &str, here: bool, limit: Duration) {
        wait::until_true(what, limit, || self.host.holds(VIP) == here).expect("in time");
    }
}

fn eth0(host: &Host) -> u32 {
    let show = process::run(host.command("cat").arg("/sys/class/net/eth0/ifindex"));
    show.expect("an interface")
        .trim()
        .parse()
        .expect("a number")
}

#[test]
fn an_address_comes_and_goes_with_its_lease() {
    let lab = Lab::new().expect("a lab needs root and iproute2");
    let host = lab.host("lb1", node_address(1)).expect("a host");
    let machine = Machine::start(host, plan(Some("eth0")));
    let adopted = || machine.vips.status().borrow().contains_key(NAME);
    wait::until_true("the plan is adopted", SECOND, adopted).expect("in time");
    assert_eq!(
        machine.status(),
        VipStatus {
            carrier: true,
            ..VipStatus::default()
        },
        "nothing shown, nothing in the way"
    );
    assert!(!machine.host.holds(VIP), "a plan alone shows nothing");

    machine.leases.set(NAME, ends_in(LONG));
    let shown = || machine.status().shown_since.is_some();
    wait::until_true("the VIP is here", WOKEN_WITHIN, shown).expect("at once");
    let line = process::run(
        machine
            .host
            .command("ip")
            .args(["-4", "addr", "show", "dev", "eth0"]),
    );
    let line = line.expect("addresses");
    let vip = line
        .split("inet ")
        .find(|part| part.starts_with("10.0.0.100/32"))
        .expect("a /32");
    assert!(vip.contains("preferred_lft 0sec"), "{vip}");
    assert!(
        vip.contains("valid_lft 2sec") || vip.contains("valid_lft 1sec"),
        "{vip}"
    );

    // It is renewed: it outlives its lifetime of two seconds, which nothing but time can show.
    wait::throughout("the VIP stays", 3 * SECOND, || machine.host.holds(VIP)).expect("renewed");
    assert!(machine.lost.lock().expect("a list").is_empty());

    machine.leases.set(NAME, None);
    // Left alone it would have stayed for one and a half seconds at least.
    machine.wait_for("the VIP is removed", false, SECOND);
    assert_eq!(*machine.lost.lock().expect("a list"), [IpAddr::from(VIP)]);
}

#[test]
fn an_address_goes_when_its_lease_runs_out_unsaid() {
    let lab = Lab::new().expect("a lab needs root and iproute2");
    let host = lab.host("lb1", node_address(1)).expect("a host");
    let machine = Machine::start(host, plan(Some("eth0")));
    machine.leases.set(NAME, ends_in(LONG));
    machine.wait_for("the VIP is here", true, SECOND);
    machine
        .leases
        .set(NAME, ends_in(Duration::from_millis(600)));
    // By its lifetime it would have stayed for one and a half seconds at least.
    machine.wait_for("the VIP goes with its deadline", false, SECOND);
}

#[test]
fn the_lan_hears_both_forms_again_and_again() {
    let lab = Lab::new().expect("a lab needs root and iproute2");
    let host = lab.host("lb1", node_address(1)).expect("a host");
    let client = lab.host("client", CLIENT).expect("a client");
    let index = eth0(&client);
    let socket = client
        .within(|| PacketSocket::arp(index))
        .expect("a raw socket");
    let machine = Machine::start(host, plan(Some("eth0")));
    let start = Instant::now();
    machine.leases.set(NAME, ends_in(LONG));
    let mut heard: Vec<(Duration, Claim)> = Vec::new();
    let mut frame = [0; 128];
    let due = [0, 50, 250, 1_200];
    while heard.len() < 2 * due.len() {
        assert!(start.elapsed() < FIFTH_ANNOUNCEMENT, "{heard:?}");
        match socket.receive(&mut frame) {
            Ok(length) => {
                let claim = Claim::parse(&frame[..length]).filter(|claim| claim.address == VIP);
                heard.extend(claim.map(|claim| (start.elapsed(), claim)));
            }
            Err(_) => std::thread::yield_now(),
        }
    }
    let macs: BTreeSet<[u8; 6]> = heard.iter().map(|(_, claim)| claim.mac).collect();
    assert_eq!(macs.len(), 1, "{heard:?}");
    for form in [Form::Request, Form::Reply] {
        let of_form = heard.iter().filter(|(_, claim)| claim.form == form);
        let times: Vec<u128> = of_form.map(|(at, _)| at.as_millis()).collect();
        assert_eq!(times.len(), due.len(), "{form:?} at {times:?}");
        // Never early; how late one is, is the business of whoever shares these cores.
        for (at, due) in times.iter().zip(due) {
            assert!(*at >= due, "{form:?} at {times:?}");
        }
    }
    let counted = || machine.status().announced == 4;
    wait::until_true("they are counted", SECOND, counted).expect("in time");
}

#[test]
fn a_missing_interface_is_said_and_mended() {
    let lab = Lab::new().expect("a lab needs root and iproute2");
    let host = lab.host("lb1", node_address(1)).expect("a host");
    let machine = Machine::start(host, plan(Some("eth7")));
    machine.leases.set(NAME, ends_in(LONG));
    let says = |part: &str| {
        machine
            .status()
            .trouble
            .is_some_and(|said| said.contains(part))
    };
    wait::until_true("the trouble is said", SECOND, || says("interface eth7")).expect("said");
    machine.plans.send_replace(plan(None));
    wait::until_true("the trouble is said", SECOND, || says("node.toml")).expect("said");
    machine.plans.send_replace(plan(Some("eth7")));
    let ip = |args: &[&str]| process::run(machine.host.command("ip").args(args)).expect("ip");
    ip(&[
        "link", "add", "eth7", "type", "veth", "peer", "name", "peer7",
    ]);
    ip(&["link", "set", "peer7", "up"]);
    ip(&["link", "set", "eth7", "up"]);
    let shown = || machine.status().shown_since.is_some() && machine.status().trouble.is_none();
    wait::until_true("the VIP comes with its interface", 2 * SECOND, shown).expect("shown");
    ip(&["link", "del", "eth7"]);
    let gone = || machine.status().shown_since.is_none() && says("missing");
    wait::until_true("the loss of an interface is seen", 2 * SECOND, gone).expect("seen");
}

#[test]
fn leftovers_of_an_earlier_start_go_but_not_what_is_configured() {
    let lab = Lab::new().expect("a lab needs root and iproute2");
    let host = lab.host("lb1", node_address(1)).expect("a host");
    let add = |args: &[&str]| {
        let fixed = ["addr", "add", "dev", "eth0"];
        process::run(host.command("ip").args(fixed).args(args)).expect("an address");
    };
    add(&["10.0.0.100/32", "valid_lft", "60", "preferred_lft", "0"]);
    add(&["10.0.0.101/32"]);
    let mut plans = plan(Some("eth0"));
    let mut fixed = plans[NAME].clone();
    fixed.address = IpAddr::from([10, 0, 0, 101]);
    plans.insert("fixed".into(), fixed);
    let machine = Machine::start(host.clone(), plans);
    machine.wait_for("the leftover goes", false, SECOND);
    assert!(
        host.holds([10, 0, 0, 101].into()),
        "configured by hand, so none of ours"
    );
}

/// Not a test: what [`a_killed_daemon_leaves_no_address`] kills.
#[test]
#[ignore = "started by another test, inside a namespace"]
fn child_holds_a_vip() {
    let (_plans, receiver) = watch::channel(plan(Some("eth0")));
    let leases = Leases::default();
    leases.set(NAME, ends_in(LONG));
    let _vips = Vips::start(receiver, leases, Box::new(|_| {})).expect("a VIP thread");
    loop {
        std::thread::park();
    }
}

#[test]
fn a_killed_daemon_leaves_no_address() {
    let lab = Lab::new().expect("a lab needs root and iproute2");
    let host = lab.host("lb1", node_address(1)).expect("a host");
    let mut command = host.command(std::env::current_exe().expect("this test"));
    command.args(["--exact", "vip::child_holds_a_vip", "--ignored"]);
    let mut child = host.spawn("child", command).expect("a child");
    wait::until_true("the VIP is here", 5 * SECOND, || host.holds(VIP)).expect("in time");
    child.kill();
    assert!(host.holds(VIP), "the kernel does not know yet");
    wait::until_true("the VIP expires", 3 * SECOND, || !host.holds(VIP)).expect("by itself");
}
