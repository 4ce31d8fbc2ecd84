//! Every setting of the gateway. The words above a setting are its entry in `config/vitrine.toml` and in `vitrine config reference`.

use super::address::ListenAddress;
use super::section::section;
use super::value::{Millis, Secret, words};
use std::path::PathBuf;

words! {
    /// How careful the defaults are.
    Mode {
        /// Loopback, pretty logs, a warning where production would refuse.
        Development = "development",
        /// TLS, SCRAM, a role that cannot write, JSON logs; inline passwords are refused.
        Production = "production",
    }
}

words! {
    /// What happens when the customer role could write.
    Posture {
        /// Refuse to serve.
        Strict = "strict",
        /// Serve, and say it loudly.
        Warn = "warn",
    }
}

words! {
    /// How clients prove who they are.
    Auth {
        /// SCRAM-SHA-256, and -PLUS over TLS (RFC 5802, RFC 7677).
        Scram = "scram",
        /// A client certificate whose common name is the user.
        Certificate = "cert",
        /// Both.
        ScramAndCertificate = "scram+cert",
        /// Nobody asks: development on loopback only.
        Trust = "trust",
    }
}

words! {
    /// How logs are written.
    LogFormat {
        /// One JSON object a line.
        Json = "json",
        /// For people.
        Pretty = "pretty",
    }
}

words! {
    /// How much is logged.
    LogLevel {
        /// Failures only.
        Error = "error",
        /// Failures and what needs attention.
        Warn = "warn",
        /// Also refusals, starts and stops.
        Info = "info",
        /// Also every connection and every statement's shape.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}

section! {
    /// Above the first section: who may come in, and where.
    pub(super) Top at "" {
        /// `production` requires TLS, SCRAM, a users file, the strict posture and JSON logs;
        /// `development` listens on loopback, logs for people and warns where production refuses.
        mode: Mode = Mode::Development;
        /// What to do when the customer role could write: `strict` refuses to serve, `warn` serves and says so.
        /// Default: strict in production, warn in development.
        posture: Option<Posture> = None, such as "\"strict\"";
        /// Where PostgreSQL clients connect. Default: 127.0.0.1:6432 in development, 0.0.0.0:6432 in production.
        listen: Option<Vec<ListenAddress>> = None, such as "[\"0.0.0.0:6432\", \"unix:/run/vitrine/.s.PGSQL.6432\"]";
        /// How clients prove who they are. Default: scram; trust where development runs on loopback without any user.
        auth: Option<Auth> = None, such as "\"scram\"";
        /// Users with passwords in clear, `name:password`. Development only.
        users: Vec<Secret> = Vec::new();
        /// File with one `"name" "SCRAM-SHA-256$…"` a line, verifiers as PostgreSQL keeps them in pg_authid; for a user
        /// with a certificate alone the second string is empty. SIGHUP reads it again.
        users_file: Option<PathBuf> = None, such as "\"/etc/vitrine/users\"";
        /// The policy: what may be read and called beyond the built-in rules. SIGHUP reads it again.
        policy: Option<PathBuf> = None, such as "\"config/policy.toml\"";
        /// How logs are written. Default: json in production, pretty in development.
        log: Option<LogFormat> = None, such as "\"json\"";
        /// How much is logged.
        log_level: LogLevel = LogLevel::Info;
    }
}

section! {
    /// The customer database: what the gateway shows and never lets anyone write.
    pub(super) Customer at "customer" {
        /// PostgreSQL URL with the read-only role. The database is offered under its own name, so that a client changes
        /// host and port of its URL and nothing else. More databases: `[[database]]`.
        url: Option<Secret> = None, such as "\"postgres://vitrine@db.internal:5432/shop\"";
    }
}

section! {
    /// The tool database: what the insight app derives.
    pub Insights at "insights" {
        /// PostgreSQL URL of the insights store, with its owner's role: it migrates, seeds and backs up, and never serves.
        url: Option<Secret> = None, such as "\"postgres://insights@tools.internal:5432/insights\"";
        /// Bring its tables to this program's version when the gateway starts. Without it: `vitrine migrate`.
        migrate_at_start: bool = true;
        /// Fill an empty store when the gateway starts. USE_SEED_DATA_MODE=true means the same.
        seed: bool = false;
        /// Folder of the seeds, instead of those that the program was built with.
        seed_dir: Option<PathBuf> = None, such as "\"config/seed\"";
        /// Whose records the seeds become.
        seed_tenant: String = "default".to_owned();
        /// Where HTTP clients connect, when there is a URL; over TCP with `tls.cert`, if there is one. Production needs it.
        listen: Vec<ListenAddress> = vec![ListenAddress::Tcp(([127, 0, 0, 1], 6434).into())];
        /// Connections to the tool database that HTTP requests share.
        http_pool_size: usize = 16, in 1..=1_000;
        /// HTTP connections at once; one more is closed.
        http_connections_max: usize = 1_000, in 1..=100_000;
        /// Bytes of a request's body (413).
        body_bytes_max: usize = 1_048_576, in 1_024..=67_108_864;
        /// Bytes of a bulk write (413).
        bulk_bytes_max: u64 = 1_073_741_824, in 1_024..=1_099_511_627_776;
        /// Bytes of one line of a bulk write (413).
        line_bytes_max: usize = 1_048_576, in 1_024..=67_108_864;
        /// Bytes of a bulk write with an Idempotency-Key, which is read to its end before it is written (413).
        bulk_idempotent_bytes_max: usize = 67_108_864, in 1_024..=1_073_741_824;
        /// Bulk writes at once (503).
        bulk_max: usize = 4, in 1..=100;
        /// Deepest nesting of JSON (400).
        depth_max: usize = 64, in 8..=120;
        /// Longest time of a request (503).
        request_ms: Millis = Millis(30_000), in 100..=600_000;
        /// Longest pause within a request's body (408).
        body_pause_ms: Millis = Millis(10_000), in 100..=600_000;
        /// Longest time of a bulk write (503).
        bulk_ms: Millis = Millis(600_000), in 1_000..=86_400_000;
        /// Requests a second of one key (429); 0 means no limit.
        key_requests_per_s: u32 = 1_000, in 0..=1_000_000;
        /// Requests a second of all keys of a tenant (429); 0 means no limit.
        tenant_requests_per_s: u32 = 4_000, in 0..=1_000_000;
        /// Wrong keys a minute from one address (429); 0 means no limit.
        key_failures_per_min: u32 = 60, in 0..=1_000_000;
        /// How long a key is believed without asking the store: one revoked elsewhere works this much longer.
        key_memory_ms: Millis = Millis(5_000), in 0..=600_000;
        /// Change streams at once (503).
        streams_max: usize = 1_000, in 1..=100_000;
        /// Change streams of one tenant at once (429).
        tenant_streams_max: usize = 100, in 1..=100_000;
        /// How often what is past its time is deleted; 0 never does.
        retention_interval_ms: Millis = Millis(600_000), in 0..=604_800_000;
        /// How often a change stream looks for what other processes wrote.
        stream_poll_ms: Millis = Millis(500), in 10..=60_000;
        /// How often a change stream says that it lives, and looks whether its key still does.
        stream_heartbeat_ms: Millis = Millis(15_000), in 100..=600_000;
        /// Users of the SQL door (dbname insights) with their tenants, `user:tenant` each: the short form of `[[insights.user]]`.
        /// In development a user without a tenant is of tenant `default`; in production such a user is refused.
        tenants: Vec<String> = Vec::new();
        /// PostgreSQL URL of the same store with a login of its own for the SQL door: a member of vitrine_sql and of nothing
        /// else (`CREATE ROLE door LOGIN NOINHERIT IN ROLE vitrine_sql`). Without it the door logs in as the owner, and only start-up
        /// options keep its sessions below. For production.
        sql_url: Option<Secret> = None, such as "\"postgres://door@tools.internal:5432/insights\"";
        /// Connections in the pool of each tenant that uses the SQL door.
        sql_pool_size: usize = 5, in 1..=1_000;
    }
}

section! {
    /// Operations over HTTP: /livez, /readyz, /metrics. No authentication: keep it inside.
    pub Admin at "admin" {
        /// Where the admin port listens.
        listen: Vec<ListenAddress> = vec![ListenAddress::Tcp(([127, 0, 0, 1], 6433).into())];
        /// Users that may ask the virtual database vitrine (SHOW POOLS …). Default: everybody in development, nobody in production.
        users: Option<Vec<String>> = None, such as "[\"ada\"]";
    }
}

section! {
    /// TLS towards clients. SIGHUP reads the files again.
    pub Tls at "tls" {
        /// Certificate chain, PEM.
        cert: Option<PathBuf> = None, such as "\"/etc/vitrine/server.crt\"";
        /// Its private key, PEM.
        key: Option<PathBuf> = None, such as "\"/etc/vitrine/server.key\"";
        /// Authorities that client certificates must come from, PEM; needed for auth cert.
        client_ca: Option<PathBuf> = None, such as "\"/etc/vitrine/clients.crt\"";
        /// Refuse TCP clients that do not ask for TLS. Default: true in production.
        required: Option<bool> = None, such as "true";
    }
}

section! {
    /// The process.
    pub Server at "server" {
        /// Threads that serve clients; 0 means one for every two cores: wake-ups between threads cost more than the work.
        threads: usize = 0, in 0..=1024;
        /// Threads of one pool share their work; false ties each connection to the thread that took it.
        work_stealing: bool = true;
        /// Directory of the process id and of the sockets by which a new process takes over; only its owner may enter it.
        /// Default: `$XDG_RUNTIME_DIR/vitrine-PORT` or `/tmp/vitrine-UID-PORT`.
        run_dir: Option<PathBuf> = None, such as "\"/run/vitrine\"";
        /// Longest time from SIGTERM to the end: sessions finish their transaction, then are told 57P01, with an answer or when
        /// they have said nothing for `drain_quiet_ms`.
        shutdown_timeout_ms: Millis = Millis(30_000), in 0..=86_400_000;
        /// After a new process took over: how long until all sessions of the old one are told to end as after SIGTERM. Until
        /// then they end when they are silent, in its last quarter with an answer too, a few at a time.
        upgrade_linger_ms: Millis = Millis(60_000), in 0..=86_400_000;
        /// A session that is to end and says nothing for this long is told 57P01. More than a pool trusts an idle connection
        /// without a look at it.
        drain_quiet_ms: Millis = Millis(1_500), in 0..=60_000;
    }
}

section! {
    /// Connections to the customer database: one pool for each database and role.
    pub Pool at "pool" {
        /// Connections in one pool.
        size: usize = 20, in 1..=10_000;
        /// Clients that may wait for a connection; one more is told 53300.
        waiting_max: usize = 10_000, in 0..=1_000_000;
        /// Longest wait for a connection, then 53300.
        wait_timeout_ms: Millis = Millis(5_000), in 1..=3_600_000;
        /// Longest time to connect and authenticate; a URL may ask for less.
        connect_timeout_ms: Millis = Millis(5_000), in 1..=600_000;
        /// A connection idle for longer is closed; 0 keeps it.
        idle_timeout_ms: Millis = Millis(300_000), in 0..=86_400_000;
        /// A connection older than this is replaced when it is free; 0 keeps it.
        lifetime_ms: Millis = Millis(3_600_000), in 0..=604_800_000;
        /// Bind the numbers that simple queries compare something with as parameters, so that PostgreSQL reads and plans
        /// texts that differ in them alone once for each connection: half of its work for short queries. Its plans then
        /// need not fit each number, as with any prepared statement (see `plan_cache_mode`).
        bind_numbers: bool = false;
    }
}

section! {
    /// A limit on everything. In brackets what a client is told that reaches it.
    pub Limits at "limits" {
        /// Clients at once (53300).
        clients_max: usize = 10_000, in 1..=1_000_000;
        /// Longest frontend message, bytes (54000; 08P01 for a message that is never long).
        frame_bytes_max: usize = 16_777_216, in 65_536..=1_073_741_823;
        /// Longest text of statements, bytes (54000).
        statement_bytes_max: usize = 2_097_152, in 1_024..=1_073_741_823;
        /// Most words, numbers and signs in such a text (54000). Reading one takes up to 2 KiB of memory for a moment.
        statement_tokens_max: usize = 500_000, in 1_000..=100_000_000;
        /// Deepest nesting of comments (54001).
        comment_depth_max: usize = 32, in 0..=10_000;
        /// Deepest nesting of expressions and queries (54001).
        nesting_depth_max: usize = 5_000, in 16..=100_000;
        /// Statements in one simple query (54000).
        statements_max: usize = 1_000, in 1..=100_000;
        /// Prepared statements of one client (53400).
        prepared_statements_max: usize = 10_000, in 1..=1_000_000;
        /// Bytes of their texts (53400).
        prepared_bytes_max: usize = 67_108_864, in 65_536..=1_073_741_824;
        /// Largest value that constants of a statement may build, bytes (54000).
        constant_bytes_max: u64 = 67_108_864, in 1_024..=1_073_741_823;
        /// Rows of one result (54000); 0 means no limit.
        result_rows_max: u64 = 0, in 0..=1_000_000_000_000;
        /// Bytes of the rows of one result (54000); 0 means no limit.
        result_bytes_max: u64 = 0, in 0..=1_000_000_000_000_000;
    }
}

section! {
    /// Time limits.
    pub Timeouts at "timeouts" {
        /// From the first byte to the end of authentication; then the connection is closed.
        startup_ms: Millis = Millis(15_000), in 100..=600_000;
        /// Longest pause within one message of a client (08P01); then the connection is closed.
        frame_ms: Millis = Millis(60_000), in 100..=3_600_000;
        /// Longest run of one statement (57014), unless the client sets another; 0 means no limit.
        statement_ms: Millis = Millis(300_000), in 0..=86_400_000;
        /// Longest idle time inside a transaction (25P03), unless the client sets another; 0 means no limit.
        idle_in_transaction_ms: Millis = Millis(60_000), in 0..=86_400_000;
        /// Longest idle time outside of a transaction (57P05); then the connection is closed. 0 means no limit.
        idle_session_ms: Millis = Millis(0), in 0..=604_800_000;
    }
}

section! {
    /// The snapshot of the customer's catalog that names are resolved against, and the watch over the customer role.
    pub Watch at "watch" {
        /// How often the catalog is read again.
        catalog_refresh_ms: Millis = Millis(30_000), in 1_000..=3_600_000;
        /// An older catalog counts as missing: only what is certain from the text passes, and /readyz says so.
        catalog_age_max_ms: Millis = Millis(300_000), in 1_000..=86_400_000;
        /// How often the customer role is looked at.
        posture_refresh_ms: Millis = Millis(300_000), in 1_000..=86_400_000;
    }
}

words! {
    /// How the age of answers from memory is bounded.
    CacheFreshness {
        /// Nothing is kept.
        Off = "off",
        /// Each answer lives for `cache.ttl_ms`.
        Ttl = "ttl",
        /// The database is watched.
        Watch = "watch",
    }
}

section! {
    /// Answers kept in memory, for reads whose answer is the same until data change.
    pub Cache at "cache" {
        /// `watch` looks at the database and serves nothing older than `staleness_max_ms`, sooner where a table changed,
        /// and exact where nothing was written; `ttl` serves what is no older than `ttl_ms`; `off` keeps nothing.
        freshness: CacheFreshness = CacheFreshness::Watch;
        /// Bytes of all answers, with their keys.
        bytes_max: u64 = 268_435_456, in 0..=1_099_511_627_776;
        /// Bytes of one answer; a larger one streams on and is not kept.
        entry_bytes_max: usize = 1_048_576, in 0..=1_073_741_823;
        /// The oldest that an answer may be under `watch`, whatever the database is doing. Clients may ask for less:
        /// SET vitrine.max_staleness.
        staleness_max_ms: Millis = Millis(5_000), in 1..=600_000;
        /// Between two looks at the database under `watch`, while somebody asks for anything.
        watch_interval_ms: Millis = Millis(250), in 10..=60_000;
        /// The life of an answer under `ttl`, and under `watch` where nothing can be told of a table: on a standby, or
        /// where it has a storage of its own.
        ttl_ms: Millis = Millis(1_000), in 1..=86_400_000;
        /// Answer reads in a READ COMMITTED transaction block too, once it has begun at the database. A BEGIN that says no
        /// isolation level is READ COMMITTED then, whatever the role's default.
        in_transactions: bool = false;
        /// How much longer an answer is served whose time is over or whose rows have changed, while it is asked for again;
        /// the bound that clients are told grows by it. Never after another grant, policy or definition; 0 is off.
        stale_while_revalidate_ms: Millis = Millis(0), in 0..=600_000;
        /// Answers that are asked for again before their time is over, those asked for most; 0 is off.
        refresh_entries_max: usize = 0, in 0..=10_000;
        /// The most that this may keep one connection busy, in percent of the time.
        refresh_load_max_percent: u64 = 10, in 1..=100;
    }
}

section! {
    /// One more customer database; the section may be repeated, and the n-th is VITRINE_DATABASE_n_… in the environment.
    pub(super) DatabaseEntry at "database" {
        /// The name clients ask for. Default: the database name of the URL.
        name: Option<String> = None, such as "\"shop\"";
        /// PostgreSQL URL with the read-only role.
        url: Option<Secret> = None, such as "\"postgres://vitrine@db.internal:5432/shop\"";
        /// Connections in this database's pools. Default: `pool.size`.
        pool_size: Option<usize> = None, in 1..=10_000, such as "20";
    }
}

section! {
    /// A client user and its tenant in the insight store; the section may be repeated, and the n-th is VITRINE_INSIGHTS_USER_n_… in the environment.
    pub(super) TenantEntry at "insights.user" {
        /// The client user.
        name: Option<String> = None, such as "\"ada\"";
        /// The tenant whose rows the user reads and writes.
        tenant: Option<String> = None, such as "\"acme\"";
    }
}

section! {
    /// A client user with its own role upstream; the section may be repeated, and the n-th is VITRINE_USER_n_… in the environment.
    pub(super) UserEntry at "user" {
        /// The client user.
        name: Option<String> = None, such as "\"analyst\"";
        /// The databases it may use. Default: all.
        databases: Vec<String> = Vec::new();
        /// The role upstream. Default: the role of the database's URL.
        upstream_user: Option<String> = None, such as "\"analyst_read\"";
        /// File with the role's password.
        upstream_password_file: Option<PathBuf> = None, such as "\"/run/secrets/analyst_read\"";
    }
}
