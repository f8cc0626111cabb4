package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/griphub/griphub/e2e"
)

// openDashboard shows the hub's dashboard in a tab in front.
func openDashboard(t *testing.T, hub *e2e.Hub, path string) *e2e.Tab {
	t.Helper()
	tab := e2e.StartBrowser(t).Open(t, "about:blank")
	tab.Show(t)
	tab.Emulate(t, 1280, 860, "light")
	tab.Navigate(t, hub.URL(path))
	return tab
}

func TestTheDashboardShowsTheFleetLive(t *testing.T) {
	t.Parallel()
	hub := e2e.StartDev(t, e2e.DevOptions{Fleet: 40})
	e2e.Eventually(t, "all devices have spoken", func() bool {
		return strings.Count(e2e.Get(t, hub.URL("/api/devices?limit=1000")).Body, `"device_id"`) == 40
	})
	tab := openDashboard(t, hub, "/")
	tab.Await(t, "the dashboard is live", `document.getElementById("state").textContent.includes("live")`)
	tab.Await(t, "it knows all devices", `document.getElementById("count").textContent === "40 devices"`)
	tab.Await(t, "values change", `(window.before ??= document.querySelector("tbody tr:nth-child(3) .readings").textContent) !== document.querySelector("tbody tr:nth-child(3) .readings").textContent`)
	tab.Await(t, "every device has a line", `[...document.querySelectorAll("tbody svg polyline")].length > 10 && [...document.querySelectorAll("tbody svg polyline")].every((line) => line.getAttribute("points"))`)
	tab.Await(t, "times are the viewer's", `![...document.querySelectorAll("tbody time")].some((time) => time.textContent.includes("UTC") || !time.textContent)`)
	for _, scheme := range []string{"light", "dark"} {
		tab.Emulate(t, 1280, 860, scheme)
		for _, problem := range tab.Accessibility(t) {
			t.Errorf("%s: %s", scheme, problem)
		}
		tab.Screenshot(t, map[string]string{"light": "dashboard.png", "dark": "dashboard-dark.png"}[scheme])
	}

	// By keyboard: search, move, open, close.
	tab.Eval(t, `void document.body.focus()`, nil)
	tab.Press(t, "/")
	tab.Await(t, "the search has the focus", `document.activeElement.name === "q" && (document.activeElement.value = "") === ""`)
	tab.Type(t, "input[type=search]", "ws-")
	tab.Await(t, "it shows what is searched for", `document.getElementById("count").textContent === "8 of 40 devices" && document.querySelectorAll("tbody tr:not(.spacer)").length === 8`)
	tab.Eval(t, `void document.querySelector("tbody a").focus()`, nil)
	tab.Press(t, "ArrowDown")
	tab.Await(t, "the next device has the focus", `document.activeElement.textContent === "ws-002"`)
	tab.Press(t, "End")
	tab.Await(t, "the last device has the focus", `document.activeElement.textContent === "ws-008"`)
	tab.Press(t, "Enter")
	tab.Await(t, "the device is shown", `document.getElementById("device").open && document.querySelector("#device h2").textContent === "ws-008"`)
	tab.Await(t, "it has a chart per number", `document.querySelectorAll("#device svg polyline[points*=' ']").length === 3`)
	tab.Await(t, "its values change", `(window.value ??= document.querySelector("#device .field b").textContent) !== document.querySelector("#device .field b").textContent`)
	for _, scheme := range []string{"light", "dark"} {
		tab.Emulate(t, 1280, 860, scheme)
		for _, problem := range tab.Accessibility(t) {
			t.Errorf("the panel, %s: %s", scheme, problem)
		}
	}
	tab.Screenshot(t, "dashboard-device.png")
	tab.Press(t, "Escape")
	tab.Await(t, "the device is closed, and has the focus", `!document.getElementById("device").open && document.activeElement.textContent === "ws-008" && location.hash === ""`)

	tab.Emulate(t, 390, 844, "light")
	tab.Navigate(t, hub.URL("/"))
	tab.Await(t, "a phone shows it", `document.querySelectorAll("tbody tr:not(.spacer)").length > 5`)
	tab.Await(t, "without scrolling sideways", `document.documentElement.scrollWidth <= 390`)
	for _, problem := range tab.Accessibility(t) {
		t.Errorf("on a phone: %s", problem)
	}
	tab.Screenshot(t, "dashboard-phone.png")
	wantNoErrors(t, tab)
	hub.Stop(t)
}

func TestTheDashboardIsReadableWithoutScripts(t *testing.T) {
	t.Parallel()
	hub := e2e.StartDev(t, e2e.DevOptions{})
	e2e.MosquittoPub(t, hub.MQTT, "-t", "things/pump/p1/data", "-m", `{"flow":1.5,"mode":"<auto>"}`)
	tab := e2e.StartBrowser(t).Open(t, "about:blank")
	tab.Show(t)
	tab.WithoutScripts(t)
	tab.Navigate(t, hub.URL("/"))
	text := tab.Text(t, "body")
	for _, want := range []string{"p1", "pump", "flow 1.5", "mode <auto>", "UTC", "Show"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not show %q: %s", want, text)
		}
	}
	for _, not := range []string{"connecting", "Trend", "events/s"} {
		if strings.Contains(text, not) {
			t.Errorf("the page shows %q, which needs scripts: %s", not, text)
		}
	}
	hub.Stop(t)
}

func TestTheDashboardBearsTwoThousandDevices(t *testing.T) {
	t.Parallel()
	hub := e2e.StartDev(t, e2e.DevOptions{})
	const devices = 2000
	var fleet strings.Builder
	for n := 1; n <= devices/5; n++ {
		for short, name := range map[string]string{"ws": "weatherstation", "pump": "pump", "meter": "meter", "tank": "tank", "air": "airsensor"} {
			fmt.Fprintf(&fleet, `{"device_type":%q,"device_id":"%s-%03d"}`+"\n", name, short, n)
		}
	}
	file := filepath.Join(t.TempDir(), "fleet.jsonl")
	if err := os.WriteFile(file, []byte(fleet.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if result := hub.Run(t, "devices", "import", file); result.Code != 0 {
		t.Fatal(result.Stderr)
	}
	hub.Background(t, "simulate", "--devices", fmt.Sprint(devices), "--rate", "500")
	tab := openDashboard(t, hub, "/")
	tab.Await(t, "the dashboard is live", `document.getElementById("state").textContent.includes("live")`)
	tab.Await(t, "it knows all devices", fmt.Sprintf(`document.getElementById("count").textContent === "%d devices"`, devices))
	// Five seconds of events while nobody does anything, then a fast ride through all of them.
	var ride struct {
		Idle   []float64 `json:"idle"`
		Riding []float64 `json:"riding"`
		Frames []int     `json:"frames"`
		Shift  float64   `json:"shift"`
		Rows   int       `json:"rows"`
	}
	tab.Eval(t, `(async () => {
		let tasks = [], shift = 0, rows = 0, frames;
		new PerformanceObserver((list) => tasks.push(...list.getEntries().map((e) => e.duration))).observe({type: "longtask"});
		new PerformanceObserver((list) => { for (const e of list.getEntries()) if (!e.hadRecentInput) shift += e.value; }).observe({type: "layout-shift"});
		const run = (step) => new Promise((done) => {
			const start = performance.now();
			tasks = [], frames = 0;
			const frame = (now) => {
				frames++;
				step();
				rows = Math.max(rows, document.querySelectorAll("tbody tr").length);
				if (now - start < 5000) requestAnimationFrame(frame); else setTimeout(() => done([tasks, frames]), 100);
			};
			requestAnimationFrame(frame);
		});
		const [idle, idleFrames] = await run(() => {});
		const [riding, ridingFrames] = await run(() => scrollBy(0, 100));
		return {idle, riding, frames: [idleFrames, ridingFrames], shift, rows};
	})()`, &ride)
	t.Logf("idle: %d frames in 5 s, long tasks of %.0f ms; riding: %d frames, %.0f ms", ride.Frames[0], ride.Idle, ride.Frames[1], ride.Riding)
	// How long tasks are depends on the machine; how much there is in the page does not.
	if ride.Rows > 80 || ride.Shift > 0.01 {
		t.Errorf("%d rows are in the page at once; the layout has shifted by %.3f", ride.Rows, ride.Shift)
	}
	tab.Await(t, "the last device is in the page", `scrollTo(0, 1e9), [...document.querySelectorAll("tbody a")].at(-1).textContent === "ws-400"`)
	tab.Type(t, "input[type=search]", "tank-399")
	tab.Await(t, "it finds one of them", `document.getElementById("count").textContent === "1 of 2000 devices"`)
	wantNoErrors(t, tab)
	hub.Stop(t)
}
