//! `vitrine backup`, `restore` and `reset`.

use vitrine::demo::postgres::{Auth, Options};

use super::program::{Tools, said, text};

/// A store with something in most tables, of two tenants.
fn filled(tools: Tools) -> Tools {
    tools.run(&["migrate"]).fine();
    tools.run(&["seed"]).fine();
    tools.run(&["seed", "--tenant", "acme"]).fine();
    for tenant in ["default", "acme"] {
        tools.sql(&format!(
            "SET vitrine.tenant = '{tenant}';
             INSERT INTO insights (kind, key, title, payload)
                 SELECT 'trend', 'k' || n, 'title ' || n, jsonb_build_object('measure', 'm', 'direction', 'up',
                     'change_percent', n, 'period', '{{\"from\": \"2026-01-01\", \"to\": \"2026-02-01\"}}'::jsonb) FROM generate_series(1, 500) n;
             INSERT INTO memory (user_name, text) SELECT 'ada', 'remember ' || n FROM generate_series(1, 50) n;
             UPDATE documents SET title = title || '!' WHERE kind = 'persona';"
        ));
    }
    tools
}

const ROWS: &str = "SELECT (SELECT count(*) FROM insights) || ' ' || (SELECT count(*) FROM memory) || ' ' || \
                    (SELECT count(*) FROM changes) || ' ' || (SELECT count(*) FROM document_history)";

/// What must be the same in a copy: policies, privileges, triggers, owners of functions that run as their owner.
const RULES: &str = "
    SELECT concat('policy ', polrelid::regclass, polname, polcmd, pg_get_expr(polqual, polrelid)) FROM pg_policy
    UNION ALL SELECT concat('rls ', oid::regclass, relrowsecurity, relforcerowsecurity) FROM pg_class WHERE relrowsecurity
    UNION ALL SELECT concat('trigger ', tgrelid::regclass, tgname, tgtype) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT concat('function ', oid::regprocedure, proowner::regrole, prosecdef) FROM pg_proc
        WHERE pronamespace IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^vitrine')
    UNION ALL SELECT concat('grant ', table_schema, table_name, grantee, privilege_type) FROM information_schema.table_privileges
        WHERE grantee ~ '^vitrine'
    UNION ALL SELECT concat('column grant ', table_schema, table_name, column_name, grantee, privilege_type)
        FROM information_schema.column_privileges WHERE grantee ~ '^vitrine'
    UNION ALL SELECT concat('schema ', nspname, grantee::regrole, privilege_type) FROM pg_namespace, aclexplode(nspacl)
        WHERE nspname ~ '^vitrine'
    UNION ALL SELECT concat('sequence ', schemaname, sequencename, last_value) FROM pg_sequences
    ORDER BY 1";

fn back_up_and_restore(mut tools: Tools) -> Tools {
    let (rows, rules) = (tools.sql(ROWS), tools.sql(RULES));
    let file = tools.path("a.dump");
    let written = tools.run(&["backup", "-o", text(&file), "--verify"]).fine();
    assert!(written.contains("wrote ") && written.contains("rows of"), "{written}");
    assert!(written.contains("verified") && written.contains("are the same, row for row"), "{written}");
    assert_eq!(
        tools.server.psql("SELECT count(*) FROM pg_database WHERE datname LIKE 'vitrine_verify%'").unwrap().trim(),
        "0"
    );
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o077, 0, "for its owner alone");

    tools.beside("copy");
    let restored = tools.run(&["restore", text(&file)]).fine();
    assert!(restored.contains("compared each table"), "{restored}");
    assert_eq!(tools.sql(ROWS), rows);
    let copied = tools.sql(RULES);
    for (line, other) in rules.lines().zip(copied.lines()) {
        assert_eq!(line, other);
    }
    assert_eq!(copied.lines().count(), rules.lines().count());
    assert!(tools.run(&["migrate", "status"]).fine().contains("nothing pending"));
    // Isolation holds in the copy, and it takes new records.
    let as_app = "SET ROLE vitrine_app; SET vitrine.tenant = 'acme'; ";
    assert_eq!(tools.sql(&format!("{as_app} SELECT count(*), count(DISTINCT tenant) FROM insights")), "500|1");
    tools.sql(&format!("{as_app} INSERT INTO insights (kind, key, title) VALUES ('trend', 'new', 'x')"));
    tools
}

#[test]
fn a_backup_restores_everything_with_its_rules() {
    // With a password that shells, URLs and files would all spell in their own way.
    let password = Some("p w'\"\\%$&:@/".to_owned());
    let options = Options { auth: Auth::Scram, superuser_password: password, ..Options::default() };
    back_up_and_restore(filled(Tools::start_with(options)));
}

#[test]
fn an_owner_that_is_no_superuser_backs_up_every_tenant() {
    back_up_and_restore(filled(Tools::start().with_plain_owner()));
}

#[test]
fn a_target_that_holds_something_is_refused_and_overwritten_whole_or_not_at_all() {
    let mut tools = filled(Tools::start());
    let file = tools.path("a.dump");
    tools.run(&["backup", "-o", text(&file)]).fine();
    assert!(tools.run(&["backup", "-o", text(&file)]).refused(65).contains("it is there already"));
    let rows = tools.sql(ROWS);
    tools.sql("SET vitrine.tenant = 'default'; INSERT INTO memory (text) VALUES ('later')");
    let more = tools.sql(ROWS);
    let refused = tools.run(&["restore", text(&file)]).refused(73);
    assert!(refused.contains("database \"tools\" is not empty:") && refused.contains("rows"), "{refused}");
    assert_eq!(tools.sql(ROWS), more);

    // A manifest that says otherwise: restored, compared, and undone.
    let manifest = tools.path("a.dump.manifest.json");
    let right = std::fs::read_to_string(&manifest).unwrap();
    let wrong = right.replacen("\"rows\": 1000", "\"rows\": 999", 1);
    assert_ne!(right, wrong);
    std::fs::write(&manifest, wrong).unwrap();
    let differs = tools.run(&["restore", text(&file), "--overwrite"]).refused(1);
    assert!(
        differs.contains("the restored table public.insights differs from the backup: 1000 rows of 999"),
        "{differs}"
    );
    assert_eq!(tools.sql(ROWS), more, "nothing was lost");
    std::fs::write(&manifest, right).unwrap();

    // An archive that breaks off: nothing was lost either.
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() - 4096]).unwrap();
    assert!(tools.run(&["restore", text(&file), "--overwrite"]).refused(65).contains("its SHA-256 differs"));
    std::fs::remove_file(&manifest).unwrap();
    tools.run(&["restore", text(&file), "--overwrite"]).refused(1);
    assert_eq!(tools.sql(ROWS), more);
    std::fs::write(&file, whole).unwrap();
    tools.run(&["restore", text(&file), "--overwrite"]).fine();
    assert_eq!(tools.sql(ROWS), rows);

    // What is no insight store is never overwritten.
    tools.beside("theirs");
    tools.sql("CREATE TABLE customers (id int)");
    let theirs = tools.run(&["restore", text(&file), "--overwrite"]).refused(73);
    assert!(theirs.contains("is no insight store"), "{theirs}");
    assert!(tools.run(&["reset", "--yes"]).refused(73).contains("is no insight store"));
    assert_eq!(tools.sql("SELECT to_regclass('customers') IS NOT NULL"), "t");
}

#[test]
fn the_cursor_of_the_feed_survives_a_restore_on_another_server() {
    let tools = filled(Tools::start());
    let file = tools.path("a.dump");
    tools.run(&["backup", "-o", text(&file)]).fine();
    let order = "SELECT era, transaction, seq FROM changes ORDER BY 1 DESC, 2 DESC, 3 DESC LIMIT 1";
    let last = tools.sql(order);
    // A server of its own counts its transactions from the beginning.
    let other = Tools::start();
    other.run(&["restore", text(&file)]).fine();
    assert_eq!(other.sql(order), last);
    other.sql("SET vitrine.tenant = 'default'; INSERT INTO memory (text) VALUES ('after')");
    let newer = other.sql(
        "SELECT record = (SELECT id::text FROM memory WHERE text = 'after') FROM changes \
         ORDER BY era DESC, transaction DESC, seq DESC LIMIT 1",
    );
    assert_eq!(newer, "t", "what comes later is later in the feed");
}

#[test]
fn reset_says_what_goes_and_removes_it_when_told() {
    let tools = filled(Tools::start());
    let asked = tools.run(&["reset"]);
    assert!(asked.out.contains("public.insights: 1000 rows") && asked.code == 1, "{asked:?}");
    assert!(tools.sql(ROWS).starts_with("1000 100 "));
    let gone = tools.run(&["reset", "--yes"]).fine();
    assert!(gone.contains("its tables are made anew"), "{gone}");
    assert_eq!(tools.sql(ROWS), "0 0 0 0");
    tools.run(&["seed"]).fine();
}

#[test]
fn programs_that_are_missing_or_too_old_are_named() {
    let tools = Tools::start();
    tools.run(&["migrate"]).fine();
    let empty = tools.path("empty");
    std::fs::create_dir_all(&empty).unwrap();
    let missing = tools.run(&["backup", "--pg-bin", text(&empty)]).refused(72);
    assert!(missing.contains("pg_dump is not installed"), "{missing}");
    for program in ["pg_dump", "pg_restore", "psql"] {
        tools.write(&format!("old/{program}"), "#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.24'\n");
        use std::os::unix::fs::PermissionsExt as _;
        let path = tools.path(&format!("old/{program}"));
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let old = tools.run(&["backup", "--pg-bin", text(&tools.path("old"))]).refused(72);
    assert!(old.contains("pg_dump 9.6.24 is older than the server"), "{old}");
}

#[test]
fn no_password_is_on_a_command_line() {
    let password = "hidden-from-everybody";
    let options = Options { auth: Auth::Scram, superuser_password: Some(password.to_owned()), ..Options::default() };
    let tools = filled(Tools::start_with(options));
    // Programs that write down how they were called, and then are the real ones.
    let (log, folder) = (tools.path("calls"), tools.path("bin"));
    let real = tools.server.psql("SHOW server_version_num").unwrap();
    let real = format!("/usr/lib/postgresql/{}/bin", real.trim().parse::<u32>().unwrap() / 10_000);
    for program in ["pg_dump", "pg_restore", "psql"] {
        let script = format!("#!/bin/sh\necho {program} \"$@\" >> {}\nexec {real}/{program} \"$@\"\n", log.display());
        tools.write(&format!("bin/{program}"), &script);
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(folder.join(program), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let file = tools.path("a.dump");
    tools.run(&["backup", "-o", text(&file), "--verify", "--pg-bin", text(&folder)]).fine();
    let calls = std::fs::read_to_string(&log).unwrap();
    for program in ["pg_dump --format", "pg_restore --list", "pg_restore --file", "psql --no-psqlrc"] {
        assert!(calls.contains(program), "{program}: {calls}");
    }
    assert!(!calls.contains(password), "{calls}");
}

#[test]
fn no_migration_runs_while_a_backup_does() {
    let password = "hidden-from-everybody";
    let options = Options { auth: Auth::Scram, superuser_password: Some(password.to_owned()), ..Options::default() };
    let tools = filled(Tools::start_with(options));
    // A table that pg_dump has to wait for keeps it running while we look.
    let lock = "BEGIN; LOCK TABLE insights IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(60)";
    let file = tools.path("a.dump");
    std::thread::scope(|scope| {
        scope.spawn(|| tools.server.psql_in("tools", lock).unwrap_err());
        while tools
            .sql("SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 'insights'::regclass")
            == "0"
        {
            std::thread::yield_now();
        }
        let backup = tools.spawn(&["backup", "-o", text(&file)]);
        while tools.sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted") == "0" {
            std::thread::yield_now();
        }
        let waits = tools.run(&["migrate", "--wait", "1"]).refused(75);
        assert!(waits.contains("another program migrates, backs up or restores"), "{waits}");
        tools.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()");
        said(backup.wait_with_output().unwrap()).fine();
    });
}

#[test]
fn embeddings_are_backed_up_restored_and_verified() {
    let tools = filled(Tools::with_pgvector());
    tools.sql(
        "UPDATE kinds SET embedding_dimension = 3, embedding_distance = 'cosine' WHERE name = 'trend';
         INSERT INTO insight_embeddings (tenant, insight_id, kind, embedding)
             SELECT tenant, id, kind, ARRAY[version, length(key), random()]::real[]::vector FROM insights;
         SELECT vitrine.index_embeddings()",
    );
    let nearest = "SET vitrine.tenant = 'acme'; SELECT string_agg(i.key, ' ') FROM (SELECT n.id FROM \
                   vitrine.nearest('{\"kind\": \"trend\", \"payload\": null}', '{1,3,0.5}', 20) n) n JOIN insights i USING (id)";
    let (before, count) = (tools.sql(nearest), "SELECT count(*) FROM insight_embeddings");
    assert_eq!((tools.sql(count).as_str(), before.split(' ').count()), ("1000", 20));
    let copy = back_up_and_restore(tools);
    assert_eq!((copy.sql(count).as_str(), copy.sql(nearest)), ("1000", before));
    assert_eq!(copy.sql("SELECT count(*) FROM pg_indexes WHERE indexdef LIKE '%hnsw%'"), "1");
    assert!(copy.sql("SELECT vitrine.enable_vectors()").contains("pgvector"));
    copy.run(&["reset", "--yes"]).fine();
    copy.run(&["migrate"]).fine();
    assert_eq!(copy.sql(count), "0");
}
