//! The PURE parts of a move: what comes next, who can take a VIP, who is ordered what.

mod fitness;
mod intent;
mod sequence;
