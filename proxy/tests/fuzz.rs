//! Fuzz targets as plain functions of some bytes, driven here for a bounded time: `FUZZ_SECONDS` for each (default 3),
//! from `SEED`. `INPUT=hex` says to the session again what failed, `TRACE=1` tells what is said. No target needs a server.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    unreachable_pub,
    reason = "a test says what is wrong by failing"
)]

#[path = "fuzz/backend.rs"]
mod backend;
#[path = "fuzz/bytes.rs"]
mod bytes;
#[path = "fuzz/choices.rs"]
mod choices;
#[path = "fuzz/client.rs"]
mod client;
#[path = "fuzz/session.rs"]
mod session;

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |value| value.parse().unwrap())
}

/// Random inputs, and random changes of those that came before; the input that fails is printed.
fn drive(target: impl Fn(&[u8]), seeds: &[&[u8]], longest: usize) {
    let mut random = StdRng::seed_from_u64(number("SEED", 20_261_121));
    let mut corpus: Vec<Vec<u8>> = seeds.iter().map(|seed| seed.to_vec()).collect();
    let until = Instant::now() + Duration::from_secs(number("FUZZ_SECONDS", 3));
    let mut count = 0_u64;
    while Instant::now() < until {
        let input = if corpus.is_empty() || random.random_range(0..3) == 0 {
            (0..random.random_range(0..longest)).map(|_| random.random()).collect()
        } else {
            mutate(&corpus, longest, &mut random)
        };
        let failed = Failing(&input);
        target(&input);
        std::mem::forget(failed);
        count += 1;
        if corpus.len() < seeds.len() + 256 {
            corpus.push(input);
        } else {
            let place = random.random_range(seeds.len()..corpus.len());
            corpus[place] = input;
        }
    }
    eprintln!("{count} inputs");
}

fn mutate(corpus: &[Vec<u8>], longest: usize, random: &mut StdRng) -> Vec<u8> {
    let mut input = corpus[random.random_range(0..corpus.len())].clone();
    for _ in 0..random.random_range(1..8) {
        let at = random.random_range(0..=input.len());
        match random.random_range(0..5) {
            0 => input.truncate(at),
            1 => input.insert(at, random.random()),
            2 if at < input.len() => input[at] = random.random(),
            3 if at < input.len() => input[at] ^= 1 << random.random_range(0..8),
            _ => {
                let donor = &corpus[random.random_range(0..corpus.len())];
                input.splice(at.., donor[random.random_range(0..=donor.len())..].iter().copied());
            }
        }
    }
    input.truncate(longest);
    input
}

/// Says which input it was, should the target panic.
struct Failing<'a>(&'a [u8]);

impl Drop for Failing<'_> {
    fn drop(&mut self) {
        let hex: String = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
        eprintln!("INPUT={hex}");
    }
}

/// Again what failed: `INPUT=hex`.
fn again(target: impl Fn(&[u8])) -> bool {
    let Ok(hex) = std::env::var("INPUT") else { return false };
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    target(&(0..hex.len()).step_by(2).map(digit).collect::<Vec<u8>>());
    true
}

#[test]
fn sessions() {
    if !again(session::session) {
        drive(session::session, &[], 600);
    }
}

#[test]
fn frames() {
    drive(bytes::frames, &[b"Q\0\0\0\x0dSELECT 1\0S\0\0\0\x04", b"B\0\0\0\x12p\0s\0\0\0\0\x01\0\0\0\x011\0\0"], 300);
}

#[test]
fn startups() {
    let login = b"\0\0\0\x1d\0\x03\0\0user\0ann\0options\0-c a=b\0\0";
    drive(
        bytes::startup,
        &[login, b"\0\0\0\x08\x04\xd2\x16\x2f", b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x01\0\0\0\x02"],
        300,
    );
}

#[test]
fn texts() {
    let seeds: Vec<&[u8]> = include_str!("sql/honest.txt").lines().map(str::as_bytes).collect();
    drive(bytes::text, &seeds, 400);
}
