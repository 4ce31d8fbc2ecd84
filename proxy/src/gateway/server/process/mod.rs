//! What the operating system knows of the process: its directory, its control socket, its file descriptors.

pub(super) mod control;
pub(super) mod descriptors;
pub(super) mod run_dir;
