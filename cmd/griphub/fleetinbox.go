package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/mqttbridge"
)

// A fleetInbox is what simulated devices are told: whether they are watched, and commands.
type fleetInbox struct {
	fleet                         *devices.Fleet
	filters                       []string
	watchedBy, commandBy, replyTo mqttbridge.DeviceTopic

	watched chan watchNotice
	replies chan fleetReply
}

// A watchNotice tells a simulated device whether somebody watches it.
type watchNotice struct {
	device  channels.DeviceRef
	watched bool
}

// A fleetReply is a device's answer to a command, to be published.
type fleetReply struct {
	topic   string
	payload []byte
}

// newFleetInbox returns one that stays empty where the devices' topics leave no place.
func newFleetInbox(fleet *devices.Fleet, rules mqttbridge.Rules) *fleetInbox {
	in := &fleetInbox{fleet: fleet, watched: make(chan watchNotice, inFlight), replies: make(chan fleetReply, inFlight)}
	var err error
	if in.watchedBy, err = rules.Beside(watchedTopic); err == nil {
		in.filters = append(in.filters, in.watchedBy.Filter())
	}
	var mute error
	in.replyTo, mute = rules.Responses()
	if in.commandBy, err = rules.Beside(commandTopic); err == nil && mute == nil {
		in.filters = append(in.filters, in.commandBy.Filter())
	}
	return in
}

// follow makes the publisher fill the inbox. Devices that cannot keep up make the broker wait.
func (in *fleetInbox) follow(ctx context.Context, publisher *mqttbridge.Publisher) {
	publisher.Follow(in.filters, func() {}, func(topic string, payload []byte, _ bool) {
		if device, ok := in.watchedBy.Device(topic); ok {
			select {
			case in.watched <- watchNotice{device, string(payload) == "1"}:
			case <-ctx.Done():
			}
		} else if device, ok := in.commandBy.Device(topic); ok && in.fleet.Has(device) {
			reply, ok := in.reply(device, payload)
			if !ok {
				return
			}
			select {
			case in.replies <- reply:
			case <-ctx.Done():
			}
		}
	})
}

// reply is what a device answers: every simulated device does as it is told.
func (in *fleetInbox) reply(device channels.DeviceRef, command []byte) (fleetReply, bool) {
	var answer struct {
		ID      string `json:"id"`
		Command string `json:"command"`
		Status  string `json:"status"`
	}
	if json.Unmarshal(command, &answer) != nil || answer.ID == "" {
		return fleetReply{}, false
	}
	answer.Status = "done"
	payload, err := json.Marshal(answer)
	if err != nil {
		return fleetReply{}, false
	}
	topic, err := in.replyTo.Of(device)
	return fleetReply{topic, payload}, err == nil
}

// answer publishes the devices' answers until ctx ends.
func (in *fleetInbox) answer(ctx context.Context, publisher *mqttbridge.Publisher) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case r := <-in.replies:
			if err := publisher.Publish(ctx, r.topic, r.payload); err != nil && ctx.Err() == nil {
				return fmt.Errorf("simulate: answer a command: %w", err)
			}
		}
	}
}
