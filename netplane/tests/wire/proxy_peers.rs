//! PROXY headers to and from HAProxy and nginx.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use farmux_netplane::health::HealthOverlay;
use farmux_netplane::plan::{
    Advice, Health, ProbeKey, ProbeKind, ProbePlan, ProxyVersion, ServiceKind,
};
use farmux_netplane::probe::{ProbeSettings, Probing, Verdict};

use crate::harness::{CALM, GET, OK, Origin, PATIENCE, Wire, connect_from, field, free_address};

/// A daemon with a configuration in a folder of its own; it ends with the test.
struct Daemon {
    child: Child,
    _folder: tempfile::TempDir,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself, which its test has noticed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts it in the foreground and waits until it listens at `address`.
fn start(program: &str, config: &str, address: SocketAddr) -> Daemon {
    let folder = tempfile::tempdir().expect("a folder is to be had");
    let path = folder.path().join("conf");
    let place = folder.path().display().to_string();
    std::fs::write(&path, config.replace("FOLDER", &place)).expect("it can be written");
    let mut command = Command::new(program);
    match program {
        "haproxy" => command.args(["-db", "-f"]).arg(&path),
        _ => command.arg("-p").arg(&place).arg("-c").arg(&path),
    };
    // Debian keeps both where an ordinary user's path does not look.
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin"));
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let daemon = Daemon {
        child: child.unwrap_or_else(|error| panic!("{program} is needed: {error}")),
        _folder: folder,
    };
    let end = Instant::now() + PATIENCE;
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < end, "{program} does not listen");
        std::thread::sleep(Duration::from_millis(5));
    }
    daemon
}

fn haproxy(listen: SocketAddr, bind: &str, server: SocketAddr, how: &str, mode: &str) -> Daemon {
    let config = format!(
        "global\n    maxconn 100\n\
         defaults\n    mode {mode}\n    timeout connect 5s\n    timeout client 20s\n\
         \x20   timeout server 20s\n\
         listen all\n    bind {listen} {bind}\n    server s1 {server} {how}\n\
         {}",
        if mode == "http" {
            "    option forwardfor\n"
        } else {
            ""
        }
    );
    start("haproxy", &config, listen)
}

/// Tells the client's address and port, as the PROXY header named them.
fn nginx(listen: SocketAddr) -> Daemon {
    let config = format!(
        "daemon off; master_process off; pid FOLDER/pid; error_log FOLDER/error;\n\
         events {{ worker_connections 64; }}\n\
         http {{ access_log off; client_body_temp_path FOLDER/b; proxy_temp_path FOLDER/p;\n\
         fastcgi_temp_path FOLDER/f; uwsgi_temp_path FOLDER/u; scgi_temp_path FOLDER/s;\n\
         server {{ listen {listen} proxy_protocol;\n\
         return 200 \"$proxy_protocol_addr:$proxy_protocol_port \
         $proxy_protocol_server_port\"; }} }}\n"
    );
    start("nginx", &config, listen)
}

const CLIENT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 5);

#[test]
fn haproxy_tells_us_of_its_client() {
    for how in [
        "send-proxy",
        "send-proxy-v2",
        "send-proxy-v2 proxy-v2-options unique-id,crc32c",
    ] {
        for mode in ["http", "tcp"] {
            let origin = Origin::always(OK);
            let mut wire = Wire::start(ServiceKind::Http, CALM, &[origin.address]);
            wire.plan.proxy.accept_from = ["127.0.0.1/32".parse().expect("a network")].into();
            let wire = wire.again(1);
            let front = free_address();
            let _haproxy = haproxy(front, "", wire.address, how, mode);
            let mut client = connect_from(CLIENT, front);
            client.send(GET);
            assert_eq!(client.message().1, "ok", "{how}, {mode}");
            let heads = origin.heads();
            let told = heads.last().and_then(|head| field(head, "X-Forwarded-For"));
            assert_eq!(told.as_deref(), Some("127.0.0.5"), "{how}, {mode}");
        }
    }
}

#[test]
fn haproxy_and_nginx_believe_what_we_tell() {
    for version in [ProxyVersion::V1, ProxyVersion::V2] {
        for kind in [ServiceKind::Http, ServiceKind::Tcp] {
            let (origin, back, web) = (Origin::always(OK), free_address(), free_address());
            let _haproxy = haproxy(back, "accept-proxy", origin.address, "", "http");
            let _nginx = nginx(web);
            let telling = |server: SocketAddr| {
                let mut wire = Wire::start(kind, CALM, &[server]);
                wire.plan.proxy.send = Some(version);
                wire.again(1)
            };
            let wire = telling(back);
            let mut client = wire.connect_from(CLIENT);
            client.send(GET);
            assert_eq!(client.message().1, "ok", "{version:?}, {kind:?}");
            let heads = origin.heads();
            let last = heads.last().map_or("", String::as_str);
            let told: Vec<_> = last
                .lines()
                .filter(|line| line.contains("127.0.0.5"))
                .collect();
            assert!(!told.is_empty(), "{version:?}, {kind:?}: {last}");

            let wire = telling(web);
            for _ in 0..2 {
                let mut client = wire.connect_from(CLIENT);
                let port = client
                    .stream
                    .local_addr()
                    .expect("it has an address")
                    .port();
                client.send(GET);
                let wanted = format!("127.0.0.5:{port} {}", wire.address.port());
                assert_eq!(client.message().1, wanted, "{version:?}, {kind:?}");
            }
        }
    }
}

/// What the check says next.
fn verdict(verdicts: &mut tokio::sync::mpsc::Receiver<Verdict>) -> Verdict {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Ok(verdict) = verdicts.try_recv() {
            return verdict;
        }
        assert!(Instant::now() < end, "no verdict in time");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// nginx that demands a header is well for a check that begins with one, and for no other. When
/// it is stopped, as a process that hangs is, a check that is asked says so at once.
#[test]
fn nginx_believes_our_checks() {
    let web = free_address();
    let nginx = nginx(web);
    for (proxy, health) in [
        (None, Health::Down),
        (Some(ProxyVersion::V1), Health::Up),
        (Some(ProxyVersion::V2), Health::Up),
    ] {
        let settings = ProbeSettings::plain(vec![]);
        let overlay = Arc::new(HealthOverlay::new());
        let (probing, mut verdicts) = Probing::start(overlay, settings).expect("a thread");
        let mut plan = ProbePlan {
            target: web,
            kind: ProbeKind::Http {
                obey: false,
                tls: None,
                path: "/".into(),
                host: "h".into(),
                status: 200,
                text: None,
            },
            proxy,
            interval: Duration::from_secs(60),
            timeout: Duration::from_secs(30),
            fall: 3,
            rise: 2,
            remembered: Health::Unknown,
            advised: Advice::None,
            asked: 1,
        };
        let key = ProbeKey::Watch("web".into());
        let apply = |plan: &ProbePlan| {
            let probes = BTreeMap::from([(key.clone(), plan.clone())]);
            probing.apply(probes, BTreeSet::new());
        };
        apply(&plan);
        let first = verdict(&mut verdicts);
        assert_eq!(first.health, health, "{proxy:?}: {}", first.reason);
        if health == Health::Down {
            continue;
        }
        // The last pass in turn is what tells that this check is quick.
        plan.interval = Duration::from_secs(50);
        apply(&plan);
        let end = Instant::now() + PATIENCE;
        while probing.counts().passed < 2 {
            assert!(Instant::now() < end, "{:?}", probing.counts());
            std::thread::sleep(Duration::from_millis(2));
        }
        signal(&nginx, "STOP");
        plan.asked = 2;
        apply(&plan);
        let stopped = verdict(&mut verdicts);
        let wanted = (Health::Down, Some(2));
        assert_eq!((stopped.health, stopped.answers), wanted, "{proxy:?}");
        signal(&nginx, "CONT");
    }
}

fn signal(daemon: &Daemon, name: &str) {
    let id = daemon.child.id().to_string();
    let sent = Command::new("kill").args(["-s", name, &id]).status();
    assert!(sent.expect("kill is there").success(), "{name}");
}
