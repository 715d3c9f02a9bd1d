//! Servers that name other addresses, clients that come to others' ports, and ends that are cut.

use std::io::{ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use crate::harness::{CALM, Wire};
use crate::real::ftp;
use crate::scripted::{
    Script, ask, connect_from, data_port, log_in, pasv, read_all, reply_227, send_all,
};

/// A server that sends a file to whoever comes to its data port.
fn sends(bytes: &'static [u8], named: [u8; 4]) -> (Script, u16) {
    let port = data_port(|stream| send_all(stream, bytes)).port();
    let script = Script::start(move |line| match line {
        "PASV" => reply_227(named, port),
        "RETR f" => "150 here it comes\r\n226 that was it\r\n".into(),
        _ => "200 ok\r\n".into(),
    });
    (script, port)
}

#[test]
fn data_comes_from_the_server_whatever_its_227_names() {
    let trap = Ipv4Addr::new(127, 0, 0, 7);
    let (script, port) = sends(b"the file", trap.octets());
    let trap = TcpListener::bind((trap, port)).expect("that address has the port free");
    trap.set_nonblocking(true).expect("it can be polled");
    let wire = Wire::start(ftp(), CALM, &[script.origin.address]);
    let mut client = log_in(&wire);
    let data = TcpStream::connect(pasv(&mut client)).expect("the port is open");
    assert_eq!(ask(&mut client, "RETR f"), "150 here it comes\r\n");
    assert_eq!(read_all(&data).expect("a proper end"), b"the file");
    assert_eq!(client.until("\r\n"), "226 that was it\r\n");
    let trapped = trap.accept().map_err(|error| error.kind());
    assert_eq!(
        trapped.err(),
        Some(ErrorKind::WouldBlock),
        "somebody else was connected to"
    );
}

#[test]
fn a_low_port_of_the_server_is_not_connected_to() {
    let script = Script::start(|_| reply_227([127, 0, 0, 1], 25));
    let wire = Wire::start(ftp(), CALM, &[script.origin.address]);
    let mut client = log_in(&wire);
    assert!(ask(&mut client, "PASV").starts_with("425 "));
    assert_eq!(wire.counts().refusals["passive-reply"], 1);
}

#[test]
fn another_client_gets_nothing_from_a_data_port() {
    let (script, _) = sends(b"the file", [127, 0, 0, 1]);
    let wire = Wire::start(ftp(), CALM, &[script.origin.address]);
    let mut client = log_in(&wire);
    let port = pasv(&mut client);
    for nth in 1..=3 {
        let thief = connect_from([127, 0, 0, 9], port);
        let got = thief.and_then(|stream| read_all(&stream));
        let got = got.map_err(|error| error.kind());
        assert_eq!(got, Err(ErrorKind::ConnectionReset));
        assert_eq!(wire.counts().refusals["stranger"], nth);
    }
    let data = TcpStream::connect(port).expect("the port is still open");
    let again = TcpStream::connect(port).map(|stream| read_all(&stream));
    assert!(
        !matches!(again, Ok(Ok(bytes)) if !bytes.is_empty()),
        "one connection only"
    );
    assert_eq!(ask(&mut client, "RETR f"), "150 here it comes\r\n");
    assert_eq!(read_all(&data).expect("a proper end"), b"the file");
    assert_eq!(client.until("\r\n"), "226 that was it\r\n");
    assert!(TcpStream::connect(port).is_err(), "the port is closed");
}

#[test]
fn a_new_address_closes_the_port_before() {
    let (script, _) = sends(b"the file", [127, 0, 0, 1]);
    let wire = Wire::start(ftp(), CALM, &[script.origin.address]);
    let mut client = log_in(&wire);
    let first = pasv(&mut client);
    let second = pasv(&mut client);
    assert!(first == second || TcpStream::connect(first).is_err());
    assert!(ask(&mut client, "PORT 127,0,0,1,8,1").starts_with("200 "));
    assert!(TcpStream::connect(second).is_err());
}

#[test]
fn active_data_comes_from_port_20_of_the_vip() {
    let (script, _) = sends(b"the file", [9, 9, 9, 9]);
    let wire = Wire::start(ftp(), CALM, &[script.origin.address]);
    let mut client = log_in(&wire);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is to be had");
    let port = listener.local_addr().expect("it has an address").port();
    let line = format!("PORT 127,0,0,1,{},{}", port / 256, port % 256);
    assert!(ask(&mut client, &line).starts_with("200 "));
    assert_eq!(ask(&mut client, "RETR f"), "150 here it comes\r\n");
    let (data, from) = listener.accept().expect("somebody comes");
    assert_eq!(from, SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 20));
    assert_eq!(read_all(&data).expect("a proper end"), b"the file");
    assert_eq!(client.until("\r\n"), "226 that was it\r\n");
    // One connection for one PORT.
    assert!(ask(&mut client, "RETR f").starts_with("425 "));
    drop(listener);
    assert!(ask(&mut client, &line).starts_with("200 "));
    assert!(
        ask(&mut client, "RETR f").starts_with("425 "),
        "nobody listens there any more"
    );
    assert_eq!(wire.counts().refusals["client-unreachable"], 1);
}

/// A server that sends a little, and then waits for the end of the world.
fn stalls() -> Script {
    let port = data_port(|stream| {
        std::thread::spawn(move || {
            let half = stream.try_clone().expect("a descriptor is to be had");
            let _ = std::io::Write::write_all(&mut &half, b"half");
            let _ = (&stream).read(&mut [0]);
        });
    })
    .port();
    Script::start(move |line| match line {
        "PASV" => reply_227([127, 0, 0, 1], port),
        "RETR f" => "150 here it comes\r\n".into(),
        _ => "221 bye\r\n".into(),
    })
}

#[test]
fn a_lost_address_resets_control_and_data() {
    let script = stalls();
    let wire = Wire::start(ftp(), CALM, &[script.origin.address]);
    let mut client = log_in(&wire);
    let data = TcpStream::connect(pasv(&mut client)).expect("the port is open");
    data.set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a timeout can be set");
    assert_eq!(ask(&mut client, "RETR f"), "150 here it comes\r\n");
    let mut half = [0; 4];
    (&data).read_exact(&mut half).expect("half of it comes");
    wire.serving.abort(wire.address.ip());
    for stream in [&data, &client.stream] {
        let end = { stream }.read(&mut [0]).map_err(|error| error.kind());
        assert_eq!(end, Err(ErrorKind::ConnectionReset));
    }
    wire.until("it is over", |counts| {
        counts.open == 0 && counts.servers["s1"].active == 0
    });
}

#[test]
fn a_server_that_dies_cuts_the_data_visibly() {
    let port = data_port(|stream| {
        std::thread::spawn(move || {
            let _ = std::io::Write::write_all(&mut &stream, b"half");
            let _ = (&stream).read(&mut [0]);
        });
    })
    .port();
    let script = crate::harness::Origin::start(move |call| {
        call.send("220 hi\r\n");
        call.peer.until("\r\n");
        call.send(reply_227([127, 0, 0, 1], port));
        call.peer.until("\r\n");
        call.send("150 here it comes\r\n");
        call.peer.until("\r\n");
    });
    let wire = Wire::start(ftp(), CALM, &[script.address]);
    let mut client = log_in(&wire);
    let data = TcpStream::connect(pasv(&mut client)).expect("the port is open");
    assert_eq!(ask(&mut client, "RETR f"), "150 here it comes\r\n");
    (&data).read_exact(&mut [0; 4]).expect("half of it comes");
    assert!(ask(&mut client, "ABOR").starts_with("421 "));
    let end = (&data).read(&mut [0]).map_err(|error| error.kind());
    assert_eq!(
        end,
        Err(ErrorKind::ConnectionReset),
        "no file looks whole that is not"
    );
    assert_eq!(wire.counts().failures["closed"], 1);
    assert_eq!(wire.counts().servers["s1"].failures, 1);
}
