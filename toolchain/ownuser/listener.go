// Package ownuser keeps other users of the machine out of servers on loopback. Loopback is open to all of them, and anyone who
// may call the engine, the language host, the command plugin or a provider runs code with the tokens that these have. It is
// added to Pulumi's SDK in every program that is built here (../own-user.ts).
package ownuser

import (
	"fmt"
	"net"
	"os"
	"sync"
)

// Only wraps a listener so that connections of other users are closed before a byte of them is read.
func Only(listener net.Listener) net.Listener {
	return &only{Listener: listener}
}

type only struct {
	net.Listener
	once sync.Once
}

// Accept skips refused connections: an error would end the server.
func (l *only) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		refusal := refusalOf(conn)
		if refusal == nil {
			return conn, nil
		}
		_ = conn.Close() // It is refused either way.
		// Once, so that nobody can fill a log with it.
		l.once.Do(func() { fmt.Fprintf(os.Stderr, "refused a connection to %s: %s\n", l.Addr(), refusal) })
	}
}
