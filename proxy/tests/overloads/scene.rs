//! The server, its overloads, and what becomes of a call.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};
use vitrine::check::Reviewer;
use vitrine::demo::postgres::{Options, Server};
use vitrine::policy::{Policy, Scope, review};
use vitrine::sql::{Limits, read};
use vitrine::upstream::{Target, catalog, sql_client};

const FIXTURE: &str = "
    CREATE SCHEMA honest; CREATE SCHEMA shut;
    CREATE TYPE honest.mood AS ENUM ('happy', 'sad');
    CREATE DOMAIN honest.positive AS int CHECK (VALUE > 0);
    CREATE DOMAIN honest.label AS varchar;
    CREATE TYPE honest.place AS (x float8, y varchar);
    CREATE TABLE honest.t (only_t varchar, c_key varchar, c_text text, c_varchar varchar(9), c_char char(3), c_name name,
      c_int int, c_int2 int2, c_int8 int8, c_numeric numeric, c_float8 float8, c_date date, c_ts timestamptz, c_bool bool,
      c_json json, c_jsonb jsonb, c_texts text[], c_ints int[], c_label honest.label, c_labels honest.label[],
      c_positive honest.positive, c_mood honest.mood, c_place honest.place);
    INSERT INTO honest.t VALUES ('o', 'k', 'a', 'b', 'c', 'n', 1, 2, 3, 4.5, 5.5, '2020-01-01', now(), true, '{}', '{}',
      '{a,b}', '{1,2}', 'l', '{l}', 7, 'sad', (1, 'y'));
    CREATE TABLE honest.u (only_u varchar, c_key text, c_text varchar, c_varchar text, c_int int);
    INSERT INTO honest.u VALUES ('o', 'k', 'a', 'b', 1);
    CREATE TABLE honest.k (c_key text);
    INSERT INTO honest.k VALUES ('k');
    CREATE VIEW honest.v AS SELECT c_varchar AS v_varchar, c_text AS v_text FROM honest.t;
    CREATE FUNCTION honest.tag(text) RETURNS varchar LANGUAGE sql IMMUTABLE AS $$ SELECT $1::varchar $$;
    CREATE FUNCTION honest.tag(int) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT $1::text $$;
    CREATE FUNCTION honest.named(text, OUT out_name varchar) LANGUAGE sql IMMUTABLE AS $$ SELECT $1::varchar $$;
    CREATE ROLE looker LOGIN; CREATE SCHEMA views AUTHORIZATION looker; GRANT USAGE ON SCHEMA honest TO PUBLIC;
    GRANT SELECT ON ALL TABLES IN SCHEMA honest TO PUBLIC;";

/// What became of many calls.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) permitted: usize,
    /// Refused, and PostgreSQL would have chosen the overload.
    pub(crate) chosen: usize,
    /// Refused although PostgreSQL would not have chosen it.
    pub(crate) careful: usize,
    /// Refused, and no statement to PostgreSQL either.
    pub(crate) wrong: usize,
}

impl Outcome {
    pub(crate) fn print(&self, what: &str) {
        println!("{what}: {self:?}");
    }
}

fn types_name(oid: u32) -> &'static str {
    match oid {
        25 => "text",
        1043 => "varchar",
        20 => "int8",
        _ => panic!("no such type here"),
    }
}

/// How many times as much as usual is tried.
pub(crate) fn scale() -> usize {
    std::env::var("OVERLOADS").ok().and_then(|times| times.parse().ok()).unwrap_or(1)
}

/// A server with overloads, each in a schema of its own.
pub(crate) struct Scene {
    server: Server,
    runtime: Runtime,
    client: Client,
    sql: String,
    schemas: HashMap<String, Vec<String>>,
    reviewer: Option<Reviewer>,
    path: Vec<String>,
    made: usize,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let server = Server::start(Options::default()).unwrap();
        server.psql(FIXTURE).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let url = server.url("looker", "postgres");
        let (client, connection) = runtime.block_on(tokio_postgres::connect(&url, NoTls)).unwrap();
        runtime.spawn(async move { drop(connection.await) });
        let path = vec!["honest".to_owned()];
        let (sql, schemas) = (String::new(), HashMap::new());
        Self { server, runtime, client, sql, schemas, reviewer: None, path, made: 0 }
    }

    fn schema(&mut self, name: &str) -> String {
        let count = self.schemas.values().map(Vec::len).sum::<usize>();
        let schema = format!("o{count}");
        self.schemas.entry(name.to_owned()).or_default().push(schema.clone());
        write!(self.sql, "CREATE SCHEMA {schema}; GRANT USAGE ON SCHEMA {schema} TO PUBLIC;").unwrap();
        schema
    }

    /// A function of that name; an aggregate where PostgreSQL has one.
    pub(crate) fn overload(&mut self, name: &str, types: &[&str]) {
        let schema = self.schema(name);
        let types = types.join(", ");
        let returns = if types.contains("any") { "text" } else { "int" };
        let body = "LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE EXCEPTION 'ran' USING ERRCODE = 'VT001'; END $$";
        let variadic = types.contains("VARIADIC") || types.contains("DEFAULT") || types.contains("any");
        if matches!(name, "max" | "sum") && !variadic {
            writeln!(
                self.sql,
                "CREATE FUNCTION {schema}.step(int, {types}) RETURNS int {body};
                 CREATE AGGREGATE {schema}.{name}({types}) (SFUNC = {schema}.step, STYPE = int);"
            )
            .unwrap();
        } else {
            let first = if types.contains("DEFAULT") { "a " } else { "" };
            writeln!(self.sql, "CREATE FUNCTION {schema}.{name}({first}{types}) RETURNS {returns} {body};").unwrap();
        }
    }

    pub(crate) fn operator(&mut self, name: &str, left: &str, right: &str) {
        if left.starts_with("any") != right.starts_with("any") || [left, right].contains(&"record") {
            return;
        }
        let schema = self.schema(name);
        let body = "LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE EXCEPTION 'ran' USING ERRCODE = 'VT001'; END $$";
        writeln!(
            self.sql,
            "CREATE FUNCTION {schema}.bite({left}, {right}) RETURNS bool {body};
             CREATE OPERATOR {schema}.{name} (LEFTARG = {left}, RIGHTARG = {right}, FUNCTION = {schema}.bite);"
        )
        .unwrap();
        if matches!(name, "-" | "+") {
            writeln!(
                self.sql,
                "CREATE FUNCTION {schema}.bite({right}) RETURNS bool {body};
                 CREATE OPERATOR {schema}.{name} (RIGHTARG = {right}, FUNCTION = {schema}.bite);"
            )
            .unwrap();
        }
    }

    /// Makes the overloads and takes the snapshot.
    pub(crate) fn load(&mut self) {
        self.server.psql(&self.sql).unwrap();
        self.snapshot();
    }

    fn snapshot(&mut self) {
        let url = self.server.url("looker", "postgres");
        let catalog = self.runtime.block_on(async move {
            let (client, task) = sql_client(&Target::from_url(&url).unwrap()).await.unwrap();
            let catalog = catalog::load(&client).await.unwrap();
            task.abort();
            catalog
        });
        let policy = Policy::from_toml(
            "functions = [\"honest.tag\", \"honest.named\", \"shut.lower\"]\ntypes = [\"honest.label\"]",
        )
        .unwrap();
        self.reviewer = Some(Reviewer {
            catalog: Arc::new(catalog),
            role: "looker".to_owned(),
            database: "postgres".to_owned(),
            ..Reviewer::offline(policy)
        });
    }

    /// Puts a schema in front that the role may not enter, with a function that the policy names.
    pub(crate) fn shut(&mut self) {
        let sql = "CREATE FUNCTION shut.lower(varchar) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'x' $$;
            CREATE TABLE shut.shadowed (v text); CREATE TABLE honest.shadowed (v varchar);
            INSERT INTO honest.shadowed VALUES ('x'); GRANT SELECT ON honest.shadowed TO PUBLIC;";
        self.server.psql(sql).unwrap();
        self.path = vec!["shut".to_owned(), "honest".to_owned()];
        self.snapshot();
    }

    /// Reviews a call beside every overload of `name`, and holds the verdict against what PostgreSQL does.
    pub(crate) fn check(&mut self, name: &str, sql: &str, counted: &mut Outcome) {
        for schema in self.schemas[name].clone() {
            let mut path = self.path.clone();
            path.push(schema.clone());
            let reviewer = self.reviewer.as_mut().unwrap();
            reviewer.search_path.clone_from(&path);
            let permitted = reviewer.verdict(sql).denial.is_none();
            let chosen = self.chooses(&path.join(", "), &schema, sql);
            let told = match chosen {
                _ if permitted => &mut counted.permitted,
                Some(true) => &mut counted.chosen,
                Some(false) => &mut counted.careful,
                None => &mut counted.wrong,
            };
            *told += 1;
            assert!(!(permitted && chosen == Some(true)), "permitted, and it runs {schema}.{name}: {sql}");
        }
    }

    /// A table of domains and of what holds them, stored before their CHECKs, which raise VT001, were there.
    pub(crate) fn domains(&mut self) {
        let sql = "CREATE SCHEMA bitten; GRANT USAGE ON SCHEMA bitten TO PUBLIC;
            CREATE FUNCTION bitten.bite(anyelement) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS
              $$ BEGIN RAISE EXCEPTION 'ran' USING ERRCODE = 'VT001'; END $$;
            CREATE DOMAIN bitten.word AS text; CREATE DOMAIN bitten.number AS int;
            CREATE TYPE bitten.pair AS (a bitten.word, b int); CREATE DOMAIN bitten.bag AS text[];
            CREATE TYPE bitten.span AS RANGE (subtype = bitten.number);
            CREATE DOMAIN bitten.over AS bitten.word;
            CREATE TABLE bitten.t (dcol bitten.word, ncol bitten.number, dscol bitten.word[], nscol bitten.number[], rcol bitten.span,
              ccol bitten.pair, ddcol bitten.over, bagcol bitten.bag);
            INSERT INTO bitten.t VALUES ('a', 1, '{a}', '{1}', '[1,3)', '(a,1)', 'a', '{a}');
            GRANT SELECT ON bitten.t TO PUBLIC;
            ALTER DOMAIN bitten.word ADD CONSTRAINT bites CHECK (bitten.bite(VALUE)) NOT VALID;
            ALTER DOMAIN bitten.number ADD CONSTRAINT bites CHECK (bitten.bite(VALUE)) NOT VALID;
            ALTER DOMAIN bitten.bag ADD CONSTRAINT bites CHECK (bitten.bite(VALUE)) NOT VALID";
        self.server.psql(sql).unwrap();
        self.snapshot();
    }

    /// Whether the policy permits a text, and whether running it runs a CHECK.
    pub(crate) fn bites(&mut self, sql: &str) -> (bool, bool) {
        let reviewer = self.reviewer.as_ref().unwrap();
        let permitted = reviewer.verdict(sql).denial.is_none();
        let outcome = self.runtime.block_on(self.client.simple_query(sql));
        (permitted, outcome.err().is_some_and(|error| error.code().is_some_and(|code| code.code() == "VT001")))
    }

    /// Whether a permitted text may not share its verdict with one that has other numbers in it.
    pub(crate) fn hangs_on_types(&mut self, name: &str, sql: &str) -> bool {
        let reviewer = self.reviewer.as_mut().unwrap();
        reviewer.search_path.clone_from(&self.schemas[name]);
        reviewer.verdict(sql).permitted[0].hangs_on_types()
    }

    /// Whether the policy permits a text whose parameters were declared to be of these types, and whether PostgreSQL,
    /// given the text 1 for each of them, runs the overload of `name`.
    pub(crate) fn bound(&mut self, name: &str, sql: &str, types: &[u32]) -> (bool, bool) {
        let schema = self.schemas[name].first().unwrap().clone();
        let reviewer = self.reviewer.as_ref().unwrap();
        let scope = Scope {
            access: vitrine::sql::Access::Read,
            search_path: std::slice::from_ref(&schema),
            role: "looker",
            database: "postgres",
            parameter_types: types,
        };
        let statement = read(sql, &Limits::default()).unwrap().remove(0);
        let permitted = review(&statement, sql, &reviewer.catalog, &reviewer.policy, &scope).is_ok();
        // SQL's own PREPARE declares types, or leaves them open, as Parse does.
        let named = |oid: &u32| if *oid == 0 { "unknown".to_owned() } else { types_name(*oid).to_owned() };
        let declared: Vec<String> = types.iter().map(named).collect();
        let list = if declared.is_empty() { String::new() } else { format!("({})", declared.join(", ")) };
        let count = usize::from(statement.uses.parameter_max);
        let values = vec!["'1'"; count].join(", ");
        let text = format!("SET search_path = {schema}; PREPARE p{list} AS {sql}; EXECUTE p({values})");
        let outcome = self.runtime.block_on(self.client.simple_query(&text));
        let ran = outcome.err().is_some_and(|error| error.code().is_some_and(|code| code.code() == "VT001"));
        drop(self.runtime.block_on(self.client.simple_query("DEALLOCATE ALL")));
        (permitted, ran)
    }

    /// Whether PostgreSQL chooses something of that schema; `None` when it takes the text for an error.
    fn chooses(&mut self, path: &str, schema: &str, sql: &str) -> Option<bool> {
        self.made += 1;
        let view = format!("views.v{}", self.made);
        let query = sql.strip_prefix("EXPLAIN ").unwrap_or(sql);
        let query = query.strip_prefix("COPY (").and_then(|rest| rest.strip_suffix(") TO STDOUT")).unwrap_or(query);
        // A view wants one name for each column.
        let text = format!(
            "SET search_path = {path}; BEGIN; SET LOCAL client_min_messages = error;
             CREATE VIEW {view} AS SELECT 1 AS one WHERE EXISTS ({query});
             SELECT count(*) FROM pg_depend d LEFT JOIN pg_proc p ON d.refclassid = 'pg_proc'::regclass AND p.oid = d.refobjid
               LEFT JOIN pg_operator o ON d.refclassid = 'pg_operator'::regclass AND o.oid = d.refobjid
               WHERE d.objid = (SELECT oid FROM pg_rewrite WHERE ev_class = '{view}'::regclass)
                 AND coalesce(p.pronamespace, o.oprnamespace)::regnamespace::text = '{schema}';
             ROLLBACK"
        );
        let depends = match self.runtime.block_on(self.client.simple_query(&text)) {
            Ok(messages) => messages.iter().any(|message| {
                matches!(message, SimpleQueryMessage::Row(row) if row.get(0).is_some_and(|count| count != "0"))
            }),
            Err(_) => {
                drop(self.runtime.block_on(self.client.simple_query("ROLLBACK")));
                false
            }
        };
        let ran = match self.runtime.block_on(self.client.simple_query(sql)) {
            Ok(_) => Some(false),
            Err(error) if error.code().is_some_and(|code| code.code() == "VT001") => Some(true),
            Err(error) if error.code().is_some_and(|code| code.code().starts_with("42")) => None,
            Err(_) => Some(false),
        };
        if depends { Some(true) } else { ran }
    }
}
