//! Sockets: everything between the operating system and the sans-IO core. The only user of pingora.

pub mod bell;
pub mod build;
pub mod client;
pub mod console;
pub mod door;
pub mod insights;
pub mod memory;
pub mod offer;
mod refresh;
pub mod server;
pub mod state;
pub mod tools;
pub mod watching;
