package sluice

import (
	"errors"
	"unsafe"
)

// What the host offers. A component imports the functions that its code calls, and no others; world.wit must import their interfaces.

// Level is how important a log line is.
type Level uint32

const (
	LevelError Level = iota
	LevelWarn
	LevelInfo
	LevelDebug
	LevelTrace
)

// LogEnabled says whether lines of this level are kept at the moment: ask before building an expensive one.
func LogEnabled(level Level) bool {
	return logEnabled(uint32(level)) != 0
}

// Log writes a line. The host cuts it at 4 KiB.
func Log(level Level, line string) {
	line = valid(line)
	logWrite(uint32(level), unsafe.Pointer(unsafe.StringData(line)), uint32(len(line)))
}

// Label is a label of a metric.
type Label struct{ Name, Value string }

// Counter is a number that only rises.
type Counter struct{ series uint32 }

// Gauge is a number that rises and falls.
type Gauge struct{ series uint32 }

// Histogram is how values are distributed.
type Histogram struct{ series uint32 }

// NewCounter registers a counter. The same name and labels give the same one again.
func NewCounter(name string, labels ...Label) (Counter, error) {
	series, err := register(metricsCounter, name, labels)
	return Counter{series}, err
}

// NewGauge registers a gauge.
func NewGauge(name string, labels ...Label) (Gauge, error) {
	series, err := register(metricsGauge, name, labels)
	return Gauge{series}, err
}

// NewHistogram registers a histogram.
func NewHistogram(name string, labels ...Label) (Histogram, error) {
	series, err := register(metricsHistogram, name, labels)
	return Histogram{series}, err
}

// Explain says what the series of a name measure, in one sentence, as /metrics shows it.
func Explain(name, help string) {
	name, help = valid(name), valid(help)
	metricsExplain(start(name), uint32(len(name)), start(help), uint32(len(help)))
}

// Add adds to it.
func (c Counter) Add(amount uint64) { metricsAdd(c.series, amount) }

// Set sets it.
func (g Gauge) Set(value float64) { metricsSet(g.series, value) }

// Observe records a value.
func (h Histogram) Observe(value float64) { metricsObserve(h.series, value) }

type registration = func(name unsafe.Pointer, size uint32, labels unsafe.Pointer, count uint32, answer unsafe.Pointer)

func register(function registration, name string, labels []Label) (uint32, error) {
	name = valid(name)
	list := allocate(16*len(labels), 4)
	for i, label := range labels {
		list.putString(16*i, label.Name)
		list.putString(16*i+8, label.Value)
	}
	answer := allocate(16, 4)
	function(start(name), uint32(len(name)), list.pointer(), uint32(len(labels)), answer.pointer())
	if answer.u8(0) == 0 {
		return answer.u32(4), nil
	}
	if answer.u8(4) == 0 {
		return 0, errors.New("the metric " + name + ": " + answer.string(8))
	}
	return 0, errors.New("the metric " + name + ": the plugin has as many series as it may have")
}

// Command is a command that the host knows.
type Command struct {
	Name       string   // in lower case; "container|subcommand" for a subcommand
	Categories []string // its ACL categories, without "@"
	Keyed      bool     // whether any of its arguments can be a key
}

// Commands is the host's command table.
func Commands() []Command {
	answer := allocate(8, 4)
	defer forget()
	commandsTable(answer.pointer())
	table := make([]Command, answer.u32(4))
	items := at(answer.u32(0), 20*len(table))
	for i := range table {
		categories := make([]string, items.u32(20*i+12))
		names := at(items.u32(20*i+8), 8*len(categories))
		for j := range categories {
			categories[j] = names.string(8 * j)
		}
		table[i] = Command{items.string(20 * i), categories, items.u8(20*i+16) != 0}
	}
	return table
}

// UnixMs is the time: milliseconds since 1970-01-01 UTC. Needs the grant clock. (The package time knows nothing of it.)
func UnixMs() uint64 { return clockUnixMs() }

// MonotonicNs is nanoseconds since some moment in the past; it never goes back. Needs the grant clock.
func MonotonicNs() uint64 { return clockMonotonicNs() }

// RandomBits is 64 random bits. Needs the grant random. (crypto/rand has none.)
func RandomBits() uint64 { return randomBits() }

// RandomBytes is random bytes, at most 64 KiB. Needs the grant random.
func RandomBytes(count uint32) []byte {
	answer := allocate(8, 4)
	defer forget()
	randomBytes(count, answer.pointer())
	return answer.bytes(0)
}

// Session is who is behind a session.
type Session struct {
	Peer       string // the client's address
	Source     string // the source that it connected to
	User       string // "default" until it has authenticated
	HasSubject bool   // whether it showed a TLS certificate, with:
	TLSSubject string
	Database   uint32
	Protocol   uint8 // 2 or 3
}

// FindSession gives what the host knows of a session; false once it has gone. Needs the grant sessions.
func FindSession(id uint64) (Session, bool) {
	answer := allocate(48, 4)
	defer forget()
	sessionsGet(id, answer.pointer())
	if answer.u8(0) == 0 {
		return Session{}, false
	}
	session := Session{
		Peer:       answer.string(4),
		Source:     answer.string(12),
		User:       answer.string(20),
		HasSubject: answer.u8(28) != 0,
		Database:   answer.u32(40),
		Protocol:   answer.u8(44),
	}
	if session.HasSubject {
		session.TLSSubject = answer.string(32)
	}
	return session, true
}

// Why a write of the state was refused.
var (
	// ErrFull: it would exceed the limit "state". Nothing was changed.
	ErrFull = errors.New("the state is full")
	// ErrNotANumber: the value to be incremented is no decimal 64-bit integer, or would leave its range.
	ErrNotANumber = errors.New("the value is not a number")
)

func refusal(code uint8) error {
	if code == 0 {
		return ErrFull
	}
	return ErrNotANumber
}

// Forever is for ttlMs: the key never expires.
const Forever = ^uint64(0)

func some(ttlMs uint64) uint32 {
	if ttlMs == Forever {
		return 0
	}
	return 1
}

// StateGet is the value of a key; false where there is none. Needs the grant state, here and below.
func StateGet(key []byte) ([]byte, bool) {
	answer := allocate(12, 4)
	defer forget()
	stateGet(first(key), uint32(len(key)), answer.pointer())
	if answer.u8(0) == 0 {
		return nil, false
	}
	return answer.bytes(4), true
}

// StateExpiresIn is in how many milliseconds a key expires; false where there is no such key or it does not expire.
func StateExpiresIn(key []byte) (uint64, bool) {
	answer := allocate(16, 8)
	stateExpiresIn(first(key), uint32(len(key)), answer.pointer())
	return answer.u64(8), answer.u8(0) != 0
}

// StateSet sets a key, to expire in ttlMs milliseconds, or Forever.
func StateSet(key, value []byte, ttlMs uint64) error {
	answer := allocate(2, 1)
	stateSet(first(key), uint32(len(key)), first(value), uint32(len(value)), some(ttlMs), ttlMs, answer.pointer())
	if answer.u8(0) != 0 {
		return refusal(answer.u8(1))
	}
	return nil
}

// StateDelete removes a key; says whether it was there.
func StateDelete(key []byte) bool {
	return stateDelete(first(key), uint32(len(key))) != 0
}

// StateCompareAndSwap sets a key, or removes it (value is nil), only if its value still is expected (nil: only if there is no such
// key). Says whether it did.
func StateCompareAndSwap(key, expected, value []byte, ttlMs uint64) (bool, error) {
	is := func(bytes []byte) uint32 {
		if bytes == nil {
			return 0
		}
		return 1
	}
	answer := allocate(2, 1)
	stateCompareAndSwap(first(key), uint32(len(key)), is(expected), first(expected), uint32(len(expected)),
		is(value), first(value), uint32(len(value)), some(ttlMs), ttlMs, answer.pointer())
	if answer.u8(0) != 0 {
		return false, refusal(answer.u8(1))
	}
	return answer.u8(1) != 0, nil
}

// StateIncrement adds to a number held as decimal text, and gives the sum. A key that is not there counts as 0 and gets ttlMs; one that
// is there keeps its expiry.
func StateIncrement(key []byte, by int64, ttlMs uint64) (int64, error) {
	answer := allocate(16, 8)
	stateIncrement(first(key), uint32(len(key)), by, some(ttlMs), ttlMs, answer.pointer())
	if answer.u8(0) != 0 {
		return 0, refusal(answer.u8(8))
	}
	return int64(answer.u64(8)), nil
}

// StateKeys is up to limit (at most 1,000) keys that begin with prefix and sort after after (nil: from the first).
func StateKeys(prefix, after []byte, limit uint32) [][]byte {
	given := uint32(0)
	if after != nil {
		given = 1
	}
	answer := allocate(8, 4)
	defer forget()
	stateKeys(first(prefix), uint32(len(prefix)), given, first(after), uint32(len(after)), limit, answer.pointer())
	return answer.byteLists(0)
}
