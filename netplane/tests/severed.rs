//! Severed in network namespaces of our own: what is dropped, what is not, and that the kernel lets
//! it pass again by itself. Needs root and nftables.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsFd as _;
use std::process::Command;
use std::time::{Duration, Instant};

use farmux_netplane::reference::{Sender, who_has};
use farmux_netplane::severed::{Severed, heal, sever};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Two machines and a cable; they go when this is dropped.
struct Street {
    names: [String; 2],
}

const HERE: [u8; 4] = [10, 99, 7, 1];
const THERE: [u8; 4] = [10, 99, 7, 2];
const PEER_PORT: u16 = 7946;
const OTHER_PORT: u16 = 8080;

fn ip(words: &str) {
    let ran = Command::new("ip")
        .args(words.split(' '))
        .output()
        .expect("ip runs");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "ip {words}: {said}");
}

impl Street {
    fn new() -> Street {
        let names = ["a", "b"].map(|end| format!("severed-{}-{end}", std::process::id()));
        let street = Street { names };
        let [a, b] = &street.names;
        for name in &street.names {
            ip(&format!("netns add {name}"));
            ip(&format!("-n {name} link set lo up"));
        }
        ip(&format!(
            "-n {a} link add eth0 type veth peer name eth0 netns {b}"
        ));
        for (name, address) in street.names.iter().zip([HERE, THERE]) {
            let address = IpAddr::from(address);
            ip(&format!("-n {name} addr add {address}/24 dev eth0"));
            ip(&format!("-n {name} link set eth0 up"));
        }
        street
    }

    /// Works on one of the machines, in a thread of its own.
    fn on<T: Send>(&self, which: usize, work: impl FnOnce() -> T + Send) -> T {
        let path = format!("/run/netns/{}", self.names[which]);
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| {
                let namespace = File::open(path).expect("it is there");
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                    .expect("this thread is its own");
                work()
            });
            worker.join().expect("its test says why")
        })
    }
}

impl Drop for Street {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = Command::new("ip").args(["netns", "del", name]).output();
        }
    }
}

/// Sends back what comes to a port, until nobody asks.
fn echo(street: &Street, port: u16) {
    let socket = street.on(1, move || {
        UdpSocket::bind(SocketAddr::from((THERE, port))).expect("the port is free")
    });
    socket
        .set_read_timeout(Some(Duration::from_secs(30)))
        .expect("it can be set");
    std::thread::spawn(move || {
        let mut buffer = [0; 16];
        while let Ok((count, from)) = socket.recv_from(&mut buffer) {
            // What is dropped on its way is what this is about.
            let _ = socket.send_to(&buffer[..count], from);
        }
    });
}

/// Whether an answer comes within a tenth of a second, to a socket of this question's own: one that
/// comes late is none to the next question.
fn answers(port: u16) -> bool {
    let socket = UdpSocket::bind(SocketAddr::from((HERE, 0))).expect("a port is to be had");
    let patience = Some(Duration::from_millis(100));
    socket.set_read_timeout(patience).expect("it can be set");
    let to = SocketAddr::from((THERE, port));
    // What is dropped on its way out is an error here.
    let sent = socket.send_to(b"?", to).is_ok();
    sent && socket
        .recv_from(&mut [0; 16])
        .is_ok_and(|(_, from)| from == to)
}

fn until(what: &str, mut is: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !is() {
        assert!(Instant::now() < end, "never came true: {what}");
    }
}

#[test]
fn peers_are_dropped_by_port_until_the_kernel_lets_them_go() {
    let street = Street::new();
    echo(&street, PEER_PORT);
    echo(&street, OTHER_PORT);
    street.on(0, || {
        until("the cable is there", || answers(PEER_PORT));
        let ports = BTreeSet::from([PEER_PORT]);
        let lasts = Duration::from_secs(2);
        let begun = Instant::now();
        sever(&Severed::Peers { ports }, lasts).expect("nft does it");
        assert!(!answers(PEER_PORT), "a peer is heard");
        until("it ends by itself", || answers(PEER_PORT));
        assert!(begun.elapsed() >= lasts, "before its time");

        let ports = BTreeSet::from([PEER_PORT]);
        sever(&Severed::Peers { ports }, Duration::from_secs(600)).expect("nft does it");
        assert!(!answers(PEER_PORT), "a peer is heard");
        until("another port is heard", || answers(OTHER_PORT));
        heal().expect("nft does it");
        until("it is healed", || answers(PEER_PORT));
        heal().expect("where nothing is, nothing is to be done");
        let tables = Command::new("nft").args(["list", "tables"]).output();
        let tables = tables.expect("it runs").stdout;
        assert!(tables.is_empty(), "{}", String::from_utf8_lossy(&tables));
    });
}

#[test]
fn a_gateway_is_gone_for_every_probe_of_it() {
    let street = Street::new();
    echo(&street, OTHER_PORT);
    street.on(0, || {
        until("the cable is there", || answers(OTHER_PORT));
        let gateway = IpAddr::from(THERE);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.expect("a runtime");
        let seen = || {
            let asked = who_has("eth0", gateway, Sender::Nobody);
            runtime.block_on(asked).expect("root may ask").is_some()
        };
        assert!(seen());
        let from = Severed::Gateway {
            gateway,
            interfaces: vec!["eth0".to_owned()],
        };
        let lasts = Duration::from_secs(2);
        let begun = Instant::now();
        sever(&from, lasts).expect("nft does it");
        assert!(!seen(), "by ARP");
        assert!(!answers(OTHER_PORT), "by IP");
        until("it ends by itself", || seen() && answers(OTHER_PORT));
        assert!(begun.elapsed() >= lasts, "before its time");
        heal().expect("nft does it");
        assert!(seen(), "healed");
    });
}
