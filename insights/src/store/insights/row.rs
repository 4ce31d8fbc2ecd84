//! Rows of insights and evidence.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use uuid::Uuid;

use super::fault;
use crate::model::{Evidence, Insight, InsightId, InsightState, NewEvidence};
use crate::service::{Error, Result};

/// The columns of `insights i` that [`insight`] reads, in its order.
pub(super) const COLUMNS: &str = "i.id, i.kind, i.key, i.version, i.state, i.title, i.body, i.payload, i.confidence, \
    i.valid_from, i.valid_to, i.recorded_at, i.superseded_at, i.superseded_by, i.retracted_at, i.retraction_reason, \
    i.expires_at, i.legal_hold, i.created_by";

/// How many they are: what a query selects besides comes after them.
pub(super) const COUNT: usize = 19;

/// The condition that an insight is not past its time. One that is held can be looked at for as long as it is kept.
pub(super) fn lives(table: &str) -> String {
    format!("({table}.expires_at IS NULL OR {table}.expires_at > now() OR {table}.legal_hold)")
}

/// One column of a row.
pub(super) fn column<'a, T: tokio_postgres::types::FromSql<'a>>(row: &'a Row, at: usize) -> Result<T> {
    row.try_get(at).map_err(fault)
}

/// An insight of [`COLUMNS`].
pub(super) fn insight(row: &Row) -> Result<Insight> {
    let state = match column::<&str>(row, 4)? {
        "current" => InsightState::Current,
        "superseded" => InsightState::Superseded,
        "retracted" => InsightState::Retracted,
        other => return Err(Error::Internal(format!("unknown state \"{other}\""))),
    };
    Ok(Insight {
        id: InsightId(column(row, 0)?),
        kind: column(row, 1)?,
        key: column(row, 2)?,
        version: column(row, 3)?,
        state,
        title: column(row, 5)?,
        body: column(row, 6)?,
        payload: column(row, 7)?,
        confidence: column(row, 8)?,
        valid_from: column(row, 9)?,
        valid_to: column(row, 10)?,
        recorded_at: column(row, 11)?,
        superseded_at: column(row, 12)?,
        superseded_by: column::<Option<Uuid>>(row, 13)?.map(InsightId),
        retracted_at: column(row, 14)?,
        retraction_reason: column(row, 15)?,
        expires_at: column(row, 16)?,
        legal_hold: column(row, 17)?,
        created_by: column(row, 18)?,
    })
}

/// The insight as the store said it at a moment: what came later had not happened.
pub(super) fn as_of(mut insight: Insight, moment: DateTime<Utc>) -> Insight {
    if insight.retracted_at.is_some_and(|at| at > moment) {
        insight.retracted_at = None;
        insight.retraction_reason = None;
    }
    if insight.superseded_at.is_some_and(|at| at > moment) {
        insight.superseded_at = None;
        insight.superseded_by = None;
    }
    insight.state = match (insight.retracted_at, insight.superseded_at) {
        (Some(_), _) => InsightState::Retracted,
        (None, Some(_)) => InsightState::Superseded,
        (None, None) => InsightState::Current,
    };
    insight
}

/// A row of evidence; None where an outer join found none.
pub(super) fn evidence(row: &Row) -> Result<Option<Evidence>> {
    let Some(id) = column::<Option<Uuid>>(row, 0)? else { return Ok(None) };
    Ok(Some(Evidence {
        id,
        insight_id: InsightId(column(row, 1)?),
        evidence: NewEvidence {
            query_shape: column(row, 2)?,
            relations: column(row, 3)?,
            data_as_of: column(row, 4)?,
            database: column(row, 5)?,
            receipt: column(row, 6)?,
            note: column(row, 7)?,
        },
        recorded_at: column(row, 8)?,
    }))
}
