package docs

// checkedElsewhere are commands that do not run with the others, each with what checks it.
var checkedElsewhere = map[string]string{
	// They need a machine of their own.
	"git clone https://github.com/griphub/griphub && cd griphub":                 "it is where this test is",
	"sudo apt-get install mosquitto-clients":                                     "scripts/install-deps does it for this test",
	"sudo apt-get install ./bin/griphub_*.deb":                                   "make deploy-check installs it",
	"sudo systemctl restart pushpin":                                             "make deploy-check verifies the units",
	"sudo systemctl enable --now griphub":                                        "make deploy-check verifies the units",
	"sudo -u griphub griphub doctor --config /etc/griphub/griphub.yaml":          "make deploy-check runs it",
	"cp .env.example .env     # and fill in what it asks for":                    "make compose-check fills it in",
	"docker compose up":                                                          "make compose-check reads what it starts",
	"griphub devices export | ssh other griphub devices import --format jsonl -": "e2e TestARegistryIsMovedAsAFile, without ssh",

	"git checkout v1.2.3": "make release-check builds the last commit",
	"sha256sum --check SHA256SUMS      # the published one, in dist": "make release-check checks its own",
	"go version -m griphub":                          "make release-check holds the SBOM against it",
	"griphub doctor --proxy-url https://hub.example": "e2e TestOnlyFastlysSignatureForTheServiceIsBelieved",

	// They are run by tests of their own.
	"griphub serve":              "e2e: every test with StartServe",
	"griphub migrate --restored": "store TestACopyOfTheLogKnowsThatItIsOne; it needs a hub that does not run",
	"griphub events requeue 7":   "e2e TestWhatAReceiverRefusesIsListedAndRequeued: there is no 7 here",
	"alias griphub='bin/griphub --config griphub-data/griphub.yaml'":                      "scene: griphub is that program with that configuration",
	"python3 -m http.server 8080 --bind localhost --directory pages":                      "TestTheTutorialsPageShowsTheDevice serves the page",
	"go run ./examples/chatroom":                                                          "examples/chatroom tests the program",
	"go run ./cmd/griphub dev --fleet 0 --config chatroom-data/griphub.yaml":              "examples/chatroom tests it with this configuration",
	"curl -i -H 'Cookie: sessionid=…' http://127.0.0.1:8080/griphub/auth":                 "e2e TestADjangoSessionIsEnough",
	"curl -i -H 'Cookie: sessionid=…' http://localhost:7999/api/channels/members/events":  "e2e TestADjangoSessionIsEnough",
	"mkdir pages && cd pages              # the pages below go here":                      "e2e opens the pages of htmx.md in Chromium",
	"python3 -m http.server 8080 --bind localhost &":                                      "e2e opens the pages of htmx.md in Chromium",
	"griphub dev --config griphub.yaml    # with the templates in griphub-data/templates": "e2e opens the pages of htmx.md in Chromium",

	// They measure, for minutes.
	"go test -run '^$' -bench . -benchmem -count 10 ./channels ./pushpin ./grip ./store ./devices > new.txt":                             "go vet compiles what they run",
	"git stash && go test -run '^$' -bench . -benchmem -count 10 ./channels ./pushpin ./grip ./store ./devices > old.txt; git stash pop": "go vet compiles what they run",
	"go run golang.org/x/perf/cmd/benchstat@latest old.txt new.txt":                                                                      "it needs the network",
}
