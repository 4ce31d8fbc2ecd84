import java.io.ByteArrayOutputStream;
import java.security.MessageDigest;
import java.sql.*;
import java.util.*;
import java.util.concurrent.*;
import org.postgresql.PGConnection;
import org.postgresql.PGStatement;
import org.postgresql.copy.CopyManager;
import org.postgresql.util.PSQLException;

/** pgjdbc: prepareThreshold, cursors by fetch size, binary transfer, every query mode, metadata, cancel, COPY, TLS. */
public class Program {
    static final String LONG = "SELECT count(*) FROM (SELECT generate_series(1, 10000000000)) AS long";

    interface Asking { Object ask() throws Exception; }

    public static void main(String[] arguments) throws Exception {
        if (System.getenv("READ_WRITE") != null) {
            readWrite();
            return;
        }
        for (String mode : List.of("extended", "extendedForPrepared", "extendedCacheEverything", "simple")) {
            try (Connection connection = connect("preferQueryMode=" + mode)) {
                section("query mode " + mode);
                queries(connection);
                errors(connection);
                transactions(connection);
            }
        }
        for (String binary : List.of("binaryTransfer=true&prepareThreshold=-1", "binaryTransfer=false")) {
            try (Connection connection = connect(binary)) {
                section("values " + binary);
                values(connection);
            }
        }
        try (Connection connection = connect("")) {
            prepared(connection);
            cursors(connection);
            cancel(connection);
            large(connection);
            batches(connection);
            copying(connection);
            calls(connection);
            new Metadata(connection).print();
            System.out.println(rows(connection.createStatement().executeQuery("SELECT count(*) FROM customer")));
        }
        readOnly();
        tls();
    }

    static Connection connect(String options) throws SQLException {
        return connect("sslmode=disable&" + options, System.getenv("PGPASSWORD"));
    }

    static Connection connect(String options, String password) throws SQLException {
        String url = "jdbc:postgresql://%s:%s/%s?%s".formatted(
            System.getenv("PGHOST"), System.getenv("PGPORT"), System.getenv("PGDATABASE"), options);
        return DriverManager.getConnection(url, System.getenv("PGUSER"), password);
    }

    static void section(String name) {
        System.out.println("== " + name);
    }

    /** What it answers, or what the driver throws. */
    static void tell(Asking asking) throws Exception {
        try {
            System.out.println(asking.ask());
        } catch (SQLException error) {
            System.out.println(error.getClass().getSimpleName() + " " + error.getSQLState());
        }
    }

    static String rows(ResultSet result) throws Exception {
        StringBuilder out = new StringBuilder();
        int columns = result.getMetaData().getColumnCount();
        while (result.next()) {
            for (int column = 1; column <= columns; column++) {
                Object value = result.getObject(column);
                out.append(value instanceof byte[] bytes ? Arrays.toString(bytes) : value).append(column < columns ? "," : "; ");
            }
        }
        return out.toString();
    }

    static String rows(Connection connection, String sql, Object... values) throws Exception {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            for (int number = 0; number < values.length; number++) {
                statement.setObject(number + 1, values[number]);
            }
            return rows(statement.executeQuery());
        }
    }

    static void queries(Connection connection) throws Exception {
        Statement statement = connection.createStatement();
        System.out.println(rows(statement.executeQuery("SELECT 1, 'two', NULL, 4.5")));
        System.out.println(rows(statement.executeQuery("SELECT * FROM customer ORDER BY id")));
        boolean more = statement.execute("SELECT 1; SELECT 2; SHOW TimeZone");
        for (; more; more = statement.getMoreResults()) {
            System.out.println(rows(statement.getResultSet()));
        }
        try (PreparedStatement byId = connection.prepareStatement("SELECT name FROM customer WHERE id = ?")) {
            for (int turn = 0; turn < 12; turn++) {
                byId.setInt(1, 1 + turn % 3);
                System.out.println(rows(byId.executeQuery()));
            }
        }
        System.out.println(rows(connection, "SELECT ?::text, ?::int8, ?::float8, ?::numeric", "it's \\", 1L << 40, 1.5, new java.math.BigDecimal("1.250")));
        System.out.println(rows(connection, "SELECT {fn upper('abc')}, {d '2024-02-29'}, {fn now()} IS NOT NULL"));
        statement.execute("SET TimeZone = 'Asia/Tokyo'");
        System.out.println(rows(statement.executeQuery("SHOW TimeZone")));
        statement.execute("RESET ALL");
    }

    static void errors(Connection connection) throws Exception {
        List<String> statements = List.of("SELEC 1", "SELECT * FROM nosuch", "SELECT nosuch FROM customer", "SELECT 1/0", "SELECT 'x'::int4",
            "DELETE FROM customer", "INSERT INTO customer (name) VALUES ('Eve')", "UPDATE customer SET name = 'Eve'",
            "CREATE TABLE t (a int4)", "DROP TABLE customer", "SELECT nosuch(1)", "{call nosuch()}");
        for (boolean autoCommit : List.of(true, false)) {
            connection.setAutoCommit(autoCommit);
            for (String sql : statements) {
                for (int turn = 0; turn < 2; turn++) {
                    tell(() -> connection.createStatement().execute(sql));
                    if (!autoCommit) {
                        tell(() -> rows(connection, "SELECT 1"));
                        connection.rollback();
                    }
                    System.out.println(rows(connection, "SELECT 'goes on'"));
                }
            }
            // autosave: the driver's own savepoints.
            if (!autoCommit) {
                connection.unwrap(PGConnection.class).setAutosave(org.postgresql.jdbc.AutoSave.ALWAYS);
                tell(() -> rows(connection, "SELECT 1/0"));
                tell(() -> rows(connection, "SELECT 'saved'"));
                connection.rollback();
                connection.unwrap(PGConnection.class).setAutosave(org.postgresql.jdbc.AutoSave.NEVER);
            }
            connection.setAutoCommit(true);
        }
    }

    static void transactions(Connection connection) throws Exception {
        connection.setReadOnly(true);
        for (int level : List.of(Connection.TRANSACTION_READ_UNCOMMITTED, Connection.TRANSACTION_READ_COMMITTED,
                Connection.TRANSACTION_REPEATABLE_READ, Connection.TRANSACTION_SERIALIZABLE)) {
            connection.setTransactionIsolation(level);
            connection.setAutoCommit(false);
            System.out.println(rows(connection, "SHOW transaction_isolation") + rows(connection, "SHOW transaction_read_only"));
            Savepoint savepoint = connection.setSavepoint("here");
            tell(() -> rows(connection, "SELECT 1/0"));
            connection.rollback(savepoint);
            System.out.println(rows(connection, "SELECT 'back'"));
            connection.releaseSavepoint(savepoint);
            connection.commit();
            connection.setAutoCommit(true);
        }
        connection.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
        connection.setReadOnly(false);
        connection.setAutoCommit(false);
        System.out.println(rows(connection, "SELECT 'read-write by name only'"));
        connection.rollback();
        connection.setAutoCommit(true);
    }

    static void prepared(Connection connection) throws Exception {
        section("prepared");
        for (int threshold : List.of(1, 5, -1)) {
            try (PreparedStatement statement = connection.prepareStatement("SELECT name, home, tags FROM customer WHERE id = ?")) {
                statement.unwrap(PGStatement.class).setPrepareThreshold(threshold);
                for (int turn = 0; turn < 8; turn++) {
                    statement.setInt(1, 1 + turn % 3);
                    System.out.println(rows(statement.executeQuery()) + statement.unwrap(PGStatement.class).isUseServerPrepare());
                }
                ParameterMetaData parameters = statement.getParameterMetaData();
                System.out.println(parameters.getParameterCount() + " " + parameters.getParameterTypeName(1));
                ResultSetMetaData columns = statement.getMetaData();
                System.out.println(columns.getColumnTypeName(2) + " " + columns.isNullable(1) + " " + columns.isAutoIncrement(1));
            }
        }
        long sum = 0;
        for (int turn = 0; turn < 1200; turn++) {
            try (PreparedStatement statement = connection.prepareStatement("SELECT ?::int4 + " + turn % 400)) {
                statement.unwrap(PGStatement.class).setPrepareThreshold(1);
                statement.setInt(1, turn);
                ResultSet result = statement.executeQuery();
                result.next();
                sum += result.getInt(1);
            }
        }
        System.out.println(sum);
    }

    static void cursors(Connection connection) throws Exception {
        section("cursors");
        connection.setAutoCommit(false);
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        int count = 0;
        try (Statement statement = connection.createStatement()) {
            statement.setFetchSize(20000);
            ResultSet result = statement.executeQuery("SELECT id, label FROM million ORDER BY id");
            while (result.next()) {
                digest.update((result.getInt(1) + result.getString(2)).getBytes("UTF-8"));
                count++;
            }
        }
        System.out.println("a million rows " + count + " " + HexFormat.of().formatHex(digest.digest()));
        // Several at once, left open half way.
        try (Statement one = connection.createStatement(); Statement two = connection.createStatement()) {
            one.setFetchSize(2);
            two.setFetchSize(3);
            ResultSet a = one.executeQuery("SELECT id FROM million ORDER BY id");
            ResultSet b = two.executeQuery("SELECT id FROM million ORDER BY id DESC");
            int sum = 0;
            for (int turn = 0; turn < 10 && a.next() && b.next(); turn++) {
                sum += a.getInt(1) + b.getInt(1);
            }
            System.out.println(sum);
        }
        try (Statement scroll = connection.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_READ_ONLY)) {
            ResultSet result = scroll.executeQuery("SELECT id FROM customer ORDER BY id");
            System.out.println(result.last() + " " + result.getInt(1) + " " + result.first() + " " + result.getInt(1));
        }
        connection.commit();
        try (Statement limited = connection.createStatement()) {
            limited.setMaxRows(5);
            System.out.println(rows(limited.executeQuery("SELECT id FROM million ORDER BY id")));
        }
        connection.setAutoCommit(true);
    }

    static void cancel(Connection connection) throws Exception {
        section("cancel");
        try (Statement statement = connection.createStatement()) {
            statement.setQueryTimeout(1);
            tell(() -> rows(statement.executeQuery(LONG)));
            System.out.println(rows(connection, "SELECT 'still here'"));
        }
        ScheduledExecutorService later = Executors.newScheduledThreadPool(1);
        try (Statement statement = connection.createStatement()) {
            later.schedule(() -> { statement.cancel(); return null; }, 1, TimeUnit.SECONDS);
            tell(() -> rows(statement.executeQuery(LONG)));
            System.out.println(rows(connection, "SELECT 'still here'"));
        }
        connection.setAutoCommit(false);
        try (Statement statement = connection.createStatement()) {
            later.schedule(() -> { connection.unwrap(PGConnection.class).cancelQuery(); return null; }, 1, TimeUnit.SECONDS);
            tell(() -> rows(statement.executeQuery(LONG)));
            tell(() -> rows(connection, "SELECT 1"));
        }
        connection.rollback();
        connection.setAutoCommit(true);
        System.out.println(rows(connection, "SELECT 'still here'"));
        later.shutdownNow();
    }

    static void values(Connection connection) throws Exception {
        ResultSetMetaData columns = connection.prepareStatement("SELECT * FROM kinds").getMetaData();
        for (int number = 1; number <= columns.getColumnCount(); number++) {
            String name = columns.getColumnName(number), sql = "SELECT \"" + name + "\" FROM kinds";
            System.out.println(name + " " + columns.getColumnTypeName(number) + " " + columns.getColumnClassName(number));
            tell(() -> "  " + rows(connection, sql));
            // Written back as it was read: an array, an object of the driver's own, or plain.
            ResultSet result = connection.createStatement().executeQuery(sql);
            result.next();
            Object value = result.getObject(1);
            tell(() -> "  and back " + rows(connection, "SELECT ?", value));
        }
    }

    static void large(Connection connection) throws Exception {
        section("large");
        ResultSet result = connection.createStatement().executeQuery("SELECT repeat('x', 50000000)");
        result.next();
        System.out.println(result.getString(1).length());
        System.out.println(rows(connection, "SELECT length(?)", "y".repeat(5000000)));
        result = connection.createStatement().executeQuery("SELECT id FROM million");
        long sum = 0;
        while (result.next()) {
            sum += result.getInt(1);
        }
        System.out.println(sum);
    }

    static void batches(Connection connection) throws Exception {
        section("batches");
        for (String sql : List.of("DELETE FROM customer WHERE id = ?", "UPDATE customer SET name = 'Eve' WHERE id = ?")) {
            try (PreparedStatement statement = connection.prepareStatement(sql)) {
                for (int id = 1; id <= 3; id++) {
                    statement.setInt(1, id);
                    statement.addBatch();
                }
                tell(() -> statement.executeBatch().length);
            }
            System.out.println(rows(connection, "SELECT 'goes on'"));
        }
    }

    static void copying(Connection connection) throws Exception {
        section("copy");
        CopyManager copy = connection.unwrap(PGConnection.class).getCopyAPI();
        for (String sql : List.of("COPY customer TO STDOUT", "COPY (SELECT * FROM purchase) TO STDOUT (FORMAT binary)", "COPY million TO STDOUT")) {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            long count = copy.copyOut(sql, out);
            System.out.println(count + " " + HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(out.toByteArray())));
        }
        try {
            copy.copyIn("COPY customer (name) FROM STDIN", new java.io.StringReader("Eve\n"));
        } catch (PSQLException error) {
            System.out.println("COPY FROM " + error.getSQLState());
        }
        System.out.println(rows(connection, "SELECT 'goes on'"));
    }

    /** setReadOnly(false), before and after setReadOnly(true), where the driver says so to the server. */
    static void readWrite() throws Exception {
        for (String mode : List.of("ignore", "transaction", "always")) {
            for (boolean first : List.of(false, true)) {
                try (Connection connection = connect("readOnlyMode=" + mode + "&readOnly=" + first)) {
                    for (boolean readOnly : List.of(false, true, false)) {
                        for (boolean autoCommit : List.of(true, false)) {
                            connection.setReadOnly(readOnly);
                            connection.setAutoCommit(autoCommit);
                            String what = mode + " " + first + " " + readOnly + " " + autoCommit + " ";
                            System.out.println(what + rows(connection, "SELECT name FROM customer WHERE id = 2"));
                            System.out.println("transaction_read_only " + rows(connection, "SHOW transaction_read_only"));
                            try {
                                connection.createStatement().execute("DELETE FROM customer");
                                System.out.println("NO ERROR");
                            } catch (SQLException error) {
                                System.out.println("DELETE " + error.getSQLState());
                            }
                            if (!autoCommit) connection.rollback();
                            connection.setAutoCommit(true);
                        }
                    }
                }
            }
        }
    }

    /** The result is a parameter of type void, and not an argument. */
    static void calls(Connection connection) throws Exception {
        section("calls");
        try (CallableStatement call = connection.prepareCall("{? = call upper(?)}")) {
            call.registerOutParameter(1, Types.VARCHAR);
            for (String text : List.of("abc", "zoë")) {
                call.setString(2, text);
                call.execute();
                System.out.println(call.getString(1));
            }
        }
        try (Statement statement = connection.createStatement()) {
            statement.execute("SET SESSION AUTHORIZATION DEFAULT");
            statement.execute("RESET ROLE");
            // Flyway, after each of its looks.
            statement.execute("SET ROLE '" + System.getenv("PGUSER") + "'");
        }
        System.out.println(rows(connection, "SELECT current_user"));
    }

    /** What setReadOnly sends in each of the driver's modes. */
    static void readOnly() throws Exception {
        section("read only");
        for (String mode : List.of("ignore", "transaction", "always")) {
            try (Connection connection = connect("readOnlyMode=" + mode + "&readOnly=true")) {
                System.out.println(mode + " " + connection.isReadOnly() + " " + rows(connection, "SHOW default_transaction_read_only"));
                try {
                    connection.setAutoCommit(false);
                    String on = rows(connection, "SHOW transaction_read_only");
                    connection.commit();
                    connection.setReadOnly(false);
                    System.out.println(mode + " " + on + "and can be left");
                } catch (SQLException error) {
                    System.out.println(mode + " refused " + error.getSQLState());
                }
            }
        }
        try (Connection connection = connect("ApplicationName=drivers&options=-c%20TimeZone=Asia/Tokyo&currentSchema=public&assumeMinServerVersion=12")) {
            System.out.println(rows(connection, "SHOW application_name") + rows(connection, "SHOW TimeZone") + connection.getSchema());
            connection.setSchema("sales");
            System.out.println(connection.getSchema() + " " + rows(connection, "SELECT count(*) FROM customer") + connection.isValid(5));
            connection.setClientInfo("ApplicationName", "renamed");
            System.out.println(rows(connection, "SHOW application_name"));
        }
    }

    static void tls() throws Exception {
        section("TLS");
        String authority = System.getenv("AUTHORITY"), stranger = System.getenv("STRANGER"), password = System.getenv("PGPASSWORD");
        for (String options : List.of("sslmode=require", "sslmode=verify-full&sslrootcert=" + authority,
                "sslmode=verify-full&channelBinding=require&sslrootcert=" + authority, "sslmode=verify-full&sslrootcert=" + stranger)) {
            tell(() -> {
                try (Connection connection = connect(options, password)) {
                    cancel(connection);
                    return rows(connection, "SELECT current_user");
                }
            });
        }
        tell(() -> connect("sslmode=require", "wrong"));
    }
}
