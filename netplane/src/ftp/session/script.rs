//! Scripts for the session: steps, and what comes of each in a few letters.

use super::{Action, DataEvent, Parties, Session};
use crate::ftp::command;
use crate::ftp::reply;
use crate::plan::FtpTls;

/// What a step of a script does; what comes of it stands beside it.
pub(super) enum Step {
    Client(&'static str),
    Server(&'static str),
    Closed,
    Port(Option<u16>),
    Data(DataEvent),
}
pub(super) use Step::{Client, Closed, Data, Port, Server};

pub(super) fn session(client: &str, vip: &str, server: &str, tls: FtpTls) -> Session {
    let ip = |text: &str| text.parse().expect("an address");
    Session::new(Parties {
        client: ip(client),
        vip: ip(vip),
        server: ip(server),
        tls,
    })
}

pub(super) fn plain() -> Session {
    session("10.0.0.7", "10.0.0.100", "10.0.0.21", FtpTls::Refuse)
}

pub(super) fn feed(session: &mut Session, step: &Step) -> Vec<String> {
    let mut out = Vec::new();
    match step {
        Client(line) => {
            let command = command::parse(line.as_bytes()).expect("a command");
            session.client(command, line.as_bytes(), &mut out);
        }
        Server(text) => {
            let reply = reply::take(format!("{text}\r\n").as_bytes());
            let reply = reply.expect("a reply").expect("a whole one");
            session.server(&reply, &mut out);
        }
        Closed => session.server_closed(&mut out),
        Port(port) => session.listening(*port, &mut out),
        Data(event) => session.data(*event, &mut out),
    }
    out.iter().map(show).collect()
}

/// An action in a few letters: `C` to the client, `S` to the server.
pub(super) fn show(action: &Action) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace("\r\n", ";");
    match action {
        Action::ToClient(bytes) => format!("C {}", text(bytes)),
        Action::ToServer(bytes) => format!("S {}", text(bytes)),
        Action::Listen { server_port } => format!("listen {server_port}"),
        Action::Dial {
            client,
            server_port,
        } => format!("dial {client} {server_port}"),
        Action::Settle => "settle".into(),
        Action::Release => "release".into(),
        Action::Drop => "drop".into(),
        Action::Count(reason) => format!("count {}", reason.name()),
        Action::ServerLost => "lost".into(),
        Action::Tunnel => "tunnel".into(),
        Action::Close => "close".into(),
    }
}

/// Runs a script; each step is compared with what must come of it.
pub(super) fn play(mut session: Session, script: &[(Step, &[&str])]) -> Session {
    for (place, (step, wanted)) in script.iter().enumerate() {
        assert_eq!(feed(&mut session, step), *wanted, "step {place}");
    }
    session
}

pub(super) fn greeted(session: Session) -> Session {
    play(session, &[(Server("220 hi"), &["C 220 hi;"])])
}

pub(super) const PORT_227: Step = Server("227 Entering Passive Mode (9,9,9,9,8,0)");

pub(super) fn joined() -> Session {
    play(
        greeted(plain()),
        &[
            (Client("PASV"), &["drop", "S PASV;"]),
            (PORT_227, &["listen 2048"]),
            (
                Port(Some(1025)),
                &["C 227 Entering Passive Mode (10,0,0,100,4,1).;"],
            ),
            (Data(DataEvent::Met), &[]),
        ],
    )
}

pub(super) fn downloading() -> Session {
    play(
        joined(),
        &[
            (Client("RETR f"), &["S RETR f;"]),
            (Server("150 go"), &["C 150 go;"]),
        ],
    )
}
