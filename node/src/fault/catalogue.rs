//! The catalogue: every code with its name, its number, what `farmux explain` says of it, the exit
//! code and the HTTP status it is answered with.
//!
//! Numbers are never used for anything else again. 1xx: the command line and this machine; 2xx: the
//! cluster; 3xx: what was asked for; 4xx: pages; 9xx: farmux itself.

use std::fmt;
use std::str::FromStr;

use super::Exit;

/// What the catalogue knows of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The number behind `FMX-`.
    pub number: u16,
    /// What happened, in one line.
    pub title: &'static str,
    /// What it means and what usually causes it.
    pub text: &'static str,
    /// What mends it, where the case itself does not say better.
    pub mend: &'static str,
    /// What the command line exits with.
    pub exit: Exit,
    /// What the admin API answers.
    pub status: u16,
}

macro_rules! catalogue {
    ($($name:ident = $number:literal, $exit:ident, $status:literal,
        $title:literal, $text:literal, $mend:literal;)*) => {
        /// A kind of fault, with a number for ever.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = $title] $name,)*
        }

        impl Code {
            /// Every code, by number.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// What the catalogue knows of it.
            pub fn entry(self) -> Entry {
                match self {
                    $(Code::$name => Entry {
                        number: $number,
                        title: $title,
                        text: $text,
                        mend: $mend,
                        exit: Exit::$exit,
                        status: $status,
                    },)*
                }
            }
        }
    };
}

catalogue! {
    Usage = 101, Usage, 400,
        "the command line is wrong",
        "An argument is missing, not known, or not of the form that is asked for.",
        "farmux help";
    DaemonAbsent = 102, Unreachable, 503,
        "no farmux daemon answers on this machine",
        "The command line talks to the daemon through its Unix socket. There is none, or nobody \
         listens on it: the daemon is not running, or node.toml names another socket.",
        "systemctl start farmux   (another socket: --socket PATH or FARMUX_SOCKET)";
    SocketDenied = 103, Unreachable, 403,
        "the admin socket is for root only",
        "Whoever may open the socket commands the cluster; therefore it belongs to root, mode 0600.",
        "sudo farmux …   (without root: --connect HOST:9443 --cert FILE)";
    RemoteAbsent = 104, Unreachable, 503,
        "the node does not answer",
        "No TCP or TLS connection to the admin address of --connect came about: the node is off, a \
         firewall is between, the address is wrong, or one side does not accept the other's \
         certificate.",
        "farmux status --connect ANOTHER-NODE:9443 --cert FILE";
    CertificateFile = 105, Usage, 400,
        "the administrator's certificate cannot be used",
        "--cert takes the file that `farmux admin-cert create` wrote: one PEM file with the \
         certificate, its key and the cluster's CA.",
        "farmux admin-cert create NAME --out FILE   (as root on a node)";
    FileUnreadable = 106, Usage, 400,
        "a file cannot be read or written",
        "The file named on the command line could not be opened.",
        "ls -l FILE";
    AnswerUnclear = 107, Broken, 502,
        "the daemon's answer is not understood",
        "The command line and the daemon are of different versions, or something else listens there.",
        "farmux version   (restart the daemon after an upgrade: systemctl restart farmux)";
    NotConfirmed = 108, Usage, 400,
        "this needs a yes",
        "The command takes a node out of the cluster. It asks on a terminal; where there is none it \
         must be told.",
        "the same command with --yes";
    WaitOver = 109, WaitOver, 504,
        "the wait is over, connections are left",
        "The server still has connections. It gets no new ones and goes on draining; only this \
         command stopped waiting.",
        "the same command with a longer --timeout, or: farmux server maintenance FARM/SERVER";
    SettingsInvalid = 110, Usage, 400,
        "node.toml cannot be used",
        "The daemon reads its machine's own settings from this file and does not guess.",
        "mend the line that is named and start again: farmux run --config FILE";
    SocketTaken = 111, Refused, 409,
        "another daemon runs on this machine",
        "Somebody answers on the admin socket. Two daemons on one data folder would destroy it.",
        "systemctl status farmux   (a second daemon needs its own data, socket and addresses)";
    ListenFailed = 112, Refused, 500,
        "an address cannot be listened on",
        "The address is not this machine's, or another program listens there.",
        "ss -ltnup   (then change node.toml or stop that program)";
    CodeUnknown = 113, Usage, 404,
        "there is no such code",
        "A code reads FMX- and three digits, as the last line of an error shows it.",
        "farmux explain   (lists all codes)";
    Privilege = 114, Refused, 403,
        "a privilege is missing",
        "Adding addresses needs CAP_NET_ADMIN, announcing them CAP_NET_RAW, ports below 1024 \
         CAP_NET_BIND_SERVICE.",
        "run the daemon as root, or with the unit in deploy/";

    NoCluster = 201, Refused, 409,
        "this node is in no cluster yet",
        "The daemon runs and waits. What was asked for needs a cluster.",
        "farmux cluster init --name NAME   or: farmux cluster join TOKEN";
    InCluster = 202, Refused, 409,
        "this node is in a cluster already",
        "A node is in one cluster at a time, and keeps its id for as long as it has its disk.",
        "farmux cluster leave   (then try again)";
    NoLeader = 203, NoMajority, 503,
        "the cluster has no leader now",
        "Changes go through the elected leader. After a leader is lost another is elected within \
         about a second, as long as a majority of the nodes sees each other. What is served goes on \
         being served. Nothing was changed.",
        "farmux status   (then try again)";
    NoQuorum = 204, NoMajority, 503,
        "no majority of the cluster's nodes answers",
        "A change counts when more than half of the nodes have it on disk. Fewer answer now. Nothing \
         was changed; what is served goes on being served, health too, but no VIP moves.",
        "farmux status   (start the nodes that do not answer, or mend the network between them)";
    OutcomeUnknown = 205, Unknown, 504,
        "no answer in time: it may have happened or not",
        "The change went to the leader, and no answer came within three seconds. It may still be \
         carried out. The same request is never carried out twice.",
        "farmux status   and   farmux config history   (look before you repeat it)";
    Stopping = 206, Unreachable, 503,
        "the daemon is stopping",
        "It takes no orders any more.",
        "systemctl status farmux";
    Busy = 207, Refused, 409,
        "another change of membership is under way",
        "Nodes join and leave one at a time, so that a majority is never in doubt.",
        "farmux status   (then try again)";
    NodeUnknown = 208, Refused, 404,
        "there is no such node",
        "Nodes are named as in their node.toml, or by number (n2).",
        "farmux status   (lists the nodes)";
    LastNode = 209, Refused, 409,
        "the last node cannot go",
        "A cluster without nodes remembers nothing.",
        "systemctl stop farmux   (and remove its data folder to start anew)";
    JoinRefused = 210, Refused, 409,
        "the node cannot join",
        "Before anything is changed the joiner's version, clock, data folder, role and networks are \
         compared with the cluster's, and its token with what the cluster remembers of it.",
        "mend what is named, then run the same command again: a join can be repeated";
    TokenRefused = 211, Refused, 403,
        "the token is not good",
        "A token is for one machine and good for an hour unless --ttl said otherwise. It was used, \
         has expired, was revoked, was altered on the way, or belongs to another cluster.",
        "farmux cluster token create   (on a node of the cluster; add --witness for a witness)";
    TokenUnknown = 212, Refused, 404,
        "there is no such token",
        "Tokens are forgotten a while after they were used or have expired.",
        "farmux cluster token list";
    TokenLimit = 213, Refused, 409,
        "too many tokens, or a life that is too short or too long",
        "A cluster remembers at most 100 tokens; one lives from a minute to seven days.",
        "farmux cluster token list   and   farmux cluster token revoke ID";
    NodeConflict = 214, Refused, 409,
        "the node contradicts another one",
        "Its name or one of its addresses is taken, or it describes itself otherwise than before.",
        "change name and addresses in its node.toml, or: farmux cluster remove NODE";
    InitFailed = 215, Refused, 409,
        "the cluster cannot be made",
        "What was asked for does not fit this machine's node.toml.",
        "mend what is named and run cluster init again";
    MembershipFailed = 216, NoMajority, 503,
        "the membership could not be changed",
        "The order needs a majority of the nodes and did not get it in time. It is safe to repeat it.",
        "farmux status   (then the same command again)";
    NotLeader = 217, NoMajority, 503,
        "this node does not lead",
        "The request is one that only the leader answers.",
        "farmux status   (names the leader)";

    ConfigUnreadable = 301, Refused, 422,
        "the configuration is not valid TOML, or has a field farmux does not know",
        "Unknown fields are refused, so that a typing error is not taken for a default.",
        "mend the line that is named; farmux config export   shows the form";
    ConfigRefused = 302, Refused, 422,
        "the configuration contradicts itself",
        "Every name, address, port and reference is checked before anything is changed; a revision \
         is made as a whole or not at all.",
        "mend what is named, then: farmux config apply FILE --dry-run";
    RevisionOutdated = 303, Refused, 409,
        "somebody changed the configuration in between",
        "A change is made from a known revision. Another one came first.",
        "farmux config history   and   farmux config export   (then apply again)";
    FarmUnknown = 304, Refused, 404,
        "there is no such farm",
        "The configuration has no farm of this name.",
        "farmux farm list";
    ServerUnknown = 305, Refused, 404,
        "there is no such server",
        "A server is named with its farm: shop/s1.",
        "farmux farm show FARM";
    VipUnknown = 306, Refused, 404,
        "there is no such VIP",
        "The configuration has no VIP of this name.",
        "farmux status";
    ContactUnknown = 307, Refused, 404,
        "there is no such contact",
        "The configuration has no contact of this name.",
        "farmux config export";
    ReportOutdated = 308, Refused, 409,
        "the report came too late",
        "Health and ownership are reported under a ballot or a term; a newer one has reported since. \
         This is the rule at work, not a failure.",
        "nothing needs to be done";
    LimitReached = 309, Refused, 409,
        "a bound of the state is reached",
        "Everything the cluster remembers has a bound, so that memory and snapshots have one.",
        "remove what is no longer needed: farmux config export, then apply a shorter file";
    RequestInvalid = 310, Refused, 400,
        "the request is not understood",
        "The admin API got a body, a path or a parameter that is not of its form.",
        "farmux version   (use the command line of the same version)";
    RequestTooLarge = 311, Refused, 413,
        "the request is too large",
        "A request has at most 1 MiB.",
        "make the configuration smaller";
    NotFound = 312, Refused, 404,
        "the admin API has no such path",
        "The command line and the daemon are of different versions, or the path was typed by hand.",
        "farmux version";
    NotAdmin = 313, Refused, 403,
        "this is not for you",
        "The admin port serves certificates of role admin from this cluster's CA.",
        "farmux admin-cert create NAME   (as root on a node)";
    RequestSlow = 314, Unknown, 504,
        "the request took too long",
        "The daemon gives up a request after 30 seconds. A change may have been made.",
        "farmux status   and   farmux config history";

    PageUnknown = 401, Refused, 404,
        "there is no such page",
        "A page is named by its id or by the first digits of it. Old, settled pages are forgotten.",
        "farmux page list --all";
    DeliveryFailed = 402, Refused, 502,
        "the mail could not be delivered",
        "The relay was asked from this node and did not take the mail.",
        "mend the contact's relay (farmux config export), then: farmux contact test NAME";

    Broken = 901, Broken, 500,
        "something broke inside farmux or on this machine",
        "This should not happen: a file could not be written, or farmux has a fault of its own.",
        "journalctl -u farmux --since -10min";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FMX-{:03}", self.entry().number)
    }
}

/// The text is no code of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such code")]
pub struct CodeUnknown;

impl FromStr for Code {
    type Err = CodeUnknown;

    /// Takes `FMX-204`, `fmx-204` and `204`.
    fn from_str(text: &str) -> Result<Code, CodeUnknown> {
        let digits = match text.get(..4) {
            Some(prefix) if prefix.eq_ignore_ascii_case("FMX-") => &text[4..],
            Some(_) | None => text,
        };
        let number: u16 = digits.parse().map_err(|_| CodeUnknown)?;
        let found = Code::ALL.iter().find(|code| code.entry().number == number);
        found.copied().ok_or(CodeUnknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_rise_and_come_back() {
        let numbers: Vec<u16> = Code::ALL.iter().map(|code| code.entry().number).collect();
        assert!(
            numbers.windows(2).all(|pair| pair[0] < pair[1]),
            "{numbers:?}"
        );
        for &code in Code::ALL {
            assert_eq!(code.to_string().parse(), Ok(code));
            assert_eq!(code.to_string().to_lowercase().parse(), Ok(code));
            assert_eq!(code.entry().number.to_string().parse(), Ok(code));
        }
        assert_eq!("FMX-999".parse::<Code>(), Err(CodeUnknown));
        assert_eq!("FMX-é".parse::<Code>(), Err(CodeUnknown));
        assert_eq!("".parse::<Code>(), Err(CodeUnknown));
    }

    #[test]
    fn every_entry_is_complete_and_fits_a_terminal() {
        for &code in Code::ALL {
            let entry = code.entry();
            assert!(!entry.title.is_empty() && !entry.text.is_empty(), "{code}");
            assert!(!entry.mend.is_empty(), "{code} says no way out");
            assert!(entry.title.len() <= 80, "{code}: the title is one line");
            assert!((400..=599).contains(&entry.status), "{code}");
        }
    }
}
