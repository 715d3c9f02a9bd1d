//! The `https` probe against a real nginx and OpenSSL, with good and bad certificates.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use farmux_netplane::plan::{ProbeKind, ProbeTls};
use farmux_netplane::probe::{ProbeSettings, Trust};
use farmux_tests::lab::process::Process;
use farmux_tests::lab::{CLIENT, Host, Lab, server_address, wait};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use super::probes::{STARTS_WITHIN, TIMEOUT, found_by};

const NAME: &str = "shop.test";

/// How long a certificate lives, from now: days since it began, and days until it ends.
type Life = (i64, i64);

/// A CA of the lab's own.
struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Ca {
    fn new(name: &str) -> Ca {
        let key = KeyPair::generate().expect("random bytes");
        let mut params = CertificateParams::new([]).expect("no names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).expect("it signs").pem();
        Ca {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// A certificate and its key, in PEM.
    fn issue(&self, name: &str, (since, until): Life) -> String {
        let key = KeyPair::generate().expect("random bytes");
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        params.not_before = (days_from_now(since) + Duration::from_hours(1)).into();
        params.not_after = (days_from_now(until) + Duration::from_hours(1)).into();
        let certificate = params.signed_by(&key, &self.issuer).expect("it signs");
        certificate.pem() + &key.serialize_pem()
    }
}

fn days_from_now(days: i64) -> SystemTime {
    let much = Duration::from_hours(24 * days.unsigned_abs());
    let now = SystemTime::now();
    if days < 0 { now - much } else { now + much }
}

fn self_signed(ca: bool) -> String {
    let key = KeyPair::generate().expect("random bytes");
    let mut params = CertificateParams::new([NAME.to_owned()]).expect("a name");
    if ca {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    params.self_signed(&key).expect("it signs").pem() + &key.serialize_pem()
}

/// nginx with a server a certificate, on ports from 4430 on; another on 80.
fn nginx(host: &Host, folder: &Path, servers: &[(String, &str)]) -> Process {
    let mut text = format!(
        "daemon off;\nuser root;\npid {at}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n\
         access_log off;\nserver {{ listen 80; return 200; }}\n",
        at = folder.display()
    );
    for (number, (pem, more)) in servers.iter().enumerate() {
        let file = folder.join(format!("{number}.pem"));
        fs::write(&file, pem).expect("writes");
        let (file, port) = (file.display(), 4430 + number);
        text += &format!(
            "server {{ listen {port} ssl; ssl_certificate {file}; ssl_certificate_key {file}; \
             {more} location / {{ return 200 \"all well\\n\"; }} }}\n"
        );
    }
    text += "}\n";
    let configuration = folder.join("conf");
    fs::write(&configuration, text).expect("writes");
    let mut command = host.command("nginx");
    command.arg("-c").arg(configuration);
    host.spawn("nginx", command).expect("nginx is installed")
}

/// OpenSSL's server on port 4500, with more arguments.
fn s_server(host: &Host, folder: &Path, pem: &str, more: &[&str]) -> Process {
    let file = folder.join("s_server.pem");
    fs::write(&file, pem).expect("writes");
    let mut command = host.command("openssl");
    command.args(["s_server", "-www", "-accept", "4500", "-cert"]);
    command.arg(&file).arg("-key").arg(&file).args(more);
    host.spawn("openssl", command)
        .expect("openssl is installed")
}

fn https(port: u16, verify: bool, days_left: u32) -> (u16, ProbeKind) {
    named(port, NAME, verify, days_left)
}

fn named(port: u16, name: &str, verify: bool, days_left: u32) -> (u16, ProbeKind) {
    let kind = ProbeKind::Http {
        path: "/".into(),
        host: name.into(),
        status: 200,
        text: Some("all well".into()),
        obey: false,
        tls: Some(ProbeTls {
            name: name.into(),
            verify,
            days_left,
        }),
    };
    (port, kind)
}

/// A web server with every kind of certificate, and who asks it.
struct Bench {
    client: Host,
    host: Host,
    bundle: PathBuf,
    folder: PathBuf,
    ca: Ca,
    // Dropped last: it takes the hosts with it.
    lab: Lab,
}

impl Bench {
    fn new() -> Bench {
        let lab = Lab::new().expect("a lab needs root and iproute2");
        let client = lab.host("client", CLIENT).expect("a client");
        let host = lab.host("s1", server_address(1)).expect("a server");
        let ca = Ca::new("lab");
        let bundle = lab.folder().join("bundle.pem");
        fs::write(&bundle, format!("{}{}", Ca::new("another").pem, ca.pem)).expect("writes");
        let folder = lab.folder().join("server");
        fs::create_dir_all(&folder).expect("a folder");
        Bench {
            client,
            host,
            bundle,
            folder,
            ca,
            lab,
        }
    }

    fn found<const N: usize>(&self, checks: [(u16, ProbeKind); N]) -> [String; N] {
        let settings = ProbeSettings {
            trust: Trust::file(self.bundle.clone()),
            ..ProbeSettings::plain(vec![])
        };
        found_by(settings, &self.client, &self.host, TIMEOUT, checks)
    }

    /// nginx, at [`PORT`] and the ports that follow, with one of these each.
    fn nginx(&self) -> Process {
        let stranger = Ca::new("stranger");
        let clients = self.folder.join("clients.pem");
        fs::write(&clients, &stranger.pem).expect("writes");
        let clients = clients.display();
        let known = format!("ssl_client_certificate {clients}; ssl_verify_client on;");
        let address = server_address(1).to_string();
        let ca = &self.ca;
        let servers = [
            (ca.issue(NAME, GOOD), ""),
            (ca.issue(NAME, GOOD), "ssl_protocols TLSv1.2;"),
            (ca.issue(NAME, (-90, -12)), ""),
            (ca.issue(NAME, (3, 90)), ""),
            (ca.issue("other.test", GOOD), ""),
            (stranger.issue(NAME, GOOD), ""),
            (self_signed(false), ""),
            (self_signed(true), ""),
            (ca.issue(NAME, (-80, 9)), ""),
            (ca.issue(&address, GOOD), ""),
            (ca.issue(NAME, GOOD), &known),
        ];
        let nginx = nginx(&self.host, &self.folder, &servers);
        let listens = || self.found([https(PORT, true, 0)]) == [WELL];
        wait::until_true("nginx listens", STARTS_WITHIN, listens).expect("it starts");
        nginx
    }
}

#[test]
fn certificates_are_judged() {
    let bench = Bench::new();
    let _nginx = bench.nginx();
    let verified = [
        (4430, WELL),
        (4431, WELL),
        (4432, "certificate expired 11 days ago"),
        (4433, "certificate not valid yet, good only in 3 days"),
        (4434, "certificate is for another name"),
        (4435, "certificate of an unknown issuer"),
        (4436, "certificate of an unknown issuer"),
        (4437, "certificate of a CA shown as the server's own"),
        (4438, NINE),
        (4439, "certificate is for another name"),
        // nginx answers those without a certificate in HTTP.
        (4440, "status 400, expected 200"),
        (80, "the answer is not TLS"),
    ];
    let checks = verified.map(|(port, _)| https(port, true, 0));
    assert_eq!(bench.found(checks), verified.map(|(_, wanted)| wanted));
    bench.host.hang();
    let hung = "timeout after 2 s while negotiating TLS";
    assert_eq!(bench.found([https(PORT, true, 0)]), [hung]);
}

#[test]
fn what_is_wanted_of_certificates_differs() {
    let bench = Bench::new();
    let _nginx = bench.nginx();
    let few = "certificate good for 9 days more, 14 wanted";
    let expired = "status 200, text found, certificate expired 11 days ago";
    let nameless =
        "this node could not probe: no certificate can bear the name in the check's host";
    let address = server_address(1).to_string();
    let rows = [
        (https(4438, true, 9), NINE),
        (https(4438, true, 14), few),
        (https(4438, false, 14), few),
        (https(4432, false, 0), expired),
        (https(4432, false, 1), "certificate expired 11 days ago"),
        (https(4434, false, 0), WELL),
        (https(4435, false, 0), WELL),
        (named(4439, &address, true, 0), WELL),
        (named(4430, "SHOP.test", true, 0), WELL),
        (named(4430, "a..b", true, 0), nameless),
        // nginx takes no such Host field; TLS is there.
        (named(4430, "a..b", false, 0), "status 400, expected 200"),
    ];
    let wanted = rows.clone().map(|(_, wanted)| wanted);
    assert_eq!(bench.found(rows.map(|(check, _)| check)), wanted);
}

#[test]
fn openssl_is_understood() {
    let bench = Bench::new();
    let pem = bench.ca.issue(NAME, GOOD);
    let mut check = https(4500, true, 0);
    if let ProbeKind::Http { text, .. } = &mut check.1 {
        *text = None;
    }
    let until = |wanted: &str| {
        let is = || {
            let [found] = bench.found([check.clone()]);
            assert!([wanted, "connection refused"].contains(&&*found), "{found}");
            found == wanted
        };
        wait::until_true("OpenSSL listens", STARTS_WITHIN, is).expect("it starts");
    };
    let no_common = "no TLS version or cipher in common";
    for (more, wanted) in [
        (&["-tls1_3"][..], "status 200, certificate good for 83 days"),
        (&["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], no_common),
        (
            &["-tls1_2", "-cipher", "AES128-SHA"],
            "TLS ended by the server: alert 40 (handshake failure)",
        ),
        (
            &["-tls1_3", "-Verify", "1", "-verify_return_error"],
            "TLS ended by the server: alert 116 (certificate required)",
        ),
        (&["-tls1_2"], "status 200, certificate good for 83 days"),
    ] {
        let mut server = s_server(&bench.host, bench.lab.folder(), &pem, more);
        until(wanted);
        server.kill();
    }
    // A bundle that is there and of no use says nothing against the server.
    let _server = s_server(&bench.host, bench.lab.folder(), &pem, &[]);
    fs::write(&bench.bundle, "").expect("writes");
    let bundle = bench.bundle.display();
    until(&format!(
        "this node could not probe: certificates in {bundle}: none of use"
    ));
}

/// Begun a week ago, for 90 days.
const GOOD: Life = (-7, 83);

const WELL: &str = "status 200, text found, certificate good for 83 days";

const NINE: &str = "status 200, text found, certificate good for 9 days";

/// Of the first server; the others follow.
const PORT: u16 = 4430;
