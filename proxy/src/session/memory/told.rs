//! What a client is told of where an answer came from.

use std::fmt;
use std::time::Duration;

/// Where the answer to a batch came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// From memory.
    Hit {
        /// How old it was.
        age: Duration,
        /// As of when it is what PostgreSQL would have said.
        as_of: Moment,
        /// Its time was over, and it is asked for again.
        stale: bool,
    },
    /// From PostgreSQL; it may be kept.
    Miss {
        /// When PostgreSQL was asked.
        as_of: Moment,
    },
    /// From PostgreSQL, for this reason.
    Bypass(&'static str),
}

/// Time since 1970, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(pub Duration);

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hit { age, as_of, stale } => {
                let stale = if *stale { "; stale" } else { "" };
                write!(f, "hit; age={}ms; as_of={as_of}{stale}", age.as_millis())
            }
            Self::Miss { as_of } => write!(f, "miss; age=0ms; as_of={as_of}"),
            Self::Bypass(why) => write!(f, "bypass; reason={why}"),
        }
    }
}

/// As ISO 8601 has it, with milliseconds.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(since) = self;
        let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
        let (year, month, day) = civil(days);
        let (hour, minute, second, milli) = (second / 3_600, second / 60 % 60, second % 60, since.subsec_millis());
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
    }
}

/// Year, month and day of a day since 1970, by counting 400-year eras that begin in March.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    (era * 400 + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_spelled_as_iso_8601_has_them() {
        let at = |seconds: u64, milli: u64| Moment(Duration::from_millis(seconds * 1_000 + milli)).to_string();
        assert_eq!(at(0, 0), "1970-01-01T00:00:00.000Z");
        assert_eq!(at(951_782_400, 7), "2000-02-29T00:00:00.007Z");
        assert_eq!(at(1_795_226_399, 999), "2026-11-21T01:59:59.999Z");
        assert_eq!(at(4_107_542_399, 0), "2100-02-28T23:59:59.000Z");
    }
}
