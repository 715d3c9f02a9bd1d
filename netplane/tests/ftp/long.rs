//! What takes long: by command, not with every test.
//!
//! `cargo test --release -p farmux-netplane --test ftp -- --ignored --nocapture`

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use farmux_netplane::plan::Limits;

use crate::clients::run;
use crate::daemons::{Daemon, Kind};
use crate::harness::{CALM, Wire};
use crate::real::{ftp, noise};
use crate::scripted::{Script, ask, data_port, log_in, pasv, read_all, reply_227};

/// The idle limit that services have by default.
const IDLE: Duration = Duration::from_secs(60);

#[test]
#[ignore = "takes ten minutes"]
fn a_control_connection_outlives_a_transfer_of_ten_minutes() {
    let port = data_port(|mut stream| {
        std::thread::spawn(move || {
            for _ in 0..600 {
                std::thread::sleep(Duration::from_secs(1));
                if stream.write_all(b"x").is_err() {
                    break;
                }
            }
        });
    })
    .port();
    let script = Script::start(move |line| match line {
        "PASV" => reply_227([127, 0, 0, 1], port),
        "RETR f" => "150 x\r\n226 done\r\n".into(),
        _ => "200 ok\r\n".into(),
    });
    let limits = Limits { idle: IDLE, ..CALM };
    let wire = Wire::start(ftp(), limits, &[script.origin.address]);
    let mut client = log_in(&wire);
    let data = TcpStream::connect(pasv(&mut client)).expect("the port is open");
    assert_eq!(ask(&mut client, "RETR f"), "150 x\r\n");
    assert_eq!(read_all(&data).expect("a proper end").len(), 600);
    assert_eq!(client.until("\r\n"), "226 done\r\n");
    assert_eq!(ask(&mut client, "NOOP"), "200 ok\r\n");
}

/// One gigabyte up and down, directly and through the data path in turn.
#[test]
#[ignore = "moves twenty gigabytes"]
fn a_gigabyte_each_way_beside_a_direct_one() {
    const LENGTH: usize = 1_000_000_000;
    const ROUNDS: usize = 5;
    let daemon = Daemon::start(Kind::Vsftpd);
    let wire = Wire::start(ftp(), CALM, &[daemon.address]);
    let local = tempfile::tempdir().expect("a folder is to be had");
    let whole = noise(LENGTH);
    std::fs::write(local.path().join("whole"), &whole).expect("the file can be written");
    let took = |at: SocketAddr, args: &[&str]| {
        let url = format!("ftp://{at}/up/file");
        let began = Instant::now();
        let mut command = Command::new("curl");
        command.args(["-sS", "--user", "anonymous:x"]).args(args);
        run(command.arg(url), local.path());
        began.elapsed().as_millis()
    };
    for (what, args) in [("up", ["-T", "whole"]), ("down", ["-o", "back"])] {
        let mut rounds: Vec<(u128, u128)> = (0..ROUNDS)
            .map(|_| (took(daemon.address, &args), took(wire.address, &args)))
            .collect();
        rounds.sort_by_key(|(direct, through)| through * 1000 / direct);
        let (direct, through) = rounds[ROUNDS / 2];
        let line =
            format!("1 GB {what}: direct {direct} ms, through farmux {through} ms (median pair)\n");
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
    for path in [daemon.folder.join("file"), local.path().join("back")] {
        let mut got = Vec::with_capacity(LENGTH);
        let file = std::fs::File::open(path);
        file.and_then(|mut file| file.read_to_end(&mut got))
            .expect("it is there");
        assert!(got == whole, "it differs");
    }
}
