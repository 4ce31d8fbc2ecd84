//! Query parameters: each at most once, none that is not known, each of its type.

use std::collections::BTreeMap;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use chrono::{DateTime, Datelike as _, Utc};
use serde::de::DeserializeOwned;

use super::segments::decoded;
use crate::http::problem::{Fault, Problem};
use crate::http::state::Shared;
use crate::model::{Cursor, PageRequest};

/// Longest value, bytes.
const VALUE_BYTES_MAX: usize = 8_192;
/// Most rows of a page.
const LIMIT_MAX: u32 = 1_000;

/// The parameters of a request that were not taken yet.
#[derive(Debug)]
pub(in crate::http) struct Parameters(BTreeMap<String, String>);

impl FromRequestParts<Shared> for Parameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Problem> {
        Self::read(parts.uri.query().unwrap_or_default())
    }
}

impl Parameters {
    fn read(query: &str) -> Result<Self, Problem> {
        let mut known = BTreeMap::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decoded(&name.replace('+', " "))?;
            let value = decoded(&value.replace('+', " "))?;
            if value.len() > VALUE_BYTES_MAX {
                return Err(wrong(&name, "is too long"));
            }
            if known.insert(name.clone(), value).is_some() {
                return Err(wrong(&name, "is there twice"));
            }
        }
        Ok(Self(known))
    }

    /// A text.
    pub(in crate::http) fn text(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    /// A text that must be there.
    pub(in crate::http) fn needed(&mut self, name: &str) -> Result<String, Problem> {
        self.text(name).filter(|text| !text.is_empty()).ok_or_else(|| wrong(name, "is needed"))
    }

    /// A number or another value that Rust parses.
    pub(in crate::http) fn parsed<T: std::str::FromStr>(
        &mut self,
        name: &str,
        expected: &str,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| wrong(name, &format!("must be {expected}")))
    }

    /// A finite number.
    pub(in crate::http) fn number(&mut self, name: &str) -> Result<Option<f64>, Problem> {
        let number = self.parsed::<f64>(name, "a number")?;
        if number.is_some_and(|number| !number.is_finite()) {
            return Err(wrong(name, "must be a number"));
        }
        Ok(number)
    }

    /// A moment (RFC 3339).
    pub(in crate::http) fn time(&mut self, name: &str) -> Result<Option<DateTime<Utc>>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        // A plus sign that was not escaped is a space by now, where a moment has none but before the time of day.
        let repaired = text.rsplit_once(' ').map(|(before, zone)| format!("{before}+{zone}"));
        let time = DateTime::parse_from_rfc3339(&text)
            .or_else(|error| repaired.as_deref().map_or(Err(error), DateTime::parse_from_rfc3339));
        match time {
            Ok(time) if (1..=9_999).contains(&time.year()) => Ok(Some(time.to_utc())),
            Ok(_) | Err(_) => Err(wrong(name, "must be a moment as in RFC 3339, 2026-01-31T12:00:00Z")),
        }
    }

    /// A word of an enum, as in JSON.
    pub(in crate::http) fn word<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        serde_json::from_value(serde_json::Value::String(text))
            .map(Some)
            .map_err(|error| wrong(name, &error.to_string()))
    }

    /// JSON.
    pub(in crate::http) fn json(&mut self, name: &str, depth_max: usize) -> Result<Option<serde_json::Value>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let object: Result<serde_json::Map<String, serde_json::Value>, Problem> =
            super::parse(text.as_bytes(), depth_max);
        object.map(|object| Some(object.into())).map_err(|_| wrong(name, "must be a JSON object"))
    }

    /// `limit` and `after`.
    pub(in crate::http) fn page(&mut self) -> Result<PageRequest, Problem> {
        Ok(PageRequest { limit: self.limit()?, after: self.text("after").map(Cursor) })
    }

    /// `limit`: 1 to 1,000.
    pub(in crate::http) fn limit(&mut self) -> Result<Option<u32>, Problem> {
        let limit = self.parsed::<u32>("limit", "1 to 1000")?;
        if limit.is_some_and(|limit| !(1..=LIMIT_MAX).contains(&limit)) {
            return Err(wrong("limit", "must be 1 to 1000"));
        }
        Ok(limit)
    }

    /// Whatever was not taken is unknown: a filter with a typing error must not answer everything.
    pub(in crate::http) fn finish(self) -> Result<(), Problem> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(wrong(name, "is not known here")),
        }
    }
}

fn wrong(name: &str, detail: &str) -> Problem {
    Problem::malformed(format!("the query parameter {name} {detail}")).faults(vec![Fault::of_parameter(name, detail)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_strict() {
        let mut query =
            Parameters::read("a=x+y%2B&limit=10&at=2026-01-31T12:00:00%2B01:00&on=2026-01-31T12:00:00+01:00").unwrap();
        assert_eq!(query.text("a").as_deref(), Some("x y+"));
        assert_eq!(query.limit().unwrap(), Some(10));
        let (at, on) = (query.time("at").unwrap(), query.time("on").unwrap());
        assert!(at.is_some() && at == on);
        query.finish().unwrap();
        for wrong in ["a=1&a=2", "a=%00", "a=%ff", "%ff=1"] {
            assert!(Parameters::read(wrong).is_err(), "{wrong}");
        }
        let read = |text| Parameters::read(text).unwrap();
        assert!(read("limit=0").limit().is_err() && read("limit=1001").limit().is_err());
        assert!(read("limit=-1").limit().is_err() && read("x=nan").number("x").is_err());
        assert!(read("x=+12345-01-01T00:00:00Z").time("x").is_err());
        assert!(read("kinds=1").finish().is_err());
    }
}
