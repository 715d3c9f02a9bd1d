//! The proof: the lab of network namespaces, and what else the end-to-end tests share.
//!
//! ```text
//!   chance  numbers that look random and are the same for the same seed
//!   damage  bits flipped in the files of a stopped node
//!   disk    a file system that forgets what was not synced
//!   faults  what breaks nodes and the LAN, and two witnesses who judge
//!   fuzz    what must be true of every decoder, whatever it reads
//!   gap     how long an address did not answer, as a client sees it
//!   judge   whether every page came, once and in time, and none for nothing
//!   lab     a LAN on this machine: hosts, nodes, nginx, a mail server, a client
//!   linear  the admin API under faults, and a checker of what its clients saw
//!   powercut all nodes at once, under writes, on such a file system
//!   script  steps, and whether each showed the answers and pages that it should
//!   sim     nodes of production code in a simulated world
//!   source  reading Rust source for the house rules
//!   stream  requests of which none may be lost
//! ```

pub mod chance;
pub mod damage;
pub mod disk;
pub mod drills;
pub mod faults;
pub mod fuzz;
pub mod gap;
pub mod judge;
pub mod lab;
pub mod linear;
pub mod powercut;
pub mod script;
pub mod sim;
pub mod source;
pub mod stream;
