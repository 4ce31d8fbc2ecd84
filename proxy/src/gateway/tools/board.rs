//! How the parts are, as last seen: what `/readyz?verbose` shows and `service_health` keeps.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// How a part is. The words are those of the table `service_health`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// As it should be.
    Ok,
    /// It serves, with less than there should be.
    Degraded,
    /// It does not serve.
    Down,
    /// Nobody could look.
    Unknown,
}

impl Status {
    /// As the table and the JSON have it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Down => "down",
            Self::Unknown => "unknown",
        }
    }
}

/// One part at its last check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// `customer database shop`, `tool database`, `migrations`, `extension vector`, `disk`.
    pub name: String,
    /// How it was.
    pub status: Status,
    /// Why, or what it is: for people.
    pub detail: String,
    /// When it was looked at.
    pub checked_at: DateTime<Utc>,
    /// Since when it has had this status.
    pub since: DateTime<Utc>,
    /// How long the check took, where it asked a server, milliseconds.
    pub latency_ms: Option<u64>,
}

/// Every part.
#[derive(Debug, Default)]
pub struct Board(Mutex<BTreeMap<String, Part>>);

impl Board {
    /// Notes a check.
    pub fn note(&self, name: &str, status: Status, detail: impl Into<String>, latency: Option<Duration>) {
        let now = Utc::now();
        let mut parts = self.0.lock();
        let before = parts.get(name).filter(|part| part.status == status);
        let part = Part {
            name: name.to_owned(),
            status,
            detail: detail.into(),
            checked_at: now,
            since: before.map_or(now, |part| part.since),
            latency_ms: latency.and_then(|latency| u64::try_from(latency.as_millis()).ok()),
        };
        parts.insert(name.to_owned(), part);
    }

    /// As last seen, by name.
    #[must_use]
    pub fn parts(&self) -> Vec<Part> {
        self.0.lock().values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_kept_while_the_status_is() {
        let board = Board::default();
        board.note("disk", Status::Ok, "1 GB", None);
        let first = board.parts().remove(0);
        board.note("disk", Status::Ok, "2 GB", Some(Duration::from_millis(3)));
        let second = board.parts().remove(0);
        assert_eq!((second.since, second.detail.as_str(), second.latency_ms), (first.since, "2 GB", Some(3)));
        std::thread::sleep(Duration::from_millis(2));
        board.note("disk", Status::Down, "gone", None);
        assert!(board.parts().remove(0).since > first.since);
    }
}
