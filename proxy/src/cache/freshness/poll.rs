//! The looks at the database, one after the other. They take no lock, write nothing and need no right.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use deadpool_postgres::{Object, Pool, PoolError as NoConnection};
use thiserror::Error;
use tokio::time::{Instant, timeout};
use tokio_postgres::{Row, Statement};

use super::table::{Look, Signature, Table};
use super::{Freshness, Rule};
use crate::catalog::Oid;

/// Why a look failed. What is kept grows old meanwhile, and is not served beyond its bound.
#[derive(Debug, Error)]
pub enum PollError {
    /// No connection.
    #[error("no connection to watch the database: {0}")]
    Pool(#[from] NoConnection),
    /// A question was refused.
    #[error("watching the database: {0}")]
    Query(#[from] tokio_postgres::Error),
    /// Nothing came back.
    #[error("no answer while the database was watched")]
    Slow,
}

/// Most sessions have told what they counted so long after their transaction ended.
const COUNTED_AFTER_MAX: Duration = Duration::from_secs(12);

/// A look takes no longer, or is given up.
const LOOK_TIME_MAX: Duration = Duration::from_secs(10);

/// Looks at the database on a timer while somebody asks for answers. Returns at once where nothing is watched.
pub async fn run(freshness: &Freshness, pool: Pool) {
    if freshness.limits.rule != Rule::Watch {
        return;
    }
    let mut watch = Watch { freshness, pool, told: None, moved: None, failing: false };
    let mut timer = tokio::time::interval(watch.freshness.limits.tick_interval);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        timer.tick().await;
        watch.rest().await;
        let looked = timeout(LOOK_TIME_MAX, watch.look()).await.unwrap_or(Err(PollError::Slow));
        match looked {
            Ok(()) => watch.failing = false,
            Err(error) if !watch.failing => {
                watch.failing = true;
                tracing::warn!(%error, "what is kept cannot be confirmed");
            }
            Err(error) => tracing::debug!(%error, "what is kept cannot be confirmed"),
        }
    }
}

/// The one who looks.
struct Watch<'f> {
    freshness: &'f Freshness,
    pool: Pool,
    /// What the last look was told of the server.
    told: Option<Told>,
    /// When the snapshot was last found to have moved.
    moved: Option<Instant>,
    failing: bool,
}

/// The state of the server at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    /// Moves with the end of every transaction that writes.
    snapshot: String,
    standby: bool,
    /// When the server started, when it last read its configuration, for settings may have other defaults then, and since
    /// when it counts: anew after a crash, which empties unlogged tables and may lose transactions without a trace.
    configured: String,
    definitions: Option<Definitions>,
}

impl Watch<'_> {
    /// Waits while nobody asks for anything.
    async fn rest(&self) {
        let freshness = self.freshness;
        let known = freshness.tick.load().epoch > 0;
        if !known || !freshness.is_idle() {
            return;
        }
        freshness.asleep.store(true, Ordering::SeqCst);
        while freshness.is_idle() {
            freshness.woken.notified().await;
        }
        freshness.asleep.store(false, Ordering::SeqCst);
    }

    async fn look(&mut self) -> Result<(), PollError> {
        let client = self.pool.get().await?;
        let sent = Instant::now();
        let mut told = server(&client).await?;
        let before = self.told.take();
        let moved = before.as_ref().is_none_or(|before| {
            (&before.snapshot, before.standby, &before.configured) != (&told.snapshot, told.standby, &told.configured)
        });
        let tables = self.watched_tables();
        if !moved && !told.standby {
            tables.iter().for_each(|table| table.is_settled());
            let late = self.moved.is_some_and(|moved| sent.saturating_duration_since(moved) < COUNTED_AFTER_MAX);
            let wanted: Vec<_> = tables.iter().filter(|table| late || table.is_unseen()).collect();
            let mut looks = relations(&client, &wanted).await?;
            let epoch = self.freshness.next_epoch();
            for table in wanted {
                if let Some(look) = looks.remove(&table.oid) {
                    table.look_late(look, epoch);
                }
            }
            told.definitions = before.and_then(|before| before.definitions);
            self.freshness.confirm(sent);
            self.told = Some(told);
            return Ok(());
        }
        self.moved = Some(sent);
        let epoch = self.freshness.next_epoch();
        told.definitions = Some(definitions(&client).await?);
        let same = before.as_ref().is_some_and(|before| {
            before.configured == told.configured
                && before.definitions == told.definitions
                && before.standby == told.standby
        });
        if !same {
            self.freshness.drop_before(epoch);
        }
        let planned = |told: &Told| (told.configured.clone(), told.definitions.as_ref().map(|all| all.planned.clone()));
        if before.as_ref().is_none_or(|before| planned(before) != planned(&told)) {
            self.freshness.plans_moved.fetch_add(1, Ordering::AcqRel);
        }
        let mut looks = relations(&client, &tables.iter().collect::<Vec<_>>()).await?;
        let mut redefined = !same;
        for table in &tables {
            match looks.remove(&table.oid) {
                Some(look) => redefined |= table.look(look, epoch),
                None => {
                    redefined = true;
                    table.change(epoch);
                }
            }
        }
        if redefined {
            self.freshness.redefine();
        }
        self.freshness.advance(sent, !told.standby);
        self.told = Some(told);
        Ok(())
    }

    /// The relations that answers lie over; those that none does any more are let go.
    fn watched_tables(&self) -> Vec<Arc<Table>> {
        let mut tables = self.freshness.tables.lock();
        tables.retain(|_, table| Arc::strong_count(table) > 1);
        tables.values().cloned().collect()
    }
}

const SERVER: &str = "SELECT pg_catalog.pg_current_snapshot()::pg_catalog.text, pg_catalog.pg_is_in_recovery(), \
     pg_catalog.concat(pg_catalog.pg_postmaster_start_time(), pg_catalog.pg_conf_load_time(), \
     pg_catalog.pg_stat_get_bgwriter_stat_reset_time())";

async fn server(client: &Object) -> Result<Told, PollError> {
    let row = client.query_one(&prepared(client, SERVER).await?, &[]).await?;
    Ok(Told { snapshot: row.try_get(0)?, standby: row.try_get(1)?, configured: row.try_get(2)?, definitions: None })
}

/// What is defined, told as sums over rows.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Definitions {
    /// What PostgreSQL plans nothing again for that was prepared before: roles, memberships and settings of roles, which a
    /// session is born with, and what a constant was made from when a statement was read or planned: labels, casts,
    /// collations, words.
    planned: String,
    /// Everything else.
    rest: String,
}

/// Who is who, who may use what, what names and words stand for, and settings of roles and databases: of all relations,
/// because a definition found a moment ago may lead to some that an answer does not know of. `pg_roles` hides passwords
/// and row versions alike, so its rows are told whole; row versions of relations change with TRUNCATE, so what is told of
/// those is what they are. What temporary tables bring is left out.
const DEFINITIONS: &str = "SELECT string_agg(concat(kind, '/', count, '/', sum), ' ' ORDER BY kind) FILTER (WHERE kind <= 11), \
     string_agg(concat(kind, '/', count, '/', sum), ' ' ORDER BY kind) FILTER (WHERE kind > 11) FROM ( \
     SELECT 0 AS kind, count(*), sum(hashint8extended(xmin::text::int8, oid::int8)::numeric) FROM pg_class WHERE relkind = 'c' \
     UNION ALL SELECT 1, count(*), sum(hashtextextended(r::text, 0)::numeric) FROM pg_roles r \
     UNION ALL SELECT 2, count(*), sum(hashint8extended(xmin::text::int8, roleid::int8 # (member::int8 << 32))::numeric) FROM pg_auth_members \
     UNION ALL SELECT 3, count(*), sum(hashint8extended(xmin::text::int8, setrole::int8 # (setdatabase::int8 << 32))::numeric) FROM pg_db_role_setting \
     UNION ALL SELECT 4, count(*), sum(hashint8extended(xmin::text::int8, oid::int8)::numeric) FROM pg_enum \
     UNION ALL SELECT 5, count(*), sum(hashint8extended(xmin::text::int8, oid::int8)::numeric) FROM pg_type \
        WHERE oid >= 16384 AND typtype <> 'c' AND typcategory <> 'A' \
     UNION ALL SELECT 6, count(*), sum(hashint8extended(xmin::text::int8, oid::int8)::numeric) FROM pg_cast WHERE oid >= 16384 \
     UNION ALL SELECT 7, count(*), sum(hashint8extended(xmin::text::int8, oid::int8)::numeric) FROM pg_collation WHERE oid >= 16384 \
     UNION ALL SELECT 8, count(*), sum(hashint8extended(xmin::text::int8, oid::int8)::numeric) FROM pg_ts_config \
     UNION ALL SELECT 9, count(*), sum(hashint8extended(xmin::text::int8, mapcfg::int8 * 4096 + maptokentype * 32 + mapseqno)::numeric) FROM pg_ts_config_map \
     UNION ALL SELECT 10, count(*), sum(hashint8extended(xmin::text::int8, oid::int8)::numeric) FROM pg_ts_dict \
     UNION ALL SELECT 11, count(*), sum(hashint8extended(xmin::text::int8, oid::int8)::numeric) FROM pg_ts_parser \
     UNION ALL SELECT 12, count(*), sum(hashint8extended(xmin::text::int8, oid::int8)::numeric) FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp_' \
     UNION ALL SELECT 13, count(*), sum(hashint8extended(xmin::text::int8, oid::int8)::numeric) FROM pg_proc \
     UNION ALL SELECT 14, count(*), sum(hashtextextended(concat_ws(' ', relname, relnamespace, relowner, relacl, relrowsecurity, relforcerowsecurity, reloptions), oid::int8)::numeric) \
        FROM pg_class WHERE relkind <> 't' AND relpersistence <> 't' \
     UNION ALL SELECT 15, count(*), sum(hashtextextended(attacl::text, attrelid::int8 * 2048 + attnum)::numeric) FROM pg_attribute WHERE attacl IS NOT NULL \
     UNION ALL SELECT 16, count(*), sum(hashint8extended(xmin::text::int8, oid::int8)::numeric) FROM pg_policy \
     UNION ALL SELECT 17, count(*), sum(hashint8extended(xmin::text::int8, oid::int8)::numeric) FROM pg_constraint WHERE contypid <> 0 \
     UNION ALL SELECT 18, count(*), sum(hashint8extended(xmin::text::int8, oid::int8)::numeric) FROM pg_operator WHERE oid >= 16384 \
     UNION ALL SELECT 19, count(*), sum(hashint8extended(xmin::text::int8, oid::int8)::numeric) FROM pg_rewrite WHERE oid >= 16384 \
     UNION ALL SELECT 20, count(*), sum(hashint8extended(xmin::text::int8, inhrelid::int8 # (inhparent::int8 << 32))::numeric) FROM pg_inherits \
     ) AS told";

async fn definitions(client: &Object) -> Result<Definitions, PollError> {
    let row = client.query_one(&prepared(client, DEFINITIONS).await?, &[]).await?;
    Ok(Definitions { planned: row.try_get(0)?, rest: row.try_get(1)? })
}

/// Row versions change with every definition and grant; VACUUM and ANALYZE write theirs in place. Heap is 2, and zero is
/// for what holds no rows.
const RELATIONS: &str = "SELECT c.oid, pg_catalog.concat_ws(' ', c.xmin, \
     (SELECT pg_catalog.string_agg(a.xmin::pg_catalog.text, ',' ORDER BY a.attnum) FROM pg_catalog.pg_attribute a \
        WHERE a.attrelid = c.oid AND a.attnum > 0), \
     (SELECT pg_catalog.string_agg(p.xmin::pg_catalog.text || '/' || p.oid::pg_catalog.text, ',' ORDER BY p.oid) \
        FROM pg_catalog.pg_policy p WHERE p.polrelid = c.oid), \
     (SELECT pg_catalog.string_agg(r.xmin::pg_catalog.text || '/' || r.oid::pg_catalog.text, ',' ORDER BY r.oid) \
        FROM pg_catalog.pg_rewrite r WHERE r.ev_class = c.oid), \
     (SELECT pg_catalog.string_agg(i.xmin::pg_catalog.text || '/' || i.inhrelid::pg_catalog.text, ',' ORDER BY i.inhrelid) \
        FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid)), \
     pg_catalog.concat_ws(' ', pg_catalog.pg_relation_filenode(c.oid), pg_catalog.pg_stat_get_tuples_inserted(c.oid), \
     pg_catalog.pg_stat_get_tuples_updated(c.oid), pg_catalog.pg_stat_get_tuples_deleted(c.oid)), \
     c.relam NOT IN (0, 2) \
     FROM pg_catalog.pg_class c WHERE c.oid = ANY ($1)";

/// Who writes holds one of these to the end of its transaction.
const WRITERS: &str = "SELECT l.relation, l.virtualtransaction FROM pg_catalog.pg_locks l \
     WHERE l.locktype = 'relation' AND l.granted AND l.mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', \
        'ExclusiveLock', 'AccessExclusiveLock') AND l.relation = ANY ($1) \
     AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())";

async fn relations(client: &Object, tables: &[&Arc<Table>]) -> Result<HashMap<Oid, Look>, PollError> {
    let oids: Vec<Oid> = tables.iter().map(|table| table.oid).collect::<HashSet<_>>().into_iter().collect();
    if oids.is_empty() {
        return Ok(HashMap::new());
    }
    // Writers before counters: who ended in between has at least been seen.
    let mut writers: HashMap<Oid, Vec<String>> = HashMap::new();
    for row in client.query(&prepared(client, WRITERS).await?, &[&oids]).await? {
        writers.entry(row.try_get(0)?).or_default().push(row.try_get(1)?);
    }
    let rows = client.query(&prepared(client, RELATIONS).await?, &[&oids]).await?;
    rows.iter().map(|row| look_of(row, &mut writers)).collect()
}

fn look_of(row: &Row, writers: &mut HashMap<Oid, Vec<String>>) -> Result<(Oid, Look), PollError> {
    let oid: Oid = row.try_get(0)?;
    let writers = writers.remove(&oid).unwrap_or_default();
    let signature = Signature { definition: row.try_get(1)?, rows: row.try_get(2)? };
    Ok((oid, Look { signature, writers, strange: row.try_get(3)? }))
}

async fn prepared(client: &Object, sql: &str) -> Result<Statement, PollError> {
    Ok(client.prepare_cached(sql).await?)
}
