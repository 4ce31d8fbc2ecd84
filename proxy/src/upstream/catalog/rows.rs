//! The queries, and their rows as catalog objects.

use std::collections::HashMap;

use tokio_postgres::{Client, Row};

use super::implied::{implied, trees};
use super::{LoadError, Owners, body};
use crate::catalog::{
    Cast, CastContext, Column, Function, FunctionKind, Oid, Origin, Relation, RelationKind, TreeUses, Type, TypeKind,
    Volatility, read_tree,
};

pub(super) const SERVER: &str = "SELECT pg_catalog.current_database()::text, pg_catalog.current_setting('server_version_num')::int4, \
        pg_catalog.current_setting('server_encoding')";

pub(super) const SCHEMAS: &str = "SELECT oid, nspname::text FROM pg_catalog.pg_namespace \
     WHERE nspname !~ '^pg_(toast_)?temp_' ORDER BY oid";

pub(super) const MEMBERS: &str = "SELECT d.classid, d.objid, e.extname::text FROM pg_catalog.pg_depend d \
     JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid \
     WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e'";

/// Row versions of every catalog that the snapshot is made from: `xmin` changes with each change that is not in place.
pub(super) const FINGERPRINT: &str = "\
    WITH v(n, x, s) AS (
      SELECT 1, count(*), sum(hashint8extended(xmin::text::int8, oid::int8)::numeric) FROM pg_catalog.pg_class
        WHERE relpersistence <> 't' AND relkind NOT IN ('t', 'i', 'I')
      UNION ALL SELECT 2, count(*), sum(hashint8extended(xmin::text::int8, oid::int8)::numeric) FROM pg_catalog.pg_proc
      UNION ALL SELECT 3, count(*), sum(hashint8extended(xmin::text::int8, oid::int8)::numeric) FROM pg_catalog.pg_type
      UNION ALL SELECT 4, count(*), sum(hashint8extended(xmin::text::int8, oid::int8)::numeric) FROM pg_catalog.pg_rewrite
      UNION ALL SELECT 5, count(*), sum(hashint8extended(xmin::text::int8, oid::int8)::numeric) FROM pg_catalog.pg_policy
      UNION ALL SELECT 6, count(*), sum(hashint8extended(xmin::text::int8, oid::int8)::numeric) FROM pg_catalog.pg_operator
      UNION ALL SELECT 7, count(*), sum(hashint8extended(xmin::text::int8, oid::int8)::numeric) FROM pg_catalog.pg_cast
      UNION ALL SELECT 8, count(*), sum(hashint8extended(xmin::text::int8, oid::int8)::numeric) FROM pg_catalog.pg_namespace
        WHERE nspname !~ '^pg_(toast_)?temp_'
      UNION ALL SELECT 9, count(*), sum(hashint8extended(xmin::text::int8, oid::int8)::numeric) FROM pg_catalog.pg_constraint
      UNION ALL SELECT 10, count(*), sum(hashint8extended(xmin::text::int8, oid::int8)::numeric) FROM pg_catalog.pg_extension
      UNION ALL SELECT 11, count(*), sum(hashint8extended(xmin::text::int8, inhrelid::int8)::numeric) FROM pg_catalog.pg_inherits
      UNION ALL SELECT 12, count(*), sum(hashint8extended(xmin::text::int8, attrelid::int8 * 2048 + attnum)::numeric)
        FROM pg_catalog.pg_attribute WHERE attrelid >= 16384 AND attnum > 0
      UNION ALL SELECT 13, count(*), sum(hashint8extended(xmin::text::int8, oid::int8)::numeric) FROM pg_catalog.pg_opclass
      UNION ALL SELECT 14, count(*), sum(hashint8extended(xmin::text::int8, aggfnoid::int8)::numeric) FROM pg_catalog.pg_aggregate
        WHERE aggfnoid >= 16384
      UNION ALL SELECT 15, count(*), sum(hashint8extended(xmin::text::int8, oid::int8)::numeric) FROM pg_catalog.pg_attrdef
      UNION ALL SELECT 16, count(*), sum(hashint8extended(xmin::text::int8, oid::int8)::numeric) FROM pg_catalog.pg_amproc
      UNION ALL SELECT 17, count(*), sum(hashint8extended(xmin::text::int8, indexrelid::int8)::numeric) FROM pg_catalog.pg_index
      UNION ALL SELECT 18, count(*), sum(hashint8extended(xmin::text::int8, oid::int8)::numeric) FROM pg_catalog.pg_statistic_ext
      UNION ALL SELECT 20, count(*), sum(hashint8extended(xmin::text::int8, oid::int8)::numeric) FROM pg_catalog.pg_amop
      UNION ALL SELECT 19, count(*), sum(hashint8extended(classid::int8, objid::int8)::numeric) FROM pg_catalog.pg_depend
        WHERE refclassid = 3079 AND deptype = 'e'
    )
    SELECT hashtextextended(string_agg(n || ' ' || x || ' ' || coalesce(s, 0), ',' ORDER BY n), 0) FROM v";

const CLASS: Oid = 1259;
const TYPE: Oid = 1247;
const PROC: Oid = 1255;
const CAST: Oid = 2605;

/// The expressions of domain constraints, by domain.
pub(super) async fn domain_checks(client: &Client) -> Result<HashMap<Oid, TreeUses>, LoadError> {
    let sql = "SELECT contypid, conbin::text FROM pg_catalog.pg_constraint \
        WHERE contypid <> 0 AND conbin IS NOT NULL";
    trees(client, sql, read_tree).await
}

pub(super) async fn types(
    client: &Client,
    owners: &mut Owners,
    version: u32,
    mut domains: HashMap<Oid, TreeUses>,
) -> Result<Vec<Type>, LoadError> {
    let subscript = if version >= 140_000 { "t.typsubscript::oid" } else { "0::oid" };
    let multirange = if version >= 140_000 { "r.rngmultitypid" } else { "0::oid" };
    // A range is made and compared by the operator class of its elements, which it names.
    let compares = "ARRAY(SELECT p.amproc::oid FROM pg_catalog.pg_opclass c JOIN pg_catalog.pg_amproc p \
        ON p.amprocfamily = c.opcfamily WHERE c.oid = r.rngsubopc AND p.amproc >= 16384)";
    // A true array is the `typarray` of its element; `name` and `point` have elements and are none.
    let sql = format!(
        "SELECT t.oid, t.typnamespace, t.typname::text, t.typtype, t.typcategory, t.typispreferred, t.typarray, \
            t.typrelid, CASE WHEN e.typarray = t.oid THEN t.typelem ELSE 0 END, t.typbasetype, \
            coalesce(r.rngsubtype, 0), coalesce(m.rngtypid, 0), \
            ARRAY[t.typinput::oid, t.typreceive::oid, t.typmodin::oid, r.rngcanonical::oid] || {compares}, \
            ARRAY[t.typoutput::oid, t.typsend::oid, t.typmodout::oid, {subscript}, r.rngcanonical::oid] || {compares}, \
            t.typelem \
         FROM pg_catalog.pg_type t \
         JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace AND n.nspname !~ '^pg_(toast_)?temp_' \
         LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem \
         LEFT JOIN pg_catalog.pg_range r ON r.rngtypid = t.oid \
         LEFT JOIN (SELECT rngtypid, {multirange} AS multi FROM pg_catalog.pg_range r) m \
            ON m.multi = t.oid AND m.multi <> 0 \
         ORDER BY t.oid"
    );
    let rows = client.query(&sql, &[]).await?;
    let mut types = Vec::with_capacity(rows.len());
    for row in &rows {
        types.push(type_row(row, owners, &mut domains)?);
    }
    inherit_origins(&mut types);
    Ok(types)
}

fn type_row(row: &Row, owners: &mut Owners, domains: &mut HashMap<Oid, TreeUses>) -> Result<Type, LoadError> {
    let oid: Oid = row.try_get(0)?;
    let element: Oid = row.try_get(8)?;
    let kind = match letter(row, 3)? {
        'b' if element != 0 => TypeKind::Array(element),
        'b' => TypeKind::Base,
        'c' => TypeKind::Composite(row.try_get(7)?),
        'd' => TypeKind::Domain { base: row.try_get(9)?, checks: domains.remove(&oid).unwrap_or_default() },
        'e' => TypeKind::Enum,
        'p' => TypeKind::Pseudo,
        'r' => TypeKind::Range(row.try_get(10)?),
        'm' => TypeKind::Multirange(row.try_get(11)?),
        other => return Err(LoadError::Strange(format!("a type of kind {other:?}"))),
    };
    Ok(Type {
        oid,
        schema: owners.schema(row, 1)?,
        name: owners.word(row.try_get(2)?),
        origin: owners.origin(TYPE, oid),
        kind,
        category: letter(row, 4)?,
        preferred: row.try_get(5)?,
        array: row.try_get(6)?,
        input: some(row.try_get(12)?),
        output: some(row.try_get(13)?),
    })
}

/// Arrays and multiranges are no members of an extension themselves: they belong where their element belongs.
fn inherit_origins(types: &mut [Type]) {
    let origins: HashMap<Oid, Origin> = types.iter().map(|kind| (kind.oid, kind.origin.clone())).collect();
    for kind in types {
        if let TypeKind::Array(of) | TypeKind::Multirange(of) = &kind.kind
            && let Some(origin) = origins.get(of)
        {
            kind.origin = origin.clone();
        }
    }
}

pub(super) async fn functions(client: &Client, owners: &mut Owners, version: u32) -> Result<Vec<Function>, LoadError> {
    let parsed = if version >= 140_000 { "p.prosqlbody IS NOT NULL" } else { "false" };
    let sql = format!(
        "SELECT p.oid, p.pronamespace, p.proname::text, p.prokind, p.provolatile, l.lanname::text, p.prosecdef, \
            p.proargtypes::oid[], p.pronargdefaults::int4, p.provariadic, p.prorettype, \
            ARRAY(SELECT t FROM unnest(p.proallargtypes, p.proargmodes) u(t, m) WHERE m IN ('o', 'b', 't')), \
            ARRAY[a.aggtransfn::oid, a.aggfinalfn::oid, a.aggcombinefn::oid, a.aggserialfn::oid, a.aggdeserialfn::oid, \
                a.aggmtransfn::oid, a.aggminvtransfn::oid, a.aggmfinalfn::oid]::oid[], \
            ARRAY[a.aggtranstype, a.aggmtranstype]::oid[], \
            CASE WHEN l.lanname NOT IN ('c', 'internal') AND NOT {parsed} \
                AND NOT EXISTS (SELECT FROM unnest(p.proconfig) c WHERE c LIKE 'search_path=%') THEN p.prosrc END \
         FROM pg_catalog.pg_proc p \
         JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace AND n.nspname !~ '^pg_(toast_)?temp_' \
         JOIN pg_catalog.pg_language l ON l.oid = p.prolang \
         LEFT JOIN pg_catalog.pg_aggregate a ON a.aggfnoid = p.oid \
         ORDER BY p.oid"
    );
    let rows = client.query(&sql, &[]).await?;
    rows.iter().map(|row| function_row(row, owners)).collect()
}

fn function_row(row: &Row, owners: &mut Owners) -> Result<Function, LoadError> {
    let oid: Oid = row.try_get(0)?;
    let variadic: Oid = row.try_get(9)?;
    let origin = owners.origin(PROC, oid);
    // What the user's own call is the policy's to believe.
    let body = row.try_get::<_, Option<&str>>(14)?.filter(|_| origin != Origin::User);
    Ok(Function {
        oid,
        schema: owners.schema(row, 1)?,
        name: owners.word(row.try_get(2)?),
        origin,
        kind: match letter(row, 3)? {
            'f' => FunctionKind::Function,
            'a' => FunctionKind::Aggregate,
            'w' => FunctionKind::Window,
            'p' => FunctionKind::Procedure,
            other => return Err(LoadError::Strange(format!("a function of kind {other:?}"))),
        },
        volatility: match letter(row, 4)? {
            'i' => Volatility::Immutable,
            's' => Volatility::Stable,
            // Anything unknown counts as the worst.
            _ => Volatility::Volatile,
        },
        language: owners.word(row.try_get(5)?),
        security_definer: row.try_get(6)?,
        arguments: row.try_get::<_, Vec<Oid>>(7)?.into(),
        defaults: usize::try_from(row.try_get::<_, i32>(8)?).unwrap_or_default(),
        variadic: (variadic != 0).then_some(variadic),
        returns: row.try_get(10)?,
        columns: row.try_get::<_, Vec<Oid>>(11)?.into(),
        parts: some(row.try_get(12)?),
        states: some(row.try_get(13)?),
        words: body.map(body::words).unwrap_or_default().iter().map(|word| owners.word(word)).collect(),
    })
}

pub(super) async fn casts(client: &Client, owners: &Owners) -> Result<Vec<Cast>, LoadError> {
    let sql = "SELECT oid, castsource, casttarget, castfunc, castcontext FROM pg_catalog.pg_cast ORDER BY oid";
    let mut casts = Vec::new();
    for row in client.query(sql, &[]).await? {
        casts.push(Cast {
            origin: owners.origin(CAST, row.try_get(0)?),
            source: row.try_get(1)?,
            target: row.try_get(2)?,
            function: row.try_get(3)?,
            context: match letter(&row, 4)? {
                'e' => CastContext::Explicit,
                'a' => CastContext::Assignment,
                // Anything unknown counts as the one that applies most often.
                _ => CastContext::Implicit,
            },
        });
    }
    Ok(casts)
}

pub(super) async fn relations(client: &Client, owners: &mut Owners, version: u32) -> Result<Vec<Relation>, LoadError> {
    let sql = "SELECT c.oid, c.relnamespace, c.relname::text, c.relkind, c.reltype, c.relrowsecurity \
         FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname !~ '^pg_(toast_)?temp_' \
         WHERE c.relpersistence <> 't' ORDER BY c.oid";
    let mut columns = columns(client).await?;
    let (mut children, mut parents) = inheritance(client).await?;
    let mut views = trees(client, VIEWS, read_tree).await?;
    let (mut implied, mut searches) = implied(client, version).await?;
    let mut relations = Vec::new();
    for row in client.query(sql, &[]).await? {
        let oid: Oid = row.try_get(0)?;
        let kind = relation_kind(letter(&row, 3)?)?;
        relations.push(Relation {
            oid,
            schema: owners.schema(&row, 1)?,
            name: owners.word(row.try_get(2)?),
            origin: owners.origin(CLASS, oid),
            kind,
            row_type: row.try_get(4)?,
            columns: columns.remove(&oid).unwrap_or_default().into(),
            children: children.remove(&oid).unwrap_or_default().into(),
            parents: parents.remove(&oid).unwrap_or_default().into(),
            row_security: row.try_get(5)?,
            view: views.remove(&oid).filter(|_| kind == RelationKind::View).map(|uses| Box::new(beyond(uses, oid))),
            implied: implied.remove(&oid).filter(|uses| !uses.is_empty()).map(Box::new),
            searches: searches.remove(&oid).unwrap_or_default().into(),
        });
    }
    Ok(relations)
}

const VIEWS: &str = "SELECT ev_class, ev_action::text FROM pg_catalog.pg_rewrite WHERE ev_type = '1' AND is_instead";

fn relation_kind(letter: char) -> Result<RelationKind, LoadError> {
    Ok(match letter {
        'r' => RelationKind::Table,
        'p' => RelationKind::Partitioned,
        'v' => RelationKind::View,
        'm' => RelationKind::MaterializedView,
        'f' => RelationKind::Foreign,
        'S' => RelationKind::Sequence,
        't' => RelationKind::Toast,
        'i' | 'I' => RelationKind::Index,
        'c' => RelationKind::Composite,
        other => return Err(LoadError::Strange(format!("a relation of kind {other:?}"))),
    })
}

async fn columns(client: &Client) -> Result<HashMap<Oid, Vec<Column>>, LoadError> {
    let sql = "SELECT a.attrelid, a.attname::text, a.atttypid FROM pg_catalog.pg_attribute a \
         JOIN pg_catalog.pg_class c ON c.oid = a.attrelid AND c.relkind NOT IN ('i', 'I', 't') \
         WHERE a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum";
    let mut columns: HashMap<Oid, Vec<Column>> = HashMap::new();
    for row in client.query(sql, &[]).await? {
        let column = Column { name: row.try_get::<_, &str>(1)?.into(), type_oid: row.try_get(2)? };
        columns.entry(row.try_get(0)?).or_default().push(column);
    }
    Ok(columns)
}

type Links = HashMap<Oid, Vec<Oid>>;

async fn inheritance(client: &Client) -> Result<(Links, Links), LoadError> {
    let sql = "SELECT inhparent, inhrelid FROM pg_catalog.pg_inherits ORDER BY 1, 2";
    let (mut children, mut parents) = (Links::new(), Links::new());
    for row in client.query(sql, &[]).await? {
        let (parent, child): (Oid, Oid) = (row.try_get(0)?, row.try_get(1)?);
        children.entry(parent).or_default().push(child);
        parents.entry(child).or_default().push(parent);
    }
    Ok((children, parents))
}

/// Before version 16 a view's definition names the view itself, as OLD and NEW.
fn beyond(mut uses: TreeUses, view: Oid) -> TreeUses {
    uses.relations.retain(|oid| *oid != view);
    uses
}

/// Null and zero mean none.
fn some(oids: Vec<Option<Oid>>) -> Box<[Oid]> {
    present(oids.into_iter().flatten().collect())
}

/// Zero means none.
fn present(oids: Vec<Oid>) -> Box<[Oid]> {
    oids.into_iter().filter(|oid| *oid != 0).collect()
}

/// A `"char"` column.
fn letter(row: &Row, column: usize) -> Result<char, LoadError> {
    Ok(char::from(row.try_get::<_, i8>(column)?.unsigned_abs()))
}
