package chatpb_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"chatpb"
)

// unknown is a completion with an id, and a field that the contract does not have.
var unknown = []byte{0x0a, 1, 'a', 0xa0, 6, 1}

func TestVectors(t *testing.T) {
	for _, each := range vectors(t) {
		t.Run(each.name, func(t *testing.T) {
			equal(t, must(chatpb.WireToJSON(each.wire, each.typeName, chatpb.SkipUnknown)), each.expected)
			if each.input == nil {
				return
			}
			equal(t, must(chatpb.JSONToWire(each.input, each.typeName)), each.wire)
			message := newMessage(t, each.typeName)
			if err := chatpb.Unmarshal(each.input, message); err != nil {
				t.Fatal(err)
			}
			// Maps of Go have no order.
			equal(t, plain(t, must(chatpb.Marshal(message))), plain(t, each.expected))
		})
	}
}

func TestErrors(t *testing.T) {
	toWire := func(json string, options ...chatpb.Option) func() error {
		return func() error { _, err := chatpb.JSONToWire([]byte(json), chatpb.Completion, options...); return err }
	}
	toJSON := func(wire []byte, options ...chatpb.Option) func() error {
		return func() error { _, err := chatpb.WireToJSON(wire, chatpb.Completion, options...); return err }
	}
	cases := []struct {
		call     func() error
		expected chatpb.Error
		text     string
	}{
		{
			toWire("{\"a\":\n tru}"),
			chatpb.Error{Code: chatpb.CodeJSON, Path: "/a", Line: 2, Column: 2, Offset: 7, Reason: "expected a value"},
			"expected a value at line 2, column 2 (byte 7), in /a",
		},
		{
			toWire(`{"ä😀": x}`),
			chatpb.Error{Code: chatpb.CodeJSON, Path: "/ä😀", Line: 1, Column: 8, Offset: 11, Reason: "expected a value"},
			"expected a value at line 1, column 8 (byte 11), in /ä😀",
		},
		{
			toJSON([]byte{0x32, 2, 0x0a, 9}),
			chatpb.Error{Code: chatpb.CodeWire, Path: "/usage", Offset: 2, Reason: "a field that runs past the end of its message"},
			"a field that runs past the end of its message at byte 2, in /usage",
		},
		{
			func() error { _, err := chatpb.JSONToWire(nil, "no.Such"); return err },
			chatpb.Error{Code: chatpb.CodeSchema, Reason: "no message is called no.Such"},
			"no message is called no.Such",
		},
		{
			toWire("{}", chatpb.FillRequired|chatpb.SkipUnknown, chatpb.Strict),
			chatpb.Error{Code: chatpb.CodeArgument, Reason: "this call does not have the option FillRequired|SkipUnknown"},
			"this call does not have the option FillRequired|SkipUnknown",
		},
		{
			toJSON(nil, 1<<30),
			chatpb.Error{Code: chatpb.CodeArgument, Reason: "this call does not have the option Option(1073741824)"},
			"this call does not have the option Option(1073741824)",
		},
	}
	for _, each := range cases {
		err := each.call()
		equal(t, *errorOf(t, err), each.expected)
		equal(t, err.Error(), each.text)
	}
}

func TestFieldsThatTheContractDoesNotHave(t *testing.T) {
	message := newMessage(t, chatpb.Completion)
	if err := proto.Unmarshal(unknown, message); err != nil {
		t.Fatal(err)
	}
	prints := map[string]func(...chatpb.Option) ([]byte, error){
		"WireToJSON": func(options ...chatpb.Option) ([]byte, error) {
			return chatpb.WireToJSON(unknown, chatpb.Completion, options...)
		},
		"Marshal": func(options ...chatpb.Option) ([]byte, error) { return chatpb.Marshal(message, options...) },
	}
	for name, print := range prints {
		t.Run(name, func(t *testing.T) {
			_, err := print()
			found := errorOf(t, err)
			if found.Code != chatpb.CodeWire || !strings.HasPrefix(found.Reason, "field 100, which chatcompletion.v1.ChatCompletion ") {
				t.Error(err)
			}
			equal(t, must(print(chatpb.SkipUnknown)), []byte(`{"id":"a"}`))
		})
	}
}

func TestOfTheContract(t *testing.T) {
	json := []byte(`{"choices":[7]}`)
	found := must(chatpb.Validate(must(chatpb.JSONToWire(json, chatpb.Completion)), chatpb.Completion))
	rules := map[string]string{}
	for _, each := range found {
		rules[each.Path] = each.Rule
	}
	equal(t, rules["/model"], "required")
	_, err := chatpb.JSONToWire(json, chatpb.Completion, chatpb.Strict)
	strict := errorOf(t, err)
	equal(t, strict.Code, chatpb.CodeContract)
	if len(strict.Violations) == 0 || !strings.Contains(err.Error(), "[required]") {
		t.Error(err)
	}
	many := []byte(`{"choices":[` + strings.Repeat(`{},`, 30) + `{}]}`)
	if _, err := chatpb.JSONToWire(many, chatpb.Completion, chatpb.Strict); !strings.Contains(err.Error(), " more") {
		t.Error(err)
	}
	if _, err := chatpb.Validate([]byte{255}, chatpb.Completion); errorOf(t, err).Code != chatpb.CodeWire {
		t.Error(err)
	}
}

func TestOptions(t *testing.T) {
	nan := must(chatpb.JSONToWire([]byte(`{"x":NaN,"y":-Infinity}`), chatpb.Completion, chatpb.Nonfinite))
	equal(t, must(chatpb.WireToJSON(nan, chatpb.Completion, chatpb.Nonfinite)), []byte(`{"x":NaN,"y":-Infinity}`))
	if _, err := chatpb.WireToJSON(nan, chatpb.Completion); errorOf(t, err).Code != chatpb.CodeWire {
		t.Error(err)
	}
	canonical := func(json string) []byte {
		return must(chatpb.JSONToWire([]byte(json), chatpb.Completion, chatpb.Canonical))
	}
	equal(t, canonical(`{"b":{"d":1,"c":[]},"a":2}`), canonical(`{"a":2,"b":{"c":[],"d":1}}`))
	filled := must(chatpb.WireToJSON(nil, chatpb.Completion, chatpb.FillRequired))
	if !bytes.Contains(filled, []byte(`"choices":[]`)) {
		t.Errorf("%s", filled)
	}
}

func TestUnmarshal(t *testing.T) {
	message := newMessage(t, chatpb.Completion)
	unmarshal := func(json string) error { return chatpb.Unmarshal([]byte(json), message) }
	if err := unmarshal(`{"id":"a","vendor":{"seed":9007199254740993},"usage":null}`); err != nil {
		t.Fatal(err)
	}
	if err := unmarshal(`{"id":`); errorOf(t, err).Code != chatpb.CodeJSON {
		t.Error(err)
	}
	equal(t, must(chatpb.Marshal(message)), []byte(`{"id":"a","usage":null,"vendor":{"seed":9007199254740993}}`))
	if err := unmarshal(`{"model":"m"}`); err != nil {
		t.Fatal(err)
	}
	equal(t, must(chatpb.Marshal(message)), []byte(`{"model":"m"}`))
	broken := newMessage(t, chatpb.Completion).ProtoReflect()
	broken.Set(broken.Descriptor().Fields().ByName("id"), protoreflect.ValueOfString("\xff"))
	if _, err := chatpb.Marshal(broken.Interface()); errorOf(t, err).Code != chatpb.CodeWire {
		t.Error(err)
	}
	if err := chatpb.Unmarshal(nil, nil); errorOf(t, err).Code != chatpb.CodeArgument {
		t.Error(err)
	}
	if err := chatpb.Unmarshal([]byte("{}"), wrapperspb.String("")); errorOf(t, err).Code != chatpb.CodeSchema {
		t.Error(err)
	}
}

func TestCodecs(t *testing.T) {
	codec := must(chatpb.NewCodec(chatpb.Completion, contract(t)))
	wire := must(codec.JSONToWire([]byte(`{"id":"x"}`)))
	equal(t, must(codec.WireToJSON(wire)), []byte(`{"id":"x"}`))
	equal(t, must(codec.Validate(wire)), must(chatpb.Validate(wire, chatpb.Completion)))
	for _, descriptors := range [][]byte{{255}, {}} {
		if _, err := chatpb.NewCodec(chatpb.Completion, descriptors); errorOf(t, err).Code != chatpb.CodeSchema {
			t.Error(err)
		}
	}
}

// Documents of every size, and hostile bytes, at once from many goroutines: each gets what it would get alone.
func TestGoroutines(t *testing.T) {
	completions := recording(t, "completion")
	wires := make([][]byte, len(completions))
	for i, text := range completions {
		wires[i] = must(chatpb.JSONToWire(text, chatpb.Completion))
	}
	jsons := make([][]byte, len(wires))
	for i, wire := range wires {
		jsons[i] = must(chatpb.WireToJSON(wire, chatpb.Completion))
	}
	var group sync.WaitGroup
	for seed := range uint64(64) {
		group.Go(func() {
			random := rand.New(rand.NewPCG(seed, 0))
			for range 50 {
				i := random.IntN(len(completions))
				wire, err := chatpb.JSONToWire(completions[i], chatpb.Completion)
				if err != nil || !bytes.Equal(wire, wires[i]) {
					t.Errorf("document %d: %v", i, err)
				}
				json, err := chatpb.WireToJSON(wire, chatpb.Completion)
				if err != nil || !bytes.Equal(json, jsons[i]) {
					t.Errorf("document %d: %v", i, err)
				}
				var found *chatpb.Error
				cut := wire[:random.IntN(len(wire))]
				if _, err := chatpb.WireToJSON(cut, chatpb.Completion); err != nil && !errors.As(err, &found) {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}

func TestLongTexts(t *testing.T) {
	for _, piece := range []string{"a", "ä", "中", "😀", `\u0000\"`} {
		for _, length := range []int{0, 1, 5000, 300_000} {
			json := []byte(`{"id":"` + strings.Repeat(piece, length) + `"}`)
			if found := must(chatpb.WireToJSON(must(chatpb.JSONToWire(json, chatpb.Completion)), chatpb.Completion)); !bytes.Equal(found, json) {
				t.Errorf("%d times %s", length, piece)
			}
		}
	}
}

// An instance that a large document has made large is not kept.
func TestMemoryAfterALargeDocument(t *testing.T) {
	before := heap()
	large := []byte(`{"id":"` + strings.Repeat("x", 40<<20) + `"}`)
	must(chatpb.JSONToWire(large, chatpb.Completion))
	large = nil
	if grown := heap() - before; grown > 16<<20 {
		t.Errorf("%d bytes are kept", grown)
	}
}

func heap() int {
	runtime.GC()
	var found runtime.MemStats
	runtime.ReadMemStats(&found)
	return int(found.HeapAlloc)
}
