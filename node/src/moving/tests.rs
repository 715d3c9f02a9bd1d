//! The PURE parts of a move: what comes next, who can take a VIP, who is ordered what, how long
//! a node that goes waits.

mod errand;
mod fitness;
mod intent;
mod owner;
mod sequence;
