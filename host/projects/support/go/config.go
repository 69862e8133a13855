package sluice

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Settings reads a configuration: the JSON of each setting that it has. One that is not among the names is an error, which says so.
func Settings(config []byte, names ...string) (map[string]json.RawMessage, error) {
	settings := make(map[string]json.RawMessage)
	reader := json.NewDecoder(bytes.NewReader(config))
	if token, err := reader.Token(); err != nil || token != json.Delim('{') {
		return nil, errors.New("the configuration is no JSON object")
	}
	for reader.More() {
		token, err := reader.Token()
		if err != nil {
			return nil, err
		}
		name, _ := token.(string)
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("unknown setting %q: expected %s", name, choice(names))
		}
		var value json.RawMessage
		if err := reader.Decode(&value); err != nil {
			return nil, err
		}
		settings[name] = value
	}
	return settings, nil
}

// choice is "a, b or c".
func choice(names []string) string {
	switch last := len(names) - 1; {
	case last < 0:
		return "none"
	case last == 0:
		return names[0]
	default:
		return strings.Join(names[:last], ", ") + " or " + names[last]
	}
}

// Wrong is an error about a setting: what was found, as JSON on one line, and what was expected. For a setting that is not there, that
// is null.
func Wrong(name string, found json.RawMessage, expected string) error {
	var line bytes.Buffer
	if len(found) == 0 {
		found = json.RawMessage("null")
	}
	if json.Compact(&line, found) != nil {
		line.Write(found)
	}
	return fmt.Errorf("%s: found %s, expected %s", name, line.String(), expected)
}

// WholeNumber reads a number that is written without point and exponent; false where it is something else, or out of range.
func WholeNumber(value json.RawMessage, least, most int64) (int64, bool) {
	var number int64
	if string(value) == "null" || json.Unmarshal(value, &number) != nil || number < least || number > most {
		return 0, false
	}
	return number, true
}

// String reads a text; false where it is something else.
func String(value json.RawMessage) (string, bool) {
	var text any
	if json.Unmarshal(value, &text) != nil {
		return "", false
	}
	found, ok := text.(string)
	return found, ok
}

// Strings reads a list of texts; false where it is something else.
func Strings(value json.RawMessage) ([]string, bool) {
	var list []any
	if string(value) == "null" || json.Unmarshal(value, &list) != nil {
		return nil, false
	}
	texts := make([]string, 0, len(list))
	for _, item := range list {
		text, ok := item.(string)
		if !ok {
			return nil, false
		}
		texts = append(texts, text)
	}
	return texts, true
}

// Covers says whether a command is among the names: "config|set" is where it is itself, and where "config" is.
func Covers(names []string, command string) bool {
	container, _, _ := strings.Cut(command, "|")
	return slices.Contains(names, command) || slices.Contains(names, container)
}
