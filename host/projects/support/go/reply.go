package sluice

// Kind is what a node of a reply is.
type Kind uint8

const (
	KindNull      Kind = iota // the null value
	KindNullArray             // RESP2's null array, as EXEC gives it
	KindSimple                // Bytes: a simple string, no CR or LF
	KindError                 // Bytes: an error that begins with its code, no CR or LF
	KindInteger               // Integer
	KindBulk                  // Bytes: any
	KindBoolean               // Boolean
	KindDouble                // Double
	KindBigNumber             // Bytes: an integer beyond 64 bits, in decimal
	KindVerbatim              // Bytes: a text; Format: its three letters
	KindBulkError             // Bytes: an error with any bytes
	KindArray                 // Count: of elements
	KindMap                   // Count: of entries; twice as many elements follow
	KindSet                   // Count: of elements
	KindPush                  // Count: of elements; only in the place of another
	KindAttribute             // Count: of entries; then comes the element that they describe
)

// Node is a part of a reply.
type Node struct {
	Kind    Kind
	Boolean bool
	Count   uint32
	Integer int64
	Double  float64
	Format  string
	Bytes   []byte
}

// Reply is a whole reply: its nodes in the order in which they are written, an aggregate before its elements. The functions below make
// one: Array(Bulk("a"), Integer(1)) is ["a", 1].
type Reply []Node

// Clone is a copy whose nodes may be changed; their bytes are shared.
func (r Reply) Clone() Reply {
	return append(Reply(nil), r...)
}

// IsNull says whether it is the null value, or the null array.
func (r Reply) IsNull() bool {
	return len(r) == 1 && r[0].Kind <= KindNullArray
}

// Text is what makes a text for a reply.
type Text interface{ ~string | ~[]byte }

func text[T Text](kind Kind, value T) Reply {
	return Reply{{Kind: kind, Bytes: []byte(value)}}
}

// Null is the null value.
func Null() Reply { return Reply{{Kind: KindNull}} }

// NullArray is RESP2's null array.
func NullArray() Reply { return Reply{{Kind: KindNullArray}} }

// OK is the simple string OK.
func OK() Reply { return Simple("OK") }

// Simple is a simple string: no CR, no LF.
func Simple[T Text](value T) Reply { return text(KindSimple, value) }

// Error is an error, beginning with its code: "ERR no such thing". No CR, no LF.
func Error[T Text](value T) Reply { return text(KindError, value) }

// Bulk is a bulk string: any bytes.
func Bulk[T Text](value T) Reply { return text(KindBulk, value) }

// BigNumber is an integer beyond 64 bits, in decimal.
func BigNumber[T Text](value T) Reply { return text(KindBigNumber, value) }

// BulkError is an error with any bytes.
func BulkError[T Text](value T) Reply { return text(KindBulkError, value) }

// Verbatim is a text with its three-letter format: "txt" or "mkd".
func Verbatim[T Text](format string, value T) Reply {
	return Reply{{Kind: KindVerbatim, Format: format, Bytes: []byte(value)}}
}

// Integer is a 64-bit integer.
func Integer(value int64) Reply { return Reply{{Kind: KindInteger, Integer: value}} }

// Boolean is a boolean.
func Boolean(value bool) Reply { return Reply{{Kind: KindBoolean, Boolean: value}} }

// Double is a double.
func Double(value float64) Reply { return Reply{{Kind: KindDouble, Double: value}} }

// Array is an array.
func Array(elements ...Reply) Reply { return aggregate(KindArray, len(elements), elements) }

// Set is a set.
func Set(elements ...Reply) Reply { return aggregate(KindSet, len(elements), elements) }

// Map is a map: key, value, key, value.
func Map(entries ...Reply) Reply { return aggregate(KindMap, len(entries)/2, entries) }

func aggregate(kind Kind, count int, elements []Reply) Reply {
	reply := Reply{{Kind: kind, Count: uint32(count)}}
	for _, element := range elements {
		reply = append(reply, element...)
	}
	return reply
}
