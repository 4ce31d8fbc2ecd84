//! Sockets: everything between the operating system and the sans-IO core.

pub mod build;
pub mod client;
pub mod door;
pub mod server;
pub mod state;
