package chatpb

import (
	"errors"
	"fmt"
	"testing"

	"chatpb/internal/core"
)

// trap reads beyond the memory of an instance.
func trap(m *core.Module, _, _, _, _, _ pointer) int32 {
	return m.Xchatpb_json_to_wire(-1, 0, 0, 0, -1)
}

func TestATrapEndsItsInstanceAlone(t *testing.T) {
	codec, err := contractCodec(Completion)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_, err := conversions.convert(trap, codec, nil, 0)
		var found *Error
		if !errors.As(err, &found) || found.Code != CodeInternal {
			t.Fatal(err)
		}
		if _, err := JSONToWire([]byte("{}"), Completion); err != nil {
			t.Fatal(err)
		}
	}
	for _, each := range conversions.idle {
		if each.broken {
			t.Error("a broken instance is kept")
		}
	}
}

func TestATrapEndsTheStreamsOfItsHome(t *testing.T) {
	lost, err := NewAccumulator()
	if err != nil {
		t.Fatal(err)
	}
	var found *Error
	if err := lost.home.do(func(i *instance) error { return i.call(trap, 0, nil, 0) }); !errors.As(err, &found) {
		t.Fatal(err)
	}
	if err := lost.AddWire(nil); !errors.As(err, &found) || found.Code != CodeInternal {
		t.Error(err)
	}
	for range 2 * len(homes) {
		accumulator, err := NewAccumulator()
		if err != nil {
			t.Fatal(err)
		}
		if err := accumulator.AddWire(nil); err != nil {
			t.Error(err)
		}
	}
}

func TestAnInstanceWithManyCodecsIsNotKept(t *testing.T) {
	i := newInstance()
	for n := range maxKeptCodecs + 1 {
		if i.outgrown() {
			t.Fatalf("after %d codecs", n)
		}
		if _, err := i.handlesOf(&Codec{typeName: Completion}); err != nil {
			t.Fatal(err)
		}
	}
	if !i.outgrown() {
		t.Error("it is kept")
	}
}

func TestInputsAreNotKept(t *testing.T) {
	i := newInstance()
	made, err := i.handlesOf(&Codec{typeName: Completion})
	if err != nil {
		t.Fatal(err)
	}
	sizes := map[int]bool{1: true, maxKeptInput: true, maxKeptInput + 1: false}
	for size, kept := range sizes {
		_ = i.call(jsonToWire, made.codec, make([]byte, size), 0)
		if (i.capacity > 0) != kept {
			t.Errorf("%d bytes: %d kept", size, i.capacity)
		}
	}
}

// The memory of an instance grows to what documents and streams need, and no further.
func TestMemoryDoesNotGrowWithTheNumberOfDocuments(t *testing.T) {
	texts := completions(t)
	wires := encoded(t, texts)
	i := newInstance()
	made, err := i.handlesOf(&Codec{typeName: Completion})
	if err != nil {
		t.Fatal(err)
	}
	chunk, err := i.handlesOf(&Codec{typeName: Chunk})
	if err != nil {
		t.Fatal(err)
	}
	rounds := func(count int) int {
		for range count {
			accumulator := i.core.Xchatpb_accumulator_new(chunk.schema)
			for n := range texts {
				err := errors.Join(
					i.call(jsonToWire, made.codec, texts[n], 0), i.call(wireToJSON, made.codec, wires[n], 0),
					i.call(validate, made.codec, wires[n], 0), i.call(accumulate, accumulator, nil, 0),
				)
				if err != nil {
					t.Fatal(err)
				}
			}
			i.core.Xchatpb_accumulator_free(accumulator)
		}
		return len(*i.memory)
	}
	first := rounds(10)
	if last := rounds(100); last != first {
		t.Errorf("%d bytes, then %d", first, last)
	}
}

func ExampleOption_String() {
	fmt.Println(Canonical|Strict, Option(0))
	// Output: Canonical|Strict Option(0)
}
