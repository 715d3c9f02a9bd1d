//! Receivers of pages, each with every fault that a real one has, switched at run time.
//!
//! ```text
//!   host mail 10.0.0.9 ── :25   relay     SMTP      dead, slow, 4xx, 5xx, cut in DATA, before 250
//!                      ── :8080 webhook   HTTP/1.1  dead, hang, 500, 302, huge, slow
//!                      ── :444  pager     SNPP      dead, hang, refuse
//!                      ── :514  syslog    UDP
//! ```
//!
//! They run on threads of the script itself, which so sees at once what came, and can hold a
//! conversation at a point and kill somebody before it goes on.

mod desk;
pub mod pager;
pub mod receiver;
pub mod relay;
pub mod syslog;
pub mod webhook;

use anyhow::Result;

use super::network::Host;
use super::{Lab, RELAY};
use pager::Pager;
use relay::Relay;
use syslog::Syslog;
use webhook::Webhook;

/// All of them, on one host.
#[derive(Debug)]
pub struct Post {
    /// Port 25.
    pub relay: Relay,
    /// Port 2525: a second relay.
    pub reserve: Relay,
    /// Port 8080.
    pub webhook: Webhook,
    /// Port 444.
    pub pager: Pager,
    /// Port 514.
    pub syslog: Syslog,
    /// Where they are.
    pub host: Host,
}

impl Post {
    /// Plugs in host `mail` and waits until all of them listen.
    ///
    /// **Errors**: there is such a host already.
    pub fn start(lab: &Lab) -> Result<Post> {
        let host = lab.host("mail", RELAY)?;
        Ok(Post {
            relay: Relay::start(Some(&host), (RELAY, 25).into())?,
            reserve: Relay::start(Some(&host), (RELAY, 2525).into())?,
            webhook: Webhook::start(Some(&host), (RELAY, 8080).into())?,
            pager: Pager::start(Some(&host), (RELAY, 444).into())?,
            syslog: Syslog::start(Some(&host), (RELAY, 514).into())?,
            host,
        })
    }
}
