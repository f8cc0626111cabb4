package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/griphub/griphub/e2e"
)

// devicesCommand runs griphub devices in the directory, with a database there.
func devicesCommand(t *testing.T, dir, stdin string, args ...string) e2e.Result {
	t.Helper()
	return e2e.Command{
		Args: append([]string{"devices"}, args...), Dir: dir, Stdin: stdin, Env: []string{"GRIPHUB_DATABASE=sqlite:registry.db"},
	}.Run(t)
}

// answer is what the command prints; it must succeed.
func answer(t *testing.T, r e2e.Result) string {
	t.Helper()
	if r.Code != 0 {
		t.Fatalf("it exits with %d: %s", r.Code, r.Stderr)
	}
	return r.Stdout
}

func TestTheRegistryIsKeptByCommand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	do := func(args ...string) e2e.Result { t.Helper(); return devicesCommand(t, dir, "", args...) }
	answer(t, do("add", "--type", "pump", "--id", "p-17", "--code", "4711", "--name", "Pump in hall 3", "--owner", "7", "--group", "hall-3=Hall 3",
		"--group", "all", "--attributes", `{"floor":3}`, "--latitude=-52.5"))
	answer(t, do("set", "pump/p-17", "--owner", "8", "--active=false", "--longitude", "13.4"))
	for i := range 3 {
		answer(t, do("add", "--type", "valve", "--id", fmt.Sprint(i)))
	}
	shown := answer(t, do("show", "pump/p-17"))
	for _, want := range []string{`"device_code": "4711"`, `"owner": "8"`, `"is_active": false`, `"name": "Hall 3"`, `"latitude": -52.5`, `"longitude": 13.4`, `"status": "offline"`} {
		if !strings.Contains(shown, want) {
			t.Errorf("%s is not in %s", want, shown)
		}
	}
	if list := answer(t, do("list", "--group", "all", "--active=false", "--text", "HALL")); !strings.Contains(list, "pump/p-17  Pump in hall 3  8      offline (inactive)  never") {
		t.Errorf("the list is %s", list)
	}
	page := do("list", "--json", "--limit", "2", "--after", "pump/p-17")
	if strings.Count(answer(t, page), "\n") != 2 || page.Stderr != "There are more: --after valve/1\n" {
		t.Errorf("the page is %s%s", page.Stdout, page.Stderr)
	}
	if page = do("list", "--json", "--limit", "2", "--after", "valve/0"); strings.Count(answer(t, page), "\n") != 2 || page.Stderr != "" {
		t.Errorf("the last page is %s%s", page.Stdout, page.Stderr)
	}
	answer(t, do("set", "pump/p-17", "--group", "", "--code", ""))
	answer(t, do("remove", "valve/1", "valve/2"))
	if list := answer(t, do("list", "--json")); strings.Count(list, "\n") != 2 || !strings.Contains(list, `"groups":[]`) {
		t.Errorf("the list is %s", list)
	}

	for args, want := range map[string]string{
		"add --type pump --id p-17":             "griphub: devices add: device pump/p-17 is there already\n",
		"add --type valve --id 7 --latitude 91": "griphub: devices add: latitude: want a number from -90 to 90\n",
		"add --type valve":                      "griphub: devices add: device_id: device id: empty\n",
		"set valve/7 --name x":                  "griphub: devices set: device valve/7: not found\n",
		"set valve":                             `griphub: devices set: "valve" is not TYPE/ID: device id: empty` + "\n",
		"remove valve/0 valve/9":                "griphub: devices remove: device valve/9: not found\n",
		"show valve/9":                          "griphub: show device valve/9: there is no such device\n",
		"list --status fine":                    `griphub: devices list: status: "fine" is not known` + "\n",
		"list --after x":                        `griphub: devices list: --after: "x" is not TYPE/ID: device id: empty` + "\n",
		"import fleet.txt":                      "griphub: devices import: the file's name does not end in .csv or .jsonl; give --format\n",
		"import none.csv":                       "griphub: devices import: open none.csv: no such file or directory\n",
		"export --format xml":                   `griphub: devices export: format "xml": want csv or jsonl` + "\n",
		"import --format csv --json -":          "griphub: devices import: -: there is no device in the file; nothing was imported\n",
	} {
		if r := do(strings.Fields(args)...); r.Code == 0 || r.Stderr != want || r.Stdout != "" {
			t.Errorf("%s: %d %q, want %q", args, r.Code, r.Stderr, want)
		}
	}
}

func TestARegistryIsMovedAsAFile(t *testing.T) {
	t.Parallel()
	from, to := t.TempDir(), t.TempDir()
	const n = 500
	var table strings.Builder
	table.WriteString("device_type,device_id,device_code,name,owner,groups,attributes,is_active\n")
	for i := range n {
		fmt.Fprintf(&table, "pump,%d,code-%d,\"Pump \"\"%d\"\"\",user-%d,a;b=B,\"{\"\"n\"\":%d}\",%t\n", i, i, i, i%7, i, i%2 == 0)
	}
	if err := os.WriteFile(filepath.Join(from, "fleet.csv"), []byte(table.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := devicesCommand(t, from, "", "import", "fleet.csv"); r.Code != 0 || r.Stderr != "Imported 500 devices.\n" {
		t.Fatalf("%d %s", r.Code, r.Stderr)
	}
	for _, format := range []string{"csv", "jsonl"} {
		moved := answer(t, devicesCommand(t, from, "", "export", "--format", format))
		answer(t, devicesCommand(t, to, moved, "import", "--format", format, "-"))
		answer(t, devicesCommand(t, to, moved, "import", "--format", format, "-"))
		if again := answer(t, devicesCommand(t, to, "", "export", "--format", format)); again != moved {
			t.Errorf("%s: exported again it differs:\n%.300s\n%.300s", format, moved, again)
		}
	}
	// A mistake at the end leaves all as it was.
	broken := table.String() + "valve,1,code-7,,,,,\n"
	r := devicesCommand(t, to, broken, "import", "--format", "csv", "-")
	if r.Code != 2 || r.Stderr != "griphub: devices import: -: line 502: device_code: is that of pump/7; nothing was imported\n" {
		t.Errorf("%d %s", r.Code, r.Stderr)
	}
	if list := answer(t, devicesCommand(t, to, "", "list", "--json", "--type", "valve")); list != "" {
		t.Errorf("the mistake left %s", list)
	}
}
