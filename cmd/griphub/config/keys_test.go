package config

import (
	"slices"
	"strings"
	"testing"
)

func TestEveryKeyIsExplained(t *testing.T) {
	for _, key := range Keys() {
		if len(key.Doc) < 10 || !strings.HasSuffix(key.Doc, ".") {
			t.Errorf("%s: the explanation is no sentence: %q", key.Path, key.Doc)
		}
		if key.Default != "" && len(key.OneOf) > 0 && !slices.Contains(key.OneOf, key.Default) {
			t.Errorf("%s: the default %s is not allowed", key.Path, key.Default)
		}
	}
}

func TestNoTwoKeysShareANameOrAVariable(t *testing.T) {
	taken := map[string]string{fileVariable: "the file's name"}
	claim := func(name, owner string) {
		if other, ok := taken[name]; ok {
			t.Errorf("%s is claimed by %s and %s", name, other, owner)
		}
		taken[name] = owner
	}
	for _, key := range Keys() {
		claim(key.Path, key.Path)
		if key.Secret {
			claim(key.Path+fileSuffix, key.Path)
		}
		if key.Env == "" {
			continue
		}
		claim(key.Env, key.Path)
		if key.Secret {
			claim(key.Env+"_FILE", key.Path)
		}
		if isServiceLink(key.Env) {
			t.Errorf("%s would be taken for a service link of Kubernetes", key.Env)
		}
	}
}

func TestKeysDescribeTheirValues(t *testing.T) {
	keys := make(map[string]Key)
	for _, key := range Keys() {
		keys[key.Path] = key
	}
	for path, want := range map[string][2]string{
		"mqtt":                {"section", ""},
		"mqtt.url":            {"URL", "GRIPHUB_MQTT_URL"},
		"mqtt.ca_file":        {"file name", "GRIPHUB_MQTT_CA_FILE"},
		"mqtt.topics":         {"list of sections", "GRIPHUB_MQTT_TOPICS"},
		"mqtt.topics[].kind":  {"text", ""},
		"secret":              {"secret", "GRIPHUB_SECRET"},
		"publish.keys":        {"list of secrets or sections", "GRIPHUB_PUBLISH_KEYS"},
		"stream.recheck":      {"duration", "GRIPHUB_STREAM_RECHECK"},
		"stream.max_channels": {"whole number", "GRIPHUB_STREAM_MAX_CHANNELS"},
		"devices.grace":       {"number", "GRIPHUB_DEVICES_GRACE"},
		"cors.credentials":    {"true or false", "GRIPHUB_CORS_CREDENTIALS"},
	} {
		key, ok := keys[path]
		if got := [2]string{key.Type, key.Env}; !ok || got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	if key := keys["devices.unknown"]; key.Default != "register" || !slices.Equal(key.OneOf, []string{"register", "ignore", "dead-letter"}) {
		t.Errorf("devices.unknown: %+v", key)
	}
}
