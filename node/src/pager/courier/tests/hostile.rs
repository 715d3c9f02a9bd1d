//! A server that would rather write our mails itself: what it says stays in its line, however it
//! came into the state. Read by other people's code at the other end.

use farmux_raft::state::{Page, PageKind};
use serde_json::{Value, json};

use super::real::{Sink, folder};
use super::*;

/// What a server could say to reach somebody else, or to end our mail and begin its own.
fn evil() -> String {
    format!(
        "220 x\r\nBcc: thief@example.com\r\n\r\n.\r\nMAIL FROM:<thief@example.com>\r\n\
         RCPT TO:<thief@example.com>\r\nDATA\r\nSubject: forged\n\n.\n\r.\r\u{0}\u{7}\
         \u{1b}[31m\u{85}\u{2028}\u{202e}{}",
        "Z".repeat(1_000_000)
    )
}

fn hostile(name: &str) -> Page {
    let evil = evil();
    Page {
        title: evil.clone(),
        cause: evil.clone(),
        left: evil.clone(),
        evidence: vec![evil.clone(), format!(".{evil}"), ".".to_owned()],
        ..testing::watch_page(name, PageKind::Down, "x", [10, 0, 0, 50])
    }
}

/// The mail as Python's email package sees it.
async fn arrives(pages: Vec<Page>) -> Value {
    let folder = folder();
    let mut sink = Sink::start("plain", folder.path());
    let to = ["ops@example.com", "boss@example.org"];
    let mut errand = errand(&to, sink.port, |_| {});
    errand.call = testing::call_of(pages);
    errand.call.links = vec![format!("https://lb1/ack/{}", evil())];
    let receipt = deliver(errand, None).await;
    assert_eq!(receipt.outcome(), DeliveryOutcome::Delivered, "{receipt:?}");
    let told = sink.next();
    assert_eq!(sink.end(), Value::Null, "one mail");
    told
}

#[tokio::test]
async fn a_hostile_page_reaches_exactly_the_configured_recipients() {
    let one = vec![hostile("fs1")];
    let several = vec![hostile("fs1"), hostile("fs2"), hostile("fs3")];
    for pages in [one, several] {
        let count = pages.len();
        let told = arrives(pages).await;
        assert_eq!(told["mail_from"], "farmux@prod");
        let to = json!(["ops@example.com", "boss@example.org"]);
        assert_eq!(told["rcpt_to"], to);
        assert_eq!(told["to"], "ops@example.com, boss@example.org");
        assert_eq!(
            told["fields"],
            json!([
                "Auto-Submitted",
                "Content-Transfer-Encoding",
                "Content-Type",
                "Date",
                "From",
                "MIME-Version",
                "Message-ID",
                "Subject",
                "To",
            ]),
            "{count} pages"
        );
        let subject = told["subject"].as_str().expect("text");
        assert!(subject.starts_with("[DOWN] prod "), "{subject}");
        assert!(!subject.chars().any(char::is_control), "{subject}");
        let body = told["body"].as_str().expect("text");
        for line in body.lines() {
            assert!(!line.starts_with("Bcc:") && line != ".", "{line}");
            assert!(!line.starts_with("MAIL FROM"), "{line}");
            assert!(!line.chars().any(char::is_control), "{line:?}");
        }
        let evidence = body.lines().skip_while(|line| *line != "Evidence:").skip(1);
        let evidence: Vec<&str> = evidence.take_while(|line| line.starts_with("  ")).collect();
        assert_eq!(evidence.len(), if count == 1 { 3 } else { 0 });
        for line in evidence {
            assert!(line.trim_start().chars().count() <= 200, "{line}");
        }
        assert!(body.len() < 10_000, "{}", body.len());
    }
}
