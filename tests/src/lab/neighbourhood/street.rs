//! The process of a neighbourhood: all its servers, and a socket on which orders come.
//!
//! ```text
//!   control socket ── "kill 0-99" ──▶ Street ── close, open, feel ──▶ Server 0, 1, …
//!                  ◀── "ok 17 18" ──    └── ip -batch: addresses taken off and put back
//! ```
//!
//! It answers when what was ordered is so. One thread does everything: five hundred servers that
//! are probed every second are little work.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::process::Command;
use tokio::time::Instant;

use super::kind::{Kind, address, place};
use super::order::{Act, Done, Order};
use super::server::Server;
use super::talk::Mood;

/// Serves houses `0..count`, whose addresses this machine has, until it is killed.
///
/// **Errors**: a place is taken, or the socket cannot be made.
pub async fn serve(count: u16, socket: &Path) -> Result<()> {
    let mut street = Street::open(count).await?;
    let orders = UnixListener::bind(socket).with_context(|| socket.display().to_string())?;
    loop {
        let next = street.next_flap();
        tokio::select! {
            came = orders.accept() => {
                let (stream, _) = came.context("take a connection for orders")?;
                // Whoever ordered may be gone; what was ordered is done.
                let _ = street.obey(stream).await;
            }
            () = tokio::time::sleep_until(next.unwrap_or_else(far)), if next.is_some() => {
                street.flap().await?;
            }
        }
    }
}

struct Street {
    servers: Vec<Server>,
    unplugged: BTreeSet<u16>,
    flapping: BTreeMap<u16, Flapping>,
}

struct Flapping {
    half: Duration,
    next: Instant,
    is_up: bool,
}

impl Street {
    async fn open(count: u16) -> Result<Street> {
        let mut servers = Vec::new();
        for number in 0..count {
            let mut server = Server::new(Kind::of(number), place(number));
            let opened = server.open().await;
            opened.with_context(|| format!("listen at {}", place(number)))?;
            servers.push(server);
        }
        Ok(Street {
            servers,
            unplugged: BTreeSet::new(),
            flapping: BTreeMap::new(),
        })
    }

    async fn obey(&mut self, stream: UnixStream) -> Result<()> {
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        while stream.read_line(&mut line).await? > 0 {
            let from_ms = now_ms();
            let answer = match self.carry_out(&line).await {
                Ok(()) => {
                    let to_ms = now_ms();
                    Done { from_ms, to_ms }.to_string()
                }
                Err(wrong) => format!("error {wrong:#}"),
            };
            stream
                .get_mut()
                .write_all(format!("{answer}\n").as_bytes())
                .await?;
            line.clear();
        }
        Ok(())
    }

    async fn carry_out(&mut self, line: &str) -> Result<()> {
        let Order { act, houses } = line.parse()?;
        if let Some(beyond) = houses
            .iter()
            .find(|house| self.servers.len() <= usize::from(**house))
        {
            bail!("{beyond}: no such house");
        }
        for house in &houses {
            self.flapping.remove(house);
        }
        match act {
            Act::Unplug => return self.plug(&houses, false).await,
            Act::Heal => self.plug(&houses, true).await?,
            Act::Kill | Act::Hang | Act::Spoil | Act::Taint | Act::Flap { .. } => {}
        }
        for house in houses {
            let Some(server) = self.servers.get_mut(usize::from(house)) else {
                continue;
            };
            match act {
                Act::Kill => server.close().await,
                Act::Hang => server.feel(Mood::Hung),
                Act::Spoil => server.feel(Mood::Spoiled),
                Act::Taint => server.feel(Mood::Tainted),
                Act::Heal => {
                    server.feel(Mood::Well);
                    server.open().await?;
                }
                Act::Flap { half_ms } => {
                    server.close().await;
                    let half = Duration::from_millis(half_ms.into());
                    let next = Instant::now() + half;
                    let is_up = false;
                    self.flapping.insert(house, Flapping { half, next, is_up });
                }
                Act::Unplug => {}
            }
        }
        Ok(())
    }

    /// Takes addresses off the interface, or puts those back that were taken off.
    async fn plug(&mut self, houses: &[u16], plugged: bool) -> Result<()> {
        let concerned = houses.iter().copied();
        let concerned = concerned.filter(|house| self.unplugged.contains(house) == plugged);
        let concerned: Vec<u16> = concerned.collect();
        if concerned.is_empty() {
            return Ok(());
        }
        let verb = if plugged { "add" } else { "del" };
        batch(&address_lines(verb, concerned.iter().copied())).await?;
        for house in concerned {
            match plugged {
                true => self.unplugged.remove(&house),
                false => self.unplugged.insert(house),
            };
        }
        Ok(())
    }

    fn next_flap(&self) -> Option<Instant> {
        self.flapping.values().map(|flapping| flapping.next).min()
    }

    async fn flap(&mut self) -> Result<()> {
        let now = Instant::now();
        for (house, flapping) in &mut self.flapping {
            let Some(server) = self.servers.get_mut(usize::from(*house)) else {
                continue;
            };
            if flapping.next > now {
                continue;
            }
            match flapping.is_up {
                true => server.close().await,
                false => server.open().await?,
            }
            flapping.is_up = !flapping.is_up;
            flapping.next += flapping.half;
        }
        Ok(())
    }
}

/// What `ip -batch` reads to put addresses on the interface (`add`) or take them off (`del`).
pub(super) fn address_lines(verb: &str, houses: impl Iterator<Item = u16>) -> String {
    let line = |house| format!("addr {verb} {}/32 dev eth0\n", address(house));
    houses.map(line).collect()
}

async fn batch(lines: &str) -> Result<()> {
    let mut command = Command::new("ip");
    command.args(["-batch", "-"]).stdin(Stdio::piped());
    command.stderr(Stdio::piped()).kill_on_drop(true);
    let mut ip = command.spawn().context("run ip")?;
    let mut input = ip.stdin.take().context("ip reads")?;
    input.write_all(lines.as_bytes()).await?;
    drop(input);
    let ended = ip.wait_with_output().await?;
    if !ended.status.success() {
        bail!("ip: {}", String::from_utf8_lossy(&ended.stderr).trim());
    }
    Ok(())
}

/// A moment that does not come.
fn far() -> Instant {
    Instant::now() + Duration::from_secs(3_600)
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
