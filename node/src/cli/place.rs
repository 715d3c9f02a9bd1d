//! Where a server stands: `FARM/SERVER`; or all servers of an address.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use farmux_raft::id::{FarmName, NameError, ServerName};

/// A server with its farm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerPlace {
    /// The farm.
    pub farm: FarmName,
    /// The server in it.
    pub server: ServerName,
}

/// Why a text names no server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// There is no `/`, or more than one.
    #[error("a server is named with its farm: FARM/SERVER")]
    Form,
    /// One of the two is no name.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl FromStr for ServerPlace {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<ServerPlace, PlaceError> {
        let (farm, server) = text.split_once('/').ok_or(PlaceError::Form)?;
        if server.contains('/') {
            return Err(PlaceError::Form);
        }
        Ok(ServerPlace {
            farm: farm.parse()?,
            server: server.parse()?,
        })
    }
}

impl fmt::Display for ServerPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.farm, self.server)
    }
}

/// Whom an order is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Addressees {
    /// One server.
    One(ServerPlace),
    /// All servers of an address, in whatever farm.
    Everywhere(IpAddr),
}

impl Addressees {
    /// Where the admin API has them; an address is a path segment (RFC 3986, 3.3).
    pub fn path(&self) -> String {
        match self {
            Addressees::One(place) => format!("/v1/farms/{}/servers/{}", place.farm, place.server),
            Addressees::Everywhere(address) => format!("/v1/servers/{address}"),
        }
    }
}

impl fmt::Display for Addressees {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Addressees::One(place) => write!(f, "{place}"),
            Addressees::Everywhere(address) => write!(f, "everything at {address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addressees_have_paths_of_their_own() {
        let one = Addressees::One("shop/s1".parse().expect("a place"));
        assert_eq!(one.path(), "/v1/farms/shop/servers/s1");
        let all = Addressees::Everywhere("fd00::21".parse().expect("an address"));
        assert_eq!(all.path(), "/v1/servers/fd00::21");
        assert_eq!(all.to_string(), "everything at fd00::21");
    }

    #[test]
    fn a_place_has_two_names() {
        let place: ServerPlace = "shop/s1".parse().expect("a place");
        assert_eq!(place.to_string(), "shop/s1");
        for text in ["shop", "shop/", "/s1", "shop/s1/x", "Shop/s1", ""] {
            assert!(text.parse::<ServerPlace>().is_err(), "{text}");
        }
    }
}
