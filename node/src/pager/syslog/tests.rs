//! The lines byte by byte, and collectors that are there and that are not.

use std::net::{Ipv4Addr, TcpListener as Listener, UdpSocket as Socket};

use farmux_raft::state::{PageKind, Subject};

use super::*;
use crate::pager::testing;
use crate::reserved::reserve;

const NOW: UnixMillis = UnixMillis(1_700_000_000_120);

fn text(call: &Call) -> Vec<String> {
    let lines = line::lines(call, "lb1", NOW);
    lines
        .into_iter()
        .map(|line| String::from_utf8(line).expect("UTF-8"))
        .collect()
}

#[test]
fn a_line_is_as_the_standard_has_it() {
    let mut call = testing::call_of(testing::storm(1));
    let ids: Vec<String> = match &call.said {
        crate::pager::Said::Pages { pages, .. } => {
            pages.iter().map(|page| page.id.to_string()).collect()
        }
        crate::pager::Said::Test { .. } => panic!("no test"),
    };
    let wanted = [
        format!(
            "<26>1 1970-01-01T00:15:00.000Z lb1 farmux - DOWN [farmux@32473 id=\"{}\" \
             subject=\"watch:web001\" contact=\"ops\"] \u{feff}prod DOWN web001: no route",
            ids[0]
        ),
        format!(
            "<29>1 1970-01-01T00:15:00.000Z lb1 farmux - UP [farmux@32473 id=\"{}\" \
             subject=\"watch:dns9\" contact=\"ops\"] \u{feff}prod UP dns9: up again after 3m",
            ids[1]
        ),
    ];
    assert_eq!(text(&call), wanted);
    call.reminder = 2;
    assert!(text(&call)[0].ends_with("\u{feff}STILL (reminder 2) prod DOWN web001: no route"));
    assert_eq!(
        text(&testing::test_call()),
        [
            "<30>1 2023-11-14T22:13:20.120Z lb1 farmux - TEST [farmux@32473 \
          id=\"00000000000000000000000000000abc\" subject=\"\" contact=\"ops\"] \
          \u{feff}[TEST] prod contact ops: nothing is wrong"
        ]
    );
}

#[test]
fn a_hostile_page_stays_in_its_line_and_its_bound() {
    let evil = format!("a\"b]c\\d\r\n<0>1 x\0{}", "ä".repeat(5_000));
    let mut page = testing::watch_page("fs1", PageKind::Down, &evil, [10, 0, 0, 50]);
    page.title.clone_from(&evil);
    page.left.clone_from(&evil);
    page.subject = Subject::Watch("fs1".parse().expect("a name"));
    let lines = line::lines(&testing::call_of(vec![page]), "lb\r\n1", NOW);
    assert_eq!(lines.len(), 1);
    assert!(lines[0].len() <= 2_048, "{}", lines[0].len());
    let line = String::from_utf8(lines[0].clone()).expect("cut between characters");
    assert!(!line.chars().any(char::is_control), "{line}");
    assert!(line.contains(" lb1 farmux "), "{line}");
}

fn channel(port: u16, transport: SyslogTransport) -> SyslogChannel {
    SyslogChannel {
        host: "127.0.0.1".to_owned(),
        port,
        transport,
    }
}

async fn sent(call: &Call, channel: &SyslogChannel) -> Result<String, String> {
    send(call, channel, "lb1", &Origin::default(), NOW).await
}

#[tokio::test]
async fn datagrams_arrive_one_a_page() {
    let socket = Socket::bind("127.0.0.1:0").expect("a free port");
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .expect("a time");
    let port = socket.local_addr().expect("bound").port();
    let call = testing::call_of(testing::storm(200));
    let reader = std::thread::spawn(move || {
        let mut bytes = [0; 4_096];
        let one = |_| {
            let length = socket.recv(&mut bytes).expect("a datagram");
            bytes[..length].to_vec()
        };
        (0..201).map(one).collect::<Vec<_>>()
    });
    let said = sent(&call, &channel(port, SyslogTransport::Udp)).await;
    let wanted = format!("201 datagrams to 127.0.0.1:{port}; nobody confirms them");
    assert_eq!(said, Ok(wanted));
    assert_eq!(
        reader.join().expect("it read them all"),
        line::lines(&call, "lb1", NOW)
    );
}

#[tokio::test]
async fn a_connection_carries_each_line_behind_its_length() {
    let listener = Listener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let reader = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut stream, &mut bytes).expect("it closes");
        bytes
    });
    let call = testing::call_of(testing::storm(3));
    let said = sent(&call, &channel(port, SyslogTransport::Tcp)).await;
    let wanted = format!("4 lines written to 127.0.0.1:{port}; nobody confirms them");
    assert_eq!(said, Ok(wanted));
    let mut bytes = reader.join().expect("it read to the end");
    let mut lines = Vec::new();
    while let Some(space) = bytes.iter().position(|b| *b == b' ') {
        let rest = bytes.split_off(space + 1);
        let length = String::from_utf8_lossy(&bytes[..space]).parse::<usize>();
        let mut line = rest;
        bytes = line.split_off(length.expect("a length"));
        lines.push(line);
    }
    assert_eq!(lines, line::lines(&call, "lb1", NOW));
}

#[tokio::test]
async fn that_nobody_listens_is_noticed() {
    let port = reserve(Ipv4Addr::LOCALHOST.into()).port();
    let call = testing::test_call();
    for transport in [SyslogTransport::Udp, SyslogTransport::Tcp] {
        let why = sent(&call, &channel(port, transport)).await;
        let why = why.expect_err("nobody is there");
        assert!(why.ends_with("connection refused"), "{transport}: {why}");
    }
}

#[test]
fn a_drill_is_the_first_thing_that_is_said() {
    let mut call = testing::drilled(testing::storm(1));
    assert!(text(&call)[0].ends_with("\u{feff}[DRILL] prod DOWN web001: no route"));
    call.reminder = 2;
    assert!(text(&call)[0].contains("\u{feff}[DRILL] STILL (reminder 2) prod DOWN"));
}
