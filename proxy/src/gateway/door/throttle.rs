//! Failed logins from one address get slower, within bounds: guessing costs time, a typing error hardly any.
//!
//! Only the failing attempt itself waits, so nobody can lock out a neighbour behind the same address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Counts failed logins per address, an IPv6 one by its /64 network.
#[derive(Default)]
pub(super) struct Throttle {
    failures: Mutex<HashMap<IpAddr, Failures>>,
}

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

impl Throttle {
    /// Counts a failure at `now` and says how long its answer has to wait.
    pub(super) fn failed(&self, address: IpAddr, now: Instant) -> Duration {
        let key = network(address);
        let mut failures = self.failures.lock();
        if failures.len() >= ADDRESSES_MAX && !failures.contains_key(&key) {
            failures.retain(|_, entry| now.duration_since(entry.last) < FORGET_AFTER);
            if failures.len() >= ADDRESSES_MAX {
                // An attack from everywhere: everybody who fails waits as long as it gets.
                return DELAY_MAX;
            }
        }
        let entry = failures.entry(key).or_insert(Failures { count: 0, last: now });
        if now.duration_since(entry.last) >= FORGET_AFTER {
            entry.count = 0;
        }
        let delay = DELAY_MIN.saturating_mul(1 << entry.count.min(DOUBLINGS_MAX)).min(DELAY_MAX);
        *entry = Failures { count: entry.count.saturating_add(1), last: now };
        delay
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
    }
}

const DELAY_MIN: Duration = Duration::from_millis(25);
const DELAY_MAX: Duration = Duration::from_millis(1600);
const DOUBLINGS_MAX: u32 = 10;
const FORGET_AFTER: Duration = Duration::from_secs(60);
const ADDRESSES_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(last: u32) -> IpAddr {
        IpAddr::V4((0x0a00_0000 + last).into())
    }

    #[test]
    fn the_delay_doubles_to_its_bound_and_is_forgotten() {
        let (throttle, start) = (Throttle::default(), Instant::now());
        let delays: Vec<_> = (0..9).map(|_| throttle.failed(v4(1), start).as_millis()).collect();
        assert_eq!(delays, [25, 50, 100, 200, 400, 800, 1600, 1600, 1600]);
        assert_eq!(throttle.failed(v4(2), start), DELAY_MIN);
        assert_eq!(throttle.failed(v4(1), start + FORGET_AFTER), DELAY_MIN);
    }

    #[test]
    fn one_ipv6_network_is_one_address_and_a_mapped_one_is_ipv4() {
        assert_eq!(network("2001:db8::1".parse().unwrap()), network("2001:db8::2".parse().unwrap()));
        assert_ne!(network("2001:db8::1".parse().unwrap()), network("2001:db8:0:1::1".parse().unwrap()));
        assert_eq!(network("::ffff:10.0.0.1".parse().unwrap()), v4(1));
    }

    #[test]
    fn the_table_is_bounded() {
        let (throttle, start) = (Throttle::default(), Instant::now());
        for address in 0..10_000 {
            throttle.failed(v4(address), start);
        }
        assert_eq!(throttle.failures.lock().len(), ADDRESSES_MAX);
        assert_eq!(throttle.failed(v4(9_999), start), DELAY_MAX);
        assert_eq!(throttle.failed(v4(9_999), start + FORGET_AFTER), DELAY_MIN);
    }
}
