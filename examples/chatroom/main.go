// Chatroom is the chat room of DjangoRealtime's examples as a Go program, with griphub for everything live. It speaks to
// griphub as any application does: it signs its visitors' tokens, publishes with an API key, and reads the history over
// HTTP. It keeps nothing itself but its two secrets.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "chatroom:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("chatroom", flag.ContinueOnError)
	address := flags.String("url", "http://127.0.0.1:8080", "where people find the chat room, and where it listens")
	hubAddress := flags.String("griphub", "http://127.0.0.1:7999", "where browsers find griphub")
	dir := flags.String("data", "chatroom-data", "directory for the secrets and for griphub's configuration")
	if err := flags.Parse(args); err != nil {
		return err
	}
	public, err := parseOrigin(*address)
	if err != nil {
		return fmt.Errorf("-url: %w", err)
	}
	hubURL, err := parseOrigin(*hubAddress)
	if err != nil {
		return fmt.Errorf("-griphub: %w", err)
	}
	secrets, err := setUp(*dir, public)
	if err != nil {
		return fmt.Errorf("set up %s: %w", *dir, err)
	}
	sessions := &sessions{secret: secrets.TokenSecret, now: time.Now}
	room, err := newRoom(public, hubURL, sessions, &hub{url: hubURL, key: secrets.APIKey, sessions: sessions, client: &http.Client{Timeout: 10 * time.Second}})
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", public.Host)
	if err != nil {
		return err
	}
	fmt.Printf("The chat room is at %s, for griphub with %s\n", public, configFile(*dir))
	return serve(ctx, listener, room)
}

// parseOrigin reads scheme://host:port.
func parseOrigin(text string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSuffix(text, "/"))
	if err != nil {
		return nil, err
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Path != "" || u.RawQuery != "" {
		return nil, fmt.Errorf("%q is not scheme://host:port", text)
	}
	return u, nil
}

// serve answers until ctx ends.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	rest, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err := server.Shutdown(rest)
	if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
