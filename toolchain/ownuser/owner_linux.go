package ownuser

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// tables are the kernel's lists of TCP sockets. The second one has clients that reach 127.0.0.1 through an IPv6 socket.
var tables = []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"}

const established = "01"

// refusalOf says why a connection is not one of our own user's; nil if it is.
func refusalOf(conn net.Conn) error {
	client, isTCP := conn.RemoteAddr().(*net.TCPAddr)
	server, isTCPToo := conn.LocalAddr().(*net.TCPAddr)
	if !isTCP || !isTCPToo || client.IP.To4() == nil || server.IP.To4() == nil {
		return fmt.Errorf("%s is not an IPv4 address", conn.RemoteAddr())
	}
	// The client's socket is listed before our end can accept it, but reading a long list while it changes may skip a line.
	for try := 0; ; try++ {
		owner, err := ownerOf(client, server)
		switch {
		case err == nil && owner == os.Geteuid():
			return nil
		case err == nil:
			return fmt.Errorf("it comes from user %d, and this process runs as user %d", owner, os.Geteuid())
		case !errors.Is(err, errNotListed) || try == 20:
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

var errNotListed = errors.New("the kernel does not list its client")

// ownerOf finds the user whose socket is the client's end of a connection.
func ownerOf(client, server *net.TCPAddr) (int, error) {
	for _, table := range tables {
		owner, err := ownerIn(table, client, server)
		if !errors.Is(err, errNotListed) {
			return owner, err
		}
	}
	return 0, errNotListed
}

func ownerIn(table string, client, server *net.TCPAddr) (int, error) {
	file, err := os.Open(table)
	if errors.Is(err, os.ErrNotExist) && strings.HasSuffix(table, "6") {
		return 0, errNotListed // A kernel without IPv6.
	}
	if err != nil {
		return 0, err
	}
	defer file.Close()
	from, to := hexOf(client), hexOf(server)
	for lines := bufio.NewScanner(file); lines.Scan(); {
		// sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode …
		fields := strings.Fields(lines.Text())
		if len(fields) < 10 || !isAt(fields[1], from) || !isAt(fields[2], to) {
			continue
		}
		// A socket that its process has closed is listed with uid 0 and inode 0, regardless of who had opened it.
		if fields[3] != established || fields[9] == "0" {
			return 0, errors.New("its client has closed it, so nobody can say whose it was")
		}
		return strconv.Atoi(fields[7])
	}
	return 0, errNotListed
}

// hexOf writes an IPv4 address as the kernel lists it: a 32-bit number in this machine's byte order, and the port.
func hexOf(addr *net.TCPAddr) string {
	return fmt.Sprintf("%08X:%04X", binary.NativeEndian.Uint32(addr.IP.To4()), addr.Port)
}

// isAt compares with an entry of either table; the IPv6 one writes ::ffff:127.0.0.1 in front of the same digits.
func isAt(listed, wanted string) bool {
	if len(listed) == len(wanted) {
		return listed == wanted
	}
	mapped := fmt.Sprintf("%016X%08X", 0, binary.NativeEndian.Uint32([]byte{0, 0, 0xff, 0xff}))
	return listed == mapped+wanted
}
