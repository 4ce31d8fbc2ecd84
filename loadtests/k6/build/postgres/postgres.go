// Package postgres is a PostgreSQL driver for xk6-sql, by lib/pq, under the name of Grafana's own
// (k6/x/sql/driver/postgres), so that scripts run with either.
//
// It differs in what a load test needs. xk6-sql does not ask for the error that ends a result early, so that a result
// which breaks off looks like a short one: here a result is read to its end before any of it is seen. database/sql asks
// again on another connection when the driver says that one is bad: here a lost connection is an error that the script
// counts. But a connection that the server ended while nobody asked anything is found out before the next question, as good
// pools do: `ended` counts those. What is not a number, a truth value, a time or null is text, never bytes. `now` is a
// clock finer than Date.now.
package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/grafana/sobek"
	xsql "github.com/grafana/xk6-sql/sql"
	"github.com/lib/pq"
	"go.k6.io/k6/js/modules"
)

const name = "postgres-whole"

func init() {
	sql.Register(name, whole{})
	modules.Register("k6/x/sql/driver/postgres", root{xsql.RegisterDriver(name)})
}

type root struct{ driver *sobek.Symbol }

func (r root) NewModuleInstance(modules.VU) modules.Instance { return r }

func (r root) Exports() modules.Exports {
	return modules.Exports{Default: r.driver, Named: map[string]any{"now": now, "ended": ended.Load}}
}

var begin = time.Now()

// now is the time in milliseconds since some moment.
func now() float64 { return float64(time.Since(begin)) / float64(time.Millisecond) }

type whole struct{}

func (whole) Open(dsn string) (driver.Conn, error) {
	connector, err := pq.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	wire := &dialer{}
	connector.Dialer(wire)
	opened, err := connector.Connect(context.Background())
	if err != nil {
		return nil, honest(err)
	}
	inner, ok := opened.(connection)
	if !ok {
		return nil, fmt.Errorf("lib/pq's %T lacks what database/sql can use", opened)
	}
	return conn{inner, wire.last}, nil
}

// dialer keeps the socket that it made.
type dialer struct {
	net.Dialer
	last net.Conn
}

func (d *dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

func (d *dialer) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return d.DialContext(ctx, network, address)
}

func (d *dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	made, err := d.Dialer.DialContext(ctx, network, address)
	d.last = made
	return made, err
}

// connection is what lib/pq's connections can do.
type connection interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ExecerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
}

type conn struct {
	connection
	socket net.Conn
}

// ended counts connections that the server ended while they were idle.
var ended atomic.Int64

// ResetSession is what database/sql asks before it uses a connection again.
func (c conn) ResetSession(ctx context.Context) error {
	if hears(c.socket) {
		ended.Add(1)
		return driver.ErrBadConn
	}
	return c.connection.ResetSession(ctx)
}

// hears is true when something came, or the end: an idle connection should hear nothing.
func hears(socket net.Conn) bool {
	raw, ok := socket.(syscall.Conn)
	if !ok {
		return false
	}
	access, err := raw.SyscallConn()
	if err != nil {
		return true
	}
	heard := false
	err = access.Read(func(fd uintptr) bool {
		var first [1]byte
		_, _, peeked := syscall.Recvfrom(int(fd), first[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		heard = peeked != syscall.EAGAIN && peeked != syscall.EWOULDBLOCK
		return true
	})
	return heard || err != nil
}

func (c conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	result, err := c.connection.ExecContext(ctx, query, args)
	return result, honest(err)
}

func (c conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	streamed, err := c.connection.QueryContext(ctx, query, args)
	if err != nil {
		return nil, honest(err)
	}
	result := &rows{columns: streamed.Columns()}
	for {
		row := make([]driver.Value, len(result.columns))
		if err = streamed.Next(row); err != nil {
			break
		}
		for i, value := range row {
			if bytes, ok := value.([]byte); ok {
				row[i] = string(bytes)
			}
		}
		result.rest = append(result.rest, row)
	}
	closed := streamed.Close()
	if !errors.Is(err, io.EOF) {
		return nil, honest(err)
	}
	return result, honest(closed)
}

// honest hides driver.ErrBadConn from database/sql, which would ask once more.
func honest(err error) error {
	if errors.Is(err, driver.ErrBadConn) {
		return fmt.Errorf("connection lost: %s", err.Error())
	}
	return err
}

type rows struct {
	columns []string
	rest    [][]driver.Value
}

func (r *rows) Columns() []string { return r.columns }

func (r *rows) Close() error { return nil }

func (r *rows) Next(row []driver.Value) error {
	if len(r.rest) == 0 {
		return io.EOF
	}
	copy(row, r.rest[0])
	r.rest = r.rest[1:]
	return nil
}
