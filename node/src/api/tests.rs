//! The API over a real Unix socket, against a daemon that is in no cluster.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use clap::Parser;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::types::{Overall, StatusReport};
use super::{Api, serve};
use crate::cli::args::Arguments;
use crate::cli::client::Client;
use crate::cli::command::Shell;
use crate::cli::terminal::Terminal;
use crate::daemon::Node;
use crate::fault::{Code, Exit, Fault};
use crate::settings::Settings;

/// A daemon in a folder of its own.
async fn daemon(folder: &Path) -> (Arc<Node>, Api) {
    let text = format!(
        "name = \"lb1\"\npeer = [\"127.0.0.1:7946\"]\nadmin = \"127.0.0.1:9443\"\n\
         socket = \"{0}/admin.sock\"\ndata = \"{0}/data\"\n",
        folder.display()
    );
    let settings = Settings::parse(&text).expect("good settings");
    let node = Arc::new(Node::new(settings));
    let api = serve(Arc::clone(&node)).await.expect("a free socket");
    (node, api)
}

/// What is written can be read after the terminal has gone.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Write::write(&mut *self.0.lock().expect("nobody panics with it"), bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Types a line on a command line whose daemon is in `folder`.
async fn type_line(folder: &Path, line: &str) -> Result<String, Fault> {
    let line = format!("{line} --socket {}/admin.sock", folder.display());
    let parsed = Arguments::try_parse_from(line.split_whitespace()).expect("a good line");
    let paper = Paper::default();
    let client = Client::new(&parsed.target)?;
    let terminal = Terminal::to(Box::new(paper.clone()), parsed.target.output);
    Shell { client, terminal }.execute(parsed.action).await?;
    let bytes = paper.0.lock().expect("nobody panics with it").clone();
    Ok(String::from_utf8(bytes).expect("we write text"))
}

/// One raw request; the answer's status and body.
async fn raw(folder: &Path, request: &str) -> (u16, String) {
    let mut stream = UnixStream::connect(folder.join("admin.sock"))
        .await
        .expect("it listens");
    stream
        .write_all(request.as_bytes())
        .await
        .expect("it reads");
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .await
        .expect("it answers and closes");
    let status = answer
        .split(' ')
        .nth(1)
        .expect("a status line")
        .parse()
        .expect("a number");
    let body = answer.split_once("\r\n\r\n").expect("a head and a body").1;
    (status, body.to_owned())
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
}

#[tokio::test]
async fn status_works_without_a_cluster() {
    let folder = tempfile::tempdir().expect("a folder");
    let _daemon = daemon(folder.path()).await;
    let shown = type_line(folder.path(), "farmux status")
        .await
        .expect("an answer");
    assert!(
        shown.starts_with("overall   NO CLUSTER   seen from lb1, farmux "),
        "{shown}"
    );
    let json = type_line(folder.path(), "farmux status -o json")
        .await
        .expect("an answer");
    let report: StatusReport = serde_json::from_str(&json).expect("the documented shape");
    assert_eq!(report.overall, Overall::NoCluster);
    let shown = type_line(folder.path(), "farmux version")
        .await
        .expect("an answer");
    assert!(shown.contains("daemon 0."), "{shown}");
}

#[tokio::test]
async fn everything_else_says_that_there_is_no_cluster() {
    let folder = tempfile::tempdir().expect("a folder");
    let _daemon = daemon(folder.path()).await;
    let file = folder.path().join("cluster.toml");
    std::fs::write(&file, "").expect("a file");
    let lines = [
        "farmux cluster token create".to_owned(),
        "farmux cluster token list".to_owned(),
        "farmux cluster token revoke 00ff".to_owned(),
        "farmux cluster remove lb2 --yes".to_owned(),
        "farmux cluster leave --yes".to_owned(),
        format!("farmux config apply {}", file.display()),
        "farmux config export".to_owned(),
        "farmux config history".to_owned(),
        "farmux farm list".to_owned(),
        "farmux farm show shop".to_owned(),
        "farmux server drain shop/s1 --wait".to_owned(),
        "farmux server ready shop/s1".to_owned(),
        "farmux server drain --everywhere 10.0.0.21 --wait".to_owned(),
        "farmux server drain --everywhere fd00::21".to_owned(),
        "farmux watch list".to_owned(),
        "farmux watch show fs1".to_owned(),
        "farmux page list".to_owned(),
        "farmux page show 00".to_owned(),
        "farmux page ack 00".to_owned(),
        "farmux admin-cert create anna".to_owned(),
        "farmux admin-cert list".to_owned(),
        "farmux admin-cert revoke anna".to_owned(),
        "farmux config show --revision 1".to_owned(),
        "farmux config rollback 1".to_owned(),
        "farmux drill list".to_owned(),
        "farmux drill plan vip-move".to_owned(),
        "farmux drill run vip-move --yes".to_owned(),
        "farmux drill abort".to_owned(),
        "farmux drill lock -m sale".to_owned(),
        "farmux drill report 7".to_owned(),
    ];
    for line in lines {
        let fault = type_line(folder.path(), &line).await.expect_err(&line);
        assert_eq!(fault.code, Code::NoCluster.to_string(), "{line}: {fault}");
        assert_eq!(fault.exit, Exit::Refused, "{line}");
        assert!(fault.mend.contains("farmux cluster"), "{line}: {fault}");
    }
}

#[tokio::test]
async fn without_a_daemon_the_command_line_says_how_to_start_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let fault = type_line(folder.path(), "farmux status")
        .await
        .expect_err("nobody listens");
    assert_eq!(
        (fault.code.as_str(), fault.exit),
        ("FMX-102", Exit::Unreachable)
    );
    let shown = type_line(folder.path(), "farmux explain FMX-102")
        .await
        .expect("no daemon needed");
    assert!(shown.starts_with("FMX-102: "), "{shown}");
    let shown = type_line(folder.path(), "farmux version")
        .await
        .expect("no daemon needed");
    assert!(shown.contains("does not answer"), "{shown}");
}

#[tokio::test]
async fn machines_ask_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let _daemon = daemon(folder.path()).await;
    assert_eq!(
        raw(folder.path(), &get("/healthz")).await,
        (200, "ok\n".to_owned())
    );
    assert_eq!(
        raw(folder.path(), &get("/leader")).await,
        (503, "no cluster\n".to_owned())
    );
    let (status, body) = raw(folder.path(), &get("/metrics")).await;
    assert_eq!(status, 200);
    assert!(body.contains("farmux_member 0\n"), "{body}");
}

#[tokio::test]
async fn what_is_not_understood_is_a_fault_with_a_code() {
    let folder = tempfile::tempdir().expect("a folder");
    let _daemon = daemon(folder.path()).await;
    let post = |path: &str, body: &str| {
        let length = body.len();
        format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\
             \r\n{body}"
        )
    };
    let rows = [
        (get("/v1/nothing"), 404, Code::NotFound),
        (get("/v1/cluster/init"), 404, Code::NotFound),
        (post("/v1/tokens", "{"), 400, Code::RequestInvalid),
        (
            post("/v1/tokens", r#"{"role":"king","ttl_s":60}"#),
            400,
            Code::RequestInvalid,
        ),
        (
            post("/v1/tokens", r#"{"role":"witness","ttl_s":60,"x":1}"#),
            400,
            Code::RequestInvalid,
        ),
        (
            post("/v1/config", &" ".repeat((1 << 20) + 1)),
            413,
            Code::RequestTooLarge,
        ),
    ];
    for (request, status, code) in rows {
        let shown: String = request.chars().take(80).collect();
        let (got, body) = raw(folder.path(), &request).await;
        assert_eq!(got, status, "{shown}: {body}");
        let fault: Fault = serde_json::from_str(&body).expect("a fault");
        assert_eq!(fault.code, code.to_string(), "{shown}");
    }
}

#[tokio::test]
async fn a_second_daemon_is_refused_and_a_dead_ones_socket_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let (node, api) = daemon(folder.path()).await;
    assert!(
        serve(Arc::clone(&node)).await.is_err(),
        "somebody answers there"
    );
    drop(api);
    assert!(
        !folder.path().join("admin.sock").exists(),
        "it cleans up after itself"
    );
    let _api = serve(node).await.expect("free again");
    let shown = type_line(folder.path(), "farmux status")
        .await
        .expect("an answer");
    assert!(shown.contains("NO CLUSTER"), "{shown}");
}
