// Package mqttbridge takes messages from an MQTT broker and acknowledges them once they are stored.
//
// A Bridge holds a session at a broker: what it has not acknowledged is sent again, after a lost connection as after
// a crash. A Broker is a broker of its own inside the process, for one machine and little traffic. Both collect what
// arrives in batches, hand them to a Processor in order, and acknowledge after it returns.
package mqttbridge
