package channels_test

import (
	"context"
	"fmt"
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
