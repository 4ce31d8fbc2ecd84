//! What all sessions of the process share.

use super::door::Door;
use crate::config::Config;
use crate::observe::Metrics;

/// The gateway's shared state.
pub struct Gateway {
    /// The configuration it was built from.
    pub config: Config,
    /// Its counters.
    pub metrics: Metrics,
    /// How clients come in.
    pub door: Door,
}

impl Gateway {
    /// What must hold for clients to be served, each with the reason where it does not.
    #[must_use]
    pub fn readiness(&self) -> Vec<(&'static str, Result<(), String>)> {
        Vec::new()
    }
}
