//! Where a server stands: `FARM/SERVER`.

use std::fmt;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_two_names() {
        let place: ServerPlace = "shop/s1".parse().expect("a place");
        assert_eq!(place.to_string(), "shop/s1");
        for text in ["shop", "shop/", "/s1", "shop/s1/x", "Shop/s1", ""] {
            assert!(text.parse::<ServerPlace>().is_err(), "{text}");
        }
    }
}
