//! The `ftp` probe against servers that follow a script, one step after the other.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use super::{PATIENCE, Server, TIMEOUT, refusing, reset};
use crate::origin::Origin;
use crate::probe::connect::Budget;
use crate::probe::ftp::{Errand, probe};
use crate::probe::outcome::{Failure, Outcome, Success};

/// How a server behaves: like a good one, but where it says otherwise.
#[derive(Clone, Default)]
pub(super) struct Script {
    greeting: Option<&'static str>,
    /// A command that is answered with this text instead. Nothing: never. `RESET`, `CLOSE`: that.
    command: Option<(&'static str, &'static str)>,
    /// What the data connection carries.
    data: Vec<u8>,
    /// Keeps the data connection open after its data.
    holds_data: bool,
    /// Ends the transfer only when its client has closed the data connection, too.
    lingers: bool,
    /// Announced instead of a data port that listens.
    port: Option<u16>,
    /// What ends the transfer.
    end: Option<&'static str>,
}

impl Script {
    fn answering(command: &'static str, reply: &'static str) -> Script {
        Script {
            command: Some((command, reply)),
            ..Script::default()
        }
    }
}

/// A server by this script; what it heard is sent to the receiver.
fn server(on: &str, script: Script) -> (Server, std::sync::mpsc::Receiver<String>) {
    let (sender, heard) = std::sync::mpsc::channel();
    let treat = move |stream: TcpStream| {
        // Its client may leave at any moment: then the play is over.
        let _ = play(&script, &stream, |line| {
            let _ = sender.send(line);
        });
        if let Some((_, "RESET")) = script.command {
            reset(stream);
        }
    };
    let listener = TcpListener::bind(on).expect("a free port");
    (Server::on(listener, treat), heard)
}

pub(super) fn play(
    script: &Script,
    stream: &TcpStream,
    hear: impl Fn(String),
) -> std::io::Result<()> {
    let say = |text: &str| (&mut &*stream).write_all(text.as_bytes());
    say(script.greeting.unwrap_or("220-Hello\r\n220 go ahead\r\n"))?;
    let host = stream.local_addr()?.ip();
    let data = TcpListener::bind((host, 0))?;
    let port = script.port.unwrap_or(data.local_addr()?.port());
    for line in BufReader::new(stream).lines() {
        let line = line?;
        let command = line.split(' ').next().unwrap_or_default().to_owned();
        hear(line);
        match script.command {
            Some((same, "")) if same == command => continue,
            Some((same, "CLOSE" | "RESET")) if same == command => return Ok(()),
            Some((same, reply)) if same == command => {
                say(reply)?;
                continue;
            }
            Some(_) | None => {}
        }
        match command.as_str() {
            "USER" => say("331 password, please\r\n")?,
            "PASS" => say("230 come in\r\n")?,
            "TYPE" => say("200 fine\r\n")?,
            // The address lies, as behind a NAT.
            "PASV" => say(&format!(
                "227 Mode (192,0,2,1,{},{}).\r\n",
                port / 256,
                port % 256
            ))?,
            "EPSV" => say(&format!("229 Mode (|||{port}|)\r\n"))?,
            "LIST" | "RETR" => {
                say("150 here it comes\r\n")?;
                let (mut stream, _) = data.accept()?;
                stream.write_all(&script.data)?;
                if script.holds_data {
                    std::thread::park_timeout(PATIENCE);
                }
                if script.lingers {
                    stream.shutdown(Shutdown::Write)?;
                    stream.read_exact(&mut [0]).err();
                }
                drop(stream);
                say(script.end.unwrap_or("226 done\r\n"))?;
            }
            "QUIT" => return say("221 bye\r\n"),
            _ => say("500 what?\r\n")?,
        }
    }
    Ok(())
}

async fn ask(address: SocketAddr, fetch: Option<&str>) -> Outcome {
    ask_within(PATIENCE, address, fetch).await
}

async fn ask_within(limit: Duration, address: SocketAddr, fetch: Option<&str>) -> Outcome {
    let errand = Errand {
        user: "probe",
        password: "s3cret",
        fetch,
    };
    probe(
        address,
        None,
        errand,
        &Origin::default(),
        &Budget::begin(limit),
    )
    .await
}

async fn told(script: Script, fetch: Option<&str>) -> String {
    let (server, _heard) = server("127.0.0.1:0", script);
    ask(server.address, fetch).await.to_string()
}

/// The same of a server that has the probe wait in vain.
async fn stalled(script: Script) -> String {
    let (server, _heard) = server("127.0.0.1:0", script);
    let outcome = ask_within(TIMEOUT, server.address, None).await;
    outcome.to_string()
}

#[tokio::test]
async fn a_good_server_lists_and_sends() {
    for (fetch, wanted, dialogue) in [
        (
            None,
            Success::Listed { bytes: 5 },
            [
                "USER probe",
                "PASS s3cret",
                "TYPE A",
                "PASV",
                "LIST",
                "QUIT",
            ],
        ),
        (
            Some("pub/health"),
            Success::Fetched { bytes: 5 },
            [
                "USER probe",
                "PASS s3cret",
                "TYPE I",
                "PASV",
                "RETR pub/health",
                "QUIT",
            ],
        ),
    ] {
        let script = Script {
            data: b"hello".to_vec(),
            ..Script::default()
        };
        let (server, heard) = server("127.0.0.1:0", script);
        assert_eq!(ask(server.address, fetch).await, Outcome::Pass(wanted));
        for line in dialogue {
            assert_eq!(heard.recv_timeout(PATIENCE).as_deref(), Ok(line));
        }
    }
}

#[tokio::test]
async fn over_ipv6_it_is_epsv() {
    let (server, heard) = server("[::1]:0", Script::default());
    let listed = Outcome::Pass(Success::Listed { bytes: 0 });
    assert_eq!(ask(server.address, None).await, listed);
    let lines: Vec<String> = heard.try_iter().collect();
    assert!(lines.contains(&"EPSV".to_owned()), "{lines:?}");
    assert!(!lines.contains(&"PASV".to_owned()), "{lines:?}");
}

/// What some servers do a little differently is well, too. Against proftpd, which lingers, every
/// probe timed out while the data connection was kept until the transfer had ended.
#[tokio::test]
async fn good_servers_differ() {
    let well = "logged in, 0 bytes listed";
    for script in [
        Script::answering("USER", "230 no password needed\r\n"),
        Script::answering("PASS", "202 superfluous\r\n"),
        Script::answering("PASS", "230-welcome\r\n  to us\r\n230 in\r\n"),
        Script {
            greeting: Some("120 in a moment\r\n220 now\r\n"),
            ..Script::default()
        },
        Script {
            lingers: true,
            ..Script::default()
        },
        Script {
            end: Some("250 done\r\n"),
            ..Script::default()
        },
    ] {
        assert_eq!(told(script, None).await, well);
    }
}

/// Each step that a server refuses, or answers with nonsense, is named.
#[tokio::test]
async fn every_refusal_is_named() {
    for (command, reply, wanted) in [
        ("USER", "530 no\r\n", "login refused (530)"),
        ("USER", "332 account\r\n", "login wants an account (332)"),
        ("PASS", "530 wrong\r\n", "login refused (530)"),
        ("PASS", "421 too many\r\n", "login refused (421)"),
        ("TYPE", "504 no\r\n", "TYPE refused (504)"),
        ("PASV", "502 no\r\n", "PASV refused (502)"),
        ("PASV", "227 here\r\n", "no data port in the reply to PASV"),
        (
            "PASV",
            "227 (127,0,0,1,0,22)\r\n",
            "no data port in the reply to PASV",
        ),
        ("LIST", "550 no such folder\r\n", "LIST refused (550)"),
        ("PASS", "welcome\r\n", "the answer is not FTP"),
        (
            "PASS",
            "CLOSE",
            "connection closed while waiting for the reply to PASS",
        ),
        (
            "PASV",
            "CLOSE",
            "connection closed while waiting for the reply to PASV",
        ),
        (
            "USER",
            "RESET",
            "connection reset while waiting for the reply to USER",
        ),
    ] {
        let got = told(Script::answering(command, reply), None).await;
        assert_eq!(got, wanted, "{command} {reply:?}");
    }
    let got = told(Script::answering("RETR", "550 no such file\r\n"), Some("x")).await;
    assert_eq!(got, "RETR refused (550)");
    for command in ["USER", "PASS", "TYPE", "PASV", "LIST"] {
        let got = stalled(Script::answering(command, "")).await;
        let wanted = format!("timeout after 400 ms while waiting for the reply to {command}");
        assert_eq!(got, wanted);
    }
}

#[tokio::test]
async fn a_greeting_must_be_one() {
    let greets = |greeting| Script {
        greeting: Some(greeting),
        ..Script::default()
    };
    for (greeting, wanted) in [
        ("421 full\r\n", "greeting 421"),
        ("530 go away\r\n", "greeting 530"),
        ("SSH-2.0-OpenSSH_9.2\r\n", "the answer is not FTP"),
    ] {
        assert_eq!(told(greets(greeting), None).await, wanted);
    }
    for greeting in ["", "220 no end"] {
        let got = stalled(greets(greeting)).await;
        assert_eq!(got, "timeout after 400 ms while waiting for the greeting");
    }
    let forever = "120 wait\r\n".repeat(100);
    let patient = Server::start(move |mut stream| {
        // The probe has seen enough before all of it is sent.
        let _ = stream.write_all(forever.as_bytes());
        std::thread::park_timeout(PATIENCE);
    });
    let got = ask(patient.address, None).await.to_string();
    assert_eq!(got, "reply without end");
    let endless = Server::start(
        |mut stream| {
            while stream.write_all(b"220-and so on\r\n").is_ok() {}
        },
    );
    let got = ask(endless.address, None).await.to_string();
    assert_eq!(got, "reply without end");
    assert_eq!(ask(refusing(), None).await, Outcome::Fail(Failure::Refused));
}

#[tokio::test]
async fn the_data_connection_has_failures_of_its_own() {
    let closed = Script {
        port: Some(refusing().port()),
        ..Script::default()
    };
    assert_eq!(
        told(closed, None).await,
        "data connection: connection refused"
    );
    let held = Script {
        holds_data: true,
        ..Script::default()
    };
    assert_eq!(
        stalled(held).await,
        "data connection: timeout after 400 ms while reading the answer"
    );
    let broken = Script {
        end: Some("426 broken off\r\n"),
        ..Script::default()
    };
    assert_eq!(told(broken, None).await, "transfer failed (426)");
    let silent = Script {
        end: Some(""),
        ..Script::default()
    };
    assert_eq!(
        stalled(silent).await,
        "timeout after 400 ms while waiting for the end of the transfer"
    );
}

/// A file of any size costs no more than 64 KiB and one read.
#[tokio::test]
async fn a_large_file_is_not_read_to_its_end() {
    let script = Script {
        data: vec![b'x'; 5_000_000],
        ..Script::default()
    };
    let (server, _heard) = server("127.0.0.1:0", script);
    let outcome = ask(server.address, Some("large")).await;
    let Outcome::Pass(Success::Fetched { bytes }) = outcome else {
        panic!("{outcome}");
    };
    assert!((65_536..70_000).contains(&bytes), "{bytes}");
}

/// The data connection goes to the probed server and leaves from an own address.
#[tokio::test]
async fn no_data_connection_leaves_from_a_vip() {
    let (server, _heard) = server("127.0.0.1:0", Script::default());
    let origin = Origin {
        own: vec!["127.0.0.2".parse().expect("an address")],
        never: [server.address.ip()].into(),
    };
    let errand = Errand {
        user: "a",
        password: "b",
        fetch: None,
    };
    let outcome = probe(
        server.address,
        None,
        errand,
        &origin,
        &Budget::begin(PATIENCE),
    )
    .await;
    assert_eq!(outcome, Outcome::Pass(Success::Listed { bytes: 0 }));
}

/// A password is written to the server and nowhere else.
#[test]
fn a_password_does_not_show_itself() {
    let kind = crate::plan::ProbeKind::Ftp {
        user: "probe".into(),
        password: crate::plan::Hidden(Arc::from("s3cret")),
        fetch: None,
    };
    let shown = format!("{kind:?}");
    assert!(
        shown.contains("probe") && !shown.contains("s3cret"),
        "{shown}"
    );
}
