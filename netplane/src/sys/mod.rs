//! The only unsafe and privileged calls; one file a concern, each block under its `SAFETY:`.

pub mod limits;
