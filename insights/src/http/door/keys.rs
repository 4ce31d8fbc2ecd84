//! Keys that were looked up are believed for a moment, so that a request costs the store no look-up of its own.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use crate::model::Identity;
use crate::service::{Result, Service};

/// Keys remembered at once; more, and all are forgotten.
const KEYS_MAX: usize = 10_000;

/// What is known about keys, by the SHA-256 of the whole key: what is compared tells nothing about a secret.
pub(in crate::http) struct Identities {
    known: Mutex<HashMap<[u8; 32], (Identity, Instant)>>,
    memory: Duration,
}

impl Identities {
    pub(in crate::http) fn new(memory: Duration) -> Self {
        Self { known: Mutex::default(), memory }
    }

    /// The identity that a key proved a moment ago.
    pub(in crate::http) fn recall(&self, key: &str) -> Option<Identity> {
        let known = self.known.lock();
        let (identity, until) = known.get(&digest(key))?;
        (*until > Instant::now()).then(|| identity.clone())
    }

    /// Asks the store, and remembers what it says of a key that is one.
    pub(in crate::http) async fn look_up(&self, service: &dyn Service, key: &str) -> Result<Option<Identity>> {
        let found = service.identify(key).await?;
        if let Some(identity) = &found {
            let mut known = self.known.lock();
            if known.len() >= KEYS_MAX {
                known.clear();
            }
            known.insert(digest(key), (identity.clone(), Instant::now() + self.memory));
        }
        Ok(found)
    }

    /// Forgets every key: one was revoked.
    pub(in crate::http) fn forget(&self) {
        self.known.lock().clear();
    }
}

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}
