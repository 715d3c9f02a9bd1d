//! Two witnesses of who answers for an address: a tap on the bridge, which hears every frame of
//! every port, and a client that asks by ARP every 10 ms.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read as _};
use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use farmux_netplane::sys::PacketSocket;
use socket2::{Domain, Protocol, Socket, Type};

use super::judge::{Frame, FrameKind, Mac, read};
use crate::lab::Host;
use crate::lab::process::run;

/// A question this often: the grain of what the asker sees.
const EVERY: Duration = Duration::from_millis(10);
/// Longer than any frame of the lab.
const FRAME_MAX: usize = 2_048;
/// How soon a witness sees that it is to stop.
const LOOKS_UP: Duration = Duration::from_millis(50);
/// Every protocol (`if_ether.h`).
const ETH_P_ALL: u16 = 0x0003;
/// Room for a burst that comes while this machine is busy.
const BUFFER_BYTES: usize = 8 << 20;

/// A thread that looks until it is told to stop.
#[derive(Debug)]
struct Witness<T> {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<T>>,
}

impl<T: Send + 'static> Witness<T> {
    fn start(host: &Host, look: impl FnOnce(&AtomicBool) -> Result<T> + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = host.background(move || look(&told));
        Witness { stop, thread }
    }

    fn stop(self) -> Result<T> {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.join();
        ended.map_err(|_| anyhow!("a witness panicked"))?
    }
}

/// The tap, running.
#[derive(Debug)]
pub struct Tap(Witness<Vec<Frame>>);

impl Tap {
    /// Hears every frame of every port of the bridge on `lan` that speaks for `address`; times are
    /// since `zero`.
    pub fn open(lan: &Host, address: Ipv4Addr, zero: Instant) -> Tap {
        Tap(Witness::start(lan, move |stop| {
            tap(address.octets(), zero, stop)
        }))
    }

    /// What it heard.
    ///
    /// **Errors**: it could not listen.
    pub fn stop(self) -> Result<Vec<Frame>> {
        self.0.stop()
    }
}

fn tap(address: [u8; 4], zero: Instant, stop: &AtomicBool) -> Result<Vec<Frame>> {
    let protocol = Protocol::from(i32::from(ETH_P_ALL.to_be()));
    let mut socket = Socket::new(Domain::PACKET, Type::RAW, Some(protocol)).context("a tap")?;
    socket.set_recv_buffer_size(BUFFER_BYTES)?;
    socket.set_read_timeout(Some(LOOKS_UP))?;
    let mut frames = Vec::new();
    let mut bytes = [0; FRAME_MAX];
    while !stop.load(Ordering::Relaxed) {
        let length = match socket.read(&mut bytes) {
            Ok(length) => length,
            Err(error) if is_no_end(&error) => continue,
            Err(error) => return Err(error).context("the tap"),
        };
        if let Some((from, kind)) = read(&bytes[..length], address) {
            let at = zero.elapsed();
            frames.push(Frame { at, from, kind });
        }
    }
    Ok(frames)
}

/// Nothing came yet, or a signal did.
fn is_no_end(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// What an asker saw.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Asked {
    /// The longest time without any answer, start and end included.
    pub silence: Duration,
    /// Questions that two machines answered.
    pub twice: usize,
}

/// A client that asks where an address is, running.
#[derive(Debug)]
pub struct Asker(Witness<Asked>);

impl Asker {
    /// Asks from `host` where `address` is.
    pub fn start(host: &Host, address: Ipv4Addr) -> Asker {
        let own = host.address();
        Asker(Witness::start(host, move |stop| ask(own, address, stop)))
    }

    /// What it was answered.
    ///
    /// **Errors**: it could not ask.
    pub fn stop(self) -> Result<Asked> {
        self.0.stop()
    }
}

fn ask(own: Ipv4Addr, address: Ipv4Addr, stop: &AtomicBool) -> Result<Asked> {
    let port = Port::of(own)?;
    let question = port.question(address);
    let (mut seen, mut last) = (Asked::default(), Instant::now());
    let mut answers: BTreeSet<Mac> = BTreeSet::new();
    let mut next = Instant::now();
    let mut bytes = [0; FRAME_MAX];
    while !stop.load(Ordering::Relaxed) {
        if Instant::now() >= next {
            seen.twice += usize::from(answers.len() > 1);
            answers.clear();
            // A full queue is one question less.
            let _ = port.socket.send(&question);
            next += EVERY;
        }
        let Ok(length) = port.socket.receive(&mut bytes) else {
            std::thread::sleep(NAP);
            continue;
        };
        match read(&bytes[..length], address.octets()) {
            Some((from, FrameKind::Answer)) if from != port.mac => {
                answers.insert(from);
                seen.silence = seen.silence.max(last.elapsed());
                last = Instant::now();
            }
            _ => {}
        }
    }
    seen.silence = seen.silence.max(last.elapsed());
    Ok(seen)
}

/// The interface through which an asker asks.
struct Port {
    socket: PacketSocket,
    mac: Mac,
    own: Ipv4Addr,
}

impl Port {
    fn of(own: Ipv4Addr) -> Result<Port> {
        // A namespace shows its own interfaces to `ip`, whatever /sys is mounted.
        let shown = run(Command::new("ip").args(["-o", "link", "show", "dev", "eth0"]))?;
        let index = shown.split(':').next().unwrap_or_default();
        let index = index.trim().parse().context("the index of eth0")?;
        let mac = shown.split("link/ether ").nth(1).unwrap_or_default();
        Ok(Port {
            socket: PacketSocket::arp(index).context("an ARP socket")?,
            mac: parse_mac(mac.split(' ').next().unwrap_or_default())?,
            own,
        })
    }

    /// Who has `address`? Tell us.
    fn question(&self, address: Ipv4Addr) -> [u8; 42] {
        let mut frame = [0; 42];
        frame[..6].fill(0xff);
        frame[6..12].copy_from_slice(&self.mac);
        frame[12..22].copy_from_slice(&[0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1]);
        frame[22..28].copy_from_slice(&self.mac);
        frame[28..32].copy_from_slice(&self.own.octets());
        frame[38..42].copy_from_slice(&address.octets());
        frame
    }
}

/// Reads `02:00:00:00:00:01`.
///
/// **Errors**: it is none.
pub fn parse_mac(text: &str) -> Result<Mac> {
    let bytes: Vec<u8> = text
        .split(':')
        .map(|byte| u8::from_str_radix(byte, 16))
        .collect::<Result<_, _>>()
        .with_context(|| format!("a MAC: {text:?}"))?;
    Mac::try_from(bytes).map_err(|_| anyhow!("a MAC: {text:?}"))
}

/// Between two looks at the socket: well below the 10 ms between questions.
const NAP: Duration = Duration::from_micros(500);
