//! Cuts of the LAN: rules of nftables on the bridge, which has every cable in its hands.
//!
//! What is dropped never reaches another port, nor the gateway, which is the bridge itself.

use std::fmt::Write as _;

use anyhow::Result;

use crate::lab::process::run;
use crate::lab::{GATEWAY, Host};

/// What does not get through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cut {
    /// What a host sends: it hears, and is not heard.
    From(String),
    /// What is sent to a host: it is heard, and hears nothing.
    To(String),
    /// What two hosts say to each other.
    Between(String, String),
    /// The lease's datagrams to and from a host.
    Lease(String),
    /// The log's connections to and from a host.
    Log(String),
    /// What a host asks of the gateway, or what everybody does.
    Gateway(Option<String>),
    /// Every frame from one of these to another is lost with this chance, in percent.
    Loss(Vec<String>, u8),
}

/// The peers' port, for both.
const PEER_PORT: u16 = 7946;

impl Cut {
    /// Makes all of them, in one instant.
    ///
    /// **Errors**: nftables refuses.
    pub fn make(lan: &Host, cuts: &[Cut]) -> Result<()> {
        let mut rules = String::new();
        for cut in cuts {
            cut.rules(&mut rules);
        }
        let table = format!(
            "table bridge cut {{\n\
             chain through {{ type filter hook forward priority 0;\n{rules}}}\n\
             chain in {{ type filter hook input priority 0;\n{rules}}}\n\
             chain out {{ type filter hook output priority 0;\n{rules}}}\n}}"
        );
        run(lan.command("nft").arg(table))?;
        Ok(())
    }

    /// Mends all of them.
    ///
    /// **Errors**: nothing is cut.
    pub fn mend(lan: &Host) -> Result<()> {
        run(lan
            .command("nft")
            .args(["delete", "table", "bridge", "cut"]))?;
        Ok(())
    }

    fn rules(&self, out: &mut String) {
        // Writing into a string cannot fail.
        let _ = match self {
            Cut::From(host) => writeln!(out, "iifname \"{host}\" drop"),
            Cut::To(host) => writeln!(out, "oifname \"{host}\" drop"),
            Cut::Between(one, other) => writeln!(
                out,
                "iifname \"{one}\" oifname \"{other}\" drop\n\
                 iifname \"{other}\" oifname \"{one}\" drop"
            ),
            Cut::Lease(host) => writeln!(
                out,
                "iifname \"{host}\" udp dport {PEER_PORT} drop\n\
                 oifname \"{host}\" udp dport {PEER_PORT} drop"
            ),
            Cut::Log(host) => writeln!(
                out,
                "iifname \"{host}\" tcp dport {PEER_PORT} drop\n\
                 iifname \"{host}\" tcp sport {PEER_PORT} drop"
            ),
            Cut::Gateway(from) => {
                let from = from.as_ref();
                let port = from.map_or(String::new(), |host| format!("iifname \"{host}\" "));
                writeln!(
                    out,
                    "{port}ip daddr {GATEWAY} drop\n{port}arp daddr ip {GATEWAY} drop"
                )
            }
            Cut::Loss(hosts, percent) => {
                let hosts = hosts.join(", ");
                writeln!(
                    out,
                    "iifname {{ {hosts} }} oifname {{ {hosts} }} \
                     numgen random mod 100 < {percent} drop"
                )
            }
        };
    }
}
