package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/griphub/griphub/cmd/griphub/config"
	"github.com/griphub/griphub/cmd/griphub/doctor"
	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/mqttbridge"
	"github.com/griphub/griphub/mqttbridge/brokertest"
	"github.com/griphub/griphub/store"
	"github.com/griphub/griphub/store/pgtest"
)

func TestDoctorFindsNothingBrokenInASoundHub(t *testing.T) {
	t.Parallel()
	c := sound(t)
	broker := brokertest.Start(t)
	proxy := startProxy(t, c["listen"])
	c = c.but(sceneConfig{
		"mqtt": fmt.Sprintf("{url: %q}", broker.URL),
		"grip": fmt.Sprintf("{urls: [%q]}", proxy.GripURL()),
	})
	file := c.write(t)

	// Before griphub runs for the first time the doctor answers in its place.
	d := diagnoseFile(t, file)
	d.wantNothingBroken()
	for _, check := range []string{
		"configuration", "database", "broker session", "broker topic things/+/+/data", "broker queue", "mosquitto.conf persistence",
		"backend", "control port", "pushpin.conf", "viewers", "proxy 127.0.0.1:" + portOf(proxy.ControlURL()) + " signature", "events",
		"signature", "secrets", "ops_listen", "listen", "open files",
	} {
		d.want(doctor.Good, check, "")
	}

	stop := serving(t, file, c["ops_listen"])
	for range 2 {
		d = diagnoseFile(t, file)
		d.wantNothingBroken()
		d.want(doctor.Good, "viewers", "")
		d.want(doctor.Good, "events", "")
	}
	stop()
}

func portOf(address string) string { return address[strings.LastIndex(address, ":")+1:] }

func TestDoctorLeavesNoTraceInTheLog(t *testing.T) {
	t.Parallel()
	c := sound(t)
	proxy := startProxy(t, c["listen"])
	c["grip"] = fmt.Sprintf("{urls: [%q]}", proxy.GripURL())
	file := c.write(t)
	defer serving(t, file, c["ops_listen"])()
	diagnoseFile(t, file).wantNothingBroken()
	db, err := store.Open(t.Context(), c["database"], store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if refusals, err := db.Refusals(t.Context(), 0, 10); err != nil || len(refusals) > 0 {
		t.Errorf("refusals: %v, %v", refusals, err)
	}
	if e, err := db.Event(t.Context(), 1); err == nil {
		t.Errorf("there is an event: %+v", e)
	}
}

func TestDoctorFindsWhatIsWrongWithTheDatabase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "text.db"), []byte(strings.Repeat("no database\n", 200)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, scene := range map[string]struct{ database, cure string }{
		"no directory":  {"sqlite:" + dir + "/missing/griphub.db", "let the user that griphub runs as write"},
		"no database":   {"sqlite:" + dir + "/text.db", "correct database"},
		"no PostgreSQL": {"postgres://griphub:hunter2@127.0.0.1:1/griphub", "start PostgreSQL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := diagnose(t, sound(t).but(sceneConfig{"database": scene.database}))
			d.want(doctor.Broken, "database", scene.cure)
			if strings.Contains(d.String(), "hunter2") {
				t.Error("the report shows the password")
			}
		})
	}
}

func TestDoctorFindsWhatIsWrongWithPostgreSQL(t *testing.T) {
	t.Parallel()
	careless, careful := &pgtest.Server{}, &pgtest.Server{Settings: []string{"fsync=on", "full_page_writes=on", "synchronous_commit=off"}}
	t.Cleanup(careless.Stop)
	t.Cleanup(careful.Stop)
	d := diagnose(t, sound(t).but(sceneConfig{"database": fmt.Sprintf("%q", careless.Database(t))}))
	d.want(doctor.Broken, "database fsync", "set fsync = on in postgresql.conf")
	d.want(doctor.Dubious, "database full_page_writes", "set full_page_writes = on")

	d = diagnose(t, sound(t).but(sceneConfig{"database": fmt.Sprintf("%q", careful.Database(t))}))
	for _, check := range []string{"database", "database fsync", "database synchronous_commit", "clock"} {
		d.want(doctor.Good, check, "")
	}
}

func TestDoctorFindsWhatIsWrongWithTheBroker(t *testing.T) {
	t.Parallel()
	locked := brokertest.Start(t, brokertest.Password("griphub", "right"))
	standard := brokertest.Start(t, brokertest.Conf("max_queued_messages 1000", "autosave_interval 1800", "persistent_client_expiration 1h"))
	forgetful := brokertest.Start(t, brokertest.Conf("persistence false"))
	secure := brokertest.Start(t, brokertest.TLS())
	page := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(page.Close)
	onPage := shown{locked.Addr, "127.0.0.1:1883", standard.Addr, "127.0.0.1:1883", forgetful.Addr, "127.0.0.1:1883"}
	for name, scene := range map[string]struct {
		mqtt        string
		verdict     doctor.Verdict
		check, cure string
	}{
		"nobody there":           {`{url: "mqtt://127.0.0.1:1"}`, doctor.Broken, "broker", "start the broker, or correct mqtt.url"},
		"a wrong password":       {fmt.Sprintf("{url: %q, username: griphub, password: wrong}", locked.URL), doctor.Broken, "broker", "set mqtt.username and mqtt.password"},
		"an unknown authority":   {fmt.Sprintf("{url: %q}", secure.URL), doctor.Broken, "broker", "set mqtt.ca_file"},
		"a web server":           {fmt.Sprintf(`{url: "mqtt://%s"}`, page.Listener.Addr()), doctor.Broken, "broker", "correct mqtt.url"},
		"a short queue":          {fmt.Sprintf("{url: %q}", standard.URL), doctor.Broken, "broker queue", "set max_queued_messages 0"},
		"a short queue, read":    {fmt.Sprintf("{url: %q}", standard.URL), doctor.Broken, "mosquitto.conf max_queued_messages", "set max_queued_messages 0 in "},
		"few saves":              {fmt.Sprintf("{url: %q}", standard.URL), doctor.Dubious, "mosquitto.conf autosave_interval", "set autosave_interval 30"},
		"short lives":            {fmt.Sprintf("{url: %q}", standard.URL), doctor.Dubious, "mosquitto.conf persistent_client_expiration", "remove it"},
		"few on the way":         {fmt.Sprintf("{url: %q}", standard.URL), doctor.Dubious, "mosquitto.conf max_inflight_messages", "set max_inflight_messages 1000"},
		"no persistence":         {fmt.Sprintf("{url: %q}", forgetful.URL), doctor.Broken, "mosquitto.conf persistence", "set persistence true"},
		"topics of the doctor's": {fmt.Sprintf(`{url: %q, topics: [{topic: "{user}/#", kind: state}]}`, forgetful.URL), doctor.Dubious, "broker queue", "keeps any number"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := diagnose(t, sound(t).but(sceneConfig{"mqtt": scene.mqtt})).want(scene.verdict, scene.check, scene.cure)
			switch name {
			case "a wrong password", "a short queue, read", "no persistence":
				onPage.shows(t, f)
			}
		})
	}
}

func TestDoctorReadsWhatMosquittoWasStartedWith(t *testing.T) {
	t.Parallel()
	// Without a configuration file, as who starts it by hand does, Mosquitto keeps nothing.
	address := freeAddress(t)
	path, err := exec.LookPath("mosquitto")
	if err != nil {
		path = "/usr/sbin/mosquitto" // where Debian puts servers
	}
	mosquitto := exec.Command(path, "-p", portOf(address))
	if err := mosquitto.Start(); err != nil {
		t.Fatalf("%v (apt-get install mosquitto)", err)
	}
	t.Cleanup(func() {
		_ = mosquitto.Process.Kill()
		_ = mosquitto.Wait()
	})
	for deadline := time.Now().Add(scenePatience); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	d := diagnose(t, sound(t).but(sceneConfig{"mqtt": fmt.Sprintf(`{url: "mqtt://%s"}`, address)}))
	d.want(doctor.Broken, "mosquitto.conf persistence", "start mosquitto with -c")
	d.want(doctor.Broken, "mosquitto.conf max_queued_messages", "set max_queued_messages 0 in a mosquitto.conf")
}

// swallow takes messages and forgets them.
type swallow struct{}

func (swallow) Process(context.Context, []devices.Message, ...any) error { return nil }

func TestDoctorKnowsTheBrokerOfDevelopment(t *testing.T) {
	t.Parallel()
	c := sound(t).but(sceneConfig{"mqtt": fmt.Sprintf(`{url: "mqtt://%s"}`, freeAddress(t))})
	cfg, err := config.Load(config.Options{File: c.write(t)})
	if err != nil {
		t.Fatal(err)
	}
	bridge, err := bridgeConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	broker, err := mqttbridge.NewBroker(strings.TrimPrefix(bridge.URL, "mqtt://"), bridge.Rules, swallow{}, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- broker.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for deadline := time.Now().Add(scenePatience); !broker.Connected(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(broker.Err())
		}
	}
	d := diagnose(t, c)
	d.want(doctor.Good, "broker", "")
	for _, f := range d.findings {
		if f.Verdict == doctor.Broken && strings.HasPrefix(f.Check, "broker") {
			t.Errorf("unexpected: %s", f)
		}
	}
}

func TestDoctorFindsWhatIsWrongWithPushpinAsItIsInstalled(t *testing.T) {
	t.Parallel()
	c := sound(t)
	proxy := startDebianPushpin(t, c["listen"])
	c["stream"] = "{max_channels: 50}"
	onPage := shown{proxy.control, "127.0.0.1:5561", proxy.viewers, "127.0.0.1:7999", proxy.dir, "/etc/pushpin"}

	d := diagnose(t, c.but(sceneConfig{"grip": proxy.grip("changeme")}))
	onPage.shows(t, d.want(doctor.Broken, "pushpin.conf", "set message_rate=0 and message_hwm=0 in [handler]"))
	onPage.shows(t, d.want(doctor.Broken, "pushpin.conf", "set sig_key to the output of openssl rand -hex 32"))
	onPage.shows(t, d.want(doctor.Broken, "pushpin.conf", "set connection_subscription_max=200"))
	onPage.shows(t, d.want(doctor.Dubious, "pushpin.conf", "set client_buffer_size=65536 in [runner]"))
	onPage.shows(t, d.want(doctor.Dubious, "pushpin.conf", "set message_wait=1000"))
	d.want(doctor.Broken, "events", "set message_rate=0") // as it behaves, whatever the file says
	d.want(doctor.Broken, "signature", "set it as key in grip.urls and as sig_key in pushpin.conf")
	d.want(doctor.Good, "viewers", "")

	d = diagnose(t, c.but(sceneConfig{"grip": proxy.grip("9d5ed678fe57bcca610140957afab571")}))
	onPage.shows(t, d.want(doctor.Broken, "pushpin.conf", "set key in grip.urls[0] to that sig_key"))
	d.want(doctor.Broken, "signature", "set key in grip.urls[0] to the sig_key of "+proxy.dir)

	d = diagnose(t, c.but(sceneConfig{"grip": fmt.Sprintf(`{urls: ["http://%s"]}`, proxy.control)}))
	d.want(doctor.Dubious, "signature", "add ?iss=pushpin&key=…")

	d = diagnose(t, c.but(sceneConfig{"grip": fmt.Sprintf(`{urls: ["http://%s?key=changeme"]}`, proxy.viewers)}))
	onPage.shows(t, d.want(doctor.Broken, "control port", "name the HTTP control port"))

	// Requests go to where griphub used to be.
	elsewhere := c.but(sceneConfig{"listen": freeAddress(t), "grip": proxy.grip("changeme")})
	onPage = append(onPage, elsewhere["listen"], "127.0.0.1:8000")
	onPage.shows(t, diagnose(t, elsewhere).want(doctor.Broken, "viewers", `with the line "* `+elsewhere["listen"]+`,over_http"`))

	// Somebody else has taken griphub's place.
	other := httptest.NewUnstartedServer(http.NotFoundHandler())
	other.Listener.Close()
	other.Listener = listen(t, c["listen"])
	other.Start()
	diagnose(t, c.but(sceneConfig{"grip": proxy.grip("changeme")})).want(doctor.Broken, "backend", "choose another address with listen")
	diagnose(t, elsewhere).want(doctor.Broken, "viewers", "let "+proxy.dir+"/routes send requests to griphub")
	other.Close()

	// The file may be as it is to be while the processes are not.
	proxy.change(t, "message_rate=2500", "message_rate=0")
	proxy.change(t, "sig_key=changeme", "#sig_key=")
	d = diagnose(t, c.but(sceneConfig{"grip": proxy.grip("changeme")}))
	d.want(doctor.Broken, "events", "restart Pushpin")
	d.want(doctor.Broken, "pushpin.conf", "set sig_key in [proxy]")
	proxy.change(t, "push_in_http_addr=127.0.0.1", "push_in_http_addr=0.0.0.0")
	proxy.change(t, "ipc_prefix", "# ipc_prefix")
	diagnose(t, c.but(sceneConfig{"grip": proxy.grip("changeme")})).want(doctor.Dubious, "pushpin.conf", "set it to 127.0.0.1")
}

func TestDoctorFindsWhatIsWrongOnTheWayOfAViewer(t *testing.T) {
	t.Parallel()
	c := sound(t)
	proxy := startProxy(t, c["listen"])
	c["grip"] = fmt.Sprintf("{urls: [%q]}", proxy.GripURL())

	t.Run("nobody at the address", func(t *testing.T) {
		diagnose(t, c, "--proxy-url", "http://127.0.0.1:1").want(doctor.Broken, "viewers", "correct --proxy-url")
	})
	t.Run("no proxy on the way", func(t *testing.T) {
		diagnose(t, c, "--proxy-url", "http://"+c["listen"]).want(doctor.Broken, "viewers", "let browsers connect to the proxy")
	})
	t.Run("something holds streams back", func(t *testing.T) {
		if testing.Short() {
			return // it takes as long as the doctor waits
		}
		front := holdingBack(t, proxy.URL())
		f := diagnose(t, c, "--proxy-url", front).want(doctor.Broken, "viewers", "proxy_buffering off")
		shown{portOf(proxy.ControlURL()), "5561", front, "https://iot.example.com"}.shows(t, f)
	})
	t.Run("the control port of another proxy", func(t *testing.T) {
		other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
			fmt.Fprintln(w, "Pushpin API")
		}))
		defer other.Close()
		grip := fmt.Sprintf("{urls: [%q]}", strings.Replace(proxy.GripURL(), proxy.ControlURL(), other.URL, 1))
		d := diagnose(t, c.but(sceneConfig{"grip": grip}), "--proxy-url", proxy.URL())
		d.want(doctor.Broken, "events", "name the control port of the proxy that browsers connect to")
		d.want(doctor.Dubious, "clock", "NTP")
		d.want(doctor.Dubious, "pushpin.conf", "see that it says message_rate=0")
	})
	t.Run("a key that is refused", func(t *testing.T) {
		fastly := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
		defer fastly.Close()
		diagnose(t, c.but(sceneConfig{"grip": fmt.Sprintf("{urls: [%q]}", fastly.URL+"/service/x?key=y")})).
			want(doctor.Broken, "control port", "key is an API token")
	})
	t.Run("channels that nobody may read", func(t *testing.T) {
		closed := c.but(sceneConfig{"channels": `[{match: "**", read: nobody}]`})
		file := closed.write(t)
		defer serving(t, file, c["ops_listen"])()
		d := diagnoseFile(t, file)
		d.wantNothingBroken()
		d.want(doctor.Dubious, "events", "let a rule in channels")
	})
	t.Run("channels that take a token", func(t *testing.T) {
		file := c.but(sceneConfig{"channels": `[{match: "**", read: token}]`}).write(t)
		defer serving(t, file, c["ops_listen"])()
		d := diagnoseFile(t, file)
		d.wantNothingBroken()
		d.want(doctor.Good, "events", "")
	})
	t.Run("another key while griphub runs", func(t *testing.T) {
		file := c.but(sceneConfig{"grip": fmt.Sprintf(`{urls: ["%s?iss=pushpin&key=9d5ed678fe57bcca610140957afab571"]}`, proxy.ControlURL())}).write(t)
		defer serving(t, file, c["ops_listen"])()
		diagnoseFile(t, file).want(doctor.Broken, "viewers", "set key in grip.urls[0] to the sig_key")
	})
}

// holdingBack is a front door that passes a stream on when it has ended.
func holdingBack(t *testing.T, target string) (address string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, target+r.URL.Path, http.NoBody)
		if err != nil {
			t.Error(err)
			return
		}
		req.Header = r.Header
		resp, err := (&http.Client{Timeout: scenePatience}).Do(req)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		for name := range resp.Header {
			w.Header().Set(name, resp.Header.Get(name))
		}
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestDoctorFindsWhatIsUnsafe(t *testing.T) {
	t.Parallel()
	c := sound(t)
	same := "d3b07384d113edec49eaa6238ad5ff00d3b07384"
	open := c.but(sceneConfig{
		"listen": ":" + portOf(c["listen"]), "ops_listen": "0.0.0.0:" + portOf(c["ops_listen"]),
		"auth": "{mode: none}", "publish": "{keys: [short, " + same + ", aaaaaaaaaaaaaaaaaaaaaaaaaaaa]}",
		"grip": `{urls: ["http://127.0.0.1:1"], require_proxy: false}`,
	})
	file := open.write(t)
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	d := diagnoseFile(t, file)
	d.want(doctor.Dubious, "secrets", "chmod 640 "+file)
	d.want(doctor.Dubious, "secrets", "make one with openssl rand -hex 32 for each")
	d.want(doctor.Dubious, "secrets", "make one with openssl rand -hex 32")
	d.want(doctor.Dubious, "ops_listen", "listen on 127.0.0.1")
	d.want(doctor.Dubious, "listen", "set auth.mode to jwt")
	d.want(doctor.Dubious, "signature", "add ?iss=pushpin&key=…")
	d.want(doctor.Dubious, "signature", "set grip.require_proxy to true")
	for _, secret := range []string{same, "short", "aaaaaaaaaaaaaaaaaaaaaaaaaaaa"} {
		if strings.Contains(d.String(), secret+" ") {
			t.Errorf("the report shows %q", secret)
		}
	}

	unsigned := c.but(sceneConfig{"listen": open["listen"], "grip": open["grip"]})
	diagnose(t, unsigned).want(doctor.Dubious, "listen", "add the proxies' keys")
	fastly := c.but(sceneConfig{"grip": `{urls: ["https://api.fastly.com/service/x?key=y"]}`, "listen": freeAddress(t)})
	d = diagnose(t, fastly)
	d.want(doctor.Good, "signature", "") // its published key is known
}

func TestDoctorReadsSecretsFromTheirFilesToo(t *testing.T) {
	t.Parallel()
	c := sound(t)
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("9d5ed678fe57bcca610140957afab571\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	delete(c, "secret")
	c["secret_file"] = secret
	d := diagnose(t, c)
	d.want(doctor.Good, "secrets", "")
	if err := os.Chmod(secret, 0o604); err != nil {
		t.Fatal(err)
	}
	diagnose(t, c).want(doctor.Dubious, "secrets", "chmod 640 "+secret)
}

func TestDoctorNamesEveryMistakeInTheConfigurationFirst(t *testing.T) {
	t.Parallel()
	c := sound(t)
	delete(c, "secret")
	d := diagnose(t, c)
	if first := d.findings[0]; first.Verdict != doctor.Broken || !strings.Contains(first.Found, "secret: is missing") {
		t.Errorf("the first finding is %s", first)
	}
	d.want(doctor.Good, "database", "") // what can be examined is

	d = diagnose(t, c.but(sceneConfig{"mqtt": "{urll: x}", "listne": "x"}))
	for _, key := range []string{"mqtt.urll", "listne"} {
		if !strings.Contains(d.String(), key+": unknown key") {
			t.Errorf("%s is not named", key)
		}
	}
	if d.code != exitOther {
		t.Errorf("exit code is %d, want %d", d.code, exitOther)
	}
}
