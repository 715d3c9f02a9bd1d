//! An origin server that records every byte it gets, for what nginx would hide.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};

use super::network::Host;

/// What a connection to the origin does with the stream it is given.
pub type Behave = dyn Fn(&mut Recorded) + Send + Sync;

/// A listening origin; dropped, it stops accepting.
#[derive(Debug)]
pub struct Origin {
    address: SocketAddr,
    host: Host,
    seen: Arc<Mutex<Vec<u8>>>,
    stopped: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

/// One connection, whose reads are recorded.
#[derive(Debug)]
pub struct Recorded {
    stream: TcpStream,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Read for Recorded {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let taken = self.stream.read(into)?;
        let mut seen = self
            .seen
            .lock()
            .expect("no recorder panics while it records");
        // A body of gigabytes is not kept: what matters stands in heads and small bodies.
        let room = RECORDED_BYTES_MAX.saturating_sub(seen.len());
        seen.extend_from_slice(&into[..taken.min(room)]);
        Ok(taken)
    }
}

impl Write for Recorded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.stream.flush()
    }
}

/// Enough for a thousand requests of a test; keeps a 2 GB body from being kept.
const RECORDED_BYTES_MAX: usize = 1 << 20;

impl Origin {
    /// Listens on `port` of `host`, and lets `behave` handle each connection on its own thread.
    ///
    /// **Errors**: the port is taken.
    pub fn start(host: &Host, port: u16, behave: Arc<Behave>) -> Result<Origin> {
        let address = SocketAddr::from((host.address(), port));
        let listener = host
            .within(|| TcpListener::bind(address))
            .context("bind the origin")?;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let stopped = Arc::new(AtomicBool::new(false));
        let accepting = {
            let (seen, stopped) = (seen.clone(), stopped.clone());
            thread::spawn(move || accept(&listener, &seen, &stopped, &behave))
        };
        Ok(Origin {
            address,
            host: host.clone(),
            seen,
            stopped,
            accepting: Some(accepting),
        })
    }

    /// Every byte that came in, over all connections.
    pub fn seen(&self) -> Vec<u8> {
        self.seen
            .lock()
            .expect("no recorder panics while it records")
            .clone()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Wakes the accept; whether it is taken does not matter.
        let _ = self.host.within(|| TcpStream::connect(self.address));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

fn accept(
    listener: &TcpListener,
    seen: &Arc<Mutex<Vec<u8>>>,
    stopped: &AtomicBool,
    behave: &Arc<Behave>,
) {
    for stream in listener.incoming().flatten() {
        if stopped.load(Ordering::Relaxed) {
            return;
        }
        let (seen, behave) = (seen.clone(), behave.clone());
        thread::spawn(move || behave(&mut Recorded { stream, seen }));
    }
}
