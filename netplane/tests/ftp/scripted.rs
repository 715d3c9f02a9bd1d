//! An FTP server that answers by a script, and a client that says exactly what it is told to.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use socket2::{Domain, Socket, Type};

use crate::harness::{Origin, PATIENCE, Peer, Wire};

/// A scripted server, and the lines that it was sent.
pub(crate) struct Script {
    pub(crate) origin: Origin,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Script {
    /// Greets, and answers each line with what `answer` gives for it: nothing or some replies.
    pub(crate) fn start(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Script {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let heard = lines.clone();
        let origin = Origin::start(move |call| {
            // A long transfer leaves it in peace.
            let patient = call.peer.stream.set_read_timeout(None);
            patient.expect("a timeout can be taken away");
            call.send("220 hi\r\n");
            loop {
                let line = call.peer.until("\r\n");
                let Some(line) = line.strip_suffix("\r\n") else {
                    break;
                };
                heard
                    .lock()
                    .expect("nobody panics in here")
                    .push(line.to_owned());
                call.send(answer(line));
                if line == "QUIT" {
                    break;
                }
            }
        });
        Script { origin, lines }
    }

    /// Says yes to all, and has nothing to send.
    pub(crate) fn yes() -> Script {
        Script::start(|line| match line {
            "PASV" => "227 ok (127,0,0,1,8,0)\r\n".into(),
            "QUIT" => "221 bye\r\n".into(),
            _ => format!("200 {line}\r\n"),
        })
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("nobody panics in here").clone()
    }
}

/// A data port of a scripted server: whoever comes is handed to `serve`.
pub(crate) fn data_port(serve: impl Fn(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is to be had");
    let address = listener.local_addr().expect("it has an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            serve(stream);
        }
    });
    address
}

/// A 227 for a port, whatever address it names.
pub(crate) fn reply_227(address: [u8; 4], port: u16) -> String {
    let [a, b, c, d] = address;
    format!("227 ok ({a},{b},{c},{d},{},{})\r\n", port / 256, port % 256)
}

/// A client's control connection, past the greeting.
pub(crate) fn log_in(wire: &Wire) -> Peer {
    let mut peer = wire.connect();
    assert_eq!(peer.until("\r\n"), "220 hi\r\n");
    peer
}

/// Sends a line; the reply.
pub(crate) fn ask(peer: &mut Peer, line: &str) -> String {
    peer.send(format!("{line}\r\n"));
    peer.until("\r\n")
}

/// Asks for a passive port, which must be one of the VIP.
pub(crate) fn pasv(peer: &mut Peer) -> SocketAddr {
    let reply = ask(peer, "PASV");
    let numbers = reply
        .split(['(', ')'])
        .nth(1)
        .unwrap_or_else(|| panic!("{reply}"));
    let numbers: Vec<u16> = numbers.split(',').flat_map(str::parse).collect();
    let [a, b, c, d, high, low] = numbers[..] else {
        panic!("{reply}");
    };
    assert_eq!(
        [a, b, c, d],
        [127, 0, 0, 1],
        "the VIP, whatever the server says"
    );
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), high * 256 + low)
}

/// Connects from an address of one's choice.
pub(crate) fn connect_from(from: [u8; 4], to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(IpAddr::from(from), 0).into())?;
    socket.connect_timeout(&to.into(), PATIENCE)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket.into())
}

/// Sends bytes and says that there are no more.
pub(crate) fn send_all(mut stream: TcpStream, bytes: &[u8]) {
    // Whoever does not want them may be gone.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
}

/// All that comes until the end of a stream.
pub(crate) fn read_all(mut stream: &TcpStream) -> std::io::Result<Vec<u8>> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).map(|_| all)
}
