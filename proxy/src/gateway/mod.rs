//! Sockets: everything between the operating system and the sans-IO core.

pub mod door;
