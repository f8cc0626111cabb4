package doctor

import (
	"strings"
	"testing"
)

func TestPushpinConfIsReadAsPushpinReadsIt(t *testing.T) {
	values := parsePushpinConf("\ufeff\nstray=1\n[global]\nport_offset=5\n\n[Handler]\n# message_rate=1\n; message_rate=2\n" +
		" message_rate = 2500 \r\nmessage_hwm=1\nmessage_hwm=2\nno value\nempty=\n[proxy]\nsig_key=\"base64:a=b#c\"\n[broken\nkey=value")
	for key, want := range map[string]string{
		"global.port_offset": "5", "handler.message_rate": "2500", "handler.message_hwm": "2", "handler.empty": "",
		"proxy.sig_key": "base64:a=b#c", "proxy.key": "value",
	} {
		if got, ok := values[key]; !ok || got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if _, ok := values["handler.no value"]; ok {
		t.Error("a line without = has a value")
	}
	if n := confNumber(values, "handler.message_rate", 7); n != 2500 {
		t.Errorf("message_rate is %d", n)
	}
	if n := confNumber(values, "handler.empty", 7); n != 7 {
		t.Errorf("an empty number is %d, want the standard", n)
	}
}

func TestMosquittoConfIsReadWithWhatItIncludes(t *testing.T) {
	included := func(dir string) []string {
		if dir != "/etc/mosquitto/conf.d" {
			return nil
		}
		return []string{"max_queued_messages 5\nlistener 1884 127.0.0.1\n", "max_queued_messages 0\ninclude_dir /etc/mosquitto/conf.d\n"}
	}
	c := parseMosquittoConf("# persistence false\npersistence true\n  max_inflight_messages   50 \nport 1883\ninclude_dir /etc/mosquitto/conf.d\n", included)
	if c.options["persistence"] != "true" || c.options["max_queued_messages"] != "0" || c.options["max_inflight_messages"] != "50" {
		t.Errorf("options are %v", c.options)
	}
	for port, want := range map[string]bool{"1883": true, "1884": true, "8883": false} {
		if c.listensOn(port) != want {
			t.Errorf("listens on %s: %v", port, !want)
		}
	}
	if none := parseMosquittoConf("", included); !none.listensOn("1883") || none.listensOn("1884") {
		t.Error("without a listener the port is 1883")
	}
}

func FuzzParsePushpinConf(f *testing.F) {
	f.Add("[global]\ninclude={libdir}/internal.conf\n[proxy]\n# a remark\nsig_key=\"base64:YQ==\"\n[handler]\nmessage_rate=2500")
	f.Add("[a]\nb=c\n=\n[]\n[\n]\n\x00=\"")
	f.Fuzz(func(t *testing.T, text string) {
		for key, value := range parsePushpinConf(text) {
			if !strings.Contains(key, ".") || len(key)+len(value) > len(text)+1 {
				t.Errorf("%q is %q", key, value)
			}
		}
	})
}

func FuzzParseMosquittoConf(f *testing.F) {
	f.Add("persistence true\nlistener 1883\ninclude_dir /etc")
	f.Add("include_dir\nport\nlistener \n#\n \t")
	f.Fuzz(func(t *testing.T, text string) {
		included := func(string) []string { return []string{text} }
		for key, value := range parseMosquittoConf(text, included).options {
			if key == "" || strings.ContainsAny(key+value, "\n") {
				t.Errorf("%q is %q", key, value)
			}
		}
	})
}
