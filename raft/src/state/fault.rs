//! Faults: what is wrong with a configuration, and where.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::DnsRecord;
use super::drill::DrillKind;
use super::text::duration_text;

/// One thing that is wrong, with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Where: `farm[shop].server[s1].address`; empty for the whole.
    pub at: String,
    /// What.
    pub kind: FaultKind,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.at.is_empty() {
            return self.kind.fmt(f);
        }
        write!(f, "{}: {}", self.at, self.kind)
    }
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum FaultKind {
    /// More of something than we promise to handle.
    #[error("{have} given, at most {max} are possible")]
    TooMany {
        /// How many.
        have: usize,
        /// The bound.
        max: usize,
    },
    /// Fewer than it takes.
    #[error("at least one is needed")]
    Missing,
    /// Neither the watch nor its group says how it is checked.
    #[error("no check: write one here, or in the group that this watch belongs to")]
    CheckMissing,
    /// An address that belongs to no machine of its own.
    #[error("{address} is {class}; an ordinary address is needed")]
    Address {
        /// The address.
        address: IpAddr,
        /// Why not.
        class: AddressClass,
    },
    /// Another thing has the same address.
    #[error("{address} is the address of {owner} as well")]
    AddressTaken {
        /// The address.
        address: IpAddr,
        /// Who else has it.
        owner: String,
    },
    /// Not of the same family as its VIP.
    #[error("{0} is not of the same kind (IPv4 or IPv6) as the VIP")]
    Family(IpAddr),
    /// Port zero is no port.
    #[error("port 0 cannot be used")]
    PortZero,
    /// Two services listen on one address and port.
    #[error("port {port} of this VIP is taken by {owner}")]
    PortTaken {
        /// The port.
        port: u16,
        /// Who has it.
        owner: String,
    },
    /// Two servers of a farm are one.
    #[error("the same address and port as server {0}")]
    ServerTwice(String),
    /// A name that nothing has.
    #[error("there is no {what} called {name}")]
    Dangling {
        /// What kind of thing.
        what: String,
        /// The name.
        name: String,
    },
    /// Somebody stands in a ladder more than once.
    #[error("{0} stands here more than once")]
    Twice(String),
    /// A number outside its bounds.
    #[error("{have} is outside {min} to {max}")]
    Range {
        /// What was given.
        have: u64,
        /// Least.
        min: u64,
        /// Most.
        max: u64,
    },
    /// A duration outside its bounds.
    #[error(
        "{} is outside {} to {}",
        duration_text(*.have),
        duration_text(*.min),
        duration_text(*.max)
    )]
    Duration {
        /// What was given.
        have: std::time::Duration,
        /// Least.
        min: std::time::Duration,
        /// Most.
        max: std::time::Duration,
    },
    /// A text of a wrong length.
    #[error("has {have} characters; {min} to {max} are possible")]
    Length {
        /// How many.
        have: usize,
        /// Least.
        min: usize,
        /// Most.
        max: usize,
    },
    /// A text that could smuggle something into a protocol.
    #[error("contains a character that is not possible here: {0:?}")]
    Character(char),
    /// A request target that is none.
    #[error("a path starts with '/'")]
    Path,
    /// Not a mailbox that mail can go to.
    #[error("{0:?} is not a mail address")]
    Mailbox(String),
    /// A login with one half missing.
    #[error("a user needs a password, and a password needs a user")]
    HalfLogin,
    /// A watch whose check has no customary port.
    #[error("this kind of check has no customary port: name one")]
    PortMissing,
    /// Not a range of ports above the privileged ones.
    #[error("{0} is not a range of ports from 1024 up, the lower one first")]
    PortRange(String),
    /// TLS is passed on, and nothing tells the server's data connections from others'.
    #[error("with tls = \"pass\" every server needs data_ports of its own")]
    DataPortsMissing,
    /// They would never be used.
    #[error("only servers of an ftp service with tls = \"pass\" have data_ports of their own")]
    DataPortsUnused,
    /// A server's own ports lie outside its service's.
    #[error("{0} is not within the service's data_ports {1}")]
    DataPortsOutside(String, String),
    /// A farm that is down before it is degraded.
    #[error("has to be above down_below: the farm would be down before it is degraded")]
    NeverDegraded,
    /// Two services would lay claim to the same data ports.
    #[error("only one service of a farm can pass TLS on: its servers have one set of data_ports")]
    PassesTwice,
    /// Anybody could say that they are somebody else.
    #[error("{0} is everybody: name the networks of the balancers in front")]
    AnybodysProxy(ipnet::IpNet),
    /// Data connections could not carry it.
    #[error("FTP servers are told no client address: their data connections could not carry it")]
    FtpSendsNoProxy,
    /// A plugin is a file of one folder.
    #[error("{0:?} is not the name of a file in exec_dir")]
    NotAFileName(String),
    /// No record of that type can be that.
    #[error("{}", no_such_value(*.0))]
    NoSuchValue(DnsRecord),
    /// A text with escapes has one that is not known.
    #[error("write bytes that are no text as \\xNN, \\r, \\n, \\t or \\\\")]
    Escape,
    /// Things that depend on themselves.
    #[error("depends on itself: {0}")]
    Cycle(String),
    /// A contact whom nothing reaches.
    #[error("needs a channel: mail, webhook, snpp or syslog")]
    NoChannel,
    /// A key would cross the network in the clear.
    #[error("a key is sent over https:// only")]
    SecretInClear,
    /// A password would cross the network in the clear.
    #[error("a password is sent over smtps:// or smtp+starttls:// only")]
    PasswordInClear,
    /// Whoever goes on without a majority must be able to ask whether the network is there.
    #[error(
        "hold needs a gateway to ask whether the network is there; name one, or write \
         on_quorum_loss = \"release\""
    )]
    NoReference,
    /// VIPs that move together want different things.
    #[error("{0} is of the same group, and says otherwise: what is lent as one has one answer")]
    GroupDisagrees(String),
    /// Somebody must be there who types a name.
    #[error("{0} is run by hand only: somebody has to type the cluster's name")]
    DrillByHand(DrillKind),
}

impl FaultKind {
    /// The same without a character of the text: refusals go to the log, and no part of a secret
    /// may go with them.
    pub(super) fn unnamed(self) -> FaultKind {
        match matches!(self, FaultKind::Character(_)) {
            true => FaultKind::Character('\u{fffd}'),
            false => self,
        }
    }
}

/// Why an address is not an ordinary one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AddressClass {
    /// 0.0.0.0 or ::.
    Unspecified,
    /// 127.0.0.0/8 or ::1.
    Loopback,
    /// 224.0.0.0/4 or ff00::/8.
    Multicast,
    /// 255.255.255.255.
    Broadcast,
    /// 0.0.0.0/8 or 240.0.0.0/4.
    Reserved,
    /// fe80::/10, which means nothing without an interface.
    LinkLocal,
    /// ::ffff:0:0/96: write it as IPv4.
    MappedV4,
}

impl fmt::Display for AddressClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AddressClass::Unspecified => "the unspecified address",
            AddressClass::Loopback => "a loopback address",
            AddressClass::Multicast => "a multicast address",
            AddressClass::Broadcast => "the broadcast address",
            AddressClass::Reserved => "a reserved address",
            AddressClass::LinkLocal => "a link-local address",
            AddressClass::MappedV4 => "an IPv4 address in IPv6 dress",
        })
    }
}

fn no_such_value(record: DnsRecord) -> &'static str {
    match record {
        DnsRecord::A => "the value of an A record is an IPv4 address",
        DnsRecord::Aaaa => "the value of an AAAA record is an IPv6 address",
        DnsRecord::Soa => "the value of an SOA record is its serial number",
        DnsRecord::Mx => "the value of an MX record is the mail server's name, nothing else",
        DnsRecord::Cname | DnsRecord::Ns | DnsRecord::Ptr => "the value of the record is one name",
        DnsRecord::Txt => "the value of a TXT record is its text",
    }
}

/// A refusal lists at most so many: whoever has more mends these first, and the log stays small.
pub const FAULTS_MAX: usize = 20;

/// Collects faults, up to the bound.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    /// Adds one; beyond the bound it is only dropped, since the refusal stands already.
    pub(super) fn add(&mut self, at: impl fmt::Display, kind: FaultKind) {
        if self.0.len() < FAULTS_MAX {
            self.0.push(Fault {
                at: at.to_string(),
                kind,
            });
        }
    }

    /// Adds one if there is one.
    pub(super) fn check(&mut self, at: impl fmt::Display, result: Result<(), FaultKind>) {
        if let Err(kind) = result {
            self.add(at, kind);
        }
    }

    /// All of them.
    pub(super) fn into_vec(self) -> Vec<Fault> {
        self.0
    }
}
