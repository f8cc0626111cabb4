package channels_test

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/channels/logtest"
)

// viewers stands for the client of a proxy.
type viewers struct{}

func (viewers) Send(events []channels.Event) {
	for _, e := range events {
		fmt.Printf("sent %s\n", e.Cursor())
	}
}

// Events are stored, then sent; what a viewer missed is read from where it stood.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	log := logtest.NewMemory(time.Now, 0, channels.Retention{})
	rules := channels.Rules{{Match: "room/*", Read: channels.AccessPublic}}
	publisher := channels.NewPublisher(log, rules, viewers{}, time.Now)
	ended := make(chan error)
	go func() { ended <- publisher.Run(ctx) }()

	for _, text := range []string{`"hello"`, `"world"`} {
		_, err := publisher.Publish(ctx, channels.Batch{Drafts: []channels.Draft{
			{Channels: []channels.Channel{"room/1"}, Type: "note", Data: []byte(text)},
		}})
		if err != nil {
			fmt.Println(err)
		}
	}
	stop()
	fmt.Println("stopped:", <-ended)

	cursor, _ := channels.ParseCursor("room/1:1")
	replay, err := channels.NewReader(log, rules).Read(context.Background(), []channels.Channel{"room/1"}, cursor, channels.ReplayEvents)
	if err != nil {
		fmt.Println(err)
	}
	for _, step := range replay.Steps {
		cursor.Set(step.Channel, step.Seq)
		fmt.Printf("%s", step.Event.AppendSSE(nil, cursor.String()))
	}
	// Output:
	// sent room/1:1
	// sent room/1:2
	// stopped: <nil>
	// event: note
	// id: room/1:2
	// data: "world"
}

// teams is an application's knowledge of who belongs where; what is no team's is for the rules to say.
type teams struct {
	members map[channels.Channel][]string
	rules   channels.Rules
}

// MayRead is asked when a stream is opened, and each time that the proxy goes on with it.
func (t teams) MayRead(ctx context.Context, p channels.Principal, c channels.Channel) (bool, error) {
	if members, ok := t.members[c]; ok {
		return !p.Anonymous() && slices.Contains(members, p.User), nil
	}
	return t.rules.MayRead(ctx, p, c)
}

// A Go application decides itself who reads what: it gives web.Options its own Authorizer. When a decision changes, it
// publishes a Kick, and the user's streams of the channel end.
func ExampleAuthorizer() {
	ctx := context.Background()
	var authorizer channels.Authorizer = teams{
		members: map[channels.Channel][]string{"team-a": {"ada", "bob"}},
		rules:   channels.Rules{{Match: "news", Read: channels.AccessPublic}},
	}
	for _, user := range []string{"ada", "eve", ""} {
		for _, channel := range []channels.Channel{"team-a", "news", "other"} {
			if ok, err := authorizer.MayRead(ctx, channels.Principal{User: user}, channel); ok && err == nil {
				fmt.Printf("%q reads %s\n", user, channel)
			}
		}
	}
	// Output:
	// "ada" reads team-a
	// "ada" reads news
	// "eve" reads news
	// "" reads news
}

// Where a permission is taken away, the streams that have it end.
func ExampleKick() {
	ctx, stop := context.WithCancel(context.Background())
	log := logtest.NewMemory(time.Now, 0, channels.Retention{})
	rules := channels.Rules{{Match: "team-*", Read: channels.AccessToken}}
	publisher := channels.NewPublisher(log, rules, viewers{}, time.Now)
	ended := make(chan error)
	go func() { ended <- publisher.Run(ctx) }()

	kick, err := channels.ParseKick("eve", "team-a")
	if err == nil {
		_, err = publisher.Publish(ctx, channels.Batch{Drafts: []channels.Draft{kick.Draft()}})
	}
	stop()
	fmt.Println(err, <-ended)
	// Output:
	// sent %40kicks:1
	// <nil> <nil>
}
