//! The fence in real kernels: each rule of `vip-protocol.md`, section 6, and what becomes of it if
//! its process is killed, starts again, or gives a VIP up, or another program meddles.

mod frames;
mod life;
mod meddled;
mod rights;
mod rules;
mod stage;
mod yard;
