//! The change feed. A transaction's changes are served once every transaction that might come before it has ended: what
//! is below the snapshot's oldest running transaction. So (era, transaction, seq) only grows for who reads on.

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio_postgres::Row;

use super::Store;
use super::connection::fault;
use crate::model::{Change, ChangeKind, ChangePage, Identity, Subject};
use crate::service::{Error, Feed, Result};

const LIMIT_MAX: u32 = 10_000;

const CHANGES: &str = "SELECT c.era, c.transaction::text, c.seq, c.subject, c.change, c.record, c.at, c.by
    FROM public.changes c
    WHERE (c.era, c.transaction, c.seq) > ($1::int4, $2::text::xid8, $3::int8)
      AND (c.era < (SELECT era FROM vitrine.feed) OR c.transaction < pg_snapshot_xmin(pg_current_snapshot()))
    ORDER BY c.era, c.transaction, c.seq LIMIT $4::int4";

/// A cursor's place is one that this server has reached: else it is from a time that a restore has undone.
const REACHED: &str =
    "SELECT era > $1::int4 OR (era = $1::int4 AND $2::text::xid8 < pg_snapshot_xmax(pg_current_snapshot()))
    FROM vitrine.feed";

/// Everything below the oldest running transaction is served or can be.
const LATEST: &str = "SELECT era, (pg_snapshot_xmin(pg_current_snapshot())::text::int8 - 1)::text, 9223372036854775807
    FROM vitrine.feed";

/// Where a reader is.
struct Place {
    era: i32,
    /// `xid8` in digits: 64 bits without a sign.
    transaction: String,
    seq: i64,
}

#[async_trait]
impl Feed for Store {
    async fn changes(&self, identity: &Identity, cursor: Option<&str>, limit: u32) -> Result<ChangePage> {
        let place = cursor.map_or(Ok(Place { era: 0, transaction: "0".to_owned(), seq: 0 }), Place::read)?;
        let limit = i32::try_from(limit.clamp(1, LIMIT_MAX)).unwrap_or(1);
        let parameters: [super::connection::Parameter<'_>; 4] = [&place.era, &place.transaction, &place.seq, &limit];
        let rows = self.connections().read(&identity.tenant, CHANGES, &parameters).await?;
        if rows.is_empty() && cursor.is_some() {
            self.check_reached(identity, &place).await?;
        }
        let changes = rows.iter().map(change).collect::<Result<Vec<Change>>>()?;
        let cursor = changes.last().map_or_else(|| place.write(), |last| last.cursor.clone());
        Ok(ChangePage { changes, cursor })
    }

    async fn latest(&self, identity: &Identity) -> Result<String> {
        let rows = self.connections().read(&identity.tenant, LATEST, &[]).await?;
        let row = rows.first().ok_or_else(|| Error::Internal("the feed has no era".to_owned()))?;
        Ok(Place::of(row)?.write())
    }
}

impl Store {
    async fn check_reached(&self, identity: &Identity, place: &Place) -> Result<()> {
        let rows = self.connections().read(&identity.tenant, REACHED, &[&place.era, &place.transaction]).await?;
        let reached = rows.first().map(|row| row.try_get::<_, bool>(0)).transpose().map_err(fault)?;
        if reached == Some(true) {
            return Ok(());
        }
        Err(Error::Invalid(
            "the cursor is from a time that a restore of the store has undone: read the feed from its beginning"
                .to_owned(),
        ))
    }
}

impl Place {
    fn of(row: &Row) -> Result<Self> {
        Ok(Self {
            era: row.try_get(0).map_err(fault)?,
            transaction: row.try_get(1).map_err(fault)?,
            seq: row.try_get(2).map_err(fault)?,
        })
    }

    fn write(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!("1.{}.{}.{}", self.era, self.transaction, self.seq))
    }

    fn read(cursor: &str) -> Result<Self> {
        let read = || {
            let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
            let mut parts = text.split('.');
            (parts.next()? == "1").then_some(())?;
            let era = parts.next()?.parse().ok()?;
            let transaction: u64 = parts.next()?.parse().ok()?;
            let seq = parts.next()?.parse().ok()?;
            parts.next().is_none().then_some(Self { era, transaction: transaction.to_string(), seq })
        };
        read().ok_or_else(|| Error::Invalid("the cursor is not one of the feed".to_owned()))
    }
}

fn change(row: &Row) -> Result<Change> {
    let place = Place::of(row)?;
    let subject: String = row.try_get(3).map_err(fault)?;
    let what: String = row.try_get(4).map_err(fault)?;
    Ok(Change {
        cursor: place.write(),
        subject: named::<Subject>(&subject)?,
        change: named::<ChangeKind>(&what)?,
        id: row.try_get(5).map_err(fault)?,
        at: row.try_get(6).map_err(fault)?,
        by: row.try_get(7).map_err(fault)?,
    })
}

/// A value by the name that it has in JSON and in the table.
fn named<T: serde::de::DeserializeOwned>(name: &str) -> Result<T> {
    super::connection::decode(serde_json::Value::from(name))
}
