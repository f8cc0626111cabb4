package config_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/griphub/griphub/cmd/griphub/config"
)

func TestTheReferenceIsCurrent(t *testing.T) {
	var want bytes.Buffer
	if err := config.WriteReference(&want); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Error("docs/configuration.md is not what `griphub config reference` writes; run: bin/griphub config reference > docs/configuration.md")
	}
}
