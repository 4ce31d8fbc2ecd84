//! One client's rows never reach another who could not have read them.

use std::sync::Arc;

use vitrine::gateway::state::Route;
use vitrine::policy::Policy;
use vitrine::upstream::posture::{Guard, Rule};
use vitrine::upstream::{Pool, PoolLimits, Target};

use crate::stage::{Stage, ask, extended, is_kept, told};
use crate::support::raw::{self, Raw};

/// Two roles who see different things of the same tables.
const ROLES: &str = "CREATE ROLE one LOGIN; CREATE ROLE two LOGIN; CREATE ROLE clerks; GRANT clerks TO one;
    CREATE TABLE secrets (id int, who text); INSERT INTO secrets VALUES (1, 'one'), (2, 'two');
    GRANT SELECT ON secrets TO one, two; ALTER TABLE secrets ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON secrets FOR SELECT USING (who = current_user);
    CREATE TABLE closed (id int); INSERT INTO closed VALUES (1); GRANT SELECT ON closed TO one, two;
    CREATE TABLE shared (id int); INSERT INTO shared VALUES (1); GRANT SELECT ON shared TO clerks;
    CREATE TABLE tenants (id int, tenant text); INSERT INTO tenants VALUES (1, 'a'), (2, 'b');
    GRANT SELECT ON tenants TO one, two; ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
    CREATE POLICY tenant ON tenants FOR SELECT USING (tenant = current_setting('app.tenant', true));
    CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.closed (id int); INSERT INTO elsewhere.closed VALUES (4711);
    GRANT USAGE ON SCHEMA elsewhere TO one, two; GRANT SELECT ON elsewhere.closed TO one, two;
    CREATE TABLE times (at timestamptz, took interval, f float8, b bytea);
    INSERT INTO times VALUES ('2026-07-01 12:00+00', '1 day 2 hours', 1.0 / 3, 'x'); GRANT SELECT ON times TO one, two;";

pub(crate) struct Two {
    pub(crate) stage: Stage,
}

impl Two {
    /// `tester` reads as role `one`, `other` as role `two`.
    pub(crate) fn new() -> Self {
        let mut stage = Stage::with("one", ROLES, &[]);
        let target = Target::from_url(&stage.server.url("two", "postgres")).unwrap();
        let pool = Pool::new(target, PoolLimits::default());
        let guard = Guard::new(pool.clone(), Rule::Warn, std::time::Duration::from_secs(300));
        let old = Arc::clone(&stage.front.database);
        let database = vitrine::gateway::state::Database {
            name: Arc::clone(&old.name),
            default_route: Arc::clone(&old.default_route),
            routes: [("other".to_owned(), Arc::new(Route::new(guard, pool)))].into(),
            catalog: Arc::clone(&old.catalog),
            policy: Arc::clone(&old.policy),
            freshness: Arc::clone(&old.freshness),
            watch_pool: old.watch_pool.clone(),
            verdicts: vitrine::session::verdict::Memory::new(1_000, 1 << 20),
            reader_limits: old.reader_limits.clone(),
        };
        let database = Arc::new(database);
        stage.front.database = Arc::clone(&database);
        stage.front.gateway.databases.store(Arc::new([("postgres".to_owned(), database)].into()));
        Self { stage }
    }

    pub(crate) fn one(&self) -> Raw {
        self.stage.client()
    }

    pub(crate) fn two(&self) -> Raw {
        Raw::connect(self.stage.front.address, "other", &[("database", "postgres")]).unwrap()
    }

    pub(crate) fn run(&self, sql: &str) {
        self.stage.server.psql(sql).unwrap();
        self.stage.ticks();
    }
}

fn rows(lines: &[String]) -> Vec<&str> {
    lines.iter().filter_map(|line| line.strip_prefix("DataRow ")).collect()
}

#[test]
fn another_role_gets_its_own_rows() {
    let two_roles = Two::new();
    let (mut one, mut two) = (two_roles.one(), two_roles.two());
    for messages in [raw::query("SELECT who FROM secrets"), extended("SELECT who FROM secrets", &[], 1)] {
        let own = is_kept(&mut one, &messages);
        let other = ask(&mut two, &messages);
        assert_eq!(told(&mut two), "miss");
        assert_eq!((rows(&own).len(), rows(&other).len()), (1, 1));
        assert_ne!(rows(&own), rows(&other));
        let (again, other_again) = (ask(&mut one, &messages), ask(&mut two, &messages));
        assert_eq!((told(&mut one), told(&mut two)), ("hit".to_owned(), "hit".to_owned()));
        assert_eq!((own, other), (again, other_again));
    }
}

#[test]
fn a_role_without_the_right_gets_the_error_and_not_the_rows() {
    let two_roles = Two::new();
    let (mut one, mut two) = (two_roles.one(), two_roles.two());
    is_kept(&mut one, &raw::query("SELECT id FROM shared"));
    let refused = two.query("SELECT id FROM shared");
    assert!(refused[0].contains("42501"), "{refused:#?}");
}

#[test]
fn settings_part_answers() {
    let two_roles = Two::new();
    let (mut one, mut same) = (two_roles.one(), two_roles.one());
    let sql = raw::query("SELECT at, took, f, b FROM times");
    let plain = is_kept(&mut one, &sql);
    for (set, reset) in [
        ("SET TimeZone = 'Asia/Tokyo'", "RESET TimeZone"),
        ("SET DateStyle = 'German'", "RESET DateStyle"),
        ("SET IntervalStyle = 'iso_8601'", "RESET IntervalStyle"),
        ("SET extra_float_digits = -5", "RESET extra_float_digits"),
        ("SET bytea_output = 'escape'", "RESET bytea_output"),
    ] {
        same.query(set);
        let other = is_kept(&mut same, &sql);
        assert_ne!(rows(&plain), rows(&other), "{set}");
        assert_eq!(ask(&mut one, &sql), plain, "{set}");
        assert_eq!(told(&mut one), "hit", "{set}");
        same.query(reset);
        assert_eq!(ask(&mut same, &sql), plain, "{reset}");
    }
    let path = raw::query("SELECT id FROM closed");
    assert_eq!(rows(&is_kept(&mut one, &path)), ["1"]);
    same.query("SET search_path = elsewhere, public");
    assert_eq!(rows(&is_kept(&mut same, &path)), ["4711"]);
    assert_eq!(rows(&ask(&mut one, &path)), ["1"]);
}

#[test]
fn row_security_by_a_setting_is_never_mixed_up() {
    let two_roles = Two::new();
    let (mut a, mut b) = (two_roles.one(), two_roles.one());
    a.query("SET app.tenant = 'a'");
    b.query("SET app.tenant = 'b'");
    for _ in 0..3 {
        assert_eq!(a.value("SELECT id FROM tenants"), "1");
        assert_eq!(b.value("SELECT id FROM tenants"), "2");
        assert_eq!(told(&mut b), "bypass session", "its policy reads a setting by name");
    }
    b.query("SET app.tenant = 'a'");
    assert_eq!(b.value("SELECT id FROM tenants"), "1");
}

#[test]
fn a_revoked_right_is_gone_at_the_next_look() {
    let two_roles = Two::new();
    let mut one = two_roles.one();
    for (sql, revoke) in [
        ("SELECT id FROM closed", "REVOKE SELECT ON closed FROM one"),
        ("SELECT id FROM shared", "REVOKE clerks FROM one"),
        ("SELECT id FROM elsewhere.closed", "REVOKE USAGE ON SCHEMA elsewhere FROM one"),
    ] {
        is_kept(&mut one, &raw::query(sql));
        two_roles.stage.ticks();
        is_kept(&mut one, &raw::query(sql));
        two_roles.run(revoke);
        let refused = one.query(sql);
        assert!(refused.iter().any(|line| line.contains("42501")), "{revoke}: {refused:#?}");
    }
}

#[test]
fn a_changed_row_policy_holds_at_the_next_look() {
    let two_roles = Two::new();
    let mut one = two_roles.one();
    let sql = raw::query("SELECT who FROM secrets");
    assert_eq!(rows(&is_kept(&mut one, &sql)), ["one"]);
    two_roles.run("ALTER POLICY own ON secrets USING (false)");
    assert!(rows(&ask(&mut one, &sql)).is_empty());
    two_roles.run("ALTER POLICY own ON secrets USING (true)");
    assert_eq!(rows(&ask(&mut one, &sql)).len(), 2);
}

#[test]
fn another_policy_of_the_gateway_holds_at_once() {
    let two_roles = Two::new();
    let mut one = two_roles.one();
    let sql = raw::query("SELECT id FROM closed");
    is_kept(&mut one, &sql);
    let hiding = Policy::from_toml("hidden_relations = [\"public.closed\"]").unwrap();
    two_roles.stage.front.database.policy.store(Arc::new(hiding));
    let refused = ask(&mut one, &sql);
    assert!(refused[0].contains("42501") && refused[0].contains("closed"), "{refused:#?}");
}

#[test]
fn a_changed_definition_is_another_question() {
    let two_roles = Two::new();
    let mut one = two_roles.one();
    let sql = raw::query("SELECT * FROM closed");
    is_kept(&mut one, &sql);
    two_roles.run("ALTER TABLE closed ADD COLUMN more text DEFAULT 'more'");
    assert_eq!(rows(&ask(&mut one, &sql)), ["1 | more"]);
    two_roles.run("DROP TABLE closed");
    two_roles.run("CREATE TABLE closed (id int); GRANT SELECT ON closed TO one");
    assert!(rows(&ask(&mut one, &sql)).is_empty());
}

#[test]
fn a_pool_that_is_held_serves_nothing_from_memory() {
    let two_roles = Two::new();
    let mut one = two_roles.one();
    let sql = raw::query("SELECT id FROM closed");
    is_kept(&mut one, &sql);
    let why = vitrine::upstream::PoolError::Held {
        sqlstate: vitrine::wire::sqlstate::SqlState::INSUFFICIENT_PRIVILEGE,
        reason: "the role can write".into(),
        hint: None,
    };
    two_roles.stage.front.database.default_route.pool.hold(Some(why));
    let refused = ask(&mut one, &sql);
    assert!(refused[0].contains("the role can write"), "{refused:#?}");
    two_roles.stage.front.database.default_route.pool.hold(None);
    ask(&mut one, &sql);
    assert_eq!(told(&mut one), "hit");
}
