package sluice

import "unsafe"

//go:wasmimport sluice:transform/log@0.2.0 enabled
func logEnabled(level uint32) uint32

//go:wasmimport sluice:transform/log@0.2.0 write
func logWrite(level uint32, line unsafe.Pointer, size uint32)

// Of what stands in for WASI: from now on, what is written to the standard output and error is gathered to lines in this memory, and a
// line that has begun ends.
//
//go:wasmimport wasi_snapshot_preview1 sluice_gather_lines
func gatherLines(memory unsafe.Pointer, size uint32)

//go:wasmimport sluice:transform/metrics@0.2.0 counter
func metricsCounter(name unsafe.Pointer, size uint32, labels unsafe.Pointer, count uint32, answer unsafe.Pointer)

//go:wasmimport sluice:transform/metrics@0.2.0 gauge
func metricsGauge(name unsafe.Pointer, size uint32, labels unsafe.Pointer, count uint32, answer unsafe.Pointer)

//go:wasmimport sluice:transform/metrics@0.2.0 histogram
func metricsHistogram(name unsafe.Pointer, size uint32, labels unsafe.Pointer, count uint32, answer unsafe.Pointer)

//go:wasmimport sluice:transform/metrics@0.2.0 explain
func metricsExplain(name unsafe.Pointer, size uint32, help unsafe.Pointer, helpSize uint32)

//go:wasmimport sluice:transform/metrics@0.2.0 add
func metricsAdd(series uint32, amount uint64)

//go:wasmimport sluice:transform/metrics@0.2.0 set
func metricsSet(series uint32, value float64)

//go:wasmimport sluice:transform/metrics@0.2.0 observe
func metricsObserve(series uint32, value float64)

//go:wasmimport sluice:transform/commands@0.2.0 table
func commandsTable(answer unsafe.Pointer)

//go:wasmimport sluice:transform/clock@0.2.0 unix-ms
func clockUnixMs() uint64

//go:wasmimport sluice:transform/clock@0.2.0 monotonic-ns
func clockMonotonicNs() uint64

//go:wasmimport sluice:transform/random@0.2.0 bits
func randomBits() uint64

//go:wasmimport sluice:transform/random@0.2.0 bytes
func randomBytes(count uint32, answer unsafe.Pointer)

//go:wasmimport sluice:transform/sessions@0.2.0 get
func sessionsGet(id uint64, answer unsafe.Pointer)

//go:wasmimport sluice:transform/state@0.2.0 get
func stateGet(key unsafe.Pointer, size uint32, answer unsafe.Pointer)

//go:wasmimport sluice:transform/state@0.2.0 expires-in
func stateExpiresIn(key unsafe.Pointer, size uint32, answer unsafe.Pointer)

//go:wasmimport sluice:transform/state@0.2.0 set
func stateSet(key unsafe.Pointer, size uint32, value unsafe.Pointer, valueSize uint32, expires uint32, ttl uint64, answer unsafe.Pointer)

//go:wasmimport sluice:transform/state@0.2.0 delete
func stateDelete(key unsafe.Pointer, size uint32) uint32

//go:wasmimport sluice:transform/state@0.2.0 compare-and-swap
func stateCompareAndSwap(key unsafe.Pointer, size uint32, hasExpected uint32, expected unsafe.Pointer, expectedSize uint32,
	hasValue uint32, value unsafe.Pointer, valueSize uint32, expires uint32, ttl uint64, answer unsafe.Pointer)

//go:wasmimport sluice:transform/state@0.2.0 increment
func stateIncrement(key unsafe.Pointer, size uint32, by int64, expires uint32, ttl uint64, answer unsafe.Pointer)

//go:wasmimport sluice:transform/state@0.2.0 keys
func stateKeys(prefix unsafe.Pointer, size uint32, hasAfter uint32, after unsafe.Pointer, afterSize uint32, limit uint32, answer unsafe.Pointer)
