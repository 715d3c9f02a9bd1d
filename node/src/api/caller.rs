//! Who calls the admin API, and what is written as the author of what they change.

use farmux_raft::id::AdminName;
use farmux_raft::state::Author;

/// Who is at the other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Somebody who may open the socket, with their user id.
    Socket {
        /// The user, as the kernel says; 0 is root.
        user: u32,
    },
    /// Somebody with an administrator's certificate.
    Certificate {
        /// The name in it.
        name: AdminName,
    },
}

impl Caller {
    /// As the author of a revision.
    pub fn author(&self) -> Author {
        Author(match self {
            Caller::Socket { user: 0 } => "root via socket".to_owned(),
            Caller::Socket { user } => format!("user {user} via socket"),
            Caller::Certificate { name } => name.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_author_says_who_and_how() {
        let name = "anna".parse().expect("a name");
        assert_eq!(Caller::Socket { user: 0 }.author().0, "root via socket");
        assert_eq!(
            Caller::Socket { user: 1000 }.author().0,
            "user 1000 via socket"
        );
        assert_eq!(Caller::Certificate { name }.author().0, "anna");
    }
}
