//! The probes of FTP and NFS against the servers that people really run, one LAN away.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use farmux_netplane::health::HealthOverlay;
use farmux_netplane::plan::{Advice, Health, Hidden, NfsTransport, ProbeKey, ProbeKind, ProbePlan};
use farmux_netplane::probe::{ProbeSettings, Probing};
use farmux_tests::lab::process::Process;
use farmux_tests::lab::{CLIENT, Host, Lab, nfs as nfs_server, server_address, wait};

/// How long a server may take to start: ganesha reads its state first.
pub(crate) const STARTS_WITHIN: Duration = Duration::from_secs(20);

/// What one probe may take.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(2);

const NFS: u16 = 2049;
const PORTMAPPER: u16 = 111;

/// What each check finds, in words, probing once from `client`.
pub(crate) fn found<const N: usize>(
    client: &Host,
    to: &Host,
    checks: [(u16, ProbeKind); N],
) -> [String; N] {
    found_by(ProbeSettings::plain(vec![]), client, to, TIMEOUT, checks)
}

/// The same, when a probe may take this long.
pub(crate) fn found_within<const N: usize>(
    client: &Host,
    to: &Host,
    timeout: Duration,
    checks: [(u16, ProbeKind); N],
) -> [String; N] {
    found_by(ProbeSettings::plain(vec![]), client, to, timeout, checks)
}

/// The same, of a machine with these settings.
pub(crate) fn found_by<const N: usize>(
    settings: ProbeSettings,
    client: &Host,
    to: &Host,
    timeout: Duration,
    checks: [(u16, ProbeKind); N],
) -> [String; N] {
    client.within(|| {
        let overlay = Arc::new(HealthOverlay::new());
        let (probing, _verdicts) = Probing::start(overlay, settings).expect("a thread");
        let keys = std::array::from_fn(|number| ProbeKey::Watch(number.to_string().into()));
        let plan = |(port, kind): (u16, ProbeKind)| ProbePlan {
            target: SocketAddr::from((to.address(), port)),
            kind,
            proxy: None,
            interval: Duration::from_secs(60),
            timeout,
            fall: 1,
            rise: 1,
            remembered: Health::Unknown,
            advised: Advice::None,
            asked: 0,
        };
        let plans = keys.iter().cloned().zip(checks.map(plan)).collect();
        probing.apply(plans, BTreeSet::new());
        let all = || Some(probing.results()).filter(|results| results.len() == N);
        let results: BTreeMap<_, _> =
            wait::until("every check ends", STARTS_WITHIN, all).expect("within its timeout");
        keys.map(|key: ProbeKey| {
            let result = results.get(&key).expect("all are there");
            result.outcome.to_string()
        })
    })
}

fn nfs(transport: NfsTransport, version: u32, portmapper: bool) -> (u16, ProbeKind) {
    let port = if portmapper { PORTMAPPER } else { NFS };
    let kind = ProbeKind::Nfs {
        transport,
        version,
        portmapper,
    };
    (port, kind)
}

#[test]
fn nfs_is_known_by_its_protocol() {
    use NfsTransport::{Tcp, Udp};
    let lab = Lab::new().expect("a lab needs root and iproute2");
    let client = lab.host("client", CLIENT).expect("a client");
    let host = lab.host("s1", server_address(1)).expect("a server");
    let [refused] = found(&client, &host, [nfs(Tcp, 3, true)]);
    assert_eq!(refused, "connection refused");

    let mut server = nfs_server::start(&host, lab.folder()).expect("nfs-ganesha is installed");
    let registered = || {
        let all = [nfs(Udp, 3, true), nfs(Tcp, 4, true)];
        let found = found(&client, &host, all);
        found == ["NFS version 3 answers", "NFS version 4 answers"]
    };
    wait::until_true("ganesha is registered", STARTS_WITHIN, registered).expect("it starts");
    let checks = [
        nfs(Tcp, 3, true),
        nfs(Tcp, 3, false),
        nfs(Udp, 3, false),
        nfs(Tcp, 4, false),
        nfs(Tcp, 2, false),
        nfs(Udp, 2, false),
        (PORTMAPPER, nfs(Tcp, 3, false).1),
        (NFS, nfs(Tcp, 3, true).1),
    ];
    assert_eq!(
        found(&client, &host, checks),
        [
            "NFS version 3 answers",
            "NFS version 3 answers",
            "NFS version 3 answers",
            "NFS version 4 answers",
            "version mismatch: NFS has versions 3 to 4",
            "version mismatch: NFS has versions 3 to 4",
            "program unavailable: NFS does not answer there",
            "program unavailable: the portmapper does not answer there",
        ]
    );

    server.pause().expect("it runs");
    let checks = [nfs(Tcp, 3, false), nfs(Udp, 3, false), nfs(Udp, 3, true)];
    assert_eq!(
        found(&client, &host, checks),
        [
            "timeout after 2 s while waiting for the answer",
            "timeout after 2 s while waiting for the answer",
            "NFS at port 2049: timeout after 2 s while waiting for the answer",
        ]
    );
    server.kill();
    let checks = [nfs(Tcp, 3, false), nfs(Udp, 3, false), nfs(Tcp, 3, true)];
    assert_eq!(
        found(&client, &host, checks),
        [
            "connection refused",
            "connection refused",
            "NFS at port 2049: connection refused",
        ]
    );
    host.unplug().expect("the cable comes out");
    let [hung] = found(&client, &host, [nfs(Udp, 3, false)]);
    assert!(
        [
            "timeout after 2 s while waiting for the answer",
            "host unreachable"
        ]
        .contains(&&*hung),
        "{hung}"
    );
}

fn ftp(port: u16, password: &str, fetch: Option<&str>) -> (u16, ProbeKind) {
    let kind = ProbeKind::Ftp {
        user: "anonymous".into(),
        password: Hidden(password.into()),
        fetch: fetch.map(Into::into),
    };
    (port, kind)
}

/// A folder to serve, with one file in it; nobody may write there, or vsftpd would not start.
fn served(lab: &Lab) -> std::path::PathBuf {
    let folder = lab.folder().join("served");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("health"), "well\n").expect("writes");
    for path in [lab.folder(), &folder] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o555)).expect("ours");
    }
    folder
}

fn vsftpd(host: &Host, lab: &Lab, served: &Path) -> Process {
    let configuration = lab.folder().join("vsftpd.conf");
    let text = format!(
        "listen=YES\nbackground=NO\nanonymous_enable=YES\nlocal_enable=NO\nanon_root={}\n\
         secure_chroot_dir={}\nseccomp_sandbox=NO\nsecure_email_list_enable=YES\n\
         email_password_file={}\n",
        served.display(),
        served.display(),
        lab.folder().join("passwords").display(),
    );
    fs::write(lab.folder().join("passwords"), "probe@example.com\n").expect("writes");
    fs::write(&configuration, text).expect("writes");
    let mut command = host.command("vsftpd");
    command.arg(configuration);
    host.spawn("vsftpd", command).expect("vsftpd is installed")
}

fn pyftpd(host: &Host, served: &Path) -> Process {
    let mut command = host.command("/usr/bin/python3");
    command
        .args(["-m", "pyftpdlib", "-p", "2121", "-d"])
        .arg(served);
    host.spawn("pyftpdlib", command)
        .expect("python3-pyftpdlib is installed")
}

#[test]
fn ftp_is_known_by_what_a_client_gets() {
    let lab = Lab::new().expect("a lab needs root and iproute2");
    let client = lab.host("client", CLIENT).expect("a client");
    let host = lab.host("s1", server_address(1)).expect("a server");
    let served = served(&lab);
    let mut vsftpd = vsftpd(&host, &lab, &served);
    let mut pyftpd = pyftpd(&host, &served);
    let (right, file) = ("probe@example.com", Some("health"));
    let listens = || {
        let found = found(
            &client,
            &host,
            [ftp(21, right, file), ftp(2121, right, file)],
        );
        found
            .iter()
            .all(|found| found == "logged in, 5 bytes fetched")
    };
    wait::until_true("both servers listen", STARTS_WITHIN, listens).expect("they start");
    let checks = [
        ftp(21, "other@example.com", None),
        ftp(21, right, Some("missing")),
        ftp(2121, right, Some("missing")),
    ];
    assert_eq!(
        found(&client, &host, checks),
        [
            "login refused (530)",
            "RETR refused (550)",
            "RETR refused (550)",
        ]
    );
    for listed in found(
        &client,
        &host,
        [ftp(21, right, None), ftp(2121, right, None)],
    ) {
        assert!(
            listed.starts_with("logged in, ") && listed.ends_with(" bytes listed"),
            "{listed}"
        );
        assert_ne!(listed, "logged in, 0 bytes listed");
    }

    for server in [&vsftpd, &pyftpd] {
        server.pause().expect("it runs");
    }
    let hung = "timeout after 2 s while waiting for the greeting";
    let paused = found(
        &client,
        &host,
        [ftp(21, right, None), ftp(2121, right, None)],
    );
    assert_eq!(paused, [hung, hung]);
    vsftpd.kill();
    pyftpd.kill();
    let refused = found(
        &client,
        &host,
        [ftp(21, right, None), ftp(2121, right, None)],
    );
    assert_eq!(refused, ["connection refused", "connection refused"]);
}
