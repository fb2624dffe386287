package chatpb

import (
	"bytes"
	"encoding/binary"
	"iter"
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"chatpb/internal/core"
)

// home is an instance that accumulators and splitters live in, many of them in one, for as long as they are used.
type home struct {
	mutex    sync.Mutex
	instance *instance
}

var (
	homes    = make([]atomic.Pointer[home], runtime.GOMAXPROCS(0))
	nextHome atomic.Uint32
)

// chooseHome returns the home of the next stream. One that is outgrown lives on while its streams do, and gets no more of them.
func chooseHome() *home {
	place := &homes[int(nextHome.Add(1))%len(homes)]
	for {
		known := place.Load()
		if known != nil && !known.outgrown() {
			return known
		}
		if made := (&home{instance: newInstance()}); place.CompareAndSwap(known, made) {
			return made
		}
	}
}

func (h *home) outgrown() bool {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	return h.instance.outgrown()
}

// do does some work with the instance.
func (h *home) do(work func(*instance) error) (err error) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if h.instance.broken {
		return &Error{Code: CodeInternal, Reason: "an earlier defect ended this stream"}
	}
	defer h.instance.guard(&err)
	return work(h.instance)
}

// free calls a function that frees a handle.
func (h *home) free(f func(*core.Module, pointer), handle pointer) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if !h.instance.broken {
		f(h.instance.core, handle)
	}
}

// Accumulator puts the chunks of a stream together: it takes them one by one, and returns the completion so far at any moment.
// A chunk that is an error adds nothing. Goroutines may share it.
type Accumulator struct {
	home    *home
	handle  pointer
	options Option
}

// NewAccumulator returns an accumulator without chunks. Options: [Nonfinite], [SkipUnknown].
func NewAccumulator(options ...Option) (*Accumulator, error) {
	all, err := join(options, streamOptions)
	if err != nil {
		return nil, err
	}
	chunk, err := contractCodec(Chunk)
	if err != nil {
		return nil, err
	}
	a := &Accumulator{home: chooseHome(), options: all}
	err = a.home.do(func(i *instance) error {
		made, err := i.handlesOf(chunk)
		if err == nil {
			a.handle = i.core.Xchatpb_accumulator_new(made.schema)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	home := a.home
	runtime.AddCleanup(a, func(handle pointer) { home.free((*core.Module).Xchatpb_accumulator_free, handle) }, a.handle)
	return a, nil
}

// AddJSON adds the next chunk, given its JSON text.
func (a *Accumulator) AddJSON(text []byte) error {
	wire, err := JSONToWire(text, Chunk, a.options&toWireOptions)
	if err != nil {
		return err
	}
	return a.AddWire(wire)
}

// AddWire adds the next chunk, given its wire bytes.
func (a *Accumulator) AddWire(chunk []byte) error {
	defer runtime.KeepAlive(a)
	return a.home.do(func(i *instance) error { return i.call(accumulate, a.handle, chunk, a.options) })
}

// Wire returns the wire bytes of the completion so far.
func (a *Accumulator) Wire() ([]byte, error) {
	var text []byte
	err := a.home.do(func(i *instance) error {
		if err := i.errorOf(i.core.Xchatpb_accumulator_json(a.handle, i.result)); err != nil {
			return err
		}
		text = bytes.Clone(i.bytes(fieldData))
		return nil
	})
	runtime.KeepAlive(a)
	if err != nil {
		return nil, err
	}
	return JSONToWire(text, Completion, a.options&toWireOptions)
}

// JSON returns the JSON text of the completion so far.
func (a *Accumulator) JSON() ([]byte, error) {
	wire, err := a.Wire()
	if err != nil {
		return nil, err
	}
	return WireToJSON(wire, Completion, a.options)
}

// Split returns the wire bytes of a completion's chunks, given its own. size is the number of characters of text in each chunk;
// 0 stands for a word in each. An error ends the sequence. Options: [Nonfinite], [SkipUnknown], [WithoutUsage].
func Split(completion []byte, size int, options ...Option) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		home := chooseHome()
		splitter, err := newSplitter(home, completion, size, options)
		if err != nil {
			yield(nil, err)
			return
		}
		defer home.free((*core.Module).Xchatpb_splitter_free, splitter)
		for {
			var chunk []byte
			err := home.do(func(i *instance) error {
				code := i.core.Xchatpb_splitter_next(splitter, i.result)
				if code == codeOK {
					chunk = bytes.Clone(i.bytes(fieldData))
				}
				return i.errorOf(code)
			})
			if err != nil {
				yield(nil, err)
				return
			}
			if chunk == nil || !yield(chunk, nil) {
				return
			}
		}
	}
}

func newSplitter(home *home, wire []byte, size int, options []Option) (splitter pointer, err error) {
	all, err := join(options, splitOptions)
	if err != nil {
		return 0, err
	}
	if size < 0 {
		return 0, &Error{Code: CodeArgument, Reason: "the size of chunks is negative"}
	}
	completion, err := contractCodec(Completion)
	if err != nil {
		return 0, err
	}
	chunk, err := contractCodec(Chunk)
	if err != nil {
		return 0, err
	}
	characters := pointer(min(size, math.MaxInt32))
	err = home.do(func(i *instance) error {
		from, err := i.handlesOf(completion)
		if err != nil {
			return err
		}
		to, err := i.handlesOf(chunk)
		if err != nil {
			return err
		}
		if err := i.put(wire); err != nil {
			return err
		}
		input, length := i.input, pointer(len(wire))
		splitter = i.core.Xchatpb_splitter_new(from.schema, to.schema, input, length, characters, pointer(all), i.result)
		if splitter == 0 {
			return i.errorOf(int32(i.number(fieldCode)))
		}
		return nil
	})
	return splitter, err
}

// CompactStream returns the wire bytes of the ChatCompletionStream that consists of chunks, given the wire bytes of each. What
// all of them have is stored once. The path of an error is the place of the chunk.
func CompactStream(chunks [][]byte) ([]byte, error) {
	codec, err := contractCodec(Chunk)
	if err != nil {
		return nil, err
	}
	var joined []byte
	for _, chunk := range chunks {
		joined = append(binary.AppendUvarint(joined, uint64(len(chunk))), chunk...)
	}
	return codec.convert(compactStream, joined, nil, 0)
}

// ExpandStream returns the wire bytes of each chunk of an encoded ChatCompletionStream. It refuses one that stands for more than
// 256 MiB of chunks.
func ExpandStream(stream []byte) ([][]byte, error) {
	codec, err := contractCodec(Chunk)
	if err != nil {
		return nil, err
	}
	joined, err := codec.convert(expandStream, stream, nil, 0)
	if err != nil {
		return nil, err
	}
	var chunks [][]byte
	for len(joined) > 0 {
		size, start := binary.Uvarint(joined)
		end := start + int(size)
		chunks = append(chunks, joined[start:end:end])
		joined = joined[end:]
	}
	return chunks, nil
}
