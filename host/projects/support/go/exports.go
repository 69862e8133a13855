package sluice

import (
	"fmt"
	"math"
	"os"
	"unsafe"
)

var registered Transform

// What the last answer refers to: it is read after the function has returned.
var answered any

// Where lines of the standard output and error are gathered: the runtime writes them word by word.
var line [1024]byte

func init() { endLine() }

func endLine() { gatherLines(unsafe.Pointer(&line), uint32(len(line))) }

//go:wasmexport cabi_realloc
func cabiRealloc(old unsafe.Pointer, oldSize, align, size uint32) unsafe.Pointer {
	fresh := allocate(int(size), int(align))
	if old != nil {
		copy(fresh, unsafe.Slice((*byte)(old), oldSize))
	}
	return fresh.pointer()
}

//go:wasmexport sluice:transform/lifecycle@0.2.0#describe
func describe() unsafe.Pointer {
	defer report()
	forget()
	description := transform().Describe()
	answer := allocate(24, 4)
	answer.putString(0, description.Name)
	answer.putString(8, description.Version)
	answer.putString(16, description.Summary)
	return answer.pointer()
}

//go:wasmexport sluice:transform/lifecycle@0.2.0#configure
func configure(config unsafe.Pointer, size uint32) unsafe.Pointer {
	defer report()
	text := unsafe.Slice((*byte)(config), size)
	forget()
	interest, err := transform().Configure(text)
	answer := allocate(32, 4)
	if err != nil {
		answer[0] = 1
		answer.putString(4, err.Error())
		return answer.pointer()
	}
	if !interest.Everything {
		answer[4] = 1
		answer.putStrings(8, interest.Commands)
	}
	answer[16] = uint8(interest.View)
	answer.putStrings(20, interest.Whole)
	if interest.KeyPositions {
		answer[28] = 1
	}
	return answer.pointer()
}

//go:wasmexport sluice:transform/requests-rows@0.2.0#handle
func handleRequests(batch uint32, count uint32) unsafe.Pointer {
	defer report()
	requests := liftRequests(at(batch, 40*int(count)), int(count))
	forget()
	verdicts := make([]Verdict, len(requests))
	kept := 0
	for i := range requests {
		verdict := &verdicts[i]
		registered.Request(&requests[i], verdict)
		if verdict.action != actionForward || verdict.watched {
			kept++
		}
	}
	answered = verdicts
	list := allocate(32*kept, 8)
	rest := list
	for i := range verdicts {
		if verdict := &verdicts[i]; verdict.action != actionForward || verdict.watched {
			verdict.lower(rest[:32], i)
			rest = rest[32:]
		}
	}
	answer := allocate(8, 4)
	answer.putList(0, list.pointer(), kept)
	return answer.pointer()
}

//go:wasmexport sluice:transform/responses-rows@0.2.0#handle
func handleResponses(batch uint32, count uint32) unsafe.Pointer {
	defer report()
	items := at(batch, 32*int(count))
	responses := make([]Response, count)
	for i := range responses {
		item := items[32*i:]
		responses[i] = Response{item.u64(0), item.u64(8), item.u64(16), liftReply(item, 24)}
	}
	forget()
	changes := make([]Change, count)
	for i := range changes {
		registered.Response(&responses[i], &changes[i])
	}
	answered = changes
	list := allocate(12*len(changes), 4)
	kept := 0
	for i := range changes {
		if reply := changes[i].reply; reply != nil {
			list.putU32(12*kept, uint32(i))
			reply.lower(list, 12*kept+4)
			kept++
		}
	}
	answer := allocate(8, 4)
	answer.putList(0, list.pointer(), kept)
	return answer.pointer()
}

func transform() Transform {
	if registered == nil {
		panic("no transform is registered: call sluice.Register in a function init")
	}
	return registered
}

// report ends a crossing, and the line that it may have begun. It writes a panic to the log, and ends the instance then: the host takes
// it for a fault, and makes a new one.
func report() {
	endLine()
	if reason := recover(); reason != nil {
		Log(LevelError, fmt.Sprint("panic: ", reason))
		os.Exit(2)
	}
}

func liftRequests(items area, count int) []Request {
	args, keys := 0, 0
	for i := range count {
		args += int(items.u32(40*i + 28))
		keys += int(items.u32(40*i + 36))
	}
	allArgs, allKeys := make([][]byte, 0, args), make([]uint32, 0, keys)
	requests := make([]Request, count)
	for i := range requests {
		item := items[40*i : 40*i+40]
		firstArg, firstKey := len(allArgs), len(allKeys)
		list := at(item.u32(24), 8*int(item.u32(28)))
		for j := 0; j < len(list); j += 8 {
			allArgs = append(allArgs, list.bytes(j))
		}
		list = at(item.u32(32), 4*int(item.u32(36)))
		for j := 0; j < len(list); j += 4 {
			allKeys = append(allKeys, list.u32(j))
		}
		requests[i] = Request{
			ID:      item.u64(0),
			Session: item.u64(8),
			Command: item.string(16),
			Args:    allArgs[firstArg:len(allArgs):len(allArgs)],
			Keys:    allKeys[firstKey:len(allKeys):len(allKeys)],
		}
	}
	return requests
}

func (v *Verdict) lower(to area, index int) {
	to.putU32(0, uint32(index))
	to[4] = v.action
	switch v.action {
	case actionRewrite:
		to.putByteLists(8, v.args)
	case actionReply, actionClose:
		v.reply.lower(to, 8)
	case actionFanOut:
		list := allocate(8*len(v.fanOut), 4)
		for i, args := range v.fanOut {
			list.putByteLists(8*i, args)
		}
		to.putList(8, list.pointer(), len(v.fanOut))
	}
	if v.watched {
		to[16] = 1
		to.putU64(24, v.tag)
	}
}

func liftReply(from area, offset int) Reply {
	reply := make(Reply, from.u32(offset+4))
	items := at(from.u32(offset), 24*len(reply))
	for i := range reply {
		item, node := items[24*i:24*i+24], &reply[i]
		node.Kind = Kind(item.u8(0))
		switch node.Kind {
		case KindSimple, KindError, KindBulk, KindBigNumber, KindBulkError:
			node.Bytes = item.bytes(8)
		case KindVerbatim:
			node.Format, node.Bytes = item.string(8), item.bytes(16)
		case KindInteger:
			node.Integer = int64(item.u64(8))
		case KindBoolean:
			node.Boolean = item.u8(8) != 0
		case KindDouble:
			node.Double = item.f64(8)
		case KindArray, KindMap, KindSet, KindPush, KindAttribute:
			node.Count = item.u32(8)
		}
	}
	return reply
}

func (r Reply) lower(to area, offset int) {
	list := allocate(24*len(r), 8)
	for i := range r {
		item, node := list[24*i:24*i+24], &r[i]
		item[0] = uint8(node.Kind)
		switch node.Kind {
		case KindSimple, KindError, KindBulk, KindBigNumber, KindBulkError:
			item.putBytes(8, node.Bytes)
		case KindVerbatim:
			item.putString(8, node.Format)
			item.putBytes(16, node.Bytes)
		case KindInteger:
			item.putU64(8, uint64(node.Integer))
		case KindBoolean:
			if node.Boolean {
				item[8] = 1
			}
		case KindDouble:
			item.putU64(8, math.Float64bits(node.Double))
		case KindArray, KindMap, KindSet, KindPush, KindAttribute:
			item.putU32(8, node.Count)
		}
	}
	to.putList(offset, list.pointer(), len(r))
}
