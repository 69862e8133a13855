// {{camel}} refuses some commands, and fills in for keys that are not there.
package main

import "example.com/{{name}}/sluice"

// missing is what a watched response comes back with. A transform that watches for several reasons has a tag for each.
const missing = 1

// {{camel}} is one instance. Each worker of the proxy has one of its own, and gives it the requests of many sessions.
type {{camel}} struct {
	deny    []string // the commands to refuse, as the host's table names them: flushall, config|set
	fillsIn bool     // whether there is a text for keys that are not there:
	text    string   // what GET gives for them
	denied  sluice.Counter
}

func init() { sluice.Register(&{{camel}}{}) }

// main is never called: the host calls the methods below.
func main() {}

// Describe says what the transform is: `sluice plugin inspect` shows it.
func (t *{{camel}}) Describe() sluice.Description {
	return sluice.Description{
		Name:    "{{camel}}",
		Version: "0.1.0",
		Summary: "Refuses some commands, and fills in for keys that are not there.",
	}
}

// Configure sets up an instance. Its argument is the transform's map in the topology, as JSON. An error is a sentence for the operator.
func (t *{{camel}}) Configure(config []byte) (sluice.Interest, error) {
	settings, err := sluice.Settings(config, "deny", "missing")
	if err != nil {
		return sluice.Interest{}, err
	}
	var ok bool
	if value, given := settings["deny"]; given {
		if t.deny, ok = sluice.Strings(value); !ok {
			return sluice.Interest{}, sluice.Wrong("deny", value, "a list of command names")
		}
	}
	if value, given := settings["missing"]; given {
		if t.text, ok = sluice.String(value); !ok {
			return sluice.Interest{}, sluice.Wrong("missing", value, "text")
		}
		t.fillsIn = true
	}
	if t.denied, err = sluice.NewCounter("denied_total"); err != nil {
		return sluice.Interest{}, err
	}

	// Only what it has to do with crosses into the transform; everything else goes past it, and costs nothing.
	interest := sluice.Interest{Commands: t.deny, View: sluice.ViewCommand}
	if t.fillsIn {
		interest.Commands = append(interest.Commands, "get")
	}
	return interest, nil
}

// Request judges a request. A verdict that is left alone forwards it as it is.
func (t *{{camel}}) Request(request *sluice.Request, verdict *sluice.Verdict) {
	if sluice.Covers(t.deny, request.Command) {
		sluice.Log(sluice.LevelInfo, "denied "+request.Command)
		t.denied.Add(1)
		verdict.Reply(sluice.Error("ERR '" + request.Command + "' is denied here"))
	} else if t.fillsIn {
		verdict.Watch(missing)
	}
}

// Response looks at the response to a request that was watched. A change that is left alone keeps it as it is.
func (t *{{camel}}) Response(response *sluice.Response, change *sluice.Change) {
	if response.Reply.IsNull() {
		change.Replace(sluice.Bulk(t.text))
	}
}
