//! The tour: what an analyst asks is answered, what an attacker asks is refused, each over a real connection.

mod fast_path;
mod reads;
mod writes;

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

pub use reads::{How, READS, Read};
pub use writes::{Attempt, WRITES, Way};

use super::error::told;
use super::postgres::Server;
use super::{DemoError, connect};

const ANSWER_WITHIN: Duration = Duration::from_secs(120);

/// Parts of attempts that are harmless alone and may reach the database.
const HARMLESS: &[&str] = &["SELECT 1", "SELECT 1 END", "BEGIN", "COMMIT", "EXECUTE p"];

/// What the tour needs.
#[derive(Debug)]
pub struct Tour {
    /// The gateway, as a client sees it.
    pub gateway_url: String,
    /// The customer's server: its log (with `log_statement = all`) tells whether an attempt got that far.
    pub server: Arc<Server>,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcome {
    /// Reads that were answered.
    pub reads_answered: usize,
    /// Reads that were not.
    pub reads_failed: usize,
    /// Writes that were refused with a reason, before they reached the database.
    pub writes_refused: usize,
    /// Writes that were refused, but by the database: an earlier wall should have held.
    pub writes_late: usize,
    /// Writes that were not refused.
    pub writes_passed: usize,
}

impl Outcome {
    /// Every read was answered and every write refused in time.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.reads_failed == 0 && self.writes_late == 0 && self.writes_passed == 0
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} reads answered, {} writes refused", self.reads_answered, self.writes_refused)?;
        for (count, what) in [
            (self.reads_failed, "READS FAILED"),
            (self.writes_late, "WRITES REFUSED TOO LATE"),
            (self.writes_passed, "WRITES PASSED"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}

/// How an attempt ended.
enum End {
    Refused {
        sqlstate: String,
        message: String,
        hint: Option<String>,
    },
    Passed,
    /// Neither: the connection broke or nothing came.
    Silent(String),
}

impl Tour {
    /// Takes it, printing each stop.
    ///
    /// # Errors
    /// The gateway takes no connections. A read that fails and a write that passes are in the outcome.
    pub async fn take(&self) -> Result<Outcome, DemoError> {
        let mut outcome = Outcome::default();
        println!("\nReads");
        let client = connect(&self.gateway_url).await?;
        for read in READS {
            self.stop_at_read(&client, read, &mut outcome).await;
        }
        drop(client);
        println!("\nWrites, and ways around");
        for attempt in WRITES {
            self.stop_at_write(attempt, &mut outcome).await;
        }
        Ok(outcome)
    }

    async fn stop_at_read(&self, client: &Client, read: &Read, outcome: &mut Outcome) {
        let since = Instant::now();
        let failure = match tokio::time::timeout(ANSWER_WITHIN, rows(client, read)).await {
            Ok(Ok(rows)) if rows >= read.rows_min => {
                outcome.reads_answered += 1;
                let time_ms = since.elapsed().as_secs_f64() * 1000.0;
                println!("  {:<68} {rows:>9} rows {time_ms:>8.1} ms", read.title);
                return;
            }
            Ok(Ok(rows)) => format!("{rows} rows, expected {} or more", read.rows_min),
            Ok(Err(error)) => told(&error),
            Err(_) => "no answer".to_owned(),
        };
        outcome.reads_failed += 1;
        println!("  FAILED {}: {failure}", read.title);
        // The next read must not find a failed transaction.
        let _ = client.simple_query("ROLLBACK").await;
    }

    async fn stop_at_write(&self, attempt: &Attempt, outcome: &mut Outcome) {
        let log_bytes_before = self.server.log().len();
        let end = match tokio::time::timeout(ANSWER_WITHIN, self.attempt(attempt)).await {
            Ok(end) => end,
            Err(_) => End::Silent("no answer".to_owned()),
        };
        let log = self.server.log();
        let is_late = reached(attempt, log.get(log_bytes_before..).unwrap_or(&log));
        match end {
            End::Refused { sqlstate, message, hint } => {
                let count = if is_late { &mut outcome.writes_late } else { &mut outcome.writes_refused };
                *count += 1;
                println!("  {}{}", if is_late { "TOO LATE: " } else { "" }, attempt.title);
                println!("      {}", attempt.text());
                println!("      {sqlstate}: {message}");
                if let Some(hint) = hint {
                    println!("      hint: {hint}");
                }
            }
            End::Passed => {
                outcome.writes_passed += 1;
                println!("  PASSED {}\n      {}", attempt.title, attempt.text());
            }
            End::Silent(why) => {
                outcome.writes_late += 1;
                println!("  REFUSED WITHOUT A REASON {} ({why})\n      {}", attempt.title, attempt.text());
            }
        }
    }

    /// Each attempt has a connection of its own: what one leaves behind is not there for the next.
    async fn attempt(&self, attempt: &Attempt) -> End {
        let mut config: Config = match self.gateway_url.parse() {
            Ok(config) => config,
            Err(error) => return End::of(Err(error)),
        };
        if let Way::Startup(options) = attempt.way {
            config.options(options);
        }
        if let Way::FastPath { function, arguments } = attempt.way {
            return match fast_path::call(&config, function, arguments).await {
                Ok(fast_path::Answer::Value) => End::Passed,
                Ok(fast_path::Answer::Refused { sqlstate, message }) => End::Refused { sqlstate, message, hint: None },
                Err(error) => End::Silent(error.to_string()),
            };
        }
        let client = match config.connect(NoTls).await {
            Ok((client, connection)) => {
                tokio::spawn(connection);
                client
            }
            Err(error) => return End::of(Err(error)),
        };
        match attempt.way {
            Way::Simple(sql) => End::of(client.simple_query(sql).await.map(drop)),
            Way::Prepared(sql) => End::of(client.query(sql, &[]).await.map(drop)),
            Way::CopyIn(sql) => End::of(client.copy_in::<_, bytes::Bytes>(sql).await.map(drop)),
            // That a session came about is what should not be.
            Way::Startup(_) | Way::FastPath { .. } => End::Passed,
        }
    }
}

impl End {
    fn of(result: Result<(), tokio_postgres::Error>) -> Self {
        let Err(error) = result else { return Self::Passed };
        match error.as_db_error() {
            Some(told) => Self::Refused {
                sqlstate: told.code().code().to_owned(),
                message: told.message().to_owned(),
                hint: told.hint().map(str::to_owned),
            },
            None => Self::Silent(error.to_string()),
        }
    }
}

/// Runs a read and counts what came back.
async fn rows(client: &Client, read: &Read) -> Result<usize, tokio_postgres::Error> {
    match read.how {
        How::Simple => {
            let messages = client.simple_query(read.sql).await?;
            Ok(messages.iter().filter(|message| matches!(message, SimpleQueryMessage::Row(_))).count())
        }
        How::Prepared => {
            let statement = client.prepare(read.sql).await?;
            let parameters: Vec<&(dyn ToSql + Sync)> = vec![&7_i32; statement.params().len()];
            Ok(client.query(&statement, &parameters).await?.len())
        }
        How::Copy => {
            let mut lines = 0;
            let mut stream = pin!(client.copy_out(read.sql).await?);
            while let Some(chunk) = stream.try_next().await? {
                lines += chunk.iter().filter(|byte| **byte == b'\n').count();
            }
            Ok(lines)
        }
        How::Stream => {
            let mut rows = 0;
            let none: [&(dyn ToSql + Sync); 0] = [];
            let mut stream = pin!(client.query_raw(read.sql, none).await?);
            while stream.try_next().await?.is_some() {
                rows += 1;
            }
            Ok(rows)
        }
    }
}

/// Whether the log shows any harmful part of the attempt.
fn reached(attempt: &Attempt, log: &str) -> bool {
    let parts = attempt.text().split("; ").map(str::trim).filter(|part| !HARMLESS.contains(part));
    parts.into_iter().any(|part| log.contains(part))
}
