package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Names are the channels that the subscriber follows.
func (s Subscriber) Names() []string {
	if s.Match != "" {
		return []string{s.Match}
	}
	return s.Channels
}

func (k *checker) webhooks() {
	k.hook("hooks.on_receive", k.Hooks.OnReceive)
	k.hook("hooks.before_send", k.Hooks.BeforeSend)
	seen := make(map[string]bool)
	for i, subscriber := range k.Hooks.Subscribers {
		path := fmt.Sprintf("hooks.subscribers[%d]", i)
		switch {
		case subscriber.Name == "":
			k.fail(path+".name", "is missing; the subscriber's place in the log is kept under it")
		case seen[subscriber.Name]:
			k.fail(path+".name", "%s is in the list already", quoted(subscriber.Name))
		}
		seen[subscriber.Name] = true
		k.followed(path, subscriber)
		for j, event := range subscriber.Events {
			k.test(fmt.Sprintf("%s.events[%d]", path, j), checkChannelPattern(event))
		}
		k.webhookSecret(path+".secret", subscriber.Secret)
		if subscriber.URL == "" {
			k.fail(path+".url", "is missing")
			continue
		}
		k.test(path+".url", checkHTTP(subscriber.URL))
	}
}

func (k *checker) hook(path string, h Hook) {
	k.webhookSecret(path+".secret", h.Secret)
	k.test(path+".match", checkChannelPattern(h.Match))
	if h.URL != "" {
		k.test(path+".url", checkHTTP(h.URL))
	}
}

// followed checks the channels of a subscriber. It follows them by name: the log orders each channel, and all of them together
// only where it knows which.
func (k *checker) followed(path string, s Subscriber) {
	names := s.Names()
	switch {
	case s.Match != "" && len(s.Channels) > 0:
		k.fail(path+".match", "and channels are both given; give one of them")
	case len(names) == 0:
		k.fail(path+".channels", "is missing; name the channels to follow")
	case len(names) > 100:
		k.fail(path+".channels", "has more than 100 channels")
	}
	for i, name := range names {
		at := fmt.Sprintf("%s.channels[%d]", path, i)
		if s.Match != "" {
			at = path + ".match"
		}
		switch {
		case strings.Contains(name, "*"):
			k.fail(at, "%s is a pattern; subscribers follow channels by name (iot_TYPE has the events of all devices of a type)", quoted(name))
		case slices.Contains(names[:i], name):
			k.fail(at, "%s is in the list already", quoted(name))
		default:
			k.test(at, checkSubscribed(name))
		}
	}
}

func (k *checker) webhookSecret(path string, s Secret) {
	if encoded, ok := strings.CutPrefix(string(s), "whsec_"); ok {
		if _, err := base64.StdEncoding.DecodeString(encoded); err != nil {
			k.fail(path, "begins with whsec_, and what follows is not base64")
		}
	}
}

// checkSubscribed checks the name of a channel that a subscriber follows.
func checkSubscribed(name string) error {
	const most = 255
	user, isUser := strings.CutPrefix(name, "@user/")
	switch {
	case name == "":
		return errors.New("is empty")
	case len(name) > most:
		return fmt.Errorf("is longer than %d bytes", most)
	case strings.ContainsFunc(name, unicode.IsControl):
		return errors.New("has a control character")
	case isUser && user == "":
		return errors.New("names no user after @user/")
	case strings.HasPrefix(name, "@") && !isUser && name != "@system" && name != "@public":
		return fmt.Errorf("%s is not an internal channel; those are @system, @public and @user/ID", quoted(name))
	}
	return nil
}
