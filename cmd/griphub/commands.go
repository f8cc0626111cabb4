package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/cmd/griphub/config"
	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/mqttbridge"
)

// commandTopic is the last level of the topic on which a device gets commands.
const commandTopic = "cmd"

// A courier carries commands to devices by MQTT, over a connection of its own.
type courier struct {
	publisher *mqttbridge.Publisher
	commands  mqttbridge.DeviceTopic
	// responses are where devices answer; nil where answers are not read.
	responses *mqttbridge.DeviceTopic
}

// newCourier fails where the devices' topics leave no place for commands.
func newCourier(cfg config.Config) (*courier, error) {
	broker, err := bridgeConfig(cfg)
	if err != nil {
		return nil, err
	}
	broker.ClientID = ""
	c := &courier{}
	if c.commands, err = broker.Rules.Beside(commandTopic); err != nil {
		return nil, err
	}
	if responses, err := broker.Rules.Responses(); err == nil {
		c.responses = &responses
	}
	c.publisher, err = mqttbridge.NewPublisher(broker)
	return c, err
}

// run keeps the connection until ctx ends.
func (c *courier) run(ctx context.Context, log *slog.Logger) error {
	return stubbornly(ctx, c.publisher, log)
}

// Send hands a command to the broker.
func (c *courier) Send(ctx context.Context, device channels.DeviceRef, message []byte, id string, expiry time.Duration) error {
	topic, err := c.commands.Of(device)
	if err != nil {
		return err
	}
	request := mqttbridge.Request{Topic: topic, Payload: message, Correlation: id, Expiry: expiry}
	if c.responses != nil {
		if request.ResponseTopic, err = c.responses.Of(device); err != nil {
			return err
		}
	}
	return c.publisher.Request(ctx, request)
}

// Answers tells whether devices' answers are read.
func (c *courier) Answers() bool { return c.responses != nil }

var _ devices.Sender = (*courier)(nil)
