// Package postgres is a PostgreSQL driver for xk6-sql, by lib/pq, under the name of Grafana's own
// (k6/x/sql/driver/postgres), so that scripts run with either.
//
// It differs in what a load test needs. xk6-sql does not ask for the error that ends a result early, so that a result
// which breaks off looks like a short one: here a result is read to its end before any of it is seen. database/sql asks
// again on another connection when the driver says that one is bad: here a lost connection is an error that the script
// counts. But a connection that the server ended while nobody asked anything is found out before the next question, as good
// pools do: `ended` counts those. lib/pq says of every connection that the server ends only that it is bad: what the server
// said in place of an answer is told here with its SQLSTATE, because a question that was met by 57P01 has not run. What is
// not a number, a truth value, a time or null is text, never bytes. `now` is a clock finer than Date.now.
package postgres

import (
	"bytes"
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
		return nil, honest(err, wire.last)
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
	last *socket
}

// socket remembers the end of what it read last.
type socket struct {
	net.Conn
	read []byte
}

func (s *socket) Read(into []byte) (int, error) {
	count, err := s.Conn.Read(into)
	if count > 0 {
		s.read = append(s.read[:0], into[max(0, count-512):count]...)
	}
	return count, err
}

// endedWith is the SQLSTATE with which the server ended the connection, where it said one and TLS does not hide it.
func (s *socket) endedWith() string {
	if s == nil {
		return ""
	}
	_, after, found := bytes.Cut(s.read, []byte("SFATAL\x00VFATAL\x00C"))
	if !found || len(after) < 5 {
		return ""
	}
	return string(after[:5])
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
	if err != nil {
		return nil, err
	}
	d.last = &socket{Conn: made}
	return d.last, nil
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
	socket *socket
}

// ended counts connections that the server ended while they were idle.
var ended atomic.Int64

// ResetSession is what database/sql asks before it uses a connection again.
func (c conn) ResetSession(ctx context.Context) error {
	// What came together with the last answer lies in lib/pq's buffer.
	if c.socket.endedWith() != "" || hears(c.socket.Conn) {
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
	return result, honest(err, c.socket)
}

func (c conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	streamed, err := c.connection.QueryContext(ctx, query, args)
	if err != nil {
		return nil, honest(err, c.socket)
	}
	result := &rows{columns: streamed.Columns()}
	for {
		row := make([]driver.Value, len(result.columns))
		if err = streamed.Next(row); err != nil {
			break
		}
		for i, value := range row {
			if text, ok := value.([]byte); ok {
				row[i] = string(text)
			}
		}
		result.rest = append(result.rest, row)
	}
	closed := streamed.Close()
	if !errors.Is(err, io.EOF) {
		return nil, honest(err, c.socket)
	}
	return result, honest(closed, c.socket)
}

// honest hides driver.ErrBadConn from database/sql, which would ask once more.
func honest(err error, wire *socket) error {
	if code := wire.endedWith(); errors.Is(err, driver.ErrBadConn) && code != "" {
		return fmt.Errorf("the server ended the connection in place of an answer (%s)", code)
	}
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
