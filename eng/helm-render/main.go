// helm-render CHART NAMESPACE [PATH=VALUE...]: renders a chart's templates as Helm does, as far as our charts need it: text/template, sprig, toYaml,
// .Values, .Release and .Chart. Prints all documents as one JSON list. For tests, where there is no helm.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"gopkg.in/yaml.v3"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "helm-render:", err)
		os.Exit(1)
	}
}

func read(file string) map[string]interface{} {
	text, err := os.ReadFile(file)
	check(err)
	values := map[string]interface{}{}
	check(yaml.Unmarshal(text, &values))
	return values
}

// set puts a value, itself read as YAML, at a dotted path that is there already.
func set(values map[string]interface{}, path, text string) {
	names := strings.Split(path, ".")
	for _, name := range names[:len(names)-1] {
		next, ok := values[name].(map[string]interface{})
		if !ok {
			check(fmt.Errorf("no value %s", path))
		}
		values = next
	}
	if _, ok := values[names[len(names)-1]]; !ok {
		check(fmt.Errorf("no value %s", path))
	}
	var value interface{}
	check(yaml.Unmarshal([]byte(text), &value))
	values[names[len(names)-1]] = value
}

func main() {
	chart, namespace := os.Args[1], os.Args[2]
	values := read(filepath.Join(chart, "values.yaml"))
	for _, pair := range os.Args[3:] {
		path, text, _ := strings.Cut(pair, "=")
		set(values, path, text)
	}
	functions := sprig.TxtFuncMap()
	functions["toYaml"] = func(value interface{}) (string, error) {
		text, err := yaml.Marshal(value)
		return strings.TrimSuffix(string(text), "\n"), err
	}
	data := map[string]interface{}{
		"Values":  values,
		"Chart":   read(filepath.Join(chart, "Chart.yaml")),
		"Release": map[string]interface{}{"Name": "proxy", "Namespace": namespace},
	}
	files, err := filepath.Glob(filepath.Join(chart, "templates", "*.yaml"))
	check(err)
	sort.Strings(files)
	documents := []interface{}{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		check(err)
		parsed, err := template.New(file).Option("missingkey=error").Funcs(functions).Parse(string(text))
		check(err)
		var out bytes.Buffer
		check(parsed.Execute(&out, data))
		decoder := yaml.NewDecoder(&out)
		for {
			var document interface{}
			if decoder.Decode(&document) != nil {
				break
			}
			if document != nil {
				documents = append(documents, document)
			}
		}
	}
	check(json.NewEncoder(os.Stdout).Encode(documents))
}
