package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// checkAddress checks host:port; an empty host is every interface, port 0 a free one.
func checkAddress(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%s is not an address; write host:port, such as 127.0.0.1:8000", quoted(address))
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%s has no port between 0 and 65535", quoted(address))
	}
	return nil
}

// checkURL checks a URL's form. Its errors hold nothing of the URL but the scheme, since all else may be secret.
func checkURL(text, example string, schemes ...string) error {
	parsed, err := url.Parse(text)
	if err != nil || strings.ContainsAny(text, " \t\r\n") {
		return fmt.Errorf("is not a URL; write something like %s", example)
	}
	if !slices.Contains(schemes, parsed.Scheme) {
		return fmt.Errorf("must begin with %s://, such as %s", strings.Join(schemes, ":// or "), example)
	}
	if parsed.Hostname() == "" {
		return fmt.Errorf("names no host; write something like %s", example)
	}
	if parsed.Fragment != "" {
		return errors.New("has a #; in a key or password write %23")
	}
	return nil
}

func checkHTTP(u SecretURL) error {
	return checkURL(string(u), "https://app.example.com/hook", "http", "https")
}

func checkGripURL(u SecretURL) error {
	return checkURL(string(u), "http://127.0.0.1:5561?iss=pushpin&key=…", "http", "https")
}

// checkStats checks the name of a ZeroMQ socket.
func checkStats(socket string) error {
	const forms = "write tcp://host:port or ipc:///path"
	if address, ok := strings.CutPrefix(socket, "tcp://"); ok {
		host, port, err := net.SplitHostPort(address)
		if _, wrong := strconv.ParseUint(port, 10, 16); err != nil || wrong != nil || host == "" || host == "*" {
			return errors.New("has no host and port to connect to; " + forms)
		}
		return nil
	}
	if path, ok := strings.CutPrefix(socket, "ipc://"); !ok || !strings.HasPrefix(path, "/") {
		return errors.New("is no stats socket; " + forms)
	}
	return nil
}

// checkDatabase checks sqlite:PATH or a PostgreSQL URL, whose host may be missing: the server's own socket.
func checkDatabase(database SecretURL) error {
	const forms = "write sqlite:PATH or postgres://user@host/name"
	path, isSQLite := strings.CutPrefix(string(database), sqlitePrefix)
	switch {
	case isSQLite && (path == "" || path[0] == ':'):
		return errors.New("names no file; " + forms)
	case isSQLite && strings.HasPrefix(path, "//"):
		return errors.New("has slashes before the path; " + forms)
	case isSQLite:
		return nil
	}
	parsed, err := url.Parse(string(database))
	if err != nil || parsed.Scheme != "postgres" && parsed.Scheme != "postgresql" || parsed.Opaque != "" {
		return errors.New("is no database; " + forms)
	}
	return nil
}

// checkOrigin checks an origin as browsers send it (RFC 6454, section 6.1): scheme://host[:port] and nothing after it.
func checkOrigin(origin string) error {
	if origin == "*" {
		return nil
	}
	parsed, err := url.Parse(origin)
	if err != nil || parsed.Scheme != "http" && parsed.Scheme != "https" || origin != parsed.Scheme+"://"+parsed.Host || parsed.Host == "" {
		return fmt.Errorf("%s is not an origin; write scheme://host[:port] without a path, or \"*\"", quoted(origin))
	}
	standard := map[string]string{"http": "80", "https": "443"}[parsed.Scheme]
	if origin != strings.ToLower(origin) || parsed.Port() == standard || strings.HasSuffix(origin, ":") {
		return fmt.Errorf("%s is not how browsers write it: in lower case, and without the scheme's own port", quoted(origin))
	}
	return nil
}

// isToken tells whether a word can name a header or a cookie (RFC 9110, section 5.6.2).
func isToken(word string) bool {
	for _, r := range word {
		isAlphanumeric := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		if !isAlphanumeric && !strings.ContainsRune("!#$%&'*+-.^_`|~", r) {
			return false
		}
	}
	return word != ""
}
