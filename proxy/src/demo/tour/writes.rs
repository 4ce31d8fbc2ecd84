//! Attempts to change something or to get out. All are refused, and none reaches the database.

/// How an attempt is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A simple query.
    Simple(&'static str),
    /// Prepared and executed.
    Prepared(&'static str),
    /// A start-up `options` value.
    Startup(&'static str),
    /// COPY in.
    CopyIn(&'static str),
    /// FunctionCall, the fast path without any SQL: a function by its number, with text arguments.
    FastPath {
        /// `pg_proc.oid`.
        function: u32,
        /// Its arguments, in text.
        arguments: &'static [&'static str],
    },
}

/// One attempt of the tour.
#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    /// What it tries.
    pub title: &'static str,
    /// How.
    pub way: Way,
}

impl Attempt {
    /// The SQL or what stands for it.
    #[must_use]
    pub fn text(&self) -> &'static str {
        match self.way {
            Way::Simple(text) | Way::Prepared(text) | Way::Startup(text) | Way::CopyIn(text) => text,
            Way::FastPath { .. } => "FunctionCall message",
        }
    }
}

const fn simple(title: &'static str, sql: &'static str) -> Attempt {
    Attempt { title, way: Way::Simple(sql) }
}

const fn prepared(title: &'static str, sql: &'static str) -> Attempt {
    Attempt { title, way: Way::Prepared(sql) }
}

/// `pg_proc.oid` of `set_config`, the same in every version.
const SET_CONFIG: u32 = 2078;

/// The attempts, in order.
pub const WRITES: &[Attempt] = &[
    simple("what the ticket asked for", "DELETE FROM sales.orders"),
    prepared("a write, prepared", "DELETE FROM support.satisfaction WHERE ticket_id = 8"),
    simple("a write inside a CTE", "WITH gone AS (DELETE FROM sales.payments RETURNING *) SELECT count(*) FROM gone"),
    simple("a SELECT that makes a table", "SELECT * INTO sales.copied FROM sales.customers"),
    simple("a second statement", "SELECT 1; DROP TABLE support.satisfaction"),
    prepared("a second statement, prepared", "SELECT 1; DROP TABLE sales.order_lines"),
    simple("a statement that one parser reads as harmless", "SELECT 1 END; DROP TABLE analytics.exchange_rates"),
    simple("leaving the transaction", "COMMIT; BEGIN READ WRITE; UPDATE sales.products SET price = 0; COMMIT"),
    simple("EXPLAIN, which executes", "EXPLAIN (ANALYZE) DELETE FROM sales.contracts"),
    simple("the shop's own function, in FROM", "SELECT * FROM sales.place_order(1, 1, 1)"),
    simple("the same through LATERAL", "SELECT * FROM sales.regions, LATERAL sales.place_order(1, 1, 1) AS placed"),
    simple(
        "SQL as text inside a function",
        "SELECT query_to_xml('SELECT set_config(''work_mem'', ''2GB'', false)', true, true, '')",
    ),
    simple("turning read-only off", "SET default_transaction_read_only = off"),
    simple("turning it off by a function", "SELECT set_config('default_transaction_read_only', 'off', false)"),
    simple("the same, its name escaped", r#"SELECT U&"set_con\0066ig"('default_transaction_read_only', 'off', false)"#),
    Attempt {
        title: "the same, without SQL (fast path)",
        way: Way::FastPath { function: SET_CONFIG, arguments: &["default_transaction_read_only", "off", "f"] },
    },
    Attempt { title: "the same, at start-up", way: Way::Startup("-c default_transaction_read_only=off") },
    simple("a program on the server", "COPY (SELECT 1) TO PROGRAM 'id'"),
    Attempt { title: "rows from the client", way: Way::CopyIn("COPY sales.regions FROM STDIN") },
    simple("an anonymous block", "DO $$ BEGIN UPDATE sales.customers SET tags = '{}'; END $$"),
    simple("a prepared write in SQL", "PREPARE p AS UPDATE support.tickets SET closed_at = now(); EXECUTE p"),
    simple("a sequence", "SELECT nextval('sales.orders_id_seq')"),
    simple("row locks", "SELECT * FROM sales.orders WHERE id = 1 FOR UPDATE"),
    simple("a table lock", "BEGIN; LOCK TABLE sales.orders IN ACCESS SHARE MODE; COMMIT"),
    simple("an advisory lock", "SELECT pg_advisory_lock(1)"),
    simple("a message to others", "NOTIFY orders, 'look here'"),
    simple("a channel to wait on", "LISTEN orders"),
    simple("a file of the server", "SELECT * FROM pg_read_file('/etc/passwd')"),
    simple("a large object", "SELECT lo_from_bytea(0, 'kept')"),
    simple("another connection", "SELECT dblink_exec('dbname=shop', 'DELETE FROM sales.orders')"),
    simple(
        "somebody else's session",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()",
    ),
    simple("another role", "SET ROLE postgres"),
    simple("a view for later", "CREATE VIEW sales.trap AS SELECT pg_backend_pid()"),
    simple("a gigabyte out of one line", "SELECT length(repeat(repeat(repeat('x', 1000), 1000), 900))"),
];
