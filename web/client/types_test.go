package client_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/griphub/griphub/e2e"
	"github.com/griphub/griphub/web/client"
)

// application is what somebody may write in TypeScript.
const application = `
import { connect, DjangoRealtime, type GriphubConnection, type GriphubEvent } from "./griphub.mjs";

const seen: GriphubEvent[] = [];
const connection: GriphubConnection = connect(new URL("https://hub.example/events/list/"), {
  onEvent: (e) => { seen.push(e); const text: string = e.data + e.id + (e.replay ?? 0); },
  onReset: ({ channels }) => channels.map((name) => name.toUpperCase()),
  onState: (state) => state === "open",
  onError: (error) => console.log(error.message),
  withCredentials: true, lastEventId: "list:1", shared: false,
});
connection.close();
window.griphub.connect("/events/list/").close();
const stop: () => void = window.DjangoRealtime.subscribe("news", (detail) => detail.n);
DjangoRealtime.connect({ endpoint: "/realtime/sse/", onMessage: stop, shared: false }).close();
window.djangoRealtimeConnection?.close();
// @ts-expect-error: there is no such option
connect("/x", { onMessage: () => {} });
// @ts-expect-error: nor such a state
connect("/x", { onState: (state) => state === "broken" });
`

// The types say what the client has: TypeScript lets an application through, and not its mistakes.
func TestTheTypesAreTheClients(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"griphub.d.mts": client.Types, "app.mts": application} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tsc := exec.CommandContext(t.Context(), "node", filepath.Join(e2e.Assets(t), "typescript@5.9.3", "lib", "tsc.js"),
		"--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "--lib", "es2022,dom", filepath.Join(dir, "app.mts"))
	if out, err := tsc.CombinedOutput(); err != nil {
		t.Errorf("TypeScript: %v\n%s", err, out)
	}
}
