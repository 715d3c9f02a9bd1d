//! Origins that follow a script, clients that read raw bytes, and a data path between them.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use farmux_netplane::plan::{Limits, ServerPlan, ServiceKey, ServiceKind, ServicePlan};
use farmux_netplane::serve::{ServiceCounts, Serving};
use socket2::{Domain, Socket, Type};

#[path = "reserved.rs"]
pub(crate) mod reserved;

/// No step of a test takes longer on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Limits that never matter.
pub(crate) const CALM: Limits = Limits {
    connect: PATIENCE,
    header: PATIENCE,
    idle: PATIENCE,
    total: Duration::from_secs(600),
};

/// A data path with one service.
pub(crate) struct Wire {
    pub(crate) serving: Serving,
    pub(crate) address: SocketAddr,
    pub(crate) plan: ServicePlan,
}

impl Wire {
    pub(crate) fn http(servers: &[SocketAddr]) -> Wire {
        Wire::start(ServiceKind::Http, CALM, servers)
    }

    pub(crate) fn tcp(servers: &[SocketAddr]) -> Wire {
        Wire::start(ServiceKind::Tcp, CALM, servers)
    }

    pub(crate) fn start(kind: ServiceKind, limits: Limits, servers: &[SocketAddr]) -> Wire {
        let servers = servers.iter().enumerate().map(|(place, address)| {
            (
                format!("s{}", place + 1).into(),
                ServerPlan::plain(*address),
            )
        });
        Wire::of(ServicePlan {
            servers: servers.collect(),
            ..ServicePlan::plain(free_address(), kind, limits)
        })
    }

    /// The same plan from the beginning, on so many runtimes and another port.
    pub(crate) fn again(self, runtimes: u64) -> Wire {
        let plan = ServicePlan {
            listen: free_address(),
            ..self.plan
        };
        drop(self.serving);
        Wire::with(plan, runtimes)
    }

    /// This plan on one runtime, so that turns are exact.
    pub(crate) fn of(plan: ServicePlan) -> Wire {
        Wire::with(plan, 1)
    }

    /// This plan, on so many runtimes.
    pub(crate) fn with(plan: ServicePlan, runtimes: u64) -> Wire {
        let threads = usize::try_from(runtimes).ok().and_then(NonZeroUsize::new);
        let serving = Serving::start(threads.expect("a few")).expect("threads are to be had");
        let wire = Wire {
            serving,
            address: plan.listen,
            plan,
        };
        wire.apply();
        wire.until("it listens", |counts| counts.listening == runtimes);
        wire
    }

    /// Shows the plan, as the test has changed it.
    pub(crate) fn apply(&self) {
        self.serving
            .apply(BTreeMap::from([(key(), self.plan.clone())]));
    }

    pub(crate) fn server(&mut self, name: &str) -> &mut ServerPlan {
        self.plan
            .servers
            .get_mut(name)
            .expect("the test knows its servers")
    }

    pub(crate) fn counts(&self) -> ServiceCounts {
        self.serving.counts().remove(&key()).unwrap_or_default()
    }

    pub(crate) fn until(&self, what: &str, mut is: impl FnMut(&ServiceCounts) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !is(&self.counts()) {
            assert!(
                Instant::now() < end,
                "never came true: {what}: {:#?}",
                self.counts()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Sends requests, one after the other, until the first of two servers has one in hand and the
    /// second has none; these clients.
    pub(crate) fn occupy_first(&self) -> Vec<Peer> {
        let mut clients = Vec::new();
        self.until("one is busy and the other is not", |counts| {
            let taken = counts.servers["s1"].taken + counts.servers["s2"].taken;
            if taken < clients.len() as u64 {
                return false;
            }
            // Counted after the last was taken: from here on they only get fewer.
            let counts = self.counts();
            let active = ["s1", "s2"].map(|name| counts.servers[name].active);
            if active == [0, 0] {
                let mut client = self.connect();
                client.send(GET);
                clients.push(client);
            }
            active == [1, 0]
        });
        clients
    }

    pub(crate) fn connect(&self) -> Peer {
        Peer::new(TcpStream::connect(self.address).expect("the data path listens"))
    }

    /// Connects from this address of the loopback network.
    pub(crate) fn connect_from(&self, ip: Ipv4Addr) -> Peer {
        connect_from(ip, self.address)
    }

    /// Sends these bytes and reads until the connection ends.
    pub(crate) fn ask(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut peer = self.connect();
        peer.send(bytes);
        peer.rest()
    }
}

pub(crate) fn key() -> ServiceKey {
    ServiceKey {
        farm: "shop".into(),
        service: "web".into(),
    }
}

/// Connects to `to` from this address of the loopback network.
pub(crate) fn connect_from(ip: Ipv4Addr, to: SocketAddr) -> Peer {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket is to be had");
    let own = SocketAddr::from((ip, 0)).into();
    socket.bind(&own).expect("all of 127.0.0.0/8 is ours");
    socket.connect(&to.into()).expect("somebody listens");
    Peer::new(socket.into())
}

/// An address that nobody listens on, and that nobody else is given.
pub(crate) fn free_address() -> SocketAddr {
    reserved::reserve(Ipv4Addr::LOCALHOST.into())
}

/// One end of a connection, read byte by byte where it matters.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    read: Vec<u8>,
}

impl Peer {
    pub(crate) fn new(stream: TcpStream) -> Peer {
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a timeout can be set");
        stream
            .set_write_timeout(Some(PATIENCE))
            .expect("a timeout can be set");
        stream.set_nodelay(true).expect("delay can be turned off");
        Peer {
            stream,
            read: Vec::new(),
        }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // A refusal may have closed the connection before all was sent.
        let _ = self.stream.write_all(bytes.as_ref());
    }

    pub(crate) fn close_half(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    fn fill(&mut self) -> usize {
        let mut piece = [0; 65536];
        let count = self.stream.read(&mut piece).unwrap_or(0);
        self.read.extend_from_slice(&piece[..count]);
        count
    }

    /// Everything up to and with `end`; what there is if the connection ends before.
    pub(crate) fn until(&mut self, end: &str) -> String {
        loop {
            let at = self
                .read
                .windows(end.len())
                .position(|window| window == end.as_bytes());
            if let Some(at) = at {
                return self.take(at + end.len());
            }
            if self.fill() == 0 {
                let all = self.read.len();
                return self.take(all);
            }
        }
    }

    pub(crate) fn exactly(&mut self, count: usize) -> String {
        while self.read.len() < count && self.fill() > 0 {}
        self.take(count.min(self.read.len()))
    }

    fn take(&mut self, count: usize) -> String {
        String::from_utf8_lossy(&self.read.drain(..count).collect::<Vec<_>>()).into_owned()
    }

    pub(crate) fn head(&mut self) -> String {
        self.until("\r\n\r\n")
    }

    /// A head and the body that its `Content-Length` announces.
    pub(crate) fn message(&mut self) -> (String, String) {
        let head = self.head();
        let length = field(&head, "content-length").and_then(|length| length.parse().ok());
        let body = self.exactly(length.unwrap_or(0));
        (head, body)
    }

    pub(crate) fn rest(&mut self) -> String {
        while self.fill() > 0 {}
        let all = self.read.len();
        self.take(all)
    }

    /// Bytes that were read and not yet looked at; they are forgotten.
    pub(crate) fn buffered(&mut self) -> u64 {
        std::mem::take(&mut self.read).len() as u64
    }

    /// Whether the other side has closed, by a proper end or a reset.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.fill() == 0
    }
}

/// The value of a field of a head.
pub(crate) fn field(head: &str, name: &str) -> Option<String> {
    let mut fields = head.lines().filter_map(|line| line.split_once(": "));
    let found = fields.find(|(field, _)| field.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.to_owned())
}

/// A server that follows a script, one thread for each connection.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    heads: Arc<Mutex<Vec<String>>>,
}

/// A connection to an origin.
pub(crate) struct Call {
    pub(crate) peer: Peer,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Call {
    /// The next request's head; `None` when there is none.
    pub(crate) fn request(&mut self) -> Option<String> {
        let head = self.peer.head();
        if !head.is_empty() {
            self.heads
                .lock()
                .expect("nobody panics in here")
                .push(head.clone());
        }
        head.ends_with("\r\n\r\n").then_some(head)
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.peer.send(bytes);
    }
}

impl Origin {
    /// Runs `script` on every connection, which ends with it.
    pub(crate) fn start(script: impl Fn(&mut Call) + Send + Sync + 'static) -> Origin {
        Origin::start_at(Ipv4Addr::LOCALHOST, script)
    }

    /// The same on another address of this machine.
    pub(crate) fn start_at(
        ip: Ipv4Addr,
        script: impl Fn(&mut Call) + Send + Sync + 'static,
    ) -> Origin {
        let listener = TcpListener::bind((ip, 0)).expect("a port is to be had");
        let address = listener.local_addr().expect("it has an address");
        let connections = Arc::new(AtomicUsize::new(0));
        let heads = Arc::new(Mutex::new(Vec::new()));
        let origin = Origin {
            address,
            connections: connections.clone(),
            heads: heads.clone(),
        };
        let script = Arc::new(script);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                connections.fetch_add(1, Ordering::SeqCst);
                let (script, heads) = (script.clone(), heads.clone());
                std::thread::spawn(move || {
                    script(&mut Call {
                        peer: Peer::new(stream),
                        heads,
                    });
                });
            }
        });
        origin
    }

    /// Answers every request with `answer`, keeping the connection.
    pub(crate) fn always(answer: &'static str) -> Origin {
        Origin::start(move |call| {
            while call.request().is_some() {
                call.send(answer);
            }
        })
    }

    /// Answers every request with its own name.
    pub(crate) fn named(name: &'static str) -> Origin {
        Origin::start(move |call| {
            while call.request().is_some() {
                call.send(format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}",
                    name.len()
                ));
            }
        })
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("nobody panics in here").clone()
    }
}

/// A short answer that keeps the connection.
pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
/// A request that keeps the connection.
pub(crate) const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
/// A request that does not.
pub(crate) const GET_CLOSE: &str = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
