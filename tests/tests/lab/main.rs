//! End to end, on LANs of network namespaces: real nodes, real servers, real mail. They run one at
//! a time (`.config/nextest.toml`), and are one program, because linking takes longer than most.

mod admission;
mod advice;
mod balance;
mod bodies;
mod damage;
mod datagrams;
mod disk;
mod faces;
mod failover;
mod faults;
mod fence;
mod formats;
mod ftp;
mod greetings;
mod groups;
mod holding;
mod https;
mod legs;
mod limits;
mod linear;
mod meddling;
mod membership;
mod moves;
mod neighbourhood;
mod network;
mod opinions;
mod pages;
mod parents;
mod powercut;
mod probes;
mod refusals;
mod roles;
mod stop;
mod vip;
mod watches;
