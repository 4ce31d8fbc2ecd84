// database/sql with lib/pq and bun's pgdriver, go-pg, and GORM on pgx.
package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"

	gopg "github.com/go-pg/pg/v10"
	"github.com/lib/pq"
	"github.com/uptrace/bun/driver/pgdriver"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

func code(err error) string {
	var refusal *pq.Error
	if errors.As(err, &refusal) {
		return string(refusal.Code)
	}
	return fmt.Sprint(err)
}

func libpq() {
	url := fmt.Sprintf("postgres://%s:%s@%s:%s/%s?sslmode=disable", os.Getenv("PGUSER"), os.Getenv("PGPASSWORD"), os.Getenv("PGHOST"), os.Getenv("PGPORT"), os.Getenv("PGDATABASE"))
	database, err := sql.Open("postgres", url)
	if err != nil {
		panic(err)
	}
	defer database.Close()
	var number int
	var name string
	fmt.Println(database.QueryRow("SELECT count(*) FROM million WHERE id < $1", 10).Scan(&number), number)
	statement, err := database.Prepare("SELECT name FROM customer WHERE id = $1")
	fmt.Println(err)
	for id := 1; id <= 6; id++ {
		err = statement.QueryRow(1 + id%3).Scan(&name)
		fmt.Println(err, name)
	}
	for _, level := range []sql.IsolationLevel{sql.LevelDefault, sql.LevelReadCommitted, sql.LevelRepeatableRead, sql.LevelSerializable} {
		block, err := database.BeginTx(context.Background(), &sql.TxOptions{ReadOnly: true, Isolation: level})
		fmt.Println(err)
		fmt.Println(block.QueryRow("SHOW transaction_isolation").Scan(&name), name, block.Commit())
	}
	block, err := database.Begin()
	fmt.Println("READ WRITE", code(err))
	if err == nil {
		block.Rollback()
	}
	_, err = database.Exec("DELETE FROM customer")
	fmt.Println(code(err))
	_, err = database.Query("SELECT nosuch")
	fmt.Println(code(err))
	rows, err := database.Query("SELECT 1; SELECT 2")
	fmt.Println(err)
	for more := true; more; more = rows.NextResultSet() {
		for rows.Next() {
			fmt.Println(rows.Scan(&number), number)
		}
	}
}

// The driver says READ WRITE at every Begin that does not ask for ReadOnly.
func readWrite() {
	url := fmt.Sprintf("postgres://%s:%s@%s:%s/%s?sslmode=disable", os.Getenv("PGUSER"), os.Getenv("PGPASSWORD"), os.Getenv("PGHOST"), os.Getenv("PGPORT"), os.Getenv("PGDATABASE"))
	database, err := sql.Open("postgres", url)
	if err != nil {
		panic(err)
	}
	defer database.Close()
	var name string
	for _, level := range []sql.IsolationLevel{sql.LevelDefault, sql.LevelReadCommitted, sql.LevelRepeatableRead, sql.LevelSerializable} {
		block, err := database.BeginTx(context.Background(), &sql.TxOptions{Isolation: level})
		fmt.Println(level, code(err))
		fmt.Println(block.QueryRow("SELECT name FROM customer WHERE id = $1", 2).Scan(&name), name)
		fmt.Println(block.QueryRow("SHOW transaction_isolation").Scan(&name), name)
		fmt.Println(block.QueryRow("SHOW transaction_read_only").Scan(&name), "transaction_read_only", name)
		fmt.Println(block.Commit())
		block, err = database.BeginTx(context.Background(), &sql.TxOptions{Isolation: level})
		fmt.Println(code(err))
		_, err = block.Exec("DELETE FROM customer")
		fmt.Println("DELETE", code(err))
		_, err = block.Exec("SELECT 1")
		fmt.Println(code(err))
		fmt.Println(block.Rollback())
	}
	fmt.Println(database.QueryRow("SELECT count(*)::text FROM customer").Scan(&name), name)
}

// The field C of an error that is known by its fields alone.
func field(err error) string {
	var refusal interface{ Field(byte) string }
	if errors.As(err, &refusal) {
		return refusal.Field('C')
	}
	return fmt.Sprint(err)
}

func bun() {
	address := os.Getenv("PGHOST") + ":" + os.Getenv("PGPORT")
	database := sql.OpenDB(pgdriver.NewConnector(pgdriver.WithAddr(address), pgdriver.WithInsecure(true),
		pgdriver.WithUser(os.Getenv("PGUSER")), pgdriver.WithPassword(os.Getenv("PGPASSWORD")),
		pgdriver.WithDatabase(os.Getenv("PGDATABASE")), pgdriver.WithApplicationName("bun")))
	defer database.Close()
	var name string
	fmt.Println(database.QueryRow("SELECT name FROM customer WHERE id = $1", 2).Scan(&name), name)
	prepared, err := database.Prepare("SELECT $1::int4 + 1")
	fmt.Println(err)
	for number := range 3 {
		var next int
		fmt.Println(prepared.QueryRow(number).Scan(&next), next)
	}
	for _, statement := range []string{"DELETE FROM customer", "SELECT nosuch", "SELECT 1/0"} {
		_, err := database.Exec(statement)
		fmt.Println(field(err))
	}
	block, err := database.BeginTx(context.Background(), &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead})
	fmt.Println(err, block.QueryRow("SHOW transaction_isolation").Scan(&name), name, block.Commit())
}

func goPG() {
	database := gopg.Connect(&gopg.Options{Addr: os.Getenv("PGHOST") + ":" + os.Getenv("PGPORT"), User: os.Getenv("PGUSER"),
		Password: os.Getenv("PGPASSWORD"), Database: os.Getenv("PGDATABASE")})
	defer database.Close()
	var names []string
	_, err := database.Query(&names, "SELECT name FROM customer WHERE id > ? ORDER BY id", 1)
	fmt.Println(err, names)
	prepared, err := database.Prepare("SELECT $1::int4 + 1")
	fmt.Println(err)
	for number := range 3 {
		var next int
		_, err := prepared.QueryOne(gopg.Scan(&next), number)
		fmt.Println(err, next)
	}
	for _, statement := range []string{"DELETE FROM customer", "SELECT nosuch", "SELECT 1/0"} {
		_, err := database.Exec(statement)
		fmt.Println(field(err))
	}
	var rows bytes.Buffer
	_, err = database.CopyTo(&rows, "COPY (SELECT id FROM customer ORDER BY id) TO STDOUT")
	fmt.Println(err, rows.String())
	fmt.Println(database.RunInTransaction(context.Background(), func(block *gopg.Tx) error {
		_, err := block.Exec("SELECT 1")
		return err
	}))
}

func orm() {
	dsn := fmt.Sprintf("host=%s port=%s user=%s password=%s dbname=%s sslmode=disable", os.Getenv("PGHOST"), os.Getenv("PGPORT"), os.Getenv("PGUSER"), os.Getenv("PGPASSWORD"), os.Getenv("PGDATABASE"))
	database, err := gorm.Open(postgres.Open(dsn), &gorm.Config{Logger: logger.Discard})
	fmt.Println(err)
	migrator := database.Migrator()
	tables, err := migrator.GetTables()
	fmt.Println(len(tables), err, migrator.HasTable("customer"), migrator.HasColumn("customer", "name"), migrator.CurrentDatabase())
	columns, err := migrator.ColumnTypes("customer")
	for _, column := range columns {
		length, sized := column.Length()
		null, _ := column.Nullable()
		fmt.Println(column.Name(), column.DatabaseTypeName(), length, sized, null)
	}
	indexes, err := migrator.GetIndexes("customer")
	fmt.Println(len(indexes), err)
	var found []map[string]any
	fmt.Println(database.Table("customer").Select("id", "name").Where("id > ?", 0).Order("id").Find(&found).Error, found)
	fmt.Println(database.Transaction(func(block *gorm.DB) error {
		return block.Raw("SELECT count(*) FROM purchase").Scan(&found).Error
	}, &sql.TxOptions{ReadOnly: true}))
}

func main() {
	if os.Getenv("READ_WRITE") != "" {
		readWrite()
		return
	}
	fmt.Println("== lib/pq")
	libpq()
	fmt.Println("== bun's pgdriver")
	bun()
	fmt.Println("== go-pg")
	goPG()
	fmt.Println("== GORM")
	orm()
}
