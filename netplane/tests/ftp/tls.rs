//! TLS that is passed through: real sessions, and who may come to whose data ports.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use farmux_netplane::plan::{
    FtpPlan, FtpTls, Limits, PortRange, ServerPlan, ServiceKind, ServicePlan,
};

use crate::clients::run;
use crate::daemons::Daemon;
use crate::harness::{CALM, Origin, PATIENCE, Wire, free_address};
use crate::real::{data_ports, noise};
use crate::scripted::{Script, ask, connect_from, log_in, read_all, send_all};

/// A service that passes TLS through.
fn passing() -> ServiceKind {
    ServiceKind::Ftp(FtpPlan {
        data_ports: data_ports(),
        tls: FtpTls::Pass,
    })
}

/// A service before servers with data ports of their own, which must lie outside of what Linux
/// gives to connections that go out: a VIP has none of those, but 127.0.0.1 does.
fn pass(limits: Limits, servers: &[(SocketAddr, PortRange)]) -> Wire {
    let servers = servers.iter().enumerate().map(|(place, (address, ports))| {
        let server = ServerPlan {
            data_ports: Some(*ports),
            ..ServerPlan::plain(*address)
        };
        (format!("s{}", place + 1).into(), server)
    });
    let wire = Wire::of(ServicePlan {
        servers: servers.collect(),
        ..ServicePlan::plain(free_address(), passing(), limits)
    });
    let ports: Vec<u16> = wire
        .plan
        .servers
        .values()
        .flat_map(|server| server.data_ports)
        .map(|ports| ports.last)
        .collect();
    let end = Instant::now() + PATIENCE;
    for port in ports {
        while TcpStream::connect((wire.address.ip(), port)).is_err() {
            assert!(Instant::now() < end, "data ports are not listened on");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    wire
}

#[test]
fn curl_and_lftp_over_tls_with_two_servers() {
    let [first, second] =
        [(61_000, 61_019), (61_020, 61_039)].map(|(first, last)| PortRange { first, last });
    let daemons = [
        Daemon::start_with_tls([127, 0, 0, 2], first),
        Daemon::start_with_tls([127, 0, 0, 3], second),
    ];
    let wire = pass(
        CALM,
        &[(daemons[0].address, first), (daemons[1].address, second)],
    );
    let local = tempfile::tempdir().expect("a folder is to be had");
    let whole = noise(5_000_000);
    std::fs::write(local.path().join("whole"), &whole).expect("the file can be written");
    let url = |name: &str| format!("ftp://{}/up/{name}", wire.address);
    // With TLS 1.3 a client that has sent all and closes before the server's session tickets reach
    // it resets its own connection, and the kernel drops what was still to be sent: on any path.
    let curl = |args: &[&str]| {
        let common = [
            "-sS",
            "-k",
            "--ssl-reqd",
            "--tls-max",
            "1.2",
            "-m",
            "60",
            "--user",
            "anonymous:me@example.com",
        ];
        run(Command::new("curl").args(common).args(args), local.path());
    };
    // In turn: what the first server is given, the second has not.
    curl(&["-T", "whole", &url("one")]);
    curl(&["-T", "whole", &url("two")]);
    curl(&["-o", "back", &url("one")]);
    let lftp = format!(
        "set cmd:fail-exit yes; set ssl:verify-certificate no; set ftp:ssl-force yes; \
         set ssl:priority NORMAL:-VERS-TLS1.3; \
         set ftp:ssl-protect-data yes; set net:max-retries 1; set net:timeout 20; \
         open -u anonymous,me@example.com ftp://{}; cd up; ls; put whole -o three; \
         get three -o again; bye",
        wire.address
    );
    run(
        Command::new("lftp").args(["--norc", "-c", &lftp]),
        local.path(),
    );
    for (daemon, name) in [(0, "one"), (1, "two"), (1, "three")] {
        let path = daemons[daemon].folder.join(name);
        assert!(
            std::fs::read(&path).is_ok_and(|got| got == whole),
            "{}",
            path.display()
        );
    }
    for name in ["back", "again"] {
        assert!(
            std::fs::read(local.path().join(name)).is_ok_and(|got| got == whole),
            "{name}"
        );
    }
    let counts = wire.counts();
    // One for each port that was knocked at until it listened.
    assert_eq!(
        counts.refusals.keys().copied().collect::<Vec<_>>(),
        ["stranger"]
    );
}

/// Turns to TLS at once, and then says what it hears.
fn echoes(ip: Ipv4Addr) -> Origin {
    Origin::start_at(ip, |call| {
        call.send("220 hi\r\n");
        if call.peer.until("\r\n") != "AUTH TLS\r\n" {
            return;
        }
        call.send("234 go on\r\n");
        loop {
            let heard = call.peer.exactly(1);
            if heard.is_empty() {
                break;
            }
            call.send(heard);
        }
    })
}

#[test]
fn names_and_data_need_tls_first() {
    let script = Script::yes();
    let wire = Wire::start(passing(), CALM, &[script.origin.address]);
    let mut client = log_in(&wire);
    for line in [
        "USER a",
        "PASS b",
        "PASV",
        "PORT 127,0,0,1,8,1",
        "RETR f",
        "DELE f",
        "STAT",
    ] {
        assert_eq!(
            ask(&mut client, line),
            "530 Use AUTH TLS first.\r\n",
            "{line}"
        );
    }
    assert_eq!(ask(&mut client, "NOOP"), "200 NOOP\r\n");
    assert_eq!(wire.counts().refusals["plain-before-tls"], 7);
    assert_eq!(script.lines(), ["NOOP"]);
}

#[test]
fn nothing_said_ahead_of_tls_is_used_in_it() {
    let origin = echoes(Ipv4Addr::LOCALHOST);
    let wire = Wire::start(passing(), CALM, &[origin.address]);
    let mut client = log_in(&wire);
    client.send("AUTH TLS\r\nUSER evil\r\n");
    assert_eq!(
        client.rest(),
        "421 Nothing may follow AUTH before its answer.\r\n"
    );
    assert_eq!(wire.counts().refusals["early-bytes"], 1);

    // Nor what the server says ahead.
    let origin = Origin::start(|call| {
        call.send("220 hi\r\n");
        call.peer.until("\r\n");
        call.send("234 go on\r\n230 you are in\r\n");
        call.peer.rest();
    });
    let wire = Wire::start(passing(), CALM, &[origin.address]);
    let mut client = log_in(&wire);
    client.send("AUTH TLS\r\n");
    assert_eq!(
        client.rest(),
        "421 Nothing may follow AUTH before its answer.\r\n"
    );
}

#[test]
fn data_ports_are_for_those_who_have_a_session_there() {
    let ip = Ipv4Addr::new(127, 0, 0, 2);
    let ports = [61_101, 61_102];
    for port in ports {
        let listener = TcpListener::bind((ip, port)).expect("that address has the port free");
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                send_all(stream, format!("data of {port}").as_bytes());
            }
        });
    }
    let servers = [echoes(ip), echoes(ip)];
    let own = |place: usize| PortRange {
        first: ports[place],
        last: ports[place],
    };
    let wire = pass(
        CALM,
        &[(servers[0].address, own(0)), (servers[1].address, own(1))],
    );
    let knock = |from: [u8; 4], port: u16| {
        let came = connect_from(from, (Ipv4Addr::LOCALHOST, port).into());
        let got = came.and_then(|stream| read_all(&stream));
        got.map_err(|error| error.kind())
    };
    let (me, other) = ([127, 0, 0, 1], [127, 0, 0, 9]);
    let refused = Err(ErrorKind::ConnectionReset);
    assert_eq!(knock(me, ports[0]), refused, "nobody has a session");
    // The first session is with the first server.
    let mut client = log_in(&wire);
    assert_eq!(knock(me, ports[0]), refused, "it does not speak TLS yet");
    assert_eq!(ask(&mut client, "AUTH TLS"), "234 go on\r\n");
    assert_eq!(ask(&mut client, "hello"), "hello\r\n");
    assert_eq!(knock(me, ports[0]), Ok(b"data of 61101".to_vec()));
    assert_eq!(knock(me, ports[1]), refused, "that is another server's");
    assert_eq!(knock(other, ports[0]), refused, "that is another client");
    drop(client);
    wire.until("the session is over", |counts| {
        counts.servers["s1"].active == 0
    });
    assert_eq!(knock(me, ports[0]), refused, "the session is over");
    assert!(wire.counts().refusals["stranger"] >= 5);
}

/// Whoever had a session could try all ports of a server for one that another client was about to
/// use.
#[test]
fn who_tries_ports_that_nobody_opened_is_barred() {
    let ip = Ipv4Addr::new(127, 0, 0, 2);
    let range = PortRange {
        first: 61_105,
        last: 61_105,
    };
    let server = echoes(ip);
    let wire = pass(CALM, &[(server.address, range)]);
    let mut client = log_in(&wire);
    assert_eq!(ask(&mut client, "AUTH TLS"), "234 go on\r\n");
    assert_eq!(ask(&mut client, "hello"), "hello\r\n");
    let at = (wire.address.ip(), range.first).into();
    let knock = || {
        let came = connect_from([127, 0, 0, 1], at).and_then(|stream| read_all(&stream));
        came.map_err(|error| error.kind())
    };
    for nth in 1..=8 {
        assert_eq!(knock(), Err(ErrorKind::ConnectionReset));
        assert_eq!(wire.counts().refusals["server-unreachable"], nth);
    }
    let _opened = TcpListener::bind((ip, range.first)).expect("that address has the port free");
    assert_eq!(knock(), Err(ErrorKind::ConnectionReset));
    assert_eq!(wire.counts().refusals["data-barred"], 1);
}

/// A data connection with TLS passed through, whose client sends bytes and then resets it; what
/// its server heard: these bytes, and then how it ended where `closes` has it wait for that.
fn upload_that_is_reset(port: u16, limits: Limits, closes: bool) -> Result<(), ErrorKind> {
    const SENT: &[u8] = &[7; 10_000];
    let ip = Ipv4Addr::new(127, 0, 0, 2);
    let range = PortRange {
        first: port,
        last: port,
    };
    let listener = TcpListener::bind((ip, port)).expect("that address has the port free");
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("somebody comes");
        stream.write_all(b"last words").expect("they can be sent");
        let mut got = [0; SENT.len()];
        stream.read_exact(&mut got).expect("all gets there");
        assert_eq!(got, SENT);
        if closes {
            stream.shutdown(Shutdown::Write).expect("it can be ended");
        }
        let end = stream.read(&mut [0]).map_err(|error| error.kind());
        tell.send(end).expect("the test waits for it");
    });
    let server = echoes(ip);
    let wire = pass(limits, &[(server.address, range)]);
    let mut client = log_in(&wire);
    assert_eq!(ask(&mut client, "AUTH TLS"), "234 go on\r\n");
    assert_eq!(ask(&mut client, "hello"), "hello\r\n");
    let mut data = TcpStream::connect((wire.address.ip(), port)).expect("it is open");
    data.peek(&mut [0]).expect("the last words are here");
    data.write_all(SENT).expect("it can be sent");
    // Something is unread: closing is a reset.
    drop(data);
    let end = told.recv_timeout(PATIENCE).expect("it ends");
    end.map(|count| assert_eq!(count, 0))
}

/// A client that closed without reading its server's last words (TLS 1.3 session tickets) reset
/// the connection, and the server's side was reset too, with data that was still on its way.
#[test]
fn what_was_sent_before_a_reset_gets_to_the_server() {
    assert_eq!(upload_that_is_reset(61_103, CALM, true), Ok(()));
}

/// A server that had not seen the end of TLS was told a proper end all the same, and took what an
/// upload had come to for the whole file.
#[test]
fn an_upload_that_breaks_off_has_no_proper_end() {
    let limits = Limits {
        idle: Duration::from_millis(500),
        ..CALM
    };
    let end = upload_that_is_reset(61_104, limits, false);
    assert_eq!(end, Err(ErrorKind::ConnectionReset));
}
