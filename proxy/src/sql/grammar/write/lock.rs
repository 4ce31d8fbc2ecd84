//! FOR UPDATE and its weaker forms: for the insight store alone.

use pg_query::NodeEnum;
use pg_query::protobuf::{LockClauseStrength, LockingClause, Node};

use crate::sql::access::Access;
use crate::sql::denial::Denial;
use crate::sql::grammar::refusal;
use crate::sql::grammar::walk::{Walk, inner, unexpected};

impl<'t> Walk<'t> {
    /// FOR UPDATE and its weaker forms.
    pub(in crate::sql::grammar) fn row_lock(&mut self, clause: &'t Node) -> Result<(), Denial> {
        if self.access == Access::Read {
            return Err(locking(clause));
        }
        let NodeEnum::LockingClause(LockingClause { locked_rels, strength: _, wait_policy: _ }) = inner(clause)? else {
            return Err(unexpected(inner(clause)?));
        };
        // Names of FROM items: what they are is recorded there.
        for named in locked_rels {
            let NodeEnum::RangeVar(_) = inner(named)? else { return Err(unexpected(inner(named)?)) };
        }
        self.uses.locks = true;
        Ok(())
    }
}

fn locking(node: &Node) -> Denial {
    let clause = if let Some(NodeEnum::LockingClause(clause)) = &node.node { Some(clause) } else { None };
    let strength = clause.map_or(0, |LockingClause { locked_rels: _, strength, wait_policy: _ }| *strength);
    let tag = match LockClauseStrength::try_from(strength) {
        Ok(LockClauseStrength::LcsForkeyshare) => "SELECT FOR KEY SHARE",
        Ok(LockClauseStrength::LcsForshare) => "SELECT FOR SHARE",
        Ok(LockClauseStrength::LcsFornokeyupdate) => "SELECT FOR NO KEY UPDATE",
        Ok(LockClauseStrength::LcsForupdate) => "SELECT FOR UPDATE",
        Ok(LockClauseStrength::Undefined | LockClauseStrength::LcsNone) | Err(_) => "SELECT with a locking clause",
    };
    refusal::lock(tag)
}
