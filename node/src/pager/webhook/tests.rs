//! The shapes word by word, and real conversations with servers that behave and that do not.

mod served;

use farmux_raft::id::UnixMillis;
use farmux_raft::state::{PageKind, Secret, WebUrl, WebhookChannel, WebhookShape};
use serde_json::{Value, json};

use super::*;
use crate::pager::call::Word;
use crate::pager::testing;

const NOW: UnixMillis = UnixMillis(1_700_000_000_123);

fn channel(shape: WebhookShape, port: u16) -> WebhookChannel {
    WebhookChannel {
        url: WebUrl {
            tls: false,
            host: "127.0.0.1".to_owned(),
            port,
            path: "/hook?a=b".to_owned(),
        },
        shape,
        secret: Some(Secret::new("s3cr3t-key".to_owned())),
        allow_local: true,
    }
}

fn shaped(call: &Call, shape: WebhookShape) -> Vec<Ask> {
    asks(call, &channel(shape, 80), NOW).expect("a shape")
}

fn head(ask: &Ask, name: &str) -> Option<String> {
    let found = ask.headers.iter().find(|(have, _)| have.as_str() == name);
    found.map(|(_, value)| value.to_str().expect("ASCII").to_owned())
}

fn body(ask: &Ask) -> Value {
    serde_json::from_slice(&ask.body).expect("JSON")
}

/// **Source**: RFC 4231 has no such text; the digest is that of Python's `hmac` and of `openssl
/// dgst -sha256 -hmac`.
#[test]
fn the_signature_is_that_of_others() {
    let signature = farmux::signature(
        &Secret::new("It's a secret".to_owned()),
        "1700000000",
        br#"{"version":1}"#,
    );
    assert_eq!(signature, SIGNATURE_VECTOR);
}

const SIGNATURE_VECTOR: &str =
    "v1=b6c7771a3834031ec8f2ceb9e2fcf80bc8cb5926eb978585233b80a7d593fb88";

#[test]
fn our_own_shape() {
    let mut down = testing::watch_page("fs1", PageKind::Down, "no route", [10, 0, 0, 50]);
    down.left = "144 servers in 3 farms affected".to_owned();
    let up = testing::watch_page("dns9", PageKind::Up, "up again after 3m", [10, 0, 0, 9]);
    let ids = [down.id.to_string(), up.id.to_string()];
    let mut call = testing::call_of(vec![down, up]);
    call.links = vec!["https://lb1/ack/T".to_owned()];
    let asks = shaped(&call, WebhookShape::Farmux);
    let [ask] = asks.as_slice() else {
        panic!("one request: {asks:?}");
    };
    assert_eq!(
        head(ask, "content-type").as_deref(),
        Some("application/json")
    );
    assert_eq!(head(ask, "farmux-event-id"), Some(call.id.to_string()));
    assert_eq!(head(ask, "farmux-timestamp").as_deref(), Some("1700000000"));
    let secret = Secret::new("s3cr3t-key".to_owned());
    let signature = farmux::signature(&secret, "1700000000", &ask.body);
    assert_eq!(head(ask, "farmux-signature"), Some(signature));
    assert_eq!(
        body(ask),
        json!({
            "version": 1,
            "id": call.id.to_string(),
            "cluster": "prod",
            "contact": "ops",
            "kind": "pages",
            "reminder": 0,
            "uncommitted_by": null,
            "counts": { "down": 1, "up": 1 },
            "pages": [
                {
                    "id": ids[0], "kind": "down", "subject": "watch:fs1", "title": "fs1",
                    "at": "1970-01-01T00:15:00.000Z", "cause": "no route",
                    "left": "144 servers in 3 farms affected", "evidence": ["check: no route"],
                    "open": true, "acknowledged_by": null, "verdict": null,
                    "drill": null,
                },
                {
                    "id": ids[1], "kind": "up", "subject": "watch:dns9", "title": "dns9",
                    "at": "1970-01-01T00:15:00.000Z", "cause": "up again after 3m", "left": "",
                    "evidence": ["check: up again after 3m"], "open": false,
                    "acknowledged_by": null, "verdict": null,
                    "drill": null,
                },
            ],
            "links": ["https://lb1/ack/T"],
        })
    );
    let test = shaped(&testing::test_call(), WebhookShape::Farmux);
    assert_eq!(body(&test[0])["kind"], "test");
    assert_eq!(body(&test[0])["pages"], json!([]));
}

#[test]
fn a_large_body_keeps_every_page_and_drops_evidence() {
    let mut pages = testing::storm(500);
    for page in &mut pages {
        page.evidence = vec!["e".repeat(200); 20];
    }
    let asks = shaped(&testing::call_of(pages), WebhookShape::Farmux);
    assert!(asks[0].body.len() < 600_000, "{}", asks[0].body.len());
    let pages = body(&asks[0])["pages"].as_array().expect("a list").clone();
    assert_eq!(pages.len(), 501);
    assert_eq!(pages[0]["evidence"].as_array().map(Vec::len), Some(20));
    assert_eq!(pages[499]["evidence"], json!([]));
}

#[test]
fn pagerduty_opens_and_closes_one_incident_a_cause() {
    let down = testing::watch_page("dns9", PageKind::Down, "no route", [10, 0, 0, 9]);
    let up = testing::watch_page("dns9", PageKind::Up, "up again after 3m", [10, 0, 0, 9]);
    let id = down.id.to_string();
    let mut call = testing::call_of(vec![down, up]);
    call.links = vec!["https://lb1/ack/T".to_owned()];
    let asks = shaped(&call, WebhookShape::Pagerduty);
    let events: Vec<Value> = asks.iter().map(body).collect();
    assert_eq!(
        events,
        [
            json!({
                "routing_key": "s3cr3t-key",
                "event_action": "trigger",
                "dedup_key": id,
                "client": "farmux",
                "payload": {
                    "summary": "prod DOWN dns9: no route",
                    "source": "dns9",
                    "severity": "critical",
                    "timestamp": "1970-01-01T00:15:00.000Z",
                    "class": "down",
                    "custom_details": {
                        "page": id, "subject": "watch:dns9", "cause": "no route", "left": "",
                        "evidence": ["check: no route"], "contact": "ops", "reminder": 0,
                        "uncommitted_by": null,
                    },
                },
                "links": [{ "href": "https://lb1/ack/T", "text": "Acknowledge in farmux" }],
            }),
            json!({
                "routing_key": "s3cr3t-key",
                "event_action": "resolve",
                "dedup_key": id,
            }),
        ]
    );
}

#[test]
fn pagerduty_gets_a_hundred_events_and_one_that_names_the_rest() {
    let events = pagerduty::events(&testing::call_of(testing::storm(500)), NOW);
    assert_eq!(events.len(), 101);
    let last = events.last().expect("101");
    let summary = last["payload"]["summary"].as_str().expect("text");
    assert!(
        summary.starts_with("prod: 401 more than 100 events: 400 down, 1 up: web101, web102, "),
        "{summary}"
    );
    assert!(summary.chars().count() <= 1_024, "{summary}");
    let lines = last["payload"]["custom_details"]["what_happened"].as_array();
    assert_eq!(lines.map(Vec::len), Some(400));
    let events = pagerduty::events(&testing::test_call(), NOW);
    let actions: Vec<_> = events.iter().map(|event| &event["event_action"]).collect();
    assert_eq!(
        actions,
        ["trigger", "resolve"],
        "nobody is left with a test"
    );
}

#[test]
fn ntfy_has_safe_headers_and_a_bounded_body() {
    let mut page = testing::watch_page("fs1", PageKind::Down, "no röute\r\nX: y", [10, 0, 0, 50]);
    page.title = "fs1\r\nBcc: z".to_owned();
    let mut call = testing::call_of(vec![page]);
    call.links = vec!["https://lb1/ack/T\r\nX: y".to_owned()];
    let asks = shaped(&call, WebhookShape::Ntfy);
    let ask = &asks[0];
    assert_eq!(
        head(ask, "title").as_deref(),
        Some("[DOWN] prod fs1 Bcc: z: no r?ute X: y")
    );
    assert_eq!(head(ask, "priority").as_deref(), Some("5"));
    assert_eq!(head(ask, "tags").as_deref(), Some("rotating_light"));
    assert_eq!(
        head(ask, "click").as_deref(),
        Some("https://lb1/ack/T??X: y")
    );
    assert_eq!(
        head(ask, "authorization").as_deref(),
        Some("Bearer s3cr3t-key")
    );
    let text = String::from_utf8(ask.body.clone()).expect("UTF-8");
    assert_eq!(text, "DOWN fs1 Bcc: z: no röute X: y\ncheck: no röute X: y");
    let storm = shaped(&testing::call_of(testing::storm(500)), WebhookShape::Ntfy);
    assert!(storm[0].body.len() < 4_096, "{}", storm[0].body.len());
    let text = String::from_utf8(storm[0].body.clone()).expect("UTF-8");
    let shown = text.matches("DOWN web").count();
    assert!(
        text.ends_with(&format!("\n… and {} more", 501 - shown)),
        "{text}"
    );
}

#[test]
fn no_secret_shows_up_where_people_look() {
    let call = testing::call_of(testing::storm(1));
    for shape in [
        WebhookShape::Farmux,
        WebhookShape::Pagerduty,
        WebhookShape::Ntfy,
    ] {
        let shown = format!("{:?} {:?}", channel(shape, 80), shaped(&call, shape));
        assert!(!shown.contains("s3cr3t"), "{shown}");
    }
    let none = WebhookChannel {
        secret: None,
        ..channel(WebhookShape::Pagerduty, 80)
    };
    assert!(asks(&call, &none, NOW).is_err(), "a routing key is needed");
    let line_break = WebhookChannel {
        secret: Some(Secret::new("s3cr3t\r\nX: y".to_owned())),
        ..channel(WebhookShape::Ntfy, 80)
    };
    let refused = asks(&call, &line_break, NOW).expect_err("no header");
    assert!(!refused.contains("s3cr3t"), "{refused}");
}

#[test]
fn by_own_word_is_marked_in_each_shape() {
    let mut call = testing::call_of(testing::storm(1));
    if let crate::pager::call::Said::Pages { word, .. } = &mut call.said {
        *word = Word::Uncommitted {
            by: "lb2".to_owned(),
        };
    }
    let own = body(&shaped(&call, WebhookShape::Farmux)[0]);
    assert_eq!(own["uncommitted_by"], "lb2");
    let event = body(&shaped(&call, WebhookShape::Pagerduty)[0]);
    assert_eq!(event["payload"]["custom_details"]["uncommitted_by"], "lb2");
    let ntfy = &shaped(&call, WebhookShape::Ntfy)[0];
    assert!(head(ntfy, "title").is_some_and(|title| title.contains("[UNCOMMITTED]")));
}

#[test]
fn a_drill_is_the_first_thing_that_is_said() {
    let call = testing::drilled(testing::storm(1));
    let ours = body(&shaped(&call, WebhookShape::Farmux)[0]);
    assert_eq!(ours["pages"][0]["title"], "[DRILL] web001");
    assert_eq!(ours["pages"][0]["drill"], 7);
    let title = head(&shaped(&call, WebhookShape::Ntfy)[0], "title");
    assert!(title.is_some_and(|title| title.starts_with("[DRILL] [DOWN] prod")));
    let event = body(&shaped(&call, WebhookShape::Pagerduty)[0]);
    let summary = event["payload"]["summary"].as_str().expect("a text");
    assert_eq!(summary, "[DRILL] prod DOWN web001: no route");
}
