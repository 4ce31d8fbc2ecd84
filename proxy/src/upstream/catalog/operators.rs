//! Operators, and what runs beside them without standing in any text: negators and commutators that the planner puts in
//! their place, and the functions of operator classes and families.

use tokio_postgres::Client;

use super::{LoadError, Owners};
use crate::catalog::{Oid, Operator, OperatorClass};

const OPERATOR: Oid = 2617;

/// Functions of the user's own: not PostgreSQL's, and of no extension, whose operators and their kin come together.
const OWN: &str = "f >= 16384 AND f NOT IN (SELECT objid FROM pg_catalog.pg_depend \
    WHERE classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND deptype = 'e')";

/// Members of operator families: the family, both types, the function, and whether it can be `in_range`, which only the
/// bounds of a window frame call.
const MEMBERS: &str = "SELECT amprocfamily AS family, amproclefttype AS l, amprocrighttype AS r, amproc::oid AS f, \
            amprocnum = 3 AS framing FROM pg_catalog.pg_amproc \
     UNION SELECT amopfamily, amoplefttype, amoprighttype, o.oprcode::oid, false \
        FROM pg_catalog.pg_amop a JOIN pg_catalog.pg_operator o ON o.oid = a.amopopr";

pub(super) async fn operators(client: &Client, owners: &mut Owners) -> Result<Vec<Operator>, LoadError> {
    // NOT (a = b) is planned as the negator, and the negator's commutator is one step further. What belongs to a family
    // runs for sorting, hashing and merging by an operator of it; for PostgreSQL's own, its own families come first.
    let sql = format!(
        "WITH kin(oid, kin) AS ( \
            SELECT o.oid, k FROM pg_catalog.pg_operator o, unnest(ARRAY[o.oid, o.oprnegate, o.oprcom]) k WHERE k <> 0 \
            UNION SELECT o.oid, k FROM pg_catalog.pg_operator o \
                JOIN pg_catalog.pg_operator n ON n.oid IN (o.oprnegate, o.oprcom), unnest(ARRAY[n.oprnegate, n.oprcom]) k \
                WHERE k <> 0), \
         linked(oid, f) AS ( \
            SELECT k.oid, p.oprcode::oid FROM kin k JOIN pg_catalog.pg_operator p ON p.oid = k.kin AND p.oid >= 16384 \
            UNION SELECT k.oid, m.f FROM kin k JOIN pg_catalog.pg_amop a ON a.amopopr = k.kin AND k.kin >= 16384 \
                JOIN ({MEMBERS}) m ON m.family = a.amopfamily) \
         SELECT o.oid, o.oprnamespace, o.oprname::text, o.oprleft, o.oprright, o.oprresult, o.oprcode::oid, \
            coalesce(x.fs, '{{}}') \
         FROM pg_catalog.pg_operator o \
         JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace AND n.nspname !~ '^pg_(toast_)?temp_' \
         LEFT JOIN (SELECT oid, array_agg(f ORDER BY f) AS fs FROM linked WHERE {OWN} GROUP BY oid) x ON x.oid = o.oid \
         ORDER BY o.oid"
    );
    let mut operators = Vec::new();
    for row in client.query(&sql, &[]).await? {
        let oid: Oid = row.try_get(0)?;
        operators.push(Operator {
            oid,
            schema: owners.schema(&row, 1)?,
            name: owners.word(row.try_get(2)?),
            origin: owners.origin(OPERATOR, oid),
            left: row.try_get(3)?,
            right: row.try_get(4)?,
            result: row.try_get(5)?,
            function: row.try_get(6)?,
            linked: row.try_get::<_, Vec<Oid>>(7)?.into(),
        });
    }
    Ok(operators)
}

/// Functions of the default operator classes that did not come with PostgreSQL, and of what was added to the families
/// that did.
pub(super) async fn operator_classes(client: &Client) -> Result<Vec<OperatorClass>, LoadError> {
    let sql = format!(
        "SELECT c.opcintype, 0::oid, false, array_agg(DISTINCT m.f ORDER BY m.f) \
         FROM pg_catalog.pg_opclass c JOIN ({MEMBERS}) m ON m.family = c.opcfamily \
         WHERE c.oid >= 16384 AND c.opcdefault AND {OWN} GROUP BY c.oid, c.opcintype \
         UNION ALL SELECT m.l, m.r, m.framing AND b.opfmethod = 403, array_agg(DISTINCT m.f ORDER BY m.f) \
         FROM ({MEMBERS}) m JOIN pg_catalog.pg_opfamily b ON b.oid = m.family \
         WHERE EXISTS (SELECT FROM pg_catalog.pg_opclass c WHERE c.opcfamily = m.family AND c.oid < 16384) AND {OWN} \
         GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    );
    let mut classes = Vec::new();
    for row in client.query(&sql, &[]).await? {
        classes.push(OperatorClass {
            input: row.try_get(0)?,
            other: row.try_get(1)?,
            framing: row.try_get(2)?,
            functions: row.try_get::<_, Vec<Oid>>(3)?.into(),
        });
    }
    Ok(classes)
}
