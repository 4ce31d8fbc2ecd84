// pgx v5: every query execution mode, batches, pgxpool, server cursors by SQL, COPY, cancel by context, binary values.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"
)

const long = "SELECT count(*) FROM (SELECT generate_series(1, 10000000000)) AS long"

var modes = []pgx.QueryExecMode{
	pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec,
	pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
}

var background = context.Background()

func section(name string) { fmt.Println("==", name) }

func check(err error) {
	if err != nil {
		log.Panic(err)
	}
}

// code prints what kind of error it is: PostgreSQL's, with its SQLSTATE, or one of Go.
func code(err error) string {
	var refused *pgconn.PgError
	switch {
	case err == nil:
		return "NO ERROR"
	case errors.As(err, &refused):
		return fmt.Sprintf("%T %s %s", refused, refused.Code, refused.Severity)
	case errors.Is(err, context.DeadlineExceeded):
		return "deadline exceeded"
	}
	return err.Error()
}

func rows(query pgx.Rows, err error) string {
	if err != nil {
		return code(err)
	}
	defer query.Close()
	var out strings.Builder
	for query.Next() {
		values, err := query.Values()
		check(err)
		fmt.Fprintf(&out, "%v ", values)
	}
	if query.Err() != nil {
		return out.String() + code(query.Err())
	}
	return out.String() + query.CommandTag().String()
}

func connect(change func(*pgx.ConnConfig)) *pgx.Conn {
	config, err := pgx.ParseConfig("")
	check(err)
	if change != nil {
		change(config)
	}
	connection, err := pgx.ConnectConfig(background, config)
	check(err)
	return connection
}

func queries(connection *pgx.Conn) {
	for _, mode := range modes {
		section(mode.String())
		for turn := range 12 {
			fmt.Println(rows(connection.Query(background, "SELECT name FROM customer WHERE id = $1", mode, 1+turn%3)))
		}
		fmt.Println(rows(connection.Query(background, "SELECT $1::text, $2::int4, $3::float8, $4::bool, $5::bytea", mode,
			"it's \\", 12, 1.5, true, []byte{0, 255})))
		fmt.Println(rows(connection.Query(background, "SELECT * FROM purchase ORDER BY 1, 2", mode)))
		for _, sql := range []string{"SELEC 1", "SELECT * FROM nosuch", "SELECT 1/0", "SELECT 'x'::int4", "DELETE FROM customer",
			"INSERT INTO customer (name) VALUES ('Eve')", "UPDATE customer SET name = 'Eve'", "CREATE TABLE t (a int4)", "DROP TABLE customer"} {
			fmt.Println(rows(connection.Query(background, sql, mode)))
			transaction, err := connection.Begin(background)
			check(err)
			fmt.Println(rows(transaction.Query(background, sql, mode)))
			fmt.Println(rows(transaction.Query(background, "SELECT 1", mode)))
			check(transaction.Rollback(background))
			fmt.Println(rows(connection.Query(background, "SELECT 'goes on'", mode)))
		}
	}
}

func prepared(connection *pgx.Conn) {
	section("prepared")
	statement, err := connection.Prepare(background, "by id", "SELECT name, home FROM customer WHERE id = $1")
	check(err)
	fmt.Println(statement.ParamOIDs, len(statement.Fields), statement.Fields[0].Name)
	for turn := range 12 {
		fmt.Println(rows(connection.Query(background, "by id", 1+turn%3)))
	}
	check(connection.Deallocate(background, "by id"))
	// More texts than the driver's cache keeps.
	sum := 0
	for turn := range 1500 {
		var n int
		check(connection.QueryRow(background, fmt.Sprintf("SELECT $1::int4 + %d", turn%700), turn).Scan(&n))
		sum += n
	}
	fmt.Println(sum)
	check(connection.DeallocateAll(background))
	fmt.Println(rows(connection.Query(background, "SELECT 'goes on'")))
}

func batches(connection *pgx.Conn) {
	section("batches")
	for _, mode := range modes {
		connection.Config().DefaultQueryExecMode = mode
		batch := &pgx.Batch{}
		for turn := range 50 {
			batch.Queue("SELECT $1::int4 * 2", turn)
		}
		batch.Queue("SELECT 1/0")
		batch.Queue("SELECT 'never'")
		results := connection.SendBatch(background, batch)
		sum := 0
		for range 50 {
			var n int
			check(results.QueryRow().Scan(&n))
			sum += n
		}
		fmt.Println(mode, sum, rows(results.Query()))
		fmt.Println(code(results.Close()))
		write := &pgx.Batch{}
		write.Queue("SELECT 1")
		write.Queue("DELETE FROM customer")
		fmt.Println(code(connection.SendBatch(background, write).Close()), rows(connection.Query(background, "SELECT 'goes on'")))
	}
	pipeline := connection.PgConn().StartPipeline(background)
	for range 3 {
		pipeline.SendQueryParams("SELECT 1", nil, nil, nil, nil)
		check(pipeline.Sync())
	}
	for range 6 {
		result, err := pipeline.GetResults()
		check(err)
		if reader, ok := result.(*pgconn.ResultReader); ok {
			fmt.Println(len(reader.Read().Rows))
		} else {
			fmt.Printf("%T\n", result)
		}
	}
	check(pipeline.Close())
}

func cursors(connection *pgx.Conn) {
	section("cursors and large reads")
	transaction, err := connection.Begin(background)
	check(err)
	_, err = transaction.Exec(background, "DECLARE c SCROLL CURSOR FOR SELECT id FROM million ORDER BY id")
	check(err)
	fmt.Println(rows(transaction.Query(background, "FETCH 3 FROM c")), rows(transaction.Query(background, "FETCH BACKWARD 1 FROM c")))
	check(transaction.Commit(background))
	digest, count := sha256.New(), 0
	million, err := connection.Query(background, "SELECT id, label FROM million ORDER BY id")
	check(err)
	for million.Next() {
		var id int
		var label string
		check(million.Scan(&id, &label))
		fmt.Fprintf(digest, "%d%s", id, label)
		count++
	}
	check(million.Err())
	fmt.Printf("a million rows %d %x\n", count, digest.Sum(nil))
	var value string
	check(connection.QueryRow(background, "SELECT repeat('x', 50000000)").Scan(&value))
	fmt.Println(len(value), strings.Trim(value, "x") == "")
	var length int
	check(connection.QueryRow(background, "SELECT length($1::text)", strings.Repeat("y", 5000000)).Scan(&length))
	fmt.Println(length)
}

func cancel(connection *pgx.Conn) {
	section("cancel")
	answered := make(chan error)
	go func() {
		_, err := connection.Exec(background, long)
		answered <- err
	}()
	time.Sleep(time.Second)
	check(connection.PgConn().CancelRequest(background))
	fmt.Println(code(<-answered), rows(connection.Query(background, "SELECT 'still here'")))
	config := connection.Config()
	config.BuildContextWatcherHandler = func(connection *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: connection, CancelRequestDelay: 0, DeadlineDelay: 20 * time.Second}
	}
	other, err := pgx.ConnectConfig(background, config)
	check(err)
	soon, stop := context.WithTimeout(background, time.Second)
	defer stop()
	_, err = other.Exec(soon, long)
	fmt.Println(code(err), rows(other.Query(background, "SELECT 'still here'")))
	check(other.Close(background))
}

func values(connection *pgx.Conn) {
	section("values")
	kinds, err := connection.LoadTypes(background, []string{"mood", "_mood", "place"})
	check(err)
	connection.TypeMap().RegisterTypes(kinds)
	columns, err := connection.Query(background, "SELECT * FROM kinds LIMIT 0")
	check(err)
	names := []string{}
	for _, field := range columns.FieldDescriptions() {
		names = append(names, field.Name)
	}
	columns.Close()
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeSimpleProtocol} {
		for _, name := range names {
			fmt.Println(name, rows(connection.Query(background, fmt.Sprintf("SELECT %q FROM kinds", name), mode)))
		}
	}
	var value any
	for _, name := range names {
		check(connection.QueryRow(background, fmt.Sprintf("SELECT %q FROM kinds", name)).Scan(&value))
		var same bool
		kind := ""
		check(connection.QueryRow(background, fmt.Sprintf("SELECT pg_typeof(%q)::text FROM kinds", name)).Scan(&kind))
		err := connection.QueryRow(background, fmt.Sprintf("SELECT $1::%s::text = %q::text FROM kinds LIMIT 1", kind, name), value).Scan(&same)
		fmt.Println(name, same, err == nil)
	}
}

func transactions(connection *pgx.Conn) {
	section("transactions")
	for _, level := range []pgx.TxIsoLevel{pgx.ReadUncommitted, pgx.ReadCommitted, pgx.RepeatableRead, pgx.Serializable} {
		transaction, err := connection.BeginTx(background, pgx.TxOptions{IsoLevel: level, AccessMode: pgx.ReadOnly, DeferrableMode: pgx.Deferrable})
		check(err)
		fmt.Println(rows(transaction.Query(background, "SHOW transaction_isolation")), rows(transaction.Query(background, "SHOW transaction_read_only")))
		nested, err := transaction.Begin(background)
		check(err)
		fmt.Println(rows(nested.Query(background, "SELECT 1/0")))
		check(nested.Rollback(background))
		fmt.Println(rows(transaction.Query(background, "SELECT 'back'")))
		check(transaction.Commit(background))
	}
	_, err := connection.BeginTx(background, pgx.TxOptions{AccessMode: pgx.ReadWrite})
	if err != nil {
		fmt.Println("READ WRITE", code(err))
	} else {
		fmt.Println("READ WRITE")
		_, err = connection.Exec(background, "ROLLBACK")
		check(err)
	}
	_, err = connection.Exec(background, "SET TimeZone = 'Asia/Tokyo'")
	check(err)
	fmt.Println(rows(connection.Query(background, "SHOW TimeZone")), connection.PgConn().ParameterStatus("TimeZone"))
	_, err = connection.Exec(background, "RESET ALL")
	check(err)
	fmt.Println(rows(connection.Query(background, "SHOW TimeZone")), connection.PgConn().ParameterStatus("TimeZone"))
	_, err = connection.Exec(background, "LISTEN news")
	fmt.Println("LISTEN", code(err))
}

func readWrite(connection *pgx.Conn) {
	for _, level := range []pgx.TxIsoLevel{"", pgx.ReadCommitted, pgx.RepeatableRead, pgx.Serializable} {
		transaction, err := connection.BeginTx(background, pgx.TxOptions{IsoLevel: level, AccessMode: pgx.ReadWrite})
		check(err)
		fmt.Println(level, rows(transaction.Query(background, "SELECT name FROM customer WHERE id = $1", 2)))
		fmt.Println(rows(transaction.Query(background, "SHOW transaction_isolation")))
		fmt.Println("transaction_read_only", rows(transaction.Query(background, "SHOW transaction_read_only")))
		nested, err := transaction.Begin(background)
		check(err)
		_, err = nested.Exec(background, "DELETE FROM customer")
		fmt.Println("DELETE", strings.Fields(code(err))[1])
		check(nested.Rollback(background))
		fmt.Println(rows(transaction.Query(background, "SELECT 'back'")))
		check(transaction.Commit(background))
	}
	_, err := connection.Exec(background, "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE")
	check(err)
	_, err = connection.Exec(background, "DELETE FROM customer")
	fmt.Println("DELETE", strings.Fields(code(err))[1])
	fmt.Println(rows(connection.Query(background, "SELECT count(*) FROM customer")))
}

func copying(connection *pgx.Conn) {
	section("copy")
	for _, sql := range []string{"COPY customer TO STDOUT", "COPY (SELECT * FROM purchase) TO STDOUT (FORMAT binary)", "COPY million TO STDOUT"} {
		out := &bytes.Buffer{}
		tag, err := connection.PgConn().CopyTo(background, out, sql)
		check(err)
		fmt.Printf("%s %x\n", tag, sha256.Sum256(out.Bytes()))
	}
	_, err := connection.CopyFrom(background, pgx.Identifier{"customer"}, []string{"name"}, pgx.CopyFromRows([][]any{{"Eve"}}))
	fmt.Println("COPY FROM", strings.Fields(code(err))[1])
	fmt.Println(rows(connection.Query(background, "SELECT 'goes on'")))
}

func pool() {
	section("pool")
	config, err := pgxpool.ParseConfig("pool_max_conns=4 application_name=drivers statement_timeout=20s")
	check(err)
	connections, err := pgxpool.NewWithConfig(background, config)
	check(err)
	defer connections.Close()
	var group sync.WaitGroup
	for number := range 16 {
		group.Add(1)
		go func() {
			defer group.Done()
			for turn := range 25 {
				var n int
				check(connections.QueryRow(background, "SELECT $1::int4", number*1000+turn).Scan(&n))
				if n != number*1000+turn {
					log.Panicf("asked %d, answered %d", number*1000+turn, n)
				}
			}
		}()
	}
	group.Wait()
	fmt.Println(rows(connections.Query(background, "SHOW application_name")), rows(connections.Query(background, "SHOW statement_timeout")))
}

func trust(authority string) *x509.CertPool {
	pem, err := os.ReadFile(os.Getenv(authority))
	check(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return roots
}

func secure() {
	section("TLS")
	connection := connect(func(config *pgx.ConnConfig) { config.TLSConfig = &tls.Config{InsecureSkipVerify: true} })
	fmt.Println(rows(connection.Query(background, "SELECT current_user::text")))
	check(connection.Close(background))
	connection = connect(func(config *pgx.ConnConfig) {
		config.TLSConfig = &tls.Config{RootCAs: trust("AUTHORITY"), ServerName: "localhost"}
		config.ChannelBinding = "require"
	})
	fmt.Println(rows(connection.Query(background, "SELECT current_user::text")))
	cancel(connection)
	check(connection.Close(background))
	config, err := pgx.ParseConfig("")
	check(err)
	config.TLSConfig = &tls.Config{RootCAs: trust("STRANGER"), ServerName: "localhost"}
	_, err = pgx.ConnectConfig(background, config)
	fmt.Println(strings.Contains(err.Error(), "certificate"))
	config.TLSConfig = &tls.Config{RootCAs: trust("AUTHORITY"), ServerName: "localhost"}
	config.Password = "wrong"
	_, err = pgx.ConnectConfig(background, config)
	fmt.Println(code(err))
}

func main() {
	connection := connect(nil)
	if os.Getenv("READ_WRITE") != "" {
		readWrite(connection)
		check(connection.Close(background))
		return
	}
	for _, part := range []func(*pgx.Conn){queries, prepared, cursors, cancel, values, transactions, copying, batches} {
		part(connection)
	}
	fmt.Println(rows(connection.Query(background, "SELECT count(*) FROM customer")))
	check(connection.Close(background))
	pool()
	secure()
}
