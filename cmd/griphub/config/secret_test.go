package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestNothingFormatsASecret(t *testing.T) {
	const text, link = "LEAKed", "https://user:LEAKed@host/path?key=LEAKed"
	value := struct {
		S Secret
		U SecretURL
		L []Secret
		P *Secret
	}{text, link, []Secret{text}, new(Secret)}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+" "+verb+" "+verb+"\n", value, value.S, value.U)
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(encoded)
	slog.New(slog.NewTextHandler(&out, nil)).Info("hello", "value", value, "secret", value.S, "url", value.U)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("hello", "value", value, "secret", value.S, "url", value.U)
	if strings.Contains(out.String(), "LEAK") || strings.Contains(out.String(), fmt.Sprintf("%x", "LEAK")) {
		t.Errorf("a secret is shown:\n%s", out.String())
	}
}

func TestAMaskedURLStillTellsWhereItLeads(t *testing.T) {
	for from, want := range map[SecretURL]string{
		"":                                         "",
		"sqlite:/var/lib/griphub.db":               "sqlite:/var/lib/griphub.db",
		"http://127.0.0.1:5561":                    "http://127.0.0.1:5561",
		"http://p:5561/a%2Fb?iss=i&key=k":          "http://p:5561/a%2Fb?iss=i&key=***",
		"mqtts://user:pass@broker:8883":            "mqtts://user:***@broker:8883",
		"mqtts://token@broker":                     "mqtts://***@broker",
		"postgres://u:p@[::1]:5432/db?sslmode=off": "postgres://u:***@[::1]:5432/db?sslmode=off",
		"postgres:///db?host=/run":                 "postgres://***",
		"postgres://u:p/a?ss@host/db":              "postgres://***",
		"http://u:p%zz@host":                       "http://***",
		"no URL at all":                            "***",
		"https://host/#fragment":                   "https://host/",
	} {
		if got := from.String(); got != want {
			t.Errorf("%s becomes %s, want %s", string(from), got, want)
		}
	}
}

func TestASecretIsItsTextOrWhatBase64StandsFor(t *testing.T) {
	for secret, want := range map[Secret]string{
		"":                "",
		"plain":           "plain",
		"base64:":         "",
		"base64:Pz8/Pj4+": "???>>>",
		"base64:Pz8_Pj4-": "???>>>",
		"base64:YQ==":     "a",
		"base64:YQ":       "a",
	} {
		if got, err := secret.Bytes(); err != nil || string(got) != want {
			t.Errorf("%s stands for %q, %v; want %q", string(secret), got, err, want)
		}
	}
	if _, err := Secret("base64:?").Bytes(); err == nil {
		t.Error("base64:? is accepted")
	}
}
