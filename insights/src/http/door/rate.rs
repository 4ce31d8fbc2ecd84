//! Token buckets. Written here: what is needed of a crate for it is one subtraction under a lock that is held for
//! nanoseconds, and the time until the next token, which `Retry-After` says.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use parking_lot::Mutex;

use crate::http::options::Options;
use crate::http::problem::Problem;
use crate::model::Identity;

/// Buckets kept at once. A full bucket is the same as none, so those go first.
const BUCKETS_MAX: usize = 10_000;

/// The rates that hold.
pub(in crate::http) struct Rates {
    keys: Buckets<String>,
    tenants: Buckets<String>,
    guesses: Buckets<IpAddr>,
}

impl Rates {
    pub(in crate::http) fn new(options: &Options) -> Self {
        Self {
            keys: Buckets::new(options.key_requests_per_s, Duration::from_secs(1)),
            tenants: Buckets::new(options.tenant_requests_per_s, Duration::from_secs(1)),
            guesses: Buckets::new(options.key_failures_per_min, Duration::from_secs(60)),
        }
    }

    /// One request of this key and tenant.
    pub(in crate::http) fn take(&self, identity: &Identity) -> Result<(), Problem> {
        self.keys.take(&identity.actor).map_err(|wait| too_many("this key", wait))?;
        self.tenants.take(&identity.tenant.to_string()).map_err(|wait| too_many("the keys of this tenant", wait))
    }

    /// Whether this address may have another key looked up.
    pub(in crate::http) fn may_guess(&self, peer: IpAddr) -> Result<(), Problem> {
        self.guesses.look(&peer).map_err(|wait| too_many("wrong keys of this address", wait))
    }

    /// This address showed a key that is none.
    pub(in crate::http) fn guessed(&self, peer: IpAddr) {
        let _wait = self.guesses.take(&peer);
    }
}

fn too_many(what: &str, wait: Duration) -> Problem {
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate", "too many requests")
        .detail(format!("{what} reached the limit"))
        .retry_after(wait)
}

/// One bucket for each of many.
struct Buckets<K> {
    /// 0: no limit.
    size: u32,
    /// Time in which an empty bucket fills.
    fill: Duration,
    buckets: Mutex<HashMap<K, Bucket>>,
}

/// Tokens at a moment.
#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl<K: Hash + Eq + Clone> Buckets<K> {
    fn new(size: u32, fill: Duration) -> Self {
        Self { size, fill, buckets: Mutex::default() }
    }

    /// Takes a token, or says how long until there is one.
    fn take(&self, key: &K) -> Result<(), Duration> {
        self.at(key, Instant::now(), 1.0)
    }

    /// Whether there is a token.
    fn look(&self, key: &K) -> Result<(), Duration> {
        self.at(key, Instant::now(), 0.0)
    }

    fn at(&self, key: &K, now: Instant, cost: f64) -> Result<(), Duration> {
        if self.size == 0 {
            return Ok(());
        }
        let size = f64::from(self.size);
        let per_second = size / self.fill.as_secs_f64();
        let filled = |bucket: &Bucket| {
            let gained = now.saturating_duration_since(bucket.at).as_secs_f64() * per_second;
            (bucket.tokens + gained).min(size)
        };
        let mut buckets = self.buckets.lock();
        if buckets.len() >= BUCKETS_MAX && !buckets.contains_key(key) {
            buckets.retain(|_, bucket| filled(bucket) < size);
            if buckets.len() >= BUCKETS_MAX {
                buckets.clear();
            }
        }
        let tokens = buckets.get(key).map_or(size, filled);
        if tokens < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - tokens) / per_second));
        }
        buckets.insert(key.clone(), Bucket { tokens: tokens - cost, at: now });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_fills_and_says_how_long() {
        let buckets: Buckets<u8> = Buckets::new(2, Duration::from_secs(1));
        let start = Instant::now();
        let take = |key, after_ms| buckets.at(&key, start + Duration::from_millis(after_ms), 1.0);
        assert!(take(1, 0).is_ok() && take(1, 0).is_ok());
        let wait = take(1, 0).unwrap_err();
        assert!((wait.as_secs_f64() - 0.5).abs() < 1e-6, "{wait:?}");
        assert!(take(2, 0).is_ok(), "another has a bucket of their own");
        assert!(take(1, 499).is_err() && take(1, 500).is_ok());
    }

    #[test]
    fn no_limit_is_none_and_the_table_is_bounded() {
        let free: Buckets<usize> = Buckets::new(0, Duration::from_secs(1));
        assert!((0..10_000).all(|_| free.take(&1).is_ok()));
        let buckets: Buckets<usize> = Buckets::new(5, Duration::from_secs(3_600));
        for key in 0..3 * BUCKETS_MAX {
            let _taken = buckets.take(&key);
        }
        assert!(buckets.buckets.lock().len() <= BUCKETS_MAX);
    }
}
