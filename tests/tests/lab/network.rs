//! The lab itself: before it proves anything of farmux, it shows that it does what it says.

use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use farmux_tests::lab::cluster::AGREES_WITHIN;
use farmux_tests::lab::ftp::{Client, Mode};
use farmux_tests::lab::ftpd::{ALL, Kind};
use farmux_tests::lab::machine::{Death, Machine};
use farmux_tests::lab::mail::MailServer;
use farmux_tests::lab::nginx::{Content, Nginx};
use farmux_tests::lab::process::run;
use farmux_tests::lab::{CLIENT, FILE_SERVER, Lab, RELAY, http, server_address, wait};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_lan_with_two_servers_a_mail_server_and_a_cable_to_pull() {
    let lab = Lab::new().expect("a lab needs root and iproute2");
    let client = lab.host("client", CLIENT).expect("a client");
    let mut one = Nginx::start(&lab, 1).expect("nginx s1");
    let two = Nginx::start(&lab, 2).expect("nginx s2");
    let ask = |number: u8, limit| {
        let to = SocketAddr::from((server_address(number), 80));
        client
            .within(|| http::Connection::open_within(to, limit).and_then(|mut open| open.get("/")))
    };
    let second = Duration::from_secs(1);
    assert_eq!(ask(1, second).expect("s1 answers").text(), "s1");
    assert_eq!(ask(2, second).expect("s2 answers").text(), "s2");
    assert_eq!(two.requests(), 1);

    one.stop().expect("nginx ends");
    assert!(ask(1, second).is_err(), "a stopped server refuses");
    one.back().expect("nginx starts again");
    assert_eq!(ask(1, second).expect("s1 answers").text(), "s1");

    two.host().unplug().expect("the cable comes out");
    assert!(
        ask(2, Duration::from_millis(300)).is_err(),
        "no answer without a cable"
    );
    two.host().plug().expect("the cable goes in");
    assert_eq!(ask(2, 5 * second).expect("s2 answers").text(), "s2");

    let mail = MailServer::start(&lab).expect("a mail server");
    client
        .within(|| send_mail(RELAY.into()))
        .expect("the mail is taken");
    let mail = mail
        .wait_for("[DOWN] test", 5 * second)
        .expect("the mail is there");
    assert_eq!(mail.field("to").as_deref(), Some("ops@example.com"));

    let folder = lab.folder().to_path_buf();
    drop((one, two, lab));
    assert!(!folder.exists(), "a lab takes its folder with it");
    let left = std::fs::read_dir("/run/netns")
        .into_iter()
        .flatten()
        .flatten();
    let ours = folder
        .file_name()
        .expect("a named folder")
        .to_string_lossy()
        .into_owned();
    let left = left.filter(|entry| entry.file_name().to_string_lossy().starts_with(&ours));
    assert_eq!(left.count(), 0, "and its namespaces");
}

/// Without farmux between them, so that whatever fails with it is farmux's fault.
#[test]
fn real_ftp_servers_and_clients_understand_each_other() -> anyhow::Result<()> {
    let lab = Lab::new()?;
    let host = lab.host("client", CLIENT)?;
    let client = Client::new(&host, lab.folder())?;
    let whole = client.write_files(300_001)?;
    for (number, kind) in (1..).zip(ALL) {
        let (name, at) = (format!("s{number}"), server_address(number));
        let mut server = Machine::start(&lab, &name, at, Content::Own, Some(kind))?;
        server.put("whole", &whole)?;
        for mode in [Mode::Passive, Mode::Active] {
            client.everything(at, mode)?;
        }
        client.curl(at, "/whole", &["-o", "fetched"])?;
        client.compare("fetched", &whole)?;
        for death in Death::ALL {
            server.die(death)?;
            let limit = ["--max-time", "0.5"];
            assert!(client.curl(at, "/whoami", &limit).is_err(), "{death:?}");
            server.mend(death)?;
            wait::until_true("it answers again", AGREES_WITHIN, || {
                client
                    .curl(at, "/whoami", &["--max-time", "5"])
                    .is_ok_and(|who| who.trim() == name)
            })?;
        }
    }
    Ok(())
}

#[test]
fn a_front_shows_what_its_file_server_has() -> anyhow::Result<()> {
    let lab = Lab::new()?;
    let host = lab.host("client", CLIENT)?;
    let client = Client::new(&host, lab.folder())?;
    let mut origin = Machine::start(&lab, "fs1", FILE_SERVER, Content::Files, None)?;
    origin.put("whoami", b"fs1")?;
    origin.put("cached", b"kept")?;
    let (at, front) = (server_address(1), Content::Front(FILE_SERVER));
    let _front = Machine::start(&lab, "f1", at, front, Some(Kind::Front(FILE_SERVER)))?;
    let status = |path: &str| {
        let answer = host.within(|| http::get((at, 80).into(), path));
        answer.map_or(0, |answer| answer.status)
    };
    assert_eq!(client.curl(at, "/whoami", &[])?, "fs1");
    assert!(client.curl(at, "/", &[])?.contains("cached"));
    assert_eq!(
        [status("/whoami"), status("/health"), status("/cached")],
        [200; 3]
    );
    for death in Death::ALL {
        origin.die(death)?;
        assert!([502, 504].contains(&status("/health")), "{death:?}");
        assert_eq!(status("/cached"), 200, "{death:?}");
        assert!(
            client.curl(at, "/whoami", &["--max-time", "5"]).is_err(),
            "{death:?}"
        );
        origin.mend(death)?;
        wait::until_true("it answers again", 5 * SECOND, || status("/health") == 200)?;
    }
    Ok(())
}

/// A mail by hand, one line at a time (RFC 5321, appendix D.1).
fn send_mail(relay: std::net::IpAddr) -> std::io::Result<()> {
    use std::io::{BufRead, BufReader, Write};
    let mut stream = BufReader::new(std::net::TcpStream::connect((relay, 25))?);
    let body = "To: ops@example.com\r\nSubject: [DOWN] test\r\n\r\nNothing.\r\n.";
    for line in [
        "",
        "HELO client",
        "MAIL FROM:<a@b>",
        "RCPT TO:<c@d>",
        "DATA",
        body,
        "QUIT",
    ] {
        if !line.is_empty() {
            write!(stream.get_mut(), "{line}\r\n")?;
        }
        let mut answer = String::new();
        stream.read_line(&mut answer)?;
        assert!(answer.starts_with(['2', '3']), "{line}: {answer}");
    }
    Ok(())
}

/// What a killed run leaves behind: a namespace with a process in it, and a folder.
#[test]
fn the_lab_of_a_dead_maker_is_removed() -> anyhow::Result<()> {
    let mut maker = Command::new("true").spawn()?;
    let dead = format!("fxlab-{}-1", maker.id());
    maker.wait()?;
    let (namespace, folder) = (format!("{dead}-lan"), std::env::temp_dir().join(&dead));
    run(Command::new("ip").args(["netns", "add", &namespace]))?;
    std::fs::create_dir(&folder)?;
    let mut stray = Command::new("ip");
    stray.args(["netns", "exec", &namespace, "sleep", "60"]);
    let mut stray = stray.spawn()?;
    wait::until_true("it is in there", 5 * SECOND, || {
        let inside = run(Command::new("ip").args(["netns", "pids", &namespace]));
        inside.is_ok_and(|pids| pids.trim() == stray.id().to_string())
    })?;

    let _lab = Lab::new()?;
    let ended = wait::until("it is killed", 5 * SECOND, || {
        stray.try_wait().ok().flatten()
    })?;
    assert_eq!(ended.signal(), Some(9));
    assert!(!folder.exists());
    assert!(!Path::new("/run/netns").join(&namespace).exists());
    Ok(())
}
