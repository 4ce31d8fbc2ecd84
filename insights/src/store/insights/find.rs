//! Lists and searches: ids and ranks come from the database's functions, rows are read under the caller's policy.

use tokio_postgres::types::Json;
use uuid::Uuid;

use super::row;
use crate::model::{Found, Identity, Insight, InsightFilter, Page, PageRequest, SearchMode, SearchRequest};
use crate::service::{Error, Result};
use crate::store::Store;
use crate::store::connection::Parameter;
use crate::store::cursor;

const LIMIT_DEFAULT: u32 = 10;

impl Store {
    pub(super) async fn list(
        &self,
        identity: &Identity,
        filter: &InsightFilter,
        page: &PageRequest,
    ) -> Result<Page<Insight>> {
        let limit = cursor::limit(page)?;
        let before = match cursor::after(page, "insights", 1)?.and_then(|key| key.into_iter().next()) {
            Some(text) => Some(Uuid::try_parse(&text).map_err(|_| cursor::bad())?),
            None => None,
        };
        let sql = format!(
            "SELECT {} FROM vitrine.list_insights($1, $2, $3) f JOIN insights i ON i.id = f.id ORDER BY i.id DESC",
            row::COLUMNS
        );
        let rows = self.connections().read(&identity.tenant, &sql, &[&Json(filter), &before, &limit]).await?;
        let insights = rows.iter().map(|found| shown(found, filter)).collect::<Result<Vec<Insight>>>()?;
        Ok(cursor::page(insights, limit, "insights", |insight| vec![insight.id.0.to_string()]))
    }

    pub(super) async fn find(&self, identity: &Identity, request: &SearchRequest) -> Result<Vec<Found>> {
        let (words, embedding) = asked(request)?;
        let limit = cursor::bounded(request.limit, LIMIT_DEFAULT)?;
        if embedding.is_some() {
            self.check_vectors(identity, request).await?;
        }
        let sql = format!(
            "SELECT {}, f.score, f.text_rank, f.vector_rank, f.distance
             FROM vitrine.search_insights($1, $2, $3, $4) f JOIN insights i ON i.id = f.id
             ORDER BY f.score DESC, i.id DESC",
            row::COLUMNS
        );
        let parameters: [Parameter<'_>; 4] = [&Json(&request.filter), &words, &embedding, &limit];
        let rows = self.connections().read(&identity.tenant, &sql, &parameters).await?;
        let found = rows.iter().map(|found| {
            let rank = |at: usize| -> Result<Option<u32>> {
                Ok(row::column::<Option<i32>>(found, at)?.and_then(|rank| u32::try_from(rank).ok()))
            };
            Ok(Found {
                insight: shown(found, &request.filter)?,
                score: row::column(found, row::COUNT)?,
                text_rank: rank(row::COUNT + 1)?,
                vector_rank: rank(row::COUNT + 2)?,
                distance: row::column(found, row::COUNT + 3)?,
            })
        });
        found.collect()
    }

    /// A search by vector names a kind that has vectors of that many dimensions, on a server that can compare them.
    async fn check_vectors(&self, identity: &Identity, request: &SearchRequest) -> Result<()> {
        let Some(kind) = &request.filter.kind else {
            return Err(Error::Invalid("a search by embedding needs a filter by kind".to_owned()));
        };
        let finite = request.embedding.iter().flatten().all(|number| number.is_finite());
        if !finite {
            return Err(Error::Invalid("an embedding's numbers are finite".to_owned()));
        }
        self.require_vectors().await?;
        // The dimension is checked where the kind is read, in the search itself.
        self.schema(&identity.tenant, kind).await.map(drop)
    }
}

/// Words and embedding that the mode wants, of those that the request carries.
fn asked(request: &SearchRequest) -> Result<(Option<&str>, Option<&[f32]>)> {
    let (words, embedding) = (request.query.as_deref(), request.embedding.as_deref());
    let missing = |what: &str| Error::Invalid(format!("the search needs {what}"));
    match request.mode {
        None if words.is_none() && embedding.is_none() => Err(missing("words, an embedding or both")),
        None => Ok((words, embedding)),
        Some(SearchMode::Text) => Ok((Some(words.ok_or_else(|| missing("words"))?), None)),
        Some(SearchMode::Vector) => Ok((None, Some(embedding.ok_or_else(|| missing("an embedding"))?))),
        Some(SearchMode::Fused) => {
            let (words, embedding) = words.zip(embedding).ok_or_else(|| missing("words and an embedding"))?;
            Ok((Some(words), Some(embedding)))
        }
    }
}

fn shown(found: &tokio_postgres::Row, filter: &InsightFilter) -> Result<Insight> {
    let insight = row::insight(found)?;
    Ok(match filter.as_of {
        Some(moment) => row::as_of(insight, moment),
        None => insight,
    })
}
