//! The proof that a statement was reviewed.

use crate::catalog::{Oid, Volatility};
use crate::sql::{Access, Kind, Statement, Uses};

use super::case::{Case, Findings};
use super::steady::Unsteady;

/// A statement that may go upstream. Only [`super::review`] can make one.
#[derive(Debug, Clone)]
pub struct Permitted {
    statement: Statement,
    access: Access,
    findings: Findings,
    policy_version: u64,
    catalog_version: u64,
}

impl Permitted {
    pub(super) fn new(case: Case<'_>) -> Self {
        let Statement { kind, span, uses } = case.statement;
        Self {
            statement: Statement { kind: kind.clone(), span: span.clone(), uses: remembered(uses) },
            access: case.scope.access,
            findings: case.findings,
            policy_version: case.policy.version(),
            catalog_version: case.catalog.version(),
        }
    }

    /// The statement as the readers saw it; of what it uses, the relations, functions, operators, writes, assignments and
    /// parameters alone.
    #[must_use]
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// The kind of route that it may run on: upstream connections of the other kind do not take it.
    #[must_use]
    pub fn access(&self) -> Access {
        self.access
    }

    /// It reads and does nothing else: not even a lock is left behind.
    #[must_use]
    pub fn only_reads(&self) -> bool {
        self.statement.uses.writes.is_empty() && !self.statement.uses.locks
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> &Kind {
        &self.statement.kind
    }

    /// Relations it names, qualified where the catalog knows them; for receipts and reports.
    #[must_use]
    pub fn relations(&self) -> &[String] {
        &self.findings.relations
    }

    /// Every relation that it reads, views and partitions resolved.
    #[must_use]
    pub fn relation_oids(&self) -> &[Oid] {
        &self.findings.relation_oids
    }

    /// Functions it calls by name, qualified.
    #[must_use]
    pub fn functions(&self) -> &[String] {
        &self.findings.functions
    }

    /// The worst volatility of anything that it calls, views included. Session values (`current_user`, `now()`) are stable.
    #[must_use]
    pub fn volatility(&self) -> Volatility {
        self.findings.volatility
    }

    /// The relations that it reads, views among them, where the same question has the same answer until these or the
    /// definitions change; otherwise why not. Says nothing of kinds of statement that are no reads.
    ///
    /// # Errors
    /// What makes the answer unsteady.
    pub fn steady(&self) -> Result<&[Oid], &Unsteady> {
        match &self.findings.unsteady {
            None => Ok(&self.findings.relation_oids),
            Some(unsteady) => Err(unsteady),
        }
    }

    /// Row security is on for something that it reads: the answer depends on role and settings.
    #[must_use]
    pub fn row_security(&self) -> bool {
        self.findings.row_security
    }

    /// It reads a foreign table: its data change where nobody here sees it.
    #[must_use]
    pub fn reads_foreign(&self) -> bool {
        self.findings.foreign
    }

    /// It reads PostgreSQL's own catalogs or statistics views.
    #[must_use]
    pub fn reads_system(&self) -> bool {
        self.findings.system
    }

    /// The verdict hangs on the types of literals: of a small number and a large one, say.
    #[must_use]
    pub fn hangs_on_types(&self) -> bool {
        self.findings.hangs_on_types
    }

    /// It assigns bound values to settings, by `set_config`, and they are permitted only where the same statement with
    /// these values in its text is.
    #[must_use]
    pub fn reviews_values(&self) -> bool {
        self.findings.by_value
    }

    /// It seeds the random numbers of the session: nobody else may meet them there.
    #[must_use]
    pub fn seeds(&self) -> bool {
        self.findings.seeds
    }

    /// About how many bytes it takes, for what is bounded by them.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let Uses { relations, functions, operators, writes, assignments, .. } = &self.statement.uses;
        let lists = size_of_val(relations.as_slice())
            + size_of_val(functions.as_slice())
            + size_of_val(operators.as_slice())
            + size_of_val(writes.as_slice())
            + size_of_val(assignments.as_slice())
            + size_of_val(self.findings.relation_oids.as_slice());
        // A name once as it was written, with its own share of the heap, and once as it was found.
        let names = relations.len() + functions.len() + operators.len() + self.findings.relations.len();
        let found = self.findings.relations.iter().chain(&self.findings.functions).map(|name| NAME_BYTES + name.len());
        size_of::<Self>() + lists + names * NAME_BYTES + found.sum::<usize>()
    }

    /// It tells which statements are prepared on its connection: those of others must not be there.
    #[must_use]
    pub fn sees_statements(&self) -> bool {
        self.findings.sees_statements
    }

    /// Version of the policy that permitted it.
    #[must_use]
    pub fn policy_version(&self) -> u64 {
        self.policy_version
    }

    /// Version of the catalog that it was resolved against.
    #[must_use]
    pub fn catalog_version(&self) -> u64 {
        self.catalog_version
    }
}

/// What a name takes beside its letters: its place in a list, and the least that an allocator gives.
const NAME_BYTES: usize = size_of::<String>() + 16;

/// Of what a statement uses, that which somebody asks for after its review. Verdicts are remembered by the ten thousand.
fn remembered(uses: &Uses) -> Uses {
    Uses {
        relations: uses.relations.clone(),
        writes: uses.writes.clone(),
        locks: uses.locks,
        functions: uses.functions.clone(),
        operators: uses.operators.clone(),
        assignments: uses.assignments.clone(),
        parameter_max: uses.parameter_max,
        parameter_position: uses.parameter_position,
        ..Uses::default()
    }
}
