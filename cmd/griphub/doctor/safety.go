package doctor

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/griphub/griphub/cmd/griphub/config"
	"github.com/griphub/griphub/grip"
)

// publicKey is the signature key that Pushpin is delivered with: everybody knows it.
const publicKey = "changeme"

// examineSignatures looks at the keys by which griphub tells the proxies' requests from others.
func (d *examination) examineSignatures(_ context.Context, r *Report) {
	const check = "signature"
	for i, p := range d.Proxies {
		if p.VerifyKey.IsZero() && !p.Key.Symmetric() {
			r.Warn(check, fmt.Sprintf("grip.urls[%d] has no key, so any Grip-Sig counts and whoever reaches %s can pass for a proxy", i, d.Config.Listen),
				"add ?iss=pushpin&key=… to it, with the sig_key of pushpin.conf")
			continue
		}
		if knowsPublicKey(p) {
			r.Fail(check, fmt.Sprintf("the key of grip.urls[%d] is %s, which everybody knows", i, publicKey),
				"make one with openssl rand -hex 32, and set it as key in grip.urls and as sig_key in pushpin.conf")
			continue
		}
		r.OK(check, "grip.urls[%d] has a key, by which the proxy's requests are known", i)
	}
	if !d.Config.Grip.RequireProxy {
		r.Warn(check, "grip.require_proxy is false: a viewer who reaches griphub directly gets a stream that never has an event",
			"set grip.require_proxy to true unless you are debugging")
	}
}

func knowsPublicKey(p grip.Proxy) bool {
	known, err := grip.NewSecret([]byte(publicKey))
	if err != nil {
		return false
	}
	now := time.Now()
	sig, err := known.Sign(p.VerifyIssuer, now.Add(time.Minute))
	return err == nil && grip.NewVerifier([]grip.Proxy{p}).Proxied(sig, now)
}

// A namedSecret is a secret of the configuration.
type namedSecret struct {
	key   string
	value config.Secret
}

func (d *examination) secrets() []namedSecret {
	list := []namedSecret{
		{"secret", d.Config.Secret}, {"secret_previous", d.Config.SecretPrevious}, {"auth.jwt.secret", d.Config.Auth.JWT.Secret},
	}
	for i, k := range d.Config.Publish.Keys {
		if !strings.HasPrefix(string(k.Key), "sha256:") { // of which nobody can say whether it is weak
			list = append(list, namedSecret{fmt.Sprintf("publish.keys[%d].key", i), k.Key})
		}
	}
	return list
}

const makeSecret = "make one with openssl rand -hex 32"

// examineSecrets looks for secrets that are weak, used twice, or readable.
func (d *examination) examineSecrets(_ context.Context, r *Report) {
	const check = "secrets"
	before := len(r.Findings)
	seen := make(map[string]string)
	for _, s := range d.secrets() {
		value, err := s.value.Bytes()
		if err != nil || len(value) == 0 {
			continue // the configuration's checks have said what is wrong with it
		}
		if other, twice := seen[string(value)]; twice {
			r.Warn(check, fmt.Sprintf("%s is the same as %s: who may use the one can use the other", s.key, other), makeSecret+" for each")
		}
		seen[string(value)] = s.key
		// Keys of 16 random bytes are out of reach; secret and auth.jwt.secret have 32 at least.
		const short, monotonous = 16, 8
		if len(value) < short {
			r.Warn(check, fmt.Sprintf("%s has only %d bytes", s.key, len(value)), makeSecret)
		} else if distinct(value) < monotonous {
			r.Warn(check, s.key+" is easy to guess: it is made of few different characters", makeSecret)
		}
	}
	d.examineFiles(r)
	if len(r.Findings) == before {
		r.OK(check, "long enough, each used once, and readable by their owner alone")
	}
}

func distinct(b []byte) int {
	n := 0
	for c := range 256 {
		if bytes.IndexByte(b, byte(c)) >= 0 {
			n++
		}
	}
	return n
}

// examineFiles looks at who may read the files with secrets.
func (d *examination) examineFiles(r *Report) {
	for _, name := range d.secretFiles() {
		const others = 0o007
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm()&others == 0 {
			continue
		}
		r.Warn("secrets", fmt.Sprintf("%s can be read by every user of this machine (mode %04o)", name, info.Mode().Perm()), "chmod 640 "+name)
	}
}

// secretFiles are the configuration file and the files that it and the environment name as the place of a secret.
func (d *examination) secretFiles() []string {
	var files []string
	if d.Config.MQTT.KeyFile != "" {
		files = append(files, d.Config.MQTT.KeyFile)
	}
	var root map[string]any
	if d.File != "" {
		files = append(files, d.File)
		if text, err := readSmall(d.File); err == nil {
			_ = yaml.Unmarshal(text, &root) // it has been read once, without an error
		}
	}
	for _, key := range config.Keys() {
		if !key.Secret || key.Env == "" {
			continue
		}
		if name := os.Getenv(key.Env + "_FILE"); name != "" {
			files = append(files, name)
		}
		if name := lookUp(root, key.Path+"_file"); name != "" {
			if !filepath.IsAbs(name) {
				name = filepath.Join(filepath.Dir(d.File), name)
			}
			files = append(files, name)
		}
	}
	return files
}

// lookUp returns the text that stands under the path in a YAML document.
func lookUp(section map[string]any, path string) string {
	name, rest, deeper := strings.Cut(path, ".")
	if !deeper {
		text, _ := section[name].(string)
		return text
	}
	below, _ := section[name].(map[string]any)
	return lookUp(below, rest)
}

// examineListeners looks at who can reach what griphub serves.
func (d *examination) examineListeners(_ context.Context, r *Report) {
	const ops, listen = "ops_listen", "listen"
	if isOpen(d.Config.OpsListen) {
		r.Warn(ops, d.Config.OpsListen+": metrics and the state of the hub may be reachable from outside", "listen on 127.0.0.1 or an address of the internal network")
	} else {
		r.OK(ops, "%s is not reachable from outside", d.Config.OpsListen)
	}
	noUsers := d.Config.Auth.Mode == "none"
	unsigned := !grip.NewVerifier(d.Proxies).SignatureRequired()
	switch {
	case isLoopback(d.Config.Listen):
		r.OK(listen, "%s is reachable from this machine only", d.Config.Listen)
	case noUsers:
		r.Warn(listen, fmt.Sprintf("%s with auth.mode none: whoever reaches it reads every channel that a client can name", d.Config.Listen),
			"set auth.mode to jwt, or listen on 127.0.0.1")
	case unsigned:
		r.Warn(listen, d.Config.Listen+" without a key in grip.urls: whoever reaches it can pass for a proxy", "add the proxies' keys to grip.urls, or listen on 127.0.0.1")
	default:
		r.OK(listen, "%s; requests that pass for a proxy's need its signature", d.Config.Listen)
	}
}

func isLoopback(address string) bool {
	host, _, _ := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// isOpen tells whether an address is on every interface or on one that the Internet may reach.
func isOpen(address string) bool {
	host, _, _ := net.SplitHostPort(address)
	if host == "" {
		return true
	}
	ip := net.ParseIP(host)
	if ip == nil {
		return false // a name, which says nothing
	}
	return ip.IsUnspecified() || !ip.IsLoopback() && !ip.IsPrivate() && !ip.IsLinkLocalUnicast()
}

// fewDescriptors is too few for a busy hub: each request under way takes one, and so do database, broker and proxies.
const fewDescriptors = 4096

// examineLimits looks at what the system allows this user's processes, serve among them.
func (d *examination) examineLimits(_ context.Context, r *Report) {
	limit, err := descriptorLimit()
	if err != nil {
		r.Warn("open files", "the limit is not known: "+err.Error(), "see that it is 65536 or more")
		return
	}
	r.add(limitFinding(limit))
}

func limitFinding(limit uint64) Finding {
	if limit < fewDescriptors {
		return Finding{Dubious, "open files", fmt.Sprintf("a process may have %d, one for each request under way", limit),
			"set LimitNOFILE=65536 in the systemd unit, or raise it with ulimit -n"}
	}
	return Finding{Good, "open files", fmt.Sprintf("a process may have %d", limit), ""}
}

// hostOf is how a proxy is called in the report.
func hostOf(p grip.Proxy) string {
	u, err := url.Parse(p.ControlURI)
	if err != nil {
		return p.String()
	}
	return u.Host + u.Path
}

func hostname(p grip.Proxy) string {
	u, err := url.Parse(p.ControlURI)
	if err != nil {
		return ""
	}
	return u.Hostname()
}
