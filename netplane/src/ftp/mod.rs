//! FTP: a control connection that is read line by line, and data connections that belong to it.

pub(crate) mod address;
pub(crate) mod command;
pub(crate) mod line;
pub mod refusal;
pub(crate) mod reply;
pub(crate) mod session;
