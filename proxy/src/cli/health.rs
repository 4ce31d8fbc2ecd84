//! `vitrine health`: the check of a container, without a shell or curl in the image.

use crate::config::{Environment, ListenAddress};
use crate::gateway::tools::{Part, Status};
use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;
use serde::Deserialize;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

#[derive(Debug, Args)]
pub(super) struct Health {
    /// The configuration file that names the admin port.
    #[arg(long, env = "VITRINE_CONFIG")]
    config: Option<PathBuf>,
    /// Longest wait for the answer, milliseconds.
    #[arg(long, default_value_t = 2_000)]
    timeout_ms: u64,
    /// Show every part, also those that are well, with the last check.
    #[arg(short, long)]
    verbose: bool,
    /// Print what the gateway answers, as JSON.
    #[arg(long, conflicts_with = "verbose")]
    json: bool,
}

/// What `/readyz?verbose` answers.
#[derive(Debug, Deserialize)]
struct Report {
    ready: bool,
    status: Status,
    checks: Vec<Check>,
    parts: Vec<Part>,
}

#[derive(Debug, Deserialize)]
struct Check {
    name: String,
    ok: bool,
    detail: Option<String>,
}

impl Health {
    pub(super) fn run(self, environment: &Environment) -> ExitCode {
        let config = match super::configuration(self.config.as_deref(), environment) {
            Ok(config) => config,
            Err(code) => return code,
        };
        let Some(address) = config.admin.listen.first() else { return ExitCode::FAILURE };
        match ask(address, Duration::from_millis(self.timeout_ms.max(1))) {
            Ok(answer) => {
                let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
                print!("{}", self.text(body));
                if head.starts_with("HTTP/1.1 200") { ExitCode::SUCCESS } else { ExitCode::FAILURE }
            }
            Err(error) => {
                eprintln!("vitrine: no answer from {address}: {error}");
                ExitCode::FAILURE
            }
        }
    }

    fn text(&self, body: &str) -> String {
        match serde_json::from_str::<Report>(body) {
            Ok(report) if !self.json => report.text(self.verbose),
            // A gateway of another version may say it in another way.
            Ok(_) | Err(_) => format!("{}\n", body.trim_end()),
        }
    }
}

impl Report {
    /// For people: what is not well, or everything.
    fn text(&self, everything: bool) -> String {
        let mut text = String::new();
        for check in self.checks.iter().filter(|check| everything || !check.ok) {
            let mark = if check.ok { '+' } else { '-' };
            let detail = check.detail.as_deref().unwrap_or("ok");
            text.push_str(&format!("[{mark}] {}: {detail}\n", check.name));
        }
        for part in self.parts.iter().filter(|part| everything || part.status != Status::Ok) {
            let mark = if part.status == Status::Ok { '+' } else { '-' };
            text.push_str(&format!("[{mark}] {}: {}: {}", part.name, part.status.word(), part.detail));
            if everything {
                let time = |at: &DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
                text.push_str(&format!(" (checked {}, so since {}", time(&part.checked_at), time(&part.since)));
                text.push_str(&part.latency_ms.map_or_else(String::new, |latency| format!(", {latency} ms")));
                text.push(')');
            }
            text.push('\n');
        }
        let degraded = if self.ready && self.status != Status::Ok { ", degraded" } else { "" };
        text.push_str(&format!("{}{degraded}\n", if self.ready { "ready" } else { "not ready" }));
        text
    }
}

const REQUEST: &[u8] = b"GET /readyz?verbose HTTP/1.1\r\nHost: vitrine\r\nConnection: close\r\n\r\n";
const ANSWER_BYTES_MAX: u64 = 65_536;

fn ask(address: &ListenAddress, timeout: Duration) -> std::io::Result<String> {
    match address {
        ListenAddress::Tcp(address) => {
            let stream = TcpStream::connect_timeout(&reachable(*address), timeout)?;
            stream.set_read_timeout(Some(timeout))?;
            stream.set_write_timeout(Some(timeout))?;
            exchange(stream)
        }
        ListenAddress::Unix(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(timeout))?;
            stream.set_write_timeout(Some(timeout))?;
            exchange(stream)
        }
    }
}

fn exchange(mut stream: impl Read + Write) -> std::io::Result<String> {
    stream.write_all(REQUEST)?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer)?;
    Ok(answer)
}

/// One cannot connect to "every address": the loopback one answers for it.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}
