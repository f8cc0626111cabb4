// Package devices turns what devices say into events and keeps what is known of each device.
package devices
