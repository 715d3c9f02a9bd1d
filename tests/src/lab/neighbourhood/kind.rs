//! PURE. What the servers of a neighbourhood are: their kinds, names and addresses, and what an
//! operator would write to have them watched.

use std::net::{Ipv4Addr, SocketAddr};

/// What a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// HTTP/1.1: a status page at any path.
    Http,
    /// FTP: logs anybody in, and lists and sends one file.
    Ftp,
    /// SMTP: takes mail and forgets it.
    Smtp,
    /// DNS over UDP and TCP: one address for every name.
    Dns,
    /// Takes connections and says nothing.
    Tcp,
}

impl Kind {
    /// Each of them, in the order in which they follow each other along the street.
    pub const ALL: [Kind; 5] = [Kind::Http, Kind::Ftp, Kind::Smtp, Kind::Dns, Kind::Tcp];

    /// The kind of a house by its number.
    pub fn of(number: u16) -> Kind {
        let kinds = Kind::ALL;
        kinds[usize::from(number) % kinds.len()]
    }

    /// As one word.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Http => "http",
            Kind::Ftp => "ftp",
            Kind::Smtp => "smtp",
            Kind::Dns => "dns",
            Kind::Tcp => "tcp",
        }
    }

    /// Where it listens.
    pub fn port(self) -> u16 {
        match self {
            Kind::Http => 80,
            Kind::Ftp => 21,
            Kind::Smtp => 25,
            Kind::Dns => 53,
            Kind::Tcp => 7,
        }
    }

    /// What its check says beside the times, as in a configuration.
    ///
    /// What farmux cannot speak is checked by a connection.
    pub fn check(self) -> &'static str {
        match self {
            Kind::Http => r#"kind = "http", path = "/status", status = 200, text = "ok""#,
            Kind::Ftp => r#"kind = "ftp", user = "anonymous", password = "lab""#,
            Kind::Smtp | Kind::Dns | Kind::Tcp => r#"kind = "tcp""#,
        }
    }

    /// Whether that check notices a server that takes connections and does not answer.
    pub fn notices_silence(self) -> bool {
        self.check() != Kind::Tcp.check()
    }
}

/// Houses of each row, so that no address ends with 0 or 255.
const ROW: u16 = 200;

/// The network in which they all are.
pub const NETWORK: &str = "10.1.0.0/16";

/// The address of a house.
///
/// **Panics**: at numbers beyond 51,000; a slip of the test.
pub fn address(number: u16) -> Ipv4Addr {
    let part = |value: u16| u8::try_from(value).expect("a street of at most 51,000 houses");
    Ipv4Addr::new(10, 1, part(number / ROW), part(number % ROW + 1))
}

/// Address and port of a house.
pub fn place(number: u16) -> SocketAddr {
    (address(number), Kind::of(number).port()).into()
}

/// What a house is called where it is watched.
pub fn name(number: u16) -> String {
    format!("{}-{number:03}", Kind::of(number).word())
}

/// `[[watch]]` tables of houses `0..count`, each checked every second: three failures are down, two
/// successes are up.
pub fn watches(count: u16) -> String {
    let watch = |number| {
        let (kind, name, address) = (Kind::of(number), name(number), address(number));
        let (word, port, check) = (kind.word(), kind.port(), kind.check());
        let times = "interval = \"1s\", timeout = \"1s\", fall = 3, rise = 2";
        format!(
            "\n[[watch]]\nname = \"{name}\"\naddress = \"{address}\"\nport = {port}\n\
             labels = {{ kind = \"{word}\" }}\ncheck = {{ {check}, {times} }}\n"
        )
    };
    (0..count).map(watch).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_house_has_its_own_address_and_name() {
        let addresses: BTreeSet<Ipv4Addr> = (0..5_000).map(address).collect();
        let names: BTreeSet<String> = (0..5_000).map(name).collect();
        assert_eq!((addresses.len(), names.len()), (5_000, 5_000));
        assert_eq!(address(0), Ipv4Addr::new(10, 1, 0, 1));
        assert_eq!(address(200), Ipv4Addr::new(10, 1, 1, 1));
        assert_eq!(name(7), "smtp-007");
    }
}
