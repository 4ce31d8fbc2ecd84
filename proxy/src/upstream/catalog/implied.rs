//! What reading a relation implies: stored expressions that run, or are folded, and what its indexes call.

use std::collections::{BTreeMap, HashMap, HashSet};

use tokio_postgres::Client;

use super::LoadError;
use crate::catalog::{Oid, Search, TreeUses, UnreadableTree, read_constants, read_tree};

type Implied = HashMap<Oid, TreeUses>;
type Searches = HashMap<Oid, Vec<Search>>;

/// By relation: what runs when it is read, or planned to be read, without standing in the text; and what a search in one
/// of its indexes runs.
pub(super) async fn implied(client: &Client, version: u32) -> Result<(Implied, Searches), LoadError> {
    let mut implied = trees(client, POLICIES, read_tree).await?;
    let mut sources: Vec<(&str, ReadTree)> = vec![(FOLDED, read_constants)];
    if version >= 140_000 {
        sources.push((FOLDED_STATISTICS, read_constants));
    }
    if version >= 180_000 {
        sources.push((VIRTUAL_COLUMNS, read_tree));
    }
    for (sql, read) in sources {
        for (relation, uses) in trees(client, sql, read).await? {
            implied.entry(relation).or_default().absorb(uses);
        }
    }
    proved(client, &mut implied).await?;
    // In order: a snapshot is told from another by its hash.
    let mut by_index: BTreeMap<(Oid, Oid), (Vec<String>, Vec<Oid>)> = BTreeMap::new();
    for row in client.query(INDEX_SUPPORT, &[]).await? {
        let (relation, index, function): (Oid, Oid, Oid) = (row.try_get(0)?, row.try_get(1)?, row.try_get(3)?);
        if row.try_get(4)? {
            let columns = row.try_get(2)?;
            by_index.entry((relation, index)).or_insert_with(|| (columns, Vec::new())).1.push(function);
        } else {
            implied.entry(relation).or_default().functions.push(function);
        }
    }
    let mut searches = Searches::new();
    for ((relation, _), (columns, functions)) in by_index {
        let columns = columns.into_iter().map(String::into_boxed_str).collect();
        searches.entry(relation).or_default().push(Search { columns, functions: functions.into() });
    }
    Ok((implied, searches))
}

/// Planning proves a condition by a predicate or a CHECK, or against it: it computes with the constants of both, by
/// operators of the family that the stored operator belongs to.
async fn proved(client: &Client, implied: &mut Implied) -> Result<(), LoadError> {
    let sql = "SELECT DISTINCT amopopr FROM pg_catalog.pg_amop WHERE amopopr >= 16384";
    let rows = client.query(sql, &[]).await?;
    let of_families: HashSet<Oid> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    if of_families.is_empty() {
        return Ok(());
    }
    for (relation, uses) in trees(client, PREDICATES, read_tree).await? {
        let operators = uses.operators.into_iter().filter(|oid| of_families.contains(oid)).collect::<Vec<_>>();
        if !operators.is_empty() {
            implied.entry(relation).or_default().absorb(TreeUses { operators, ..TreeUses::default() });
        }
    }
    Ok(())
}

const PREDICATES: &str = "SELECT indrelid, indpred::text FROM pg_catalog.pg_index WHERE indpred IS NOT NULL \
     UNION ALL SELECT conrelid, conbin::text FROM pg_catalog.pg_constraint \
        WHERE conrelid >= 16384 AND contype = 'c' AND conbin IS NOT NULL";

/// Constants in index expressions and predicates, CHECK constraints and partition keys.
const FOLDED: &str = "SELECT indrelid, t FROM pg_catalog.pg_index, \
        LATERAL (VALUES (indexprs::text), (indpred::text)) v(t) WHERE t IS NOT NULL AND indrelid >= 16384 \
     UNION ALL SELECT conrelid, conbin::text FROM pg_catalog.pg_constraint \
        WHERE conrelid >= 16384 AND contype = 'c' AND conbin IS NOT NULL \
     UNION ALL SELECT partrelid, partexprs::text FROM pg_catalog.pg_partitioned_table WHERE partexprs IS NOT NULL";

/// Functions of operator classes of the user's own, under indexes and partition keys, by their operators too; those of an
/// extension are reviewed with it. A key is that of its partitions as well, whose bounds are read with them.
///
/// The last column says whether a function runs on a search alone. So it is in B-tree and hash indexes, whose own code
/// calls them for a condition on one of the columns and for nothing else; a read from one end to the other (an index-only
/// scan, a sorted path) compares nothing. It is not so
/// - of options (the last support function of the two), which run whenever the index is opened, if only to plan;
/// - of SP-GiST, whose planning asks the operator class, of GiST and BRIN, which ask that of each column on any read, and
///   of other methods, which are not looked into;
/// - of expressions and predicates, and beside virtual columns, where a condition on another column than those of the
///   index leads to it;
/// - of partition keys: their bounds are sorted when the table is opened.
const INDEX_SUPPORT: &str = "WITH RECURSIVE keys(relid, class) AS ( \
        SELECT partrelid, c FROM pg_catalog.pg_partitioned_table, unnest(partclass::oid[]) c WHERE c >= 16384 \
        UNION SELECT i.inhrelid, k.class FROM keys k JOIN pg_catalog.pg_inherits i ON i.inhparent = k.relid) \
    SELECT DISTINCT k.relid, k.source, k.columns, p.f, \
        k.searched AND p.number <> CASE k.method WHEN 403 THEN 5 ELSE 3 END FROM ( \
        SELECT i.indrelid AS relid, i.indexrelid AS source, x.relam AS method, unnest(i.indclass::oid[]) AS class, \
            ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a \
                WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey::int2[]) ORDER BY a.attnum) AS columns, \
            x.relam IN (403, 405) AND i.indexprs IS NULL AND i.indpred IS NULL AND NOT EXISTS ( \
                SELECT FROM pg_catalog.pg_attribute v WHERE v.attrelid = i.indrelid AND v.attgenerated = 'v') AS searched \
            FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid \
        UNION ALL SELECT relid, 0, 0, class, '{}', false FROM keys) k \
     JOIN pg_catalog.pg_opclass c ON c.oid = k.class AND c.oid >= 16384 \
     JOIN (SELECT amprocfamily AS family, amproc::oid AS f, amprocnum AS number FROM pg_catalog.pg_amproc \
        UNION SELECT amopfamily, o.oprcode::oid, 0 FROM pg_catalog.pg_amop a \
            JOIN pg_catalog.pg_operator o ON o.oid = a.amopopr) p ON p.family = c.opcfamily AND p.f >= 16384 \
     WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass \
        AND d.objid = p.f AND d.deptype = 'e') ORDER BY 1, 2, 4";

const FOLDED_STATISTICS: &str =
    "SELECT stxrelid, stxexprs::text FROM pg_catalog.pg_statistic_ext WHERE stxexprs IS NOT NULL";

/// Policies for SELECT and for ALL, of tables where row security is on.
const POLICIES: &str = "SELECT p.polrelid, p.polqual::text FROM pg_catalog.pg_policy p \
     JOIN pg_catalog.pg_class c ON c.oid = p.polrelid AND c.relrowsecurity \
     WHERE p.polcmd IN ('r', '*') AND p.polqual IS NOT NULL";

const VIRTUAL_COLUMNS: &str = "SELECT d.adrelid, d.adbin::text FROM pg_catalog.pg_attrdef d \
     JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum WHERE a.attgenerated = 'v'";

pub(super) type ReadTree = fn(&str) -> Result<TreeUses, UnreadableTree>;

/// Stored expressions by the object they belong to; one that cannot be read marks its object.
pub(super) async fn trees(client: &Client, sql: &str, read: ReadTree) -> Result<HashMap<Oid, TreeUses>, LoadError> {
    let mut trees: HashMap<Oid, TreeUses> = HashMap::new();
    for row in client.query(sql, &[]).await? {
        let uses = match read(row.try_get(1)?) {
            Ok(uses) => uses,
            Err(_) => TreeUses { unreadable: true, ..TreeUses::default() },
        };
        trees.entry(row.try_get(0)?).or_default().absorb(uses);
    }
    Ok(trees)
}
