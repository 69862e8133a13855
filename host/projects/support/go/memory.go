package sluice

import (
	"math"
	"strings"
	"unsafe"
)

// The memory that the host and this package share, in the layout that the contract fixes: addresses have 32 bits there, and 64 in Go.

// What is handed out comes from chunks that are filled from the front and never reused: whoever still refers to a part of one keeps it
// alive, and the garbage collector frees the rest.
var (
	chunk []uint64   // the one that is being filled
	used  int        // of it, in bytes
	alive [][]uint64 // the ones that were filled since, while only the host knows what is in them
)

const chunkSize = 64 << 10

// area is a piece of that memory.
type area []byte

// allocate gives a piece of memory, all zeros; align is a power of two, at most 8.
func allocate(size, align int) area {
	if size == 0 {
		return nil
	}
	begin := (used + align - 1) &^ (align - 1)
	if chunk == nil || begin+size > 8*len(chunk) {
		if chunk != nil {
			alive = append(alive, chunk)
		}
		chunk, begin = make([]uint64, (max(size, chunkSize)+7)/8), 0
	}
	used = begin + size
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(chunk)), begin)), size)
}

// forget lets go of the chunks that were filled: whatever came in them has been referred to by now. Not while an answer is being made,
// which only the host refers to.
func forget() {
	clear(alive)
	alive = alive[:0]
}

// at is the memory at an address that the host gave.
func at(address uint32, size int) area {
	if size == 0 {
		return nil
	}
	pointer := uintptr(address)
	return unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&pointer))), size)
}

func (a area) pointer() unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(a)) }

func (a area) address() uint32 { return uint32(uintptr(a.pointer())) }

func (a area) u8(offset int) uint8 { return a[offset] }

func (a area) u32(offset int) uint32 { return *(*uint32)(unsafe.Pointer(&a[offset : offset+4][0])) }

func (a area) u64(offset int) uint64 { return *(*uint64)(unsafe.Pointer(&a[offset : offset+8][0])) }

func (a area) f64(offset int) float64 { return math.Float64frombits(a.u64(offset)) }

// bytes is a list of bytes, given by address and size.
func (a area) bytes(offset int) []byte { return at(a.u32(offset), int(a.u32(offset+4))) }

func (a area) string(offset int) string {
	bytes := a.bytes(offset)
	return unsafe.String(unsafe.SliceData(bytes), len(bytes))
}

// byteLists is a list of lists of bytes.
func (a area) byteLists(offset int) [][]byte {
	lists := make([][]byte, a.u32(offset+4))
	items := at(a.u32(offset), 8*len(lists))
	for i := range lists {
		lists[i] = items.bytes(8 * i)
	}
	return lists
}

func (a area) putU32(offset int, value uint32) {
	*(*uint32)(unsafe.Pointer(&a[offset : offset+4][0])) = value
}

func (a area) putU64(offset int, value uint64) {
	*(*uint64)(unsafe.Pointer(&a[offset : offset+8][0])) = value
}

// putList puts a list: its address and its length. Someone else keeps it alive.
func (a area) putList(offset int, items unsafe.Pointer, count int) {
	a.putU32(offset, uint32(uintptr(items)))
	a.putU32(offset+4, uint32(count))
}

func (a area) putBytes(offset int, bytes []byte) { a.putList(offset, first(bytes), len(bytes)) }

// putString puts a copy of a text, so that there is nothing to keep alive.
func (a area) putString(offset int, text string) {
	text = valid(text)
	copied := allocate(len(text), 1)
	copy(copied, text)
	a.putBytes(offset, copied)
}

func (a area) putStrings(offset int, texts []string) {
	list := allocate(8*len(texts), 4)
	for i, text := range texts {
		list.putString(8*i, text)
	}
	a.putList(offset, list.pointer(), len(texts))
}

func (a area) putByteLists(offset int, lists [][]byte) {
	list := allocate(8*len(lists), 4)
	for i, bytes := range lists {
		list.putBytes(8*i, bytes)
	}
	a.putList(offset, list.pointer(), len(lists))
}

func first(bytes []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(bytes)) }

func start(text string) unsafe.Pointer { return unsafe.Pointer(unsafe.StringData(text)) }

// valid is a text in UTF-8, as the host expects it of every text.
func valid(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }
