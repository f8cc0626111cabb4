// Command check reads Kubernetes manifests strictly: an unknown kind, field or type is an error that names the file and the
// document. It is a module of its own, so that griphub does not depend on Kubernetes.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
)

func main() {
	for _, name := range os.Args[1:] {
		n, err := check(name)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: document %d: %v\n", name, n, err)
			os.Exit(1)
		}
		fmt.Printf("%s: %d objects are valid\n", name, n)
	}
}

func check(name string) (n int, err error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	strict := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	for documents := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text))); ; n++ {
		document, err := documents.Read()
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n + 1, err
		}
		if len(bytes.TrimSpace(document)) == 0 {
			continue
		}
		if _, _, err := strict.Decode(document, nil, nil); err != nil {
			return n + 1, err
		}
	}
}
