package chatpb

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"runtime"
	"sync"

	"chatpb/internal/core"
)

// The codes of results, and where a result has its fields: adapters/abi/chatpb.h and the page beside it.
const (
	codeOK         = 0
	codeJSON       = 1
	codeWire       = 2
	codeDescriptor = 3
	codeSchema     = 4
	codeContract   = 8
	codeEnd        = 9

	fieldData   = 0
	fieldPath   = 16
	fieldReason = 32
	fieldLine   = 48
	fieldColumn = 56
	fieldOffset = 64
	fieldCode   = 72
	resultSize  = 80
)

const (
	// maxKeptInput is the size of the largest input block that is kept from one call to the next.
	maxKeptInput = 1 << 20
	// maxKeptMemory is the size of the largest instance that is kept. Its memory never shrinks.
	maxKeptMemory = 64 << 20
	// maxKeptCodecs is how many codecs an instance keeps, each with its compiled descriptors.
	maxKeptCodecs = 64
)

// pointer is an address in the memory of an instance.
type pointer = int32

// function is a function of the core that takes an input.
type function func(core *core.Module, handle, input, size, options, result pointer) int32

var (
	jsonToWire    function = (*core.Module).Xchatpb_json_to_wire
	wireToJSON    function = (*core.Module).Xchatpb_wire_to_json
	validate      function = (*core.Module).Xchatpb_validate
	compactStream function = (*core.Module).Xchatpb_compact_stream
	expandStream  function = (*core.Module).Xchatpb_expand_stream
	accumulate    function = (*core.Module).Xchatpb_accumulator_add
)

// instance is one instance of the core, with memory of its own. One goroutine at a time uses it.
type instance struct {
	core     *core.Module
	memory   *[]byte
	result   pointer
	input    pointer
	capacity int
	handles  map[*Codec]handles
	// broken: a trap left it in no known state.
	broken bool
}

// handles are what an instance has made for a codec.
type handles struct{ schema, codec pointer }

func newInstance() *instance {
	i := &instance{core: core.New(), handles: map[*Codec]handles{}}
	i.memory = i.core.Xmemory().Slice()
	i.result = i.core.Xchatpb_alloc(resultSize)
	return i
}

// outgrown returns whether a new instance should take the place of this one.
func (i *instance) outgrown() bool {
	return i.broken || len(*i.memory) > maxKeptMemory || len(i.handles) > maxKeptCodecs
}

// guard makes an error of a trap, which is a defect of the core or the end of its memory.
func (i *instance) guard(err *error) {
	if trap := recover(); trap != nil {
		i.broken = true
		*err = &Error{Code: CodeInternal, Reason: fmt.Sprintf("a defect of chatpb, or no memory left: %v", trap)}
	}
}

// reserve makes room for an input.
func (i *instance) reserve(size int) error {
	if size <= i.capacity {
		return nil
	}
	if size > math.MaxInt32 {
		return &Error{Code: CodeArgument, Reason: "an input of more than 2 GiB"}
	}
	capacity := max(size, min(2*i.capacity, maxKeptInput))
	block := i.core.Xchatpb_alloc(pointer(capacity))
	if block == 0 {
		return &Error{Code: CodeInternal, Reason: fmt.Sprintf("no memory for %d bytes", capacity)}
	}
	i.core.Xchatpb_free(i.input, pointer(i.capacity))
	i.input, i.capacity = block, capacity
	return nil
}

// put copies an input into the instance.
func (i *instance) put(input []byte) error {
	if err := i.reserve(len(input)); err != nil {
		return err
	}
	copy((*i.memory)[uint32(i.input):], input)
	return nil
}

// call calls a function. Its result stays until the next call.
func (i *instance) call(f function, handle pointer, input []byte, options Option) error {
	if err := i.put(input); err != nil {
		return err
	}
	code := f(i.core, handle, i.input, pointer(len(input)), pointer(options), i.result)
	if i.capacity > maxKeptInput {
		i.core.Xchatpb_free(i.input, pointer(i.capacity))
		i.input, i.capacity = 0, 0
	}
	return i.errorOf(code)
}

// errorOf returns the error that the last result has; nil if it is none.
func (i *instance) errorOf(code int32) error {
	if code == codeOK || code == codeEnd {
		return nil
	}
	path, reason := string(i.bytes(fieldPath)), string(i.bytes(fieldReason))
	line, column, offset := i.number(fieldLine), i.number(fieldColumn), i.number(fieldOffset)
	switch code {
	case codeJSON:
		return &Error{Code: CodeJSON, Path: path, Line: line, Column: column, Offset: offset, Reason: reason}
	case codeWire:
		return &Error{Code: CodeWire, Path: path, Offset: offset, Reason: reason}
	case codeDescriptor, codeSchema:
		return &Error{Code: CodeSchema, Reason: reason}
	case codeContract:
		return contractError(i.bytes(fieldData))
	}
	return &Error{Code: CodeInternal, Reason: fmt.Sprintf("a call ended with code %d: %s", code, reason)}
}

func (i *instance) number(field int) int {
	return int(binary.LittleEndian.Uint32((*i.memory)[int(uint32(i.result))+field:]))
}

// bytes returns what a field of the last result points to. The next call overwrites it.
func (i *instance) bytes(field int) []byte {
	start := i.number(field)
	return (*i.memory)[start : start+i.number(field+8)]
}

// handlesOf returns the handles of a codec.
func (i *instance) handlesOf(codec *Codec) (handles, error) {
	if known, ok := i.handles[codec]; ok {
		return known, nil
	}
	if err := i.put(append([]byte(codec.typeName), codec.descriptors...)); err != nil {
		return handles{}, err
	}
	name := pointer(len(codec.typeName))
	set := i.input + name
	if codec.descriptors == nil {
		set = 0 // the contract's own
	}
	schema := i.core.Xchatpb_schema_new(set, pointer(len(codec.descriptors)), i.input, name, i.result)
	if schema == 0 {
		return handles{}, i.errorOf(int32(i.number(fieldCode)))
	}
	made := handles{schema, i.core.Xchatpb_codec_new(schema)}
	i.handles[codec] = made
	return made, nil
}

// pool has instances for conversions: as many as there are processors, and the last one that was used first.
type pool struct {
	running chan struct{}
	mutex   sync.Mutex
	idle    []*instance
}

var conversions = pool{running: make(chan struct{}, runtime.GOMAXPROCS(0))}

// do does some work with an instance.
func (p *pool) do(work func(*instance) error) (err error) {
	p.running <- struct{}{}
	i := p.take()
	defer func() {
		p.give(i)
		<-p.running
	}()
	defer i.guard(&err)
	return work(i)
}

func (p *pool) take() *instance {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	last := len(p.idle) - 1
	if last < 0 {
		return newInstance()
	}
	i := p.idle[last]
	p.idle[last] = nil
	p.idle = p.idle[:last]
	return i
}

func (p *pool) give(i *instance) {
	if i.outgrown() {
		return
	}
	p.mutex.Lock()
	p.idle = append(p.idle, i)
	p.mutex.Unlock()
}

// convert calls a function of a codec with an instance of the pool, and returns a copy of its result.
func (p *pool) convert(f function, codec *Codec, input []byte, options Option) (output []byte, err error) {
	err = p.do(func(i *instance) error {
		made, err := i.handlesOf(codec)
		if err != nil {
			return err
		}
		if err := i.call(f, made.codec, input, options); err != nil {
			return err
		}
		output = bytes.Clone(i.bytes(fieldData))
		return nil
	})
	return output, err
}
