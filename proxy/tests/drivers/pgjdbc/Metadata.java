import java.sql.*;
import java.util.*;

/** What tools ask java.sql.DatabaseMetaData. */
class Metadata {
    private final Connection connection;
    private final DatabaseMetaData metadata;

    Metadata(Connection connection) throws SQLException {
        this.connection = connection;
        this.metadata = connection.getMetaData();
    }

    void print() throws Exception {
        Program.section("metadata");
        String database = connection.getCatalog();
        System.out.println(metadata.getDatabaseProductName() + " " + metadata.getDatabaseMajorVersion() + " " + metadata.getUserName() + " " + database);
        System.out.println(metadata.getMaxColumnNameLength() + " " + metadata.getMaxIndexLength() + " " + metadata.getDefaultTransactionIsolation());
        System.out.println(metadata.getSQLKeywords());
        for (String function : List.of(metadata.getNumericFunctions(), metadata.getStringFunctions(), metadata.getTimeDateFunctions())) {
            System.out.println(function);
        }
        show("catalogs", metadata.getCatalogs());
        show("schemas", metadata.getSchemas());
        show("schemas", metadata.getSchemas(database, "s%"));
        show("table types", metadata.getTableTypes());
        show("tables", metadata.getTables(database, "sales", "%", null));
        show("tables", metadata.getTables(null, null, "c%", new String[] {"TABLE", "VIEW", "MATERIALIZED VIEW", "SEQUENCE", "INDEX", "TYPE"}));
        show("system tables", metadata.getTables(null, "pg_catalog", "pg_am%", new String[] {"SYSTEM TABLE", "SYSTEM INDEX"}));
        for (String table : List.of("customer", "purchase", "event", "spender", "month", "kinds")) {
            show("columns of " + table, metadata.getColumns(database, "sales", table, "%"));
            show("primary key of " + table, metadata.getPrimaryKeys(null, "sales", table));
            show("imported keys of " + table, metadata.getImportedKeys(null, "sales", table));
            show("exported keys of " + table, metadata.getExportedKeys(null, "sales", table));
            show("indexes of " + table, metadata.getIndexInfo(null, "sales", table, false, true));
            show("best row identifier of " + table, metadata.getBestRowIdentifier(null, "sales", table, DatabaseMetaData.bestRowSession, true));
            show("version columns of " + table, metadata.getVersionColumns(null, "sales", table));
            show("table privileges of " + table, metadata.getTablePrivileges(null, "sales", table));
            show("column privileges of " + table, metadata.getColumnPrivileges(null, "sales", table, "n%"));
        }
        show("cross reference", metadata.getCrossReference(null, "sales", "customer", null, "sales", "purchase"));
        show("types", metadata.getUDTs(null, "sales", "%", null));
        show("type information", metadata.getTypeInfo());
        show("procedures", metadata.getProcedures(null, "sales", "%"));
        show("functions", metadata.getFunctions(null, "pg_catalog", "array_a%"));
        show("function columns", metadata.getFunctionColumns(null, "pg_catalog", "array_append", "%"));
        show("client properties", metadata.getClientInfoProperties());
        ResultSetMetaData columns = connection.prepareStatement("SELECT c.id AS renamed, p.price, upper(c.name) FROM customer c JOIN purchase p ON p.customer_id = c.id").getMetaData();
        for (int number = 1; number <= 3; number++) {
            System.out.println(columns.getColumnLabel(number) + " " + columns.getTableName(number) + " " + columns.getSchemaName(number) + " "
                + columns.getPrecision(number) + " " + columns.getScale(number) + " " + columns.isAutoIncrement(number) + " " + columns.isNullable(number));
        }
    }

    private static void show(String what, ResultSet result) throws Exception {
        System.out.println(what);
        for (String row : Program.rows(result).split("; ")) {
            System.out.println("  " + row);
        }
    }
}
