// CardMask masks the digits of card numbers in values that are written and read.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"example.com/card-mask/sluice"
)

// read is the tag of watched responses; there is only one kind of them.
const read = 1

var (
	defaultWrite = []string{"set", "setex", "psetex", "setnx", "getset", "append", "mset", "msetnx",
		"hset", "hsetnx", "hmset", "lpush", "rpush", "sadd"}
	defaultRead = []string{"get", "mget", "getset", "getdel", "getex", "hget", "hmget", "hgetall", "lrange", "smembers"}
)

// CardMask is an instance.
type CardMask struct {
	keep                    int
	write, read             []string // commands
	writtenTotal, readTotal sluice.Counter
}

func init() { sluice.Register(&CardMask{}) }

func main() {}

func (c *CardMask) Describe() sluice.Description {
	return sluice.Description{
		Name:    "CardMask",
		Version: "0.1.0",
		Summary: "Masks the digits of card numbers in values that are written and read.",
	}
}

func (c *CardMask) Configure(config []byte) (sluice.Interest, error) {
	settings, err := sluice.Settings(config, "keep", "read", "write")
	if err != nil {
		return sluice.Interest{}, err
	}
	c.keep = 4
	if value, given := settings["keep"]; given {
		keep, ok := sluice.WholeNumber(value, 0, 12)
		if !ok {
			return sluice.Interest{}, sluice.Wrong("keep", value, "a whole number from 0 to 12")
		}
		c.keep = int(keep)
	}
	if c.write, err = commands(settings, "write", defaultWrite); err != nil {
		return sluice.Interest{}, err
	}
	if c.read, err = commands(settings, "read", defaultRead); err != nil {
		return sluice.Interest{}, err
	}

	const total = "card_numbers_masked_total"
	if c.writtenTotal, err = sluice.NewCounter(total, sluice.Label{Name: "direction", Value: "written"}); err != nil {
		return sluice.Interest{}, err
	}
	if c.readTotal, err = sluice.NewCounter(total, sluice.Label{Name: "direction", Value: "read"}); err != nil {
		return sluice.Interest{}, err
	}

	sluice.Log(sluice.LevelInfo, fmt.Sprintf("masking card numbers, keeping the last %d digits", c.keep))

	both := slices.Concat(c.write, c.read)
	slices.Sort(both)
	return sluice.Interest{Commands: slices.Compact(both), View: sluice.ViewAll, KeyPositions: true}, nil
}

// commands are those that a setting lists, or else those that it has by default.
func commands(settings map[string]json.RawMessage, setting string, otherwise []string) ([]string, error) {
	value, given := settings[setting]
	if !given {
		return otherwise, nil
	}
	names, ok := sluice.Strings(value)
	if !ok {
		return nil, sluice.Wrong(setting, value, "a list of command names")
	}
	return names, nil
}

func (c *CardMask) Request(request *sluice.Request, verdict *sluice.Verdict) {
	if sluice.Covers(c.write, request.Command) {
		args, total := slices.Clone(request.Args), 0
		for i := 1; i < len(args); i++ {
			if !request.IsKey(i) {
				masked, count := c.mask(args[i])
				args[i] = masked
				total += count
			}
		}
		if total > 0 {
			verdict.Rewrite(args)
			c.writtenTotal.Add(uint64(total))
		}
	}
	if sluice.Covers(c.read, request.Command) {
		verdict.Watch(read)
	}
}

func (c *CardMask) Response(response *sluice.Response, change *sluice.Change) {
	reply, total := response.Reply.Clone(), 0
	for i := range reply {
		switch node := &reply[i]; node.Kind {
		case sluice.KindBulk, sluice.KindSimple, sluice.KindVerbatim:
			masked, count := c.mask(node.Bytes)
			node.Bytes = masked
			total += count
		}
	}
	if total > 0 {
		change.Replace(reply)
		c.readTotal.Add(uint64(total))
	}
}

// mask gives a value with all of its card numbers masked (a copy, if there are any), and says how many there were.
func (c *CardMask) mask(value []byte) ([]byte, int) {
	result, count := value, 0
	for at := 0; at < len(value); at++ {
		if !isDigit(value[at]) {
			continue
		}
		end, digits := run(value, at)
		if digits >= 13 && digits <= 19 && passesLuhn(value[at:end]) {
			if count == 0 {
				result = bytes.Clone(value)
			}
			for i, left := at, digits-c.keep; left > 0; i++ {
				if isDigit(result[i]) {
					result[i] = '*'
					left--
				}
			}
			count++
		}
		at = end - 1
	}
	return result, count
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// run is where the run of digits that begins at start ends, and how many there are: it goes on over one space or dash that is followed by
// a digit.
func run(value []byte, start int) (end, digits int) {
	for end = start; ; end++ {
		for ; end < len(value) && isDigit(value[end]); end++ {
			digits++
		}
		if end+1 >= len(value) || value[end] != ' ' && value[end] != '-' || !isDigit(value[end+1]) {
			return end, digits
		}
	}
}

// passesLuhn is the Luhn check: from the right, every second digit counts twice, and the sum ends in 0.
func passesLuhn(run []byte) bool {
	sum, twice := 0, false
	for i := len(run) - 1; i >= 0; i-- {
		if !isDigit(run[i]) {
			continue
		}
		digit := int(run[i] - '0')
		if twice {
			digit *= 2
			if digit > 9 {
				digit -= 9
			}
		}
		sum += digit
		twice = !twice
	}
	return sum%10 == 0
}
