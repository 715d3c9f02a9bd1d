//! The task of one VIP: asks, listens, and writes down what it saw.
//!
//! It opens its sockets anew whenever one of them fails or the address to ask from changes, so that
//! an interface that goes and comes is followed.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep_until};

use super::Target;
use super::sight::{Board, Wanted};
use super::tally::Tally;
use crate::arp::{self, FRAME_BYTES};
use crate::probe::icmp::echo::{self, Echo, PAYLOAD_BYTES};
use crate::sys::{EchoKind, EchoSocket, Link, Netlink, PacketSocket, boottime_ns};

/// Watches until it is aborted.
pub(super) async fn watch_one(target: Target, board: Arc<Board>) {
    let mut watcher = Watcher {
        target,
        board,
        tally: Tally::default(),
        netlink: None,
        link: None,
        looked: None,
        own: None,
        echo: None,
        beside: None,
        arp: None,
        wanted: Wanted::Nothing,
    };
    loop {
        watcher.turn().await;
    }
}

struct Watcher {
    target: Target,
    board: Arc<Board>,
    tally: Tally,
    netlink: Option<Netlink>,
    /// The interface, as it was when it was last looked at.
    link: Option<Link>,
    looked: Option<Instant>,
    /// This machine's own address in the gateway's network.
    own: Option<Ipv4Addr>,
    echo: Option<Echoing>,
    /// The one that asks from this machine's own address while the other one asks from the VIP.
    beside: Option<Echoing>,
    /// For the interface of this number.
    arp: Option<(u32, UdpSocket)>,
    wanted: Wanted,
}

/// A socket for echoes, and what makes them ours.
struct Echoing {
    socket: UdpSocket,
    kind: EchoKind,
    from: Option<IpAddr>,
    id: u16,
    secret: [u8; PAYLOAD_BYTES - 8],
}

/// What was heard.
enum Heard {
    /// An echo of a question with this number.
    Echo(u64),
    /// The same, asked from this machine's own address beside the VIP.
    EchoBeside(u64),
    /// Somebody has an address.
    Gateway,
    /// Another machine has the VIP.
    Vip,
    /// A socket is of no use any more.
    EchoBroken,
    /// The same.
    BesideBroken,
    /// The same.
    ArpBroken,
    /// Nothing that concerns us.
    Nothing,
}

impl Watcher {
    /// One question, and whatever comes until the next is due.
    async fn turn(&mut self) {
        let wanted = self.board.wanted();
        let from_vip = |wanted| wanted == Wanted::EchoesFromVip;
        if from_vip(wanted) != from_vip(self.wanted) {
            self.tally.forget_question();
        }
        if wanted != Wanted::Probes {
            self.tally.stop_probing();
        }
        self.wanted = wanted;
        self.look().await;
        self.ask();
        self.publish();
        let period = match wanted {
            Wanted::Nothing => SLOW,
            Wanted::Echoes | Wanted::Probes | Wanted::EchoesFromVip => FAST,
        };
        let end = Instant::now() + period;
        loop {
            let heard = tokio::select! {
                biased;
                heard = hear_echo(self.echo.as_ref(), self.target.gateway) => match heard {
                    Ok(Some(number)) => Heard::Echo(number),
                    Ok(None) => Heard::Nothing,
                    Err(_) => Heard::EchoBroken,
                },
                heard = hear_echo(self.beside.as_ref(), self.target.gateway) => match heard {
                    Ok(Some(number)) => Heard::EchoBeside(number),
                    Ok(None) => Heard::Nothing,
                    Err(_) => Heard::BesideBroken,
                },
                heard = hear_arp(self.arp.as_ref(), &self.target, self.link.as_ref()) => heard,
                () = self.board.woken.notified() => return,
                () = sleep_until(end) => return,
            };
            self.take(heard);
            self.publish();
        }
    }

    fn take(&mut self, heard: Heard) {
        let now = boottime_ns();
        match heard {
            Heard::Echo(number) => self.tally.echoed(now, number),
            Heard::EchoBeside(number) => self.tally.echoed_beside(now, number),
            Heard::Gateway => {
                let relearn = self.wanted != Wanted::EchoesFromVip;
                self.tally.answered_arp(relearn);
            }
            Heard::Vip if self.wanted == Wanted::Probes => self.tally.occupied(now),
            Heard::Vip | Heard::Nothing => {}
            Heard::EchoBroken => self.echo = None,
            Heard::BesideBroken => self.beside = None,
            Heard::ArpBroken => self.arp = None,
        }
    }

    fn publish(&self) {
        let carrier = self.link.as_ref().is_some_and(|link| link.carrier);
        self.board.write(&self.tally.sight(carrier));
    }

    /// Looks at the interface: every second, and before each probe, which says something only while
    /// there is a carrier.
    async fn look(&mut self) {
        let fresh = self.looked.is_some_and(|at| at.elapsed() < SLOW);
        if fresh && self.wanted != Wanted::Probes {
            return;
        }
        self.looked = Some(Instant::now());
        if self.netlink.is_none() {
            self.netlink = Netlink::open().ok();
        }
        let Some(netlink) = &self.netlink else { return };
        let link = netlink.link(&self.target.interface).await.ok();
        let index = link.as_ref().map(|link| link.index);
        if index != self.link.as_ref().map(|link| link.index) {
            (self.echo, self.beside) = (None, None);
            (self.arp, self.own) = (None, None);
        }
        self.link = link;
        let Some(index) = index.filter(|_| !fresh) else {
            return;
        };
        let gateway = self.target.gateway;
        let subnets = netlink.subnets(index).await.unwrap_or_default();
        let own = subnets.iter().find_map(|subnet| match subnet.address {
            IpAddr::V4(own) if subnet.prefix < 32 && subnet.contains(gateway) => Some(own),
            IpAddr::V4(_) | IpAddr::V6(_) => None,
        });
        self.own = own;
    }

    fn ask(&mut self) {
        let number = self.tally.ask(boottime_ns());
        let from_vip = self.wanted == Wanted::EchoesFromVip;
        let from = from_vip.then_some(self.target.address);
        if send_echo(&mut self.echo, &self.target, from, number).is_err() {
            self.echo = None;
        }
        let both = from_vip && self.tally.asks_both();
        if !both || send_echo(&mut self.beside, &self.target, None, number).is_err() {
            self.beside = None;
        }
        let probes = self.wanted == Wanted::Probes;
        if (probes || self.tally.asks_arp()) && self.send_arp(probes).is_err() {
            self.arp = None;
        }
    }

    /// **Errors**: no raw socket, or the interface is down.
    fn send_arp(&mut self, probes: bool) -> io::Result<()> {
        let Some(link) = &self.link else {
            return Ok(());
        };
        let Some(mac) = link.mac else { return Ok(()) };
        if self
            .arp
            .as_ref()
            .is_none_or(|(index, _)| *index != link.index)
        {
            let socket = UdpSocket::from_std(PacketSocket::arp(link.index)?.into())?;
            self.arp = Some((link.index, socket));
        }
        let Some((_, socket)) = &self.arp else {
            return Ok(());
        };
        if let (IpAddr::V4(gateway), true) = (self.target.gateway, self.tally.asks_arp()) {
            let own = self.own.unwrap_or(Ipv4Addr::UNSPECIFIED);
            sent(socket.try_send(&arp::question(mac, own, gateway)))?;
        }
        if let (IpAddr::V4(vip), true) = (self.target.address, probes)
            && self.tally.probe(boottime_ns())
        {
            let nobody = Ipv4Addr::UNSPECIFIED;
            sent(socket.try_send(&arp::question(mac, nobody, vip)))?;
        }
        Ok(())
    }
}

impl Echoing {
    fn open(target: &Target, from: Option<IpAddr>) -> io::Result<Echoing> {
        let opened = EchoSocket::connect_through(&target.interface, target.gateway, from)?;
        let mut random = [0; 2 + PAYLOAD_BYTES - 8];
        let filled = SystemRandom::new().fill(&mut random);
        filled.map_err(|_| io::Error::from(io::ErrorKind::Other))?;
        let ([a, b], secret) = random.split_first_chunk().expect("two and more");
        Ok(Echoing {
            socket: UdpSocket::from_std(opened.socket)?,
            kind: opened.kind,
            from,
            id: u16::from_be_bytes([*a, *b]),
            secret: secret.try_into().expect("the rest"),
        })
    }

    /// The echo with this number; it can be told from every other.
    fn question(&self, number: u64, gateway: IpAddr) -> Echo {
        let mut payload = [0; PAYLOAD_BYTES];
        payload[..PAYLOAD_BYTES - 8].copy_from_slice(&self.secret);
        payload[PAYLOAD_BYTES - 8..].copy_from_slice(&number.to_be_bytes());
        Echo {
            v4: gateway.is_ipv4(),
            id: self.id,
            sequence: u16::try_from(number & 0xffff).unwrap_or(0),
            payload,
        }
    }

    /// The number of the question that this message answers.
    fn answered(&self, message: &[u8], gateway: IpAddr) -> Option<u64> {
        let number = u64::from_be_bytes(*message.last_chunk()?);
        let asked = self.question(number, gateway);
        let any_id = self.kind == EchoKind::Datagram;
        asked.is_answered_by(message, any_id).then_some(number)
    }
}

/// Asks through this socket, or through a new one where it asks from another address.
///
/// **Errors**: no socket, or it is of no use: the question counts as missed.
fn send_echo(
    echo: &mut Option<Echoing>,
    target: &Target,
    from: Option<IpAddr>,
    number: u64,
) -> io::Result<()> {
    let echo = match echo {
        Some(echo) if echo.from == from => echo,
        Some(_) | None => echo.insert(Echoing::open(target, from)?),
    };
    let message = echo.question(number, target.gateway).request();
    sent(echo.socket.try_send(&message))
}

/// The number of a question that came back, `None` for what is no answer.
///
/// **Errors**: the socket is of no use any more.
async fn hear_echo(echo: Option<&Echoing>, gateway: IpAddr) -> io::Result<Option<u64>> {
    let Some(echo) = echo else {
        return std::future::pending().await;
    };
    let mut buffer = [0; MESSAGE_BYTES_MAX];
    let length = echo.socket.recv(&mut buffer).await?;
    let packet = buffer.get(..length).unwrap_or_default();
    let message = match (echo.kind, gateway) {
        (EchoKind::Raw, IpAddr::V4(_)) => echo::without_ip_head(packet).unwrap_or_default(),
        (EchoKind::Datagram, _) | (EchoKind::Raw, IpAddr::V6(_)) => packet,
    };
    Ok(echo.answered(message, gateway))
}

async fn hear_arp(arp: Option<&(u32, UdpSocket)>, target: &Target, link: Option<&Link>) -> Heard {
    let (Some((_, socket)), Some(link)) = (arp, link) else {
        return std::future::pending().await;
    };
    let mut frame = [0; FRAME_BYTES];
    match socket.recv(&mut frame).await {
        Ok(length) => judge(frame.get(..length).unwrap_or_default(), target, link),
        Err(_) => Heard::ArpBroken,
    }
}

/// A queue that is full loses a question, which is then missed; the socket is still of use.
fn sent(result: io::Result<usize>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn judge(frame: &[u8], target: &Target, link: &Link) -> Heard {
    let owner = |address| match address {
        IpAddr::V4(v4) => arp::owner(frame, v4).filter(|mac| Some(*mac) != link.mac),
        IpAddr::V6(_) => None,
    };
    if owner(target.address).is_some() {
        return Heard::Vip;
    }
    match owner(target.gateway) {
        Some(_) => Heard::Gateway,
        None => Heard::Nothing,
    }
}

/// While nothing depends on it.
const SLOW: Duration = Duration::from_secs(1);
/// R of the default lease: five misses end a hold in 150 ms.
const FAST: Duration = Duration::from_millis(30);
/// An echo has 24 bytes, its IP head at most 60; what is longer is no answer of ours.
const MESSAGE_BYTES_MAX: usize = 128;
