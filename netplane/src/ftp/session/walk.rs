//! The session against random clients, servers and networks.

use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;

use super::{Action, DataEvent, Parties, Session};
use crate::ftp::command;
use crate::ftp::refusal::FtpRefusal;
use crate::ftp::reply;
use crate::plan::FtpTls;

/// A random walk's input.
#[derive(Debug, Clone)]
enum Move {
    Say(usize),
    /// The server answers its oldest question, with one of a few codes.
    Answer(usize),
    Happen(DataEvent),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let event = prop::sample::select(vec![
        DataEvent::Met,
        DataEvent::Delivered,
        DataEvent::Ended,
        DataEvent::Failed(FtpRefusal::ServerUnreachable),
    ]);
    let one = prop_oneof![
        4 => (0..LINES.len()).prop_map(Move::Say),
        4 => (0..3usize).prop_map(Move::Answer),
        2 => event.prop_map(Move::Happen),
    ];
    prop::collection::vec(one, 0..60)
}

const PARTIES: Parties = Parties {
    client: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7)),
    vip: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 100)),
    server: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 21)),
    tls: FtpTls::Refuse,
};

const LINES: &[&str] = &[
    "PASV",
    "EPSV",
    "PORT 10,0,0,7,8,1",
    "PORT 10,0,0,8,8,1",
    "EPRT |1|10.0.0.7|2049|",
    "EPRT |1|127.0.0.1|2049|",
    "EPSV ALL",
    "RETR f",
    "STOR f",
    "NOOP",
    "STAT",
    "ABOR",
    "FEAT",
    "AUTH TLS",
    "REST 1",
];

/// A client, a server that answers in order, and a network; with what they have seen.
struct Walk {
    session: Session,
    /// The server's questions, oldest first; a transfer that has begun is marked.
    questions: Vec<(String, bool)>,
    /// Commands that the client still waits to see answered.
    waiting: usize,
    /// Address commands that may still lead to a data connection: 0 or 1.
    addresses: usize,
    /// A data connection that was asked for and may still happen.
    data: Option<Vec<DataEvent>>,
    over: bool,
}

impl Walk {
    fn act(&mut self, out: Vec<Action>) {
        for action in out {
            match action {
                Action::ToServer(bytes) => {
                    let line = String::from_utf8(bytes).expect("text");
                    let foreign = ["PORT", "EPRT", "EPSV", "AUTH"];
                    assert!(!foreign.iter().any(|word| line.starts_with(word)), "{line}");
                    self.questions.push((line, false));
                }
                Action::ToClient(bytes) => self.told(&bytes),
                Action::Listen { server_port } => {
                    assert!(server_port >= 1024);
                    self.spend();
                    let mut out = Vec::new();
                    self.session.listening(Some(40_000), &mut out);
                    self.act(out);
                }
                Action::Dial { client, .. } => {
                    assert_eq!(client.to_string(), "10.0.0.7:2049");
                    self.spend();
                }
                Action::Drop => self.data = None,
                Action::Tunnel => panic!("nobody may leave the plain protocol"),
                Action::Close => self.over = true,
                Action::Settle | Action::Release | Action::Count(_) | Action::ServerLost => {}
            }
        }
    }

    /// One data connection for one address.
    fn spend(&mut self) {
        assert_eq!(self.addresses, 1, "a data connection that nobody asked for");
        self.addresses = 0;
        self.data = Some(Vec::new());
    }

    fn told(&mut self, mut bytes: &[u8]) {
        while let Some(reply) = reply::take(bytes).expect("replies only") {
            bytes = &bytes[reply.length..];
            if reply.code >= 200 {
                assert!(self.waiting > 0, "a reply that answers nothing");
                self.waiting -= 1;
            }
        }
        assert!(bytes.is_empty(), "whole replies only");
    }

    fn say(&mut self, line: &str) {
        let command = command::parse(line.as_bytes()).expect("a command");
        if !self.session.takes(command) {
            return;
        }
        self.waiting += 1;
        let addresses = ["PASV", "EPSV", "PORT", "EPRT"];
        if addresses.contains(&&line[..4]) && line != "EPSV ALL" {
            self.addresses = 1;
        }
        let mut out = Vec::new();
        self.session.client(command, line.as_bytes(), &mut out);
        self.act(out);
    }

    fn answer(&mut self, how: usize) {
        let Some((line, begun)) = self.questions.first_mut() else {
            return;
        };
        let transfers = line.starts_with("RETR") || line.starts_with("STOR");
        let code = match (transfers, &line[..4], how) {
            (true, _, 0) if !*begun => {
                *begun = true;
                150
            }
            (true, _, 0 | 1) => 226,
            (_, "PASV", 0 | 1) => 227,
            (_, "STAT", _) => 500,
            (_, _, 0 | 1) => 200,
            _ => 550,
        };
        if code >= 200 {
            self.questions.remove(0);
        }
        let reply = reply::take(format!("{code} x (1,2,3,4,8,0)\r\n").as_bytes());
        let mut out = Vec::new();
        let reply = reply.expect("a reply").expect("a whole one");
        self.session.server(&reply, &mut out);
        self.act(out);
    }

    /// Data connections are made, then deliver, then end; each once.
    fn happen(&mut self, event: DataEvent) {
        let Some(seen) = &mut self.data else { return };
        let met = seen.contains(&DataEvent::Met);
        let over = seen
            .iter()
            .any(|one| matches!(one, DataEvent::Ended | DataEvent::Failed(_)));
        let possible = match event {
            DataEvent::Met | DataEvent::Failed(_) => !met,
            DataEvent::Delivered | DataEvent::Ended => met && !seen.contains(&event),
        };
        if over || !possible {
            return;
        }
        seen.push(event);
        let mut out = Vec::new();
        self.session.data(event, &mut out);
        self.act(out);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Whatever they do: no data connection to a third address, one for an address at most, and
    /// every command is answered once; in the end nobody waits.
    #[test]
    fn replies_stay_in_step(moves in moves()) {
        let mut walk = Walk {
            session: Session::new(PARTIES),
            questions: vec![("greeting".into(), false)],
            waiting: 1,
            addresses: 0,
            data: None,
            over: false,
        };
        for one in moves {
            match one {
                Move::Say(line) => walk.say(LINES[line]),
                Move::Answer(how) => walk.answer(how),
                Move::Happen(event) => walk.happen(event),
            }
            prop_assert!(!walk.over, "nothing here ends a session");
        }
        for _ in 0..8 {
            walk.happen(DataEvent::Met);
            walk.answer(1);
            walk.happen(DataEvent::Ended);
        }
        prop_assert_eq!(walk.waiting, 0);
        prop_assert!(walk.session.is_answered());
    }
}
