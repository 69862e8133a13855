// Package sluice is what a transform in Go needs to speak with Sluice.
//
// A transform is a type that implements [Transform], and a main package that registers it:
//
//	func init() { sluice.Register(&KeyGuard{}) }
//
//	func main() {}
//
// What the host hands over is ordinary memory of Go's: it may be kept for as long as one likes, and need not be given back.
// It is shared, however, and not to be written to; make a copy of what is to be changed.
package sluice

// Transform is what an author writes.
//
// There is an instance of the program for each worker of the proxy, and a new one after a fault, which a panic is. The host calls
// one function at a time.
type Transform interface {
	// Describe says what the transform is. It is called before Configure, possibly without it.
	Describe() Description

	// Configure sets up an instance. Its argument is the transform's map in the topology, as a JSON object: see [Settings]. The error
	// is a sentence for the operator: what was found, and what was expected. The answer must depend on the configuration alone.
	Configure(config []byte) (Interest, error)

	// Request judges a request. A verdict that is left alone forwards it.
	Request(request *Request, verdict *Verdict)

	// Response looks at the response to a request that was watched. A change that is left alone keeps it.
	Response(response *Response, change *Change)
}

// Register says what the transform is: in a function init, once.
func Register(transform Transform) {
	registered = transform
}

// Description says what a transform is.
type Description struct {
	Name    string // short, in CamelCase
	Version string // its own, such as 1.2.0
	Summary string // one sentence: what it does
}

// View is how much of each request is shown. Arguments outside the view are empty.
type View uint8

const (
	ViewCommand View = iota // argument 0: the command's name as the client wrote it
	ViewKeys                // argument 0, and the keys
	ViewAll                 // every argument
)

// Interest is what a transform wants to be called for.
type Interest struct {
	// Commands are those whose requests cross, by the names of the host's table: "get", "config|set"; "config" stands for all its
	// subcommands. All other requests are forwarded without a call.
	Commands []string
	// Everything makes every request cross, those of unknown commands too, whatever Commands says.
	Everything bool
	// View is how much of them is shown. What is not shown is not copied, and costs nothing.
	View View
	// Whole are commands whose requests are shown with every argument, whatever the view.
	Whole []string
	// KeyPositions makes requests say which arguments are keys. ViewKeys implies it.
	KeyPositions bool
}

// Request is one request of one session.
type Request struct {
	ID      uint64   // the message ID: its response carries the same one
	Session uint64   // the client connection
	Command string   // as the host's table lists it; empty for a command that is not in the table
	Args    [][]byte // the command's name, as the client wrote it, first
	Keys    []uint32 // which arguments are keys, rising; only where the interest asked
}

// IsKey says whether this argument is a key.
func (r *Request) IsKey(arg int) bool {
	for _, key := range r.Keys {
		if int(key) == arg {
			return true
		}
	}
	return false
}

const (
	actionForward = iota
	actionRewrite
	actionReply
	actionFanOut
	actionClose
)

// Verdict is what becomes of a request. Of several calls the last one counts.
type Verdict struct {
	action  uint8
	watched bool
	tag     uint64
	args    [][]byte
	reply   Reply
	fanOut  [][][]byte
}

// Forward lets it go on unchanged, as it does without a call.
func (v *Verdict) Forward() {
	v.action = actionForward
}

// Rewrite lets it go on with these arguments instead, the command's name first.
func (v *Verdict) Rewrite(args [][]byte) {
	v.action, v.args = actionRewrite, args
}

// Reply answers it; it goes no further.
func (v *Verdict) Reply(reply Reply) {
	v.action, v.reply = actionReply, reply
}

// FanOut lets these requests go on in its place, in this order. Their replies come back as one array.
func (v *Verdict) FanOut(requests ...[][]byte) {
	v.action, v.fanOut = actionFanOut, requests
}

// Close closes the session once its earlier requests are answered. The reply is its last one, and may be nil.
func (v *Verdict) Close(reply Reply) {
	v.action, v.reply = actionClose, reply
}

// Watch has its response come to [Transform.Response], with this tag. Not with a reply or a close.
func (v *Verdict) Watch(tag uint64) {
	v.watched, v.tag = true, tag
}

// Response is the response to a request that was watched.
type Response struct {
	ID      uint64 // the message ID of its request
	Session uint64 // the session of its request
	Tag     uint64 // what Watch was given
	Reply   Reply
}

// Change is what becomes of a response.
type Change struct {
	reply Reply
}

// Replace puts another reply in its place.
func (c *Change) Replace(reply Reply) {
	c.reply = reply
}
