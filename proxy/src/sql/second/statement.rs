//! The statement's kind, and the way into its query.

use sqlparser::ast::{CopySource, CopyTarget, Declare, Set, Statement};

use super::query::Survey;
use super::{Coarse, Finding};
use crate::sql::statement::Modification;

/// Statements with a query inside, or values.
macro_rules! with_query {
    () => {
        Statement::Query(_)
            | Statement::Explain { .. }
            | Statement::Prepare { .. }
            | Statement::Execute { .. }
            | Statement::Copy { .. }
            | Statement::Declare { .. }
            | Statement::Set(_)
    };
}

/// Statements about the session.
macro_rules! session {
    () => {
        Statement::StartTransaction { .. }
            | Statement::Commit { .. }
            | Statement::Rollback { .. }
            | Statement::Savepoint { .. }
            | Statement::ReleaseSavepoint { .. }
            | Statement::Close { .. }
            | Statement::Fetch { .. }
            | Statement::Discard { .. }
            | Statement::Deallocate { .. }
            | Statement::UNLISTEN { .. }
            | Statement::Reset(_)
    };
}

/// Statements that write rows.
macro_rules! writes {
    () => {
        Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_)
    };
}

/// SHOW in all its forms, which is one kind to PostgreSQL.
macro_rules! shows {
    () => {
        Statement::ShowFunctions { .. }
            | Statement::ShowVariable { .. }
            | Statement::ShowStatus { .. }
            | Statement::ShowVariables { .. }
            | Statement::ShowCreate { .. }
            | Statement::ShowColumns { .. }
            | Statement::ShowCatalogs { .. }
            | Statement::ShowDatabases { .. }
            | Statement::ShowProcessList { .. }
            | Statement::ShowSchemas { .. }
            | Statement::ShowCharset(_)
            | Statement::ShowObjects(_)
            | Statement::ShowTables { .. }
            | Statement::ShowViews { .. }
            | Statement::ShowCollation { .. }
    };
}

/// Statements that are no reads.
macro_rules! no_reads {
    () => {
        Statement::Analyze(_)
            | Statement::Truncate(_)
            | Statement::Msck(_)
            | Statement::Install { .. }
            | Statement::Load { .. }
            | Statement::Directory { .. }
            | Statement::Case(_)
            | Statement::If(_)
            | Statement::While(_)
            | Statement::Raise(_)
            | Statement::Call(_)
            | Statement::CopyIntoSnowflake { .. }
            | Statement::Open(_)
            | Statement::CreateView(_)
            | Statement::CreateTable(_)
            | Statement::CreateVirtualTable { .. }
            | Statement::CreateIndex(_)
            | Statement::CreateRole(_)
            | Statement::CreateSecret { .. }
            | Statement::CreateServer(_)
            | Statement::CreatePolicy(_)
            | Statement::CreateConnector(_)
            | Statement::CreateOperator(_)
            | Statement::CreateOperatorFamily(_)
            | Statement::CreateOperatorClass(_)
            | Statement::CreateTextSearch(_)
            | Statement::AlterTable(_)
            | Statement::AlterSchema(_)
            | Statement::AlterIndex { .. }
            | Statement::AlterView { .. }
            | Statement::AlterFunction(_)
            | Statement::AlterType(_)
            | Statement::AlterCollation(_)
            | Statement::AlterOperator(_)
            | Statement::AlterOperatorFamily(_)
            | Statement::AlterOperatorClass(_)
            | Statement::AlterTextSearch(_)
            | Statement::AlterRole { .. }
            | Statement::AlterPolicy(_)
            | Statement::AlterConnector { .. }
            | Statement::AlterSession { .. }
            | Statement::AttachDatabase { .. }
            | Statement::AttachDuckDBDatabase { .. }
            | Statement::DetachDuckDBDatabase { .. }
            | Statement::Drop { .. }
            | Statement::DropFunction(_)
            | Statement::DropDomain(_)
            | Statement::DropProcedure { .. }
            | Statement::DropSecret { .. }
            | Statement::DropPolicy(_)
            | Statement::DropConnector { .. }
            | Statement::CreateExtension(_)
            | Statement::CreateCollation(_)
            | Statement::DropExtension(_)
            | Statement::DropOperator(_)
            | Statement::DropOperatorFamily(_)
            | Statement::DropOperatorClass(_)
            | Statement::Flush { .. }
            | Statement::Use(_)
            | Statement::Comment { .. }
            | Statement::CreateSchema { .. }
            | Statement::CreateDatabase { .. }
            | Statement::CreateFunction(_)
            | Statement::CreateTrigger(_)
            | Statement::DropTrigger(_)
            | Statement::CreateProcedure { .. }
            | Statement::CreateMacro { .. }
            | Statement::CreateStage { .. }
            | Statement::CreateFileFormat { .. }
            | Statement::CreateWarehouse(_)
            | Statement::Assert { .. }
            | Statement::Grant(_)
            | Statement::Deny(_)
            | Statement::Revoke(_)
            | Statement::Kill { .. }
            | Statement::ExplainTable { .. }
            | Statement::Merge(_)
            | Statement::Cache { .. }
            | Statement::UNCache { .. }
            | Statement::CreateSequence { .. }
            | Statement::CreateDomain(_)
            | Statement::CreateType { .. }
            | Statement::Pragma { .. }
            | Statement::Lock(_)
            | Statement::LockTables { .. }
            | Statement::UnlockTables
            | Statement::Unload { .. }
            | Statement::OptimizeTable { .. }
            | Statement::LISTEN { .. }
            | Statement::NOTIFY { .. }
            | Statement::LoadData { .. }
            | Statement::RenameTable(_)
            | Statement::List(_)
            | Statement::Put { .. }
            | Statement::Remove(_)
            | Statement::RaisError { .. }
            | Statement::Throw(_)
            | Statement::Print(_)
            | Statement::WaitFor(_)
            | Statement::Return(_)
            | Statement::ExportData(_)
            | Statement::CreateUser(_)
            | Statement::AlterUser(_)
            | Statement::Vacuum(_)
    };
}

/// What one statement is and names.
pub(super) fn survey(statement: &Statement) -> Finding {
    let mut survey = Survey::default();
    let kind = survey.statement(statement);
    survey.finish(kind)
}

impl Survey {
    fn statement(&mut self, statement: &Statement) -> Coarse {
        match statement {
            Statement::Query(query) => {
                self.query(query);
                super::write::kind_of_query(query)
            }
            writes!() => self.modification(statement),
            Statement::Explain {
                describe_alias: _,
                analyze: _,
                verbose: _,
                query_plan: _,
                estimate: _,
                statement,
                format: _,
                options: _,
            } => {
                if self.statement(statement) == Coarse::Other {
                    Coarse::Other
                } else {
                    Coarse::Explain
                }
            }
            Statement::Prepare { name: _, data_types: _, statement } => {
                let inner = self.statement(statement);
                if matches!(inner, Coarse::Select | Coarse::Modify(_)) { Coarse::Prepare } else { Coarse::Other }
            }
            Statement::Execute {
                name: _,
                parameters,
                has_parentheses: _,
                immediate: _,
                into: _,
                using,
                output: _,
                default: _,
            } => {
                self.exprs(parameters);
                using.iter().for_each(|argument| self.expr(&argument.expr));
                Coarse::Execute
            }
            Statement::Copy { source, to, target, options: _, legacy_options: _, values: _ } => {
                self.copy(source, *to, target)
            }
            Statement::Declare { stmts } => self.declare(stmts),
            Statement::Set(set) => set_kind(set),
            session!() => self.session(statement),
            shows!() => Coarse::Show,
            no_reads!() => Coarse::Other,
        }
    }

    fn copy(&mut self, source: &CopySource, to: bool, target: &CopyTarget) -> Coarse {
        let from_client = !to && *target == CopyTarget::Stdin;
        match source {
            CopySource::Table { table_name, columns: _ } if from_client => {
                self.written(Modification::Insert, table_name);
            }
            CopySource::Table { table_name, columns: _ } => self.relation(table_name),
            CopySource::Query(query) => self.query(query),
        }
        match target {
            CopyTarget::Stdout | CopyTarget::Stdin if to => Coarse::Copy,
            CopyTarget::Stdin => Coarse::CopyFrom,
            CopyTarget::Stdout => Coarse::Other,
            CopyTarget::File { filename: _ } | CopyTarget::Program { command: _ } => Coarse::Other,
        }
    }

    fn declare(&mut self, declared: &[Declare]) -> Coarse {
        for cursor in declared {
            let Declare {
                names: _,
                data_type: _,
                assignment,
                declare_type: _,
                binary: _,
                sensitive: _,
                scroll: _,
                hold: _,
                for_query,
            } = cursor;
            if assignment.is_some() {
                self.foreign("a declared variable");
            }
            for_query.iter().for_each(|query| self.query(query));
        }
        Coarse::DeclareCursor
    }

    fn session(&mut self, statement: &Statement) -> Coarse {
        match statement {
            Statement::StartTransaction {
                modes: _,
                begin: _,
                transaction: _,
                modifier,
                statements,
                exception,
                has_end_keyword: _,
            } => {
                if modifier.is_some() || !statements.is_empty() || exception.is_some() {
                    self.foreign("a block of statements");
                }
                Coarse::Begin
            }
            Statement::Commit { chain: _, end: _, modifier: _ } => Coarse::Commit,
            Statement::Rollback { chain: _, savepoint: None } => Coarse::Rollback,
            Statement::Rollback { chain: _, savepoint: Some(_) } => Coarse::RollbackTo,
            Statement::Savepoint { name: _ } => Coarse::Savepoint,
            Statement::ReleaseSavepoint { name: _ } => Coarse::Release,
            Statement::Close { cursor: _ } => Coarse::Close,
            Statement::Fetch { name: _, direction: _, position: _, into: None } => Coarse::Fetch,
            Statement::Fetch { name: _, direction: _, position: _, into: Some(_) } => Coarse::Other,
            Statement::Discard { object_type: _ } => Coarse::Discard,
            Statement::Deallocate { name: _, prepare: _ } => Coarse::Deallocate,
            Statement::UNLISTEN { channel: _ } => Coarse::Unlisten,
            Statement::Reset(_) => Coarse::Reset,
            with_query!() | shows!() | writes!() | no_reads!() => Coarse::Other,
        }
    }
}

fn set_kind(set: &Set) -> Coarse {
    match set {
        Set::SetTransaction { modes: _, snapshot: _, session: _ } => Coarse::SetTransaction,
        Set::SingleAssignment { scope: _, hivevar: _, variable: _, values: _ }
        | Set::SetTimeZone { local: _, value: _ }
        | Set::SetNames { charset_name: _, collation_name: _ }
        | Set::SetNamesDefault {}
        | Set::SetRole { context_modifier: _, role_name: _ }
        | Set::SetSessionAuthorization(_) => Coarse::Set,
        Set::ParenthesizedAssignments { variables: _, values: _ }
        | Set::MultipleAssignments { assignments: _ }
        | Set::SetSessionParam(_) => Coarse::Other,
    }
}
