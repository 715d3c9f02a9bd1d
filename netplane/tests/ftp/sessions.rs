//! Sessions as their clients live through them: many at once, long, drained, without a server.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use farmux_netplane::plan::{Admission, Limits};

use crate::clients::run;
use crate::daemons::{Daemon, Kind};
use crate::harness::{CALM, Wire, free_address};
use crate::real::ftp;
use crate::scripted::{
    Script, ask, connect_from, data_port, log_in, pasv, read_all, reply_227, send_all,
};

#[test]
fn fifty_sessions_at_once() {
    let daemons = [Daemon::start(Kind::Pyftpdlib), Daemon::start(Kind::Proftpd)];
    let wire = Wire::start(
        ftp(),
        CALM,
        &daemons.each_ref().map(|daemon| daemon.address),
    );
    let script = format!(
        "import ftplib, io, os, threading\n\
         failed = []\n\
         ready = threading.Barrier(50)\n\
         def session(nth):\n\
         \x20 try:\n\
         \x20   ftp = ftplib.FTP(timeout=60)\n\
         \x20   ftp.connect('{}', {})\n\
         \x20   ftp.login('anna', 'secret')\n\
         \x20   ftp.set_pasv(nth % 2 == 0)\n\
         \x20   sent = os.urandom(200000 + nth)\n\
         \x20   ready.wait(60)\n\
         \x20   ftp.storbinary(f'STOR up/{{nth}}', io.BytesIO(sent))\n\
         \x20   got = io.BytesIO()\n\
         \x20   ftp.retrbinary(f'RETR up/{{nth}}', got.write)\n\
         \x20   assert got.getvalue() == sent\n\
         \x20   ftp.quit()\n\
         \x20 except BaseException as error: failed.append((nth, error))\n\
         threads = [threading.Thread(target=session, args=(n,)) for n in range(50)]\n\
         for t in threads: t.start()\n\
         for t in threads: t.join()\n\
         assert not failed, failed\n",
        wire.address.ip(),
        wire.address.port()
    );
    let home = tempfile::tempdir().expect("a folder is to be had");
    run(
        Command::new("/usr/bin/python3").args(["-c", &script]),
        home.path(),
    );
    let counts = wire.counts();
    assert_eq!(counts.accepted, 50);
    assert_eq!(counts.servers["s1"].taken + counts.servers["s2"].taken, 50);
    assert!(
        counts.refusals.is_empty() && counts.failures.is_empty(),
        "{counts:?}"
    );
}

#[test]
fn commands_sent_ahead_are_answered_in_their_order() {
    let script = Script::yes();
    let wire = Wire::start(ftp(), CALM, &[script.origin.address]);
    let mut client = log_in(&wire);
    client.send("USER a\r\nPORT 1,2,3,4,5,6\r\nPASS b\r\nEPSV ALL\r\nSYST\r\nQUIT\r\nNOOP\r\n");
    let all = client.rest();
    let codes: Vec<&str> = all.lines().map(|line| &line[..8.min(line.len())]).collect();
    assert_eq!(
        codes,
        [
            "200 USER", "504 Data", "200 PASS", "200 EPSV", "200 SYST", "221 bye"
        ]
    );
    assert_eq!(script.lines(), ["USER a", "PASS b", "SYST", "QUIT"]);
}

/// A proxy that writes IPv4 as IPv6 made its clients strangers to their own data ports.
#[test]
fn behind_a_proxy_data_comes_from_the_client_itself() {
    let port = data_port(|stream| send_all(stream, b"the file")).port();
    let script = Script::start(move |line| match line {
        "PASV" => reply_227([127, 0, 0, 1], port),
        "RETR f" => "150 here it comes\r\n226 that was it\r\n".into(),
        _ => "200 ok\r\n".into(),
    });
    let mut wire = Wire::start(ftp(), CALM, &[script.origin.address]);
    wire.plan.proxy.accept_from = ["127.0.0.9/32".parse().expect("a network")].into();
    let wire = wire.again(1);
    let mut client = wire.connect_from([127, 0, 0, 9].into());
    client.send("PROXY TCP6 ::ffff:127.0.0.1 ::ffff:10.0.0.1 5000 21\r\n");
    assert_eq!(client.until("\r\n"), "220 hi\r\n");
    assert!(ask(&mut client, "PORT 127,0,0,1,8,1").starts_with("200 "));
    let at = pasv(&mut client);
    let proxy = connect_from([127, 0, 0, 9], at).and_then(|stream| read_all(&stream));
    assert_eq!(
        proxy.map_err(|error| error.kind()),
        Err(ErrorKind::ConnectionReset)
    );
    assert_eq!(wire.counts().refusals["stranger"], 1);
    let data = TcpStream::connect(at).expect("the port is open");
    assert_eq!(ask(&mut client, "RETR f"), "150 here it comes\r\n");
    assert_eq!(read_all(&data).expect("a proper end"), b"the file");
    assert_eq!(client.until("\r\n"), "226 that was it\r\n");
}

#[test]
fn a_client_that_closes_its_half_is_still_answered() {
    let script = Script::yes();
    let wire = Wire::start(ftp(), CALM, &[script.origin.address]);
    let mut client = log_in(&wire);
    client.send("USER a\r\nPASS b\r\n");
    client.close_half();
    assert_eq!(client.rest(), "200 USER a\r\n200 PASS b\r\n");
    wire.until("it is over", |counts| counts.servers["s1"].active == 0);
}

#[test]
fn the_end_of_a_transfer_waits_for_the_data() {
    const LENGTH: usize = 32 * 1024 * 1024;
    let said = Arc::new(AtomicBool::new(false));
    let saying = said.clone();
    let port = data_port(|mut stream| {
        std::thread::spawn(move || {
            let _ = stream.write_all(&vec![7; LENGTH]);
        });
    })
    .port();
    let script = Script::start(move |line| match line {
        "PASV" => reply_227([127, 0, 0, 1], port),
        _ => {
            saying.store(true, Ordering::SeqCst);
            "150 here it comes\r\n226 that was it\r\n".into()
        }
    });
    let wire = Wire::start(ftp(), CALM, &[script.origin.address]);
    let mut client = log_in(&wire);
    let data = TcpStream::connect(pasv(&mut client)).expect("the port is open");
    assert_eq!(ask(&mut client, "RETR f"), "150 here it comes\r\n");
    // More than all buffers between us hold is still to come, and the server has said all.
    assert!(said.load(Ordering::SeqCst));
    let short = Some(Duration::from_millis(300));
    client
        .stream
        .set_read_timeout(short)
        .expect("a timeout can be set");
    assert!(
        client.stream.read(&mut [0]).is_err(),
        "226 has overtaken the data"
    );
    let all = read_all(&data).expect("a proper end");
    assert_eq!(all.len(), LENGTH);
    client
        .stream
        .set_read_timeout(Some(crate::harness::PATIENCE))
        .expect("a timeout can be set");
    assert_eq!(client.until("\r\n"), "226 that was it\r\n");
}

/// A server whose data port never ends a download.
fn endless(script_of: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Script {
    let port = data_port(|mut stream| {
        std::thread::spawn(move || {
            let end = Instant::now() + Duration::from_secs(2);
            while Instant::now() < end && stream.write_all(b"x").is_ok() {
                std::thread::sleep(Duration::from_millis(50));
            }
        });
    })
    .port();
    Script::start(move |line| match (script_of(line), line) {
        (Some(reply), _) => reply,
        (None, "PASV") => reply_227([127, 0, 0, 1], port),
        (None, _) => "200 ok\r\n".into(),
    })
}

#[test]
fn a_transfer_keeps_its_control_connection_alive() {
    let script = endless(|line| (line == "RETR f").then(|| "150 x\r\n226 done\r\n".into()));
    let limits = Limits {
        idle: Duration::from_millis(500),
        ..CALM
    };
    let wire = Wire::start(ftp(), limits, &[script.origin.address]);
    let mut client = log_in(&wire);
    let data = TcpStream::connect(pasv(&mut client)).expect("the port is open");
    let began = Instant::now();
    assert_eq!(ask(&mut client, "RETR f"), "150 x\r\n");
    assert!(read_all(&data).expect("a proper end").len() > 20);
    assert!(
        began.elapsed() > Duration::from_secs(1),
        "it took longer than the limit"
    );
    assert_eq!(client.until("\r\n"), "226 done\r\n");
    assert_eq!(ask(&mut client, "NOOP"), "200 ok\r\n");
    assert_eq!(client.rest(), "421 Idle for too long.\r\n");
    assert_eq!(wire.counts().refusals["idle"], 1);
}

#[test]
fn a_drain_ends_idle_sessions_and_waits_for_transfers() {
    let script = endless(|line| (line == "RETR f").then(|| "150 x\r\n226 done\r\n".into()));
    let mut wire = Wire::start(ftp(), CALM, &[script.origin.address]);
    let mut busy = log_in(&wire);
    let mut idle = log_in(&wire);
    let data = TcpStream::connect(pasv(&mut busy)).expect("the port is open");
    assert_eq!(ask(&mut busy, "RETR f"), "150 x\r\n");
    wire.server("s1").admission = Admission::Drain;
    wire.apply();
    let word = "421 This server is being taken out of service; connect again.\r\n";
    assert_eq!(idle.rest(), word);
    assert!(read_all(&data).expect("a proper end").len() > 20);
    assert_eq!(busy.rest(), format!("226 done\r\n{word}"));
    wire.until("the drain is over", |counts| {
        counts.servers["s1"].active == 0
    });
    assert_eq!(wire.counts().refusals["sent-away"], 2);
}

/// A session that had noticed a drain was still ended by the total limit when its server had long
/// been kept again.
#[test]
fn a_drain_that_was_called_off_ends_no_session() {
    let script = Script::yes();
    let limits = Limits {
        total: Duration::from_secs(5),
        ..CALM
    };
    let mut wire = Wire::start(ftp(), limits, &[script.origin.address]);
    let mut busy = log_in(&wire);
    let mut idle = log_in(&wire);
    let began = Instant::now();
    let mut talk_until = |at: Duration| {
        while began.elapsed() < at {
            assert_eq!(ask(&mut busy, "NOOP"), "200 NOOP\r\n");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    wire.server("s1").admission = Admission::Drain;
    wire.apply();
    // Whoever is silent goes after a while; by then everybody has noticed.
    let out = std::thread::spawn(move || idle.rest());
    talk_until(Duration::from_millis(2_500));
    assert!(out.join().expect("it does not panic").starts_with("421 "));
    wire.server("s1").admission = Admission::Ready;
    wire.apply();
    talk_until(Duration::from_secs(7));
    assert_eq!(wire.counts().refusals["sent-away"], 1);
}

#[test]
fn a_drain_has_an_end_even_for_transfers_that_have_none() {
    let script = endless(|line| (line == "RETR f").then(|| "150 x\r\n".into()));
    let limits = Limits {
        total: Duration::from_millis(100),
        ..CALM
    };
    let mut wire = Wire::start(ftp(), limits, &[script.origin.address]);
    let mut client = log_in(&wire);
    let data = TcpStream::connect(pasv(&mut client)).expect("the port is open");
    assert_eq!(ask(&mut client, "RETR f"), "150 x\r\n");
    (&data).read_exact(&mut [0; 4]).expect("it flows");
    wire.server("s1").admission = Admission::Drain;
    wire.apply();
    assert!(
        client
            .rest()
            .starts_with("421 This server is being taken out of service")
    );
    assert!(
        read_all(&data).is_err(),
        "what was cut off must not look whole"
    );
}

#[test]
fn a_failed_connect_is_tried_on_another_server() {
    let script = Script::yes();
    let wire = Wire::start(ftp(), CALM, &[free_address(), script.origin.address]);
    for _ in 0..2 {
        let mut client = log_in(&wire);
        assert_eq!(ask(&mut client, "NOOP"), "200 NOOP\r\n");
    }
    assert!(wire.counts().servers["s1"].connects_failed >= 1);
}

#[test]
fn without_a_server_the_client_is_told() {
    let wire = Wire::start(ftp(), CALM, &[free_address(), free_address()]);
    let said = wire.connect().rest();
    assert_eq!(said, "421 No server is available; try again later.\r\n");
    assert_eq!(wire.counts().failures["no-server"], 1);
}
