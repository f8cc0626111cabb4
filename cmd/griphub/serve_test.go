package main

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"
)

func TestAProgramThatIsToldToStopWhileItStartsStopsInPeace(t *testing.T) {
	// A database that accepts connections and never says a word.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	file := sound(t).but(sceneConfig{"database": fmt.Sprintf("postgres://u:p@%s/db?sslmode=disable", listener.Addr())}).write(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"serve", "--config", file})
		_ = listener.Close() // so that nobody waits for it to connect
	}()
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	cancel()
	select {
	case code := <-ended:
		if code != 0 {
			t.Errorf("exit code %d", code)
		}
	case <-time.After(scenePatience):
		t.Fatalf("it has not stopped within %v", scenePatience)
	}
}
