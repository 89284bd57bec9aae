package redisstore

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path"
	"strconv"
	"strings"
)

// topology is what there is at the addresses of a URL.
type topology int

const (
	standalone topology = iota
	clustered
	sentinels
)

// Ports where a URL has none.
const (
	storePort    = "6379"
	sentinelPort = "26379"
)

// address is what a URL says.
type address struct {
	topology topology
	secure   bool
	unix     bool
	user     string
	password string
	addrs    []string
	db       int
	master   string // that sentinels are asked for
}

// schemes are all that a URL may begin with.
var schemes = map[string]address{
	"redis":           {},
	"rediss":          {secure: true},
	"unix":            {unix: true},
	"redis+cluster":   {topology: clustered},
	"rediss+cluster":  {topology: clustered, secure: true},
	"redis+sentinel":  {topology: sentinels},
	"rediss+sentinel": {topology: sentinels, secure: true},
}

var (
	errScheme = errors.New("scheme: not redis, rediss, unix, nor redis or rediss with +cluster or +sentinel")
	errUser   = errors.New("user and password: bad percent-encoding")
	errHost   = errors.New("host: missing or malformed, or a port that is no number")
	errPort   = errors.New("port: not a number from 1 to 65535")
	errSocket = errors.New("path of the socket: not absolute, or bad percent-encoding")
	errDB     = errors.New("db: not a number from 0")
	errDB0    = errors.New("db: a cluster has none but 0")
	errQuery  = errors.New("query: not db=number for a socket, nor master=name for sentinels")
	errMaster = errors.New("query: sentinels need master=name")
)

// parseURL takes a URL apart. Its errors name the part that is wrong and quote
// nothing: where a password is not encoded as it should be, no part of the URL is
// sure to be without it.
func parseURL(raw string) (address, error) {
	scheme, rest, found := strings.Cut(raw, "://")
	at, known := schemes[scheme]
	if !found || !known {
		return at, errScheme
	}
	// All before the last @, for a password may have one that is not encoded.
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		if err := at.takeUser(rest[:i]); err != nil {
			return at, err
		}
		rest = rest[i+1:]
	}
	rest, query, _ := strings.Cut(rest, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return at, errQuery
	}
	if at.unix {
		err = at.takeSocket(rest, values)
	} else {
		err = at.takeHosts(rest, values)
	}
	return at, err
}

func (at *address) takeUser(part string) error {
	user, password, _ := strings.Cut(part, ":")
	var err, err2 error
	at.user, err = url.PathUnescape(user)
	at.password, err2 = url.PathUnescape(password)
	if err != nil || err2 != nil {
		return errUser
	}
	return nil
}

func (at *address) takeSocket(part string, query url.Values) error {
	file, err := url.PathUnescape(part)
	if err != nil || !path.IsAbs(file) {
		return errSocket
	}
	at.addrs = []string{file}
	return at.takeQuery("db", query, at.takeDB)
}

func (at *address) takeHosts(part string, query url.Values) error {
	hosts, db, _ := strings.Cut(part, "/")
	for host := range strings.SplitSeq(hosts, ",") {
		addr, err := at.hostPort(host)
		if err != nil {
			return err
		}
		at.addrs = append(at.addrs, addr)
	}
	if at.topology == standalone && len(at.addrs) > 1 {
		at.topology = clustered
	}
	if err := at.takeDB(db); err != nil {
		return err
	}
	if at.topology == sentinels {
		return at.takeQuery("master", query, at.takeMaster)
	}
	return at.takeQuery("", query, nil)
}

// hostPort is the part with a port: name, name:1, [::1] or [::1]:1.
func (at *address) hostPort(part string) (string, error) {
	u, err := url.Parse("//" + part)
	if err != nil || u.Host != part || u.Hostname() == "" {
		return "", errHost
	}
	port := u.Port()
	switch {
	case port == "" && at.topology == sentinels:
		port = sentinelPort
	case port == "":
		port = storePort
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", errPort
	}
	return net.JoinHostPort(u.Hostname(), port), nil
}

// takeQuery takes the one value that the query may have; empty if it is not there.
func (at *address) takeQuery(name string, query url.Values, take func(string) error) error {
	value := query[name]
	if len(query) > len(value) || len(value) > 1 {
		return errQuery
	}
	if take == nil {
		return nil
	}
	return take(query.Get(name))
}

func (at *address) takeDB(part string) error {
	if part == "" {
		return nil
	}
	db, err := strconv.ParseUint(part, 10, 31)
	switch {
	case err != nil:
		return errDB
	case db > 0 && at.topology == clustered:
		return errDB0
	}
	at.db = int(db)
	return nil
}

func (at *address) takeMaster(name string) error {
	if name == "" {
		return errMaster
	}
	at.master = name
	return nil
}

// String is the URL for log lines, without its password; nothing of a URL that is
// no good.
func (c Config) String() string {
	at, err := parseURL(c.URL)
	if err != nil {
		return "a malformed redis URL"
	}
	scheme, _, _ := strings.Cut(c.URL, "://")
	return fmt.Sprintf("%s://%s", scheme, strings.Join(at.addrs, ","))
}
