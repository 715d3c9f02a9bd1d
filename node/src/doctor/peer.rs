//! The other nodes, on every path that leads to them: TCP for the log, UDP for leases.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Context, Finding};
use crate::alone::reach;
use crate::fault::Code;

const CHECK: &str = "peers";

/// A closed port is told by ICMP within a round trip. An open one says nothing to a datagram that
/// is not sealed with the lease key, so that silence is good.
const REFUSAL_WITHIN: Duration = Duration::from_millis(300);

/// How one transport answered.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Path {
    Open,
    Refused,
    Silent,
    Failed(String),
}

pub(super) async fn look(context: &Context) -> Vec<Finding> {
    let others = context.others();
    if others.is_empty() {
        return vec![Finding::ok(CHECK, "none are known here yet")];
    }
    let mut asking = JoinSet::new();
    for other in others {
        for at in other.peer {
            let name = other.name.clone();
            asking.spawn(async move {
                let (tcp, udp) = tokio::join!(ask_tcp(at), ask_udp(at));
                (name, at, tcp, udp)
            });
        }
    }
    let mut answers = asking.join_all().await;
    answers.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    let judge =
        |(name, at, tcp, udp): (String, SocketAddr, Path, Path)| judge(&name, at, &tcp, &udp);
    answers.into_iter().map(judge).collect()
}

async fn ask_tcp(at: SocketAddr) -> Path {
    match reach(at).await {
        Ok(()) => Path::Open,
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Path::Refused,
        Err(error) if error.kind() == ErrorKind::TimedOut => Path::Silent,
        Err(error) => Path::Failed(error.to_string()),
    }
}

async fn ask_udp(at: SocketAddr) -> Path {
    let any: SocketAddr = match at {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let asked = async {
        let socket = UdpSocket::bind(any).await?;
        socket.connect(at).await?;
        socket.send(&[0]).await?;
        let mut answer = [0; 1];
        match timeout(REFUSAL_WITHIN, socket.recv(&mut answer)).await {
            Ok(answered) => answered.map(|_| ()),
            Err(_) => Ok(()),
        }
    };
    match asked.await {
        Ok(()) => Path::Open,
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Path::Refused,
        Err(error) => Path::Failed(error.to_string()),
    }
}

/// PURE.
fn judge(name: &str, at: SocketAddr, tcp: &Path, udp: &Path) -> Finding {
    let words = |path: &Path| match path {
        Path::Open => "passes".to_owned(),
        Path::Refused => "is refused".to_owned(),
        Path::Silent => "gets no answer".to_owned(),
        Path::Failed(why) => format!("fails: {why}"),
    };
    let what = format!("{name} at {at}: TCP {}, UDP {}", words(tcp), words(udp));
    match (tcp, udp) {
        (Path::Open, Path::Open) => Finding::ok(CHECK, what),
        (Path::Refused, _) | (_, Path::Refused) => Finding::fail(CHECK, Code::DoctorPeer, what)
            .why("the machine is there, and farmux does not listen on it")
            .mend(format!("systemctl start farmux   (on {name})")),
        (Path::Open | Path::Silent | Path::Failed(_), _) => {
            Finding::fail(CHECK, Code::DoctorPeer, what)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::super::Level;
    use super::*;
    use crate::reserved::reserve;

    #[tokio::test]
    async fn open_and_closed_ports_are_told_apart() {
        let tcp = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let udp = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let (open_tcp, open_udp) = (
            tcp.local_addr().expect("it has one"),
            udp.local_addr().expect("it has one"),
        );
        assert_eq!(ask_tcp(open_tcp).await, Path::Open);
        assert_eq!(ask_udp(open_udp).await, Path::Open);
        let nobody = reserve(Ipv4Addr::LOCALHOST.into());
        assert_eq!(ask_tcp(nobody).await, Path::Refused);
        assert_eq!(ask_udp(nobody).await, Path::Refused);
    }

    #[test]
    fn both_transports_must_pass() {
        let at = SocketAddr::from(([10, 0, 0, 12], 7946));
        let failed = Path::Failed("no route to host".to_owned());
        let table = [
            (Path::Open, Path::Open, Level::Ok),
            (Path::Open, Path::Refused, Level::Fail),
            (Path::Refused, Path::Open, Level::Fail),
            (Path::Silent, Path::Open, Level::Fail),
            (failed, Path::Silent, Level::Fail),
        ];
        for (tcp, udp, level) in table {
            assert_eq!(judge("lb2", at, &tcp, &udp).level, level, "{tcp:?} {udp:?}");
        }
    }
}
