//! The words of `farmux probe`.

use std::time::Duration;

use clap::Args;

use crate::config::parse_duration;
use crate::measure::client::{EVERY_MIN, TIMEOUT_MAX};
use crate::measure::url::Scheme;
use crate::measure::{Asking, Target};

/// What is asked, how often, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct ProbeArguments {
    /// What is asked: http://, https://, tcp://HOST:PORT or ftp://USER:PASSWORD@HOST/FILE
    #[arg(value_name = "URL")]
    pub target: Target,
    /// A request this often: 1ms to 1m [default: 10ms; ftp: 100ms]
    #[arg(long, value_name = "TIME", value_parser = parse_every)]
    pub every: Option<Duration>,
    /// For how long [default: until Ctrl-C]
    #[arg(long = "for", value_name = "TIME", value_parser = parse_lasting)]
    pub lasts: Option<Duration>,
    /// A request that takes longer has failed: 10ms to 10s; from 1s on a lost first packet is sent
    /// again meanwhile and hides an outage
    #[arg(long, value_name = "TIME", default_value = "500ms", value_parser = parse_timeout)]
    pub timeout: Duration,
    /// Stop when the first outage is over
    #[arg(long)]
    pub until_outage: bool,
    /// Keep connections open between requests, as browsers do [default: each has its own]
    #[arg(long)]
    pub keep_alive: bool,
    /// The status that is good [default: all below 400]
    #[arg(long, value_name = "CODE", value_parser = clap::value_parser!(u16).range(100..=599))]
    pub status: Option<u16>,
    /// The name to ask for, in the Host field and in TLS [default: the URL's]
    #[arg(long, value_name = "NAME", value_parser = parse_host)]
    pub host: Option<String>,
    /// Take any certificate
    #[arg(long)]
    pub insecure: bool,
}

impl ProbeArguments {
    /// The same as a measurement takes it.
    pub fn asking(self) -> Asking {
        let usual = match &self.target.scheme {
            Scheme::Http | Scheme::Https | Scheme::Tcp => EVERY,
            Scheme::Ftp { .. } => EVERY_FTP,
        };
        Asking {
            every: self.every.unwrap_or(usual),
            timeout: self.timeout,
            lasts: self.lasts,
            keep_alive: self.keep_alive,
            status: self.status,
            host: self.host,
            verify: !self.insecure,
            until_outage: self.until_outage,
            target: self.target,
        }
    }
}

/// Fine enough to tell a takeover of 150 ms within 7 %, and 100 connections a second load nobody.
const EVERY: Duration = Duration::from_millis(10);

/// A session of FTP is a dozen packets and, with many servers, two processes.
const EVERY_FTP: Duration = Duration::from_millis(100);

fn parse_every(text: &str) -> Result<Duration, String> {
    within(text, EVERY_MIN, Duration::from_mins(1), "from 1ms to 1m")
}

fn parse_timeout(text: &str) -> Result<Duration, String> {
    within(
        text,
        Duration::from_millis(10),
        TIMEOUT_MAX,
        "from 10ms to 10s",
    )
}

fn parse_lasting(text: &str) -> Result<Duration, String> {
    let longest = Duration::from_hours(24 * 30);
    within(
        text,
        Duration::from_millis(100),
        longest,
        "from 100ms to 30d",
    )
}

fn within(text: &str, min: Duration, max: Duration, words: &str) -> Result<Duration, String> {
    let time = parse_duration(text).map_err(|error| error.to_string())?;
    match (min..=max).contains(&time) {
        true => Ok(time),
        false => Err(format!("{words}, as in 200ms")),
    }
}

fn parse_host(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    match !text.is_empty() && text.len() <= 253 && text.bytes().all(fits) {
        true => Ok(text.to_owned()),
        false => Err("write a name, as in shop.example.com".to_owned()),
    }
}
