//! The data path on real sockets: what a client and a server see, byte for byte.

mod advice;
mod harness;
mod http_answers;
mod http_bodies;
mod http_failures;
mod http_refusals;
mod limits;
mod picking;
mod pretending;
mod proxy;
mod proxy_peers;
mod serving;
mod tcp;
