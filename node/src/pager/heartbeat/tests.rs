//! The heartbeat with a server that counts, and one that fails.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use farmux_raft::state::{PageKind, WebUrl};

use super::*;
use crate::pager::testing::{self, Decider};

/// Answers 200 or 500, and counts.
#[derive(Default)]
struct Switch {
    calls: AtomicU64,
    broken: AtomicBool,
}

fn serve(switch: &Arc<Switch>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let switch = Arc::clone(switch);
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut bytes = [0; 1_024];
            let length = stream.read(&mut bytes).unwrap_or(0);
            let asked = String::from_utf8_lossy(&bytes[..length]).into_owned();
            assert!(asked.starts_with("GET /ping/t0ken HTTP/1.1\r\n"), "{asked}");
            switch.calls.fetch_add(1, Ordering::SeqCst);
            let status = match switch.broken.load(Ordering::SeqCst) {
                true => "500 Oops",
                false => "200 OK",
            };
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    port
}

struct Bench {
    states: watch::Receiver<Arc<State>>,
    standing: watch::Sender<Standing>,
    heartbeats: Heartbeats,
}

fn bench(port: u16, leads: bool, every: Duration) -> Bench {
    let mut state = testing::state(3, &[]);
    let config = Arc::make_mut(&mut state.config);
    config.paging.heartbeat = Some(Heartbeat {
        url: WebUrl {
            tls: false,
            host: "127.0.0.1".to_owned(),
            port,
            path: "/ping/t0ken".to_owned(),
        },
        every,
        allow_local: true,
    });
    let (sender, states) = watch::channel(Arc::new(state));
    let (standing, standings) = watch::channel(testing::standing(leads));
    let heartbeats = Heartbeats::spawn(HeartbeatParts {
        me: NodeId(1),
        own: vec![],
        state: states.clone(),
        standing: standings,
        proposer: Arc::new(Decider(sender)),
        trust: Trust::file(PathBuf::from("/nonexistent")),
    });
    Bench {
        states,
        standing,
        heartbeats,
    }
}

impl Bench {
    fn notices(&self) -> Vec<String> {
        let state = self.states.borrow();
        let notices = state
            .pages
            .iter()
            .filter(|page| page.kind == PageKind::Notice);
        notices
            .map(|page| format!("{}: {}", page.title, page.cause))
            .collect()
    }
}

#[tokio::test]
async fn only_the_leader_calls_and_a_new_one_at_once() {
    let switch = Arc::new(Switch::default());
    let port = serve(&switch);
    let calls = || switch.calls.load(Ordering::SeqCst);
    let bench = bench(port, false, Duration::from_secs(3_600));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(calls(), 0, "it follows");
    bench.standing.send_replace(testing::standing(true));
    testing::until("a call at once", || calls() == 1).await;
    bench.standing.send_replace(testing::standing(true));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(calls(), 1, "an hour is not over");
    testing::until("counted", || bench.heartbeats.counts().answered == 1).await;
    bench.standing.send_replace(testing::standing(false));
    tokio::time::sleep(Duration::from_millis(100)).await;
    bench.standing.send_replace(testing::standing(true));
    testing::until("it leads anew", || calls() == 2).await;
}

#[tokio::test]
async fn three_failures_are_told_once_and_so_is_the_end_of_them() {
    let switch = Arc::new(Switch::default());
    let port = serve(&switch);
    let bench = bench(port, true, Duration::from_millis(20));
    testing::until("it beats", || bench.heartbeats.counts().answered >= 3).await;
    assert_eq!(bench.notices(), Vec::<String>::new());
    switch.broken.store(true, Ordering::SeqCst);
    testing::until("told", || !bench.notices().is_empty()).await;
    assert!(bench.heartbeats.counts().failed >= 3);
    testing::until("more of them", || bench.heartbeats.counts().failed >= 8).await;
    let told = "node lb1: the heartbeat does not get through: 127.0.0.1: 500 Internal Server Error";
    assert_eq!(bench.notices(), [told], "once, and without the URL's token");
    switch.broken.store(false, Ordering::SeqCst);
    testing::until("told", || bench.notices().len() == 2).await;
    assert_eq!(
        bench.notices()[1],
        "node lb1: the heartbeat gets through again"
    );
}
