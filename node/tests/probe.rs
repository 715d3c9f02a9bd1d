//! `farmux probe` against real servers that are killed, stopped and started again.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use farmux_node::measure::Measured;

#[path = "common/place.rs"]
mod place;

use place::place;

/// nginx as one process, so that one signal is all of it.
struct Nginx {
    folder: tempfile::TempDir,
    address: SocketAddr,
    child: Option<Child>,
}

/// Nothing in here takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a server is made to be out: several times what a busy machine adds.
const OUTAGE: Duration = Duration::from_millis(1_500);

/// Waits for a condition.
fn until(what: &str, mut met: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !met() {
        assert!(Instant::now() < end, "in vain for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

impl Nginx {
    /// One that answers `hello`; `more`: what else stands in its server.
    fn new(listen: &str, more: &str) -> Nginx {
        let folder = tempfile::tempdir().expect("a folder");
        let address = place();
        let at = folder.path().display();
        let text = format!(
            "daemon off;\nmaster_process off;\npid {at}/pid;\nerror_log {at}/error.log;\n\
             events {{}}\nhttp {{\n  access_log {at}/access.log;\n  \
             client_body_temp_path {at}/body;\n  \
             proxy_temp_path {at}/proxy;\n  fastcgi_temp_path {at}/fastcgi;\n  \
             uwsgi_temp_path {at}/uwsgi;\n  scgi_temp_path {at}/scgi;\n  server {{\n    \
             listen {address}{listen} reuseport;\n    location / {{ return 200 hello; }}\n    \
             location /gone {{ return 503; }}\n    {more}\n  }}\n}}\n"
        );
        std::fs::write(folder.path().join("nginx.conf"), text).expect("a file");
        let mut nginx = Nginx {
            folder,
            address,
            child: None,
        };
        nginx.start();
        nginx
    }

    fn start(&mut self) {
        let child = Command::new("/usr/sbin/nginx")
            .arg("-c")
            .arg(self.folder.path().join("nginx.conf"))
            .arg("-e")
            .arg(self.folder.path().join("error.log"))
            .stdin(Stdio::null())
            .spawn();
        self.child = Some(child.expect("nginx is installed; see deploy/setup.sh"));
        let listens = || TcpStream::connect(self.address).is_ok();
        until("nginx listens", listens);
    }

    /// Returns when it has answered several requests.
    fn is_asked(&self) {
        let log = self.folder.path().join("access.log");
        let lines = || std::fs::read_to_string(&log).map_or(0, |text| text.lines().count());
        until("several requests", || lines() > 4);
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it runs");
            child.wait().expect("it was started here");
        }
    }

    fn signal(&self, signal: &str) {
        let child = self.child.as_ref().expect("it runs");
        send(child, signal);
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.kill();
    }
}

fn send(child: &Child, signal: &str) {
    let sent = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status();
    assert!(sent.expect("kill is there").success());
}

fn farmux(line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_farmux"));
    command
        .args(line.split_whitespace())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn start(line: &str) -> Child {
    farmux(line).spawn().expect("farmux is built")
}

fn told(output: &Output) -> (i32, Measured) {
    let text = String::from_utf8_lossy(&output.stdout);
    let measured = serde_json::from_str(&text);
    let error = String::from_utf8_lossy(&output.stderr);
    let code = output.status.code().expect("it was not killed");
    (
        code,
        measured.unwrap_or_else(|wrong| panic!("{wrong}\n{text}\n{error}")),
    )
}

fn measure(line: &str) -> (i32, Measured) {
    told(&start(line).wait_with_output().expect("it ends"))
}

/// What the client itself was late, and what a busy machine keeps the server from answering.
fn tolerance(measured: &Measured) -> u64 {
    measured.resolution_ms + measured.longest_pause_ms + 300
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).expect("seconds")
}

#[test]
fn a_server_that_answers_has_no_outage() {
    let nginx = Nginx::new("", "");
    let url = format!("http://{}/", nginx.address);
    for line in [
        format!("probe {url} --for 1s --timeout 10s -o json"),
        format!("probe {url} --for 1s --timeout 10s --keep-alive -o json"),
        format!(
            "probe tcp://{} --for 1s --timeout 10s -o json",
            nginx.address
        ),
        format!("probe {url}gone --status 503 --for 1s --timeout 10s -o json"),
    ] {
        let (code, measured) = measure(&line);
        assert_eq!(code, 0, "{line}: {measured:?}");
        assert!(measured.requests > 5, "{measured:?}");
        assert_eq!((measured.failed, measured.outages), (0, 0));
        assert!(measured.latency.is_some());
        let answered: u32 = measured.series.answered.iter().sum();
        assert_eq!(u64::from(answered), measured.requests);
    }
}

#[test]
fn a_server_that_is_killed_and_started_again_was_out_as_long() {
    let mut nginx = Nginx::new("", "");
    let line = format!(
        "probe http://{}/ --until-outage --for 20s --timeout 5s -o json",
        nginx.address
    );
    let probe = start(&line);
    nginx.is_asked();
    let before = Instant::now();
    nginx.kill();
    let killed = Instant::now();
    std::thread::sleep(OUTAGE);
    let shortest = millis(killed.elapsed());
    nginx.start();
    let longest = millis(before.elapsed());
    let (code, measured) = told(&probe.wait_with_output().expect("it ends by itself"));
    assert_eq!(code, 7, "{measured:?}");
    assert!(measured.lasted_ms < 20_000, "it ends with the outage");
    assert_eq!(measured.outages, 1, "{measured:?}");
    let more = tolerance(&measured);
    let near = shortest.saturating_sub(more)..=longest + more;
    assert!(near.contains(&measured.outage_ms), "{near:?}: {measured:?}");
    assert!(measured.longest_gap_ms + 1 >= measured.outage_ms);
    let refused =
        |way: &farmux_node::measure::report::FailureCount| way.reason == "connection refused";
    assert!(measured.failures.iter().any(refused), "{measured:?}");
}

#[test]
fn a_server_that_hangs_is_out_until_it_goes_on() {
    let nginx = Nginx::new("", "");
    let line = format!(
        "probe http://{}/ --until-outage --for 20s --timeout 500ms -o json",
        nginx.address
    );
    let probe = start(&line);
    nginx.is_asked();
    let stopped = Instant::now();
    nginx.signal("-STOP");
    std::thread::sleep(OUTAGE);
    nginx.signal("-CONT");
    let hung = millis(stopped.elapsed());
    let (code, measured) = told(&probe.wait_with_output().expect("it ends by itself"));
    assert_eq!(code, 7, "{measured:?}");
    // What was asked within the last 500 ms of it was answered after it.
    let longest = hung + tolerance(&measured);
    assert!(
        (hung / 2..=longest).contains(&measured.outage_ms),
        "{hung}: {measured:?}"
    );
    let late = "no whole answer within 500 ms";
    assert!(
        measured.failures.iter().any(|way| way.reason == late),
        "{measured:?}"
    );
}

#[test]
fn it_is_stopped_by_a_signal_and_tells_what_it_saw() {
    let nginx = Nginx::new("", "");
    let probe = start(&format!("probe http://{}/gone", nginx.address));
    nginx.is_asked();
    send(&probe, "-INT");
    let output = probe.wait_with_output().expect("it ends");
    let (text, error) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(output.status.code(), Some(7), "{text}{error}");
    assert!(text.contains(" and not over, ±"), "{text}");
    assert!(text.contains("status 503"), "{text}");
    assert!(error.contains("more: farmux explain FMX-150"), "{error}");
}

#[test]
fn a_certificate_must_be_good_unless_any_will_do() {
    let made = rcgen::generate_simple_self_signed(vec!["shop.test".to_owned()]);
    let made = made.expect("a certificate");
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, pem: String| {
        let file = folder.path().join(name);
        std::fs::write(&file, pem).expect("a file");
        file
    };
    let certificate = write("certificate.pem", made.cert.pem());
    let key = write("key.pem", made.signing_key.serialize_pem());
    let more = format!(
        "ssl_certificate {}; ssl_certificate_key {};",
        certificate.display(),
        key.display()
    );
    let nginx = Nginx::new(" ssl", &more);
    let ask = |more: &str, trusted: &Path| {
        let line = format!(
            "probe https://{}/ --for 400ms --timeout 10s -o json {more}",
            nginx.address
        );
        let output = farmux(&line).env("SSL_CERT_FILE", trusted).output();
        told(&output.expect("farmux is built"))
    };
    let (code, measured) = ask("--host shop.test", &certificate);
    assert_eq!(code, 0, "{measured:?}");
    let nobody = folder.path().join("nobody.pem");
    let (code, measured) = ask("--host shop.test", &nobody);
    assert_eq!((code, measured.requests), (7, measured.failed));
    assert!(
        measured.failures[0].reason.starts_with("certificate of"),
        "{measured:?}"
    );
    let (code, measured) = ask("--insecure --keep-alive", &nobody);
    assert_eq!(code, 0, "{measured:?}");
}

#[test]
fn an_ftp_session_is_a_request() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    let open = |path: &Path| {
        use std::os::unix::fs::PermissionsExt as _;
        let all = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(path, all).expect("permissions can be set");
    };
    open(at);
    for name in ["root", "empty"] {
        std::fs::create_dir(at.join(name)).expect("a folder");
        open(&at.join(name));
    }
    std::fs::write(at.join("root/hello.txt"), "hello\n").expect("a file");
    open(&at.join("root/hello.txt"));
    let address = place();
    let text = format!(
        "listen=YES\nlisten_address={}\nlisten_port={}\nbackground=NO\nanonymous_enable=YES\n\
         local_enable=NO\nno_anon_password=YES\nanon_root={}\nsecure_chroot_dir={}\n\
         seccomp_sandbox=NO\nconnect_from_port_20=NO\nmax_per_ip=0\n",
        address.ip(),
        address.port(),
        at.join("root").display(),
        at.join("empty").display()
    );
    std::fs::write(at.join("vsftpd.conf"), text).expect("a file");
    let server = Command::new("/usr/sbin/vsftpd")
        .arg(at.join("vsftpd.conf"))
        .stdin(Stdio::null())
        .spawn();
    let mut server = server.expect("vsftpd is installed; see deploy/setup.sh");
    until("vsftpd listens", || TcpStream::connect(address).is_ok());
    let ask = |path: &str| {
        measure(&format!(
            "probe ftp://{address}/{path} --for 1s --timeout 10s -o json"
        ))
    };
    let (listed, fetched, missing) = (ask(""), ask("hello.txt"), ask("missing.txt"));
    server.kill().expect("it runs");
    server.wait().expect("it was started here");
    for (code, measured) in [listed, fetched] {
        assert_eq!((code, measured.failed), (0, 0), "{measured:?}");
        assert!(measured.requests > 1);
    }
    let (code, measured) = missing;
    assert_eq!(
        (code, measured.requests),
        (7, measured.failed),
        "{measured:?}"
    );
}

#[test]
fn a_name_that_leads_nowhere_is_no_outage() {
    let output = farmux("probe http://nowhere.invalid/ --for 1s").output();
    let output = output.expect("farmux is built");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("looking up nowhere.invalid"), "{error}");
    assert!(error.contains("more: farmux explain FMX-151"), "{error}");
}
