// The program: k6 with SQL for PostgreSQL in it.
package main

import (
	"go.k6.io/k6/cmd"

	_ "github.com/grafana/xk6-sql"

	_ "vitrine/loadtests/k6/postgres"
)

func main() {
	cmd.Execute()
}
