//! What a client gets of a server's answer, and what becomes of both connections.

use crate::harness::{GET, GET_CLOSE, OK, Origin, Wire, field};

#[test]
fn pipelined_requests_are_answered_in_order_over_one_server_connection() {
    let origin = Origin::start(|call| {
        while let Some(head) = call.request() {
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            call.send(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{path}",
                path.len()
            ));
        }
    });
    let wire = Wire::http(&[origin.address]);
    let mut client = wire.connect();
    let asks = (0..20).map(|nth| format!("GET /{nth} HTTP/1.1\r\nHost: h\r\n\r\n"));
    client.send(asks.collect::<String>());
    for nth in 0..20 {
        assert_eq!(client.message().1, format!("/{nth}"));
    }
    assert_eq!(origin.connections(), 1);
    wire.until("nothing is in hand", |counts| {
        counts.servers["s1"].active == 0
    });
    let counts = wire.counts();
    assert_eq!(
        (counts.requests, counts.accepted, counts.servers["s1"].taken),
        (20, 1, 20)
    );
}

#[test]
fn servers_are_told_who_asked_and_nothing_a_client_claims() {
    let origin = Origin::always(OK);
    let wire = Wire::http(&[origin.address]);
    wire.ask(
        "GET /x HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 6.6.6.6\r\nX_Forwarded_Proto: https\r\n\
         Connection: close, X-Hop\r\nX-Hop: 1\r\n\r\n",
    );
    assert_eq!(
        origin.heads(),
        [
            "GET /x HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 127.0.0.1\r\n\
             X-Forwarded-Proto: http\r\n\r\n"
        ]
    );
}

#[test]
fn an_answer_to_head_has_no_body() {
    let origin = Origin::start(|call| {
        while let Some(head) = call.request() {
            let body = if head.starts_with("HEAD") {
                ""
            } else {
                "hello"
            };
            call.send(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{body}"
            ));
        }
    });
    let wire = Wire::http(&[origin.address]);
    let mut client = wire.connect();
    client.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(
        field(&client.head(), "Content-Length").as_deref(),
        Some("5")
    );
    client.send(GET);
    assert_eq!(client.message().1, "hello");
    assert_eq!(origin.connections(), 1);
}

#[test]
fn interim_answers_are_passed_on_but_not_to_http_10() {
    let origin = Origin::always(
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n\
         HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    );
    let wire = Wire::http(&[origin.address]);
    let mut client = wire.connect();
    client.send(GET);
    assert_eq!(
        client.head(),
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    );
    assert_eq!(client.message().1, "ok");
    let old = wire.ask("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(
        old,
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
    );
    assert_eq!(
        origin.connections(),
        1,
        "a proper interim answer keeps the connection"
    );
}

#[test]
fn a_flood_of_interim_answers_is_an_error() {
    let origin = Origin::start(|call| {
        call.request();
        call.send("HTTP/1.1 102 Processing\r\n\r\n".repeat(1000));
        call.peer.rest();
    });
    let wire = Wire::http(&[origin.address]);
    let answer = wire.ask(GET_CLOSE);
    assert!(answer.contains("HTTP/1.1 502 "), "{answer}");
    assert!(answer.matches("102 Processing").count() < 20);
}

#[test]
fn http_10_without_host_is_served_and_closed() {
    let origin =
        Origin::always("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
    let wire = Wire::http(&[origin.address]);
    let answer = wire.ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(answer, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok");
    let host = field(&origin.heads()[0], "Host").expect("HTTP/1.1 needs one");
    assert_eq!(host, wire.address.to_string());
}

#[test]
fn an_answer_without_length_is_sent_in_chunks_and_ends_the_server_connection() {
    let origin = Origin::start(|call| {
        call.request();
        call.send("HTTP/1.0 200 OK\r\n\r\nhello");
    });
    let wire = Wire::http(&[origin.address]);
    let mut client = wire.connect();
    for _ in 0..2 {
        client.send(GET);
        let head = client.head();
        assert_eq!(
            field(&head, "Transfer-Encoding").as_deref(),
            Some("chunked"),
            "{head}"
        );
        let body: String = client.until("0\r\n\r\n");
        let data: String = body.split("\r\n").skip(1).step_by(2).collect();
        assert_eq!(data, "hello");
    }
    assert_eq!(origin.connections(), 2);
    let old = wire.ask("GET / HTTP/1.0\r\n\r\n");
    assert!(old.ends_with("\r\n\r\nhello"), "{old}");
}

/// After each of these the server's connection is not used again, and nothing of it leaks.
#[test]
fn an_odd_answer_never_returns_a_connection_to_the_pool() {
    for odd in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok\
         HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
        "HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n\r\n",
    ] {
        let origin = Origin::always(odd);
        let wire = Wire::http(&[origin.address]);
        let mut client = wire.connect();
        for _ in 0..3 {
            client.send(GET);
            let head = client.head();
            let body = match field(&head, "Transfer-Encoding") {
                Some(_) => client.until("0\r\n\r\n"),
                None => client.exactly(2),
            };
            assert!(
                body.contains("ok") && !body.contains("evil"),
                "{odd}: {body}"
            );
        }
        assert_eq!(origin.connections(), 3, "{odd}");
    }
}

/// A 204 with a body: the body is no part of the answer.
#[test]
fn bytes_after_a_bodyless_answer_are_thrown_away_with_the_connection() {
    let origin = Origin::always("HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nevil");
    let wire = Wire::http(&[origin.address]);
    let mut client = wire.connect();
    for _ in 0..2 {
        client.send(GET);
        assert_eq!(client.head(), "HTTP/1.1 204 No Content\r\n\r\n");
    }
    assert_eq!(origin.connections(), 2);
}

#[test]
fn upgrade_is_a_plain_tunnel_after_the_servers_101() {
    let origin = Origin::start(|call| {
        let head = call.request().expect("a request");
        assert_eq!(field(&head, "Upgrade").as_deref(), Some("websocket"));
        call.send(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\n\r\nhi",
        );
        let said = call.peer.exactly(5);
        call.send(format!("you said {said}"));
        call.peer.close_half();
        call.peer.rest();
    });
    let wire = Wire::http(&[origin.address]);
    let mut client = wire.connect();
    client.send(
        "GET /chat HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\n\
         Upgrade: websocket\r\n\r\n",
    );
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert_eq!(field(&head, "Upgrade").as_deref(), Some("websocket"));
    assert_eq!(client.exactly(2), "hi");
    client.send("\0\r\nGE");
    assert_eq!(client.rest(), "you said \0\r\nGE");
    wire.until("it is over", |counts| counts.servers["s1"].active == 1);
    client.close_half();
    drop(client);
    wire.until("it is over", |counts| counts.servers["s1"].active == 0);
}

#[test]
fn a_101_that_nobody_asked_for_is_an_error() {
    let origin = Origin::always("HTTP/1.1 101 Switching Protocols\r\nUpgrade: evil\r\n\r\n");
    let wire = Wire::http(&[origin.address]);
    let h2c = "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
               HTTP2-Settings: AAA\r\n\r\n";
    for ask in [GET, h2c] {
        let answer = wire.ask(ask);
        assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    }
}
