package chatpb_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"chatpb"
)

func chunk(json string) []byte { return must(chatpb.JSONToWire([]byte(json), chatpb.Chunk)) }

func split(t *testing.T, wire []byte, size int, options ...chatpb.Option) (chunks [][]byte) {
	t.Helper()
	for each, err := range chatpb.Split(wire, size, options...) {
		if err != nil {
			t.Fatal(err)
		}
		chunks = append(chunks, each)
	}
	return chunks
}

func accumulated(chunks [][]byte) []byte {
	accumulator := must(chatpb.NewAccumulator())
	for _, each := range chunks {
		if err := accumulator.AddWire(each); err != nil {
			panic(err)
		}
	}
	return must(accumulator.JSON())
}

// contents returns the texts of a completion's choices.
func contents(t *testing.T, completion []byte) (found []any) {
	t.Helper()
	var body struct {
		Choices []struct{ Message struct{ Content any } }
	}
	if err := json.Unmarshal(completion, &body); err != nil {
		t.Fatal(err)
	}
	for _, each := range body.Choices {
		found = append(found, each.Message.Content)
	}
	return found
}

func TestACompletionThatIsSplitAccumulatesToItself(t *testing.T) {
	texts := append(recording(t, "completion"), []byte(`{"id":"1","choices":[{"index":0,"message":{"content":"hé \ud83d\ude00 y"}}]}`))
	for _, text := range texts {
		wire := must(chatpb.JSONToWire(text, chatpb.Completion))
		for _, size := range []int{0, 1, 7, math.MaxInt} {
			chunks := split(t, wire, size)
			equal(t, contents(t, accumulated(chunks)), contents(t, text))
			equal(t, must(chatpb.ExpandStream(must(chatpb.CompactStream(chunks)))), chunks)
		}
	}
}

func TestAnAccumulatorRefusesWhatIsNoChunk(t *testing.T) {
	accumulator := must(chatpb.NewAccumulator())
	equal(t, must(accumulator.JSON()), []byte("{}"))
	add := func(json string) error { return accumulator.AddJSON([]byte(json)) }
	if err := add(`{"id":"1","choices":[{"index":0,"delta":{"content":"a"}}]}`); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []string{`{"id":"2"`, `{"x":NaN}`} {
		if err := add(wrong); errorOf(t, err).Code != chatpb.CodeJSON {
			t.Error(err)
		}
	}
	if err := accumulator.AddWire([]byte{255}); errorOf(t, err).Code != chatpb.CodeWire {
		t.Error(err)
	}
	if err := add(`{"choices":[{"index":0,"delta":{"content":"b"}}]}`); err != nil {
		t.Fatal(err)
	}
	equal(t, must(accumulator.JSON()), []byte(`{"id":"1","choices":[{"index":0,"message":{"content":"ab"}}]}`))
}

func TestStreamsWithFieldsThatTheContractDoesNotHave(t *testing.T) {
	refusing, skipping := must(chatpb.NewAccumulator()), must(chatpb.NewAccumulator(chatpb.SkipUnknown))
	if err := refusing.AddWire(unknown); errorOf(t, err).Code != chatpb.CodeWire {
		t.Error(err)
	}
	equal(t, must(refusing.JSON()), []byte("{}"))
	if err := skipping.AddWire(unknown); err != nil {
		t.Fatal(err)
	}
	equal(t, must(skipping.JSON()), []byte(`{"id":"a"}`))
	equal(t, split(t, unknown, 0, chatpb.SkipUnknown), split(t, unknown[:3], 0))
}

func TestArgumentsOfStreams(t *testing.T) {
	if _, err := chatpb.NewAccumulator(chatpb.Canonical); errorOf(t, err).Code != chatpb.CodeArgument {
		t.Error(err)
	}
	cases := []struct {
		wire    []byte
		size    int
		options chatpb.Option
		code    chatpb.Code
	}{
		{nil, -1, 0, chatpb.CodeArgument},
		{nil, 0, chatpb.Strict, chatpb.CodeArgument},
		{[]byte{255}, 0, 0, chatpb.CodeWire},
		{unknown, 0, 0, chatpb.CodeWire},
	}
	for _, each := range cases {
		count := 0
		for found, err := range chatpb.Split(each.wire, each.size, each.options) {
			count++
			if found != nil || errorOf(t, err).Code != each.code {
				t.Error(err)
			}
		}
		equal(t, count, 1)
	}
	_, err := chatpb.CompactStream([][]byte{{}, {255}})
	equal(t, errorOf(t, err).Path, "/1")
	equal(t, len(must(chatpb.ExpandStream(nil))), 0)
	long := chunk(`{"id":"` + strings.Repeat("x", 40_000) + `"}`)
	chunks := [][]byte{long, {}, long}
	equal(t, must(chatpb.ExpandStream(must(chatpb.CompactStream(chunks)))), chunks)
}

func TestSplitMayBeLeft(t *testing.T) {
	wire := must(chatpb.JSONToWire([]byte(`{"choices":[{"index":0,"message":{"content":"a b c d e f"}}]}`), chatpb.Completion))
	for range 1000 {
		for range chatpb.Split(wire, 1) {
			break
		}
	}
}

func TestVectorsOfStreams(t *testing.T) {
	for _, each := range vectors(t) {
		if each.typeName == chatpb.Stream {
			for _, chunk := range must(chatpb.ExpandStream(each.wire)) {
				must(chatpb.WireToJSON(chunk, chatpb.Chunk))
			}
		}
	}
}

func TestAccumulatorsOfManyGoroutines(t *testing.T) {
	wire := must(chatpb.JSONToWire(recording(t, "completion")[0], chatpb.Completion))
	chunks := split(t, wire, 3)
	expected := accumulated(chunks)
	var group sync.WaitGroup
	for range 64 {
		group.Go(func() {
			for range 5 {
				if found := accumulated(chunks); !bytes.Equal(found, expected) {
					t.Errorf("%s", found)
				}
			}
		})
	}
	group.Wait()
}

const (
	a = `{"id":"1","choices":[]}`
	b = `{"id":"ä"}`
)

// Each stream with the chunks that it has, and what its error matches; "" if it has none.
var eventStreams = []struct {
	name, stream string
	chunks       []string
	wrong        string
}{
	{"two chunks", "data: " + a + "\n\ndata: " + b + "\n\ndata: [DONE]\n\ndata: {]\n\n", []string{a, b}, ""},
	{"CRLF", "data: " + a + "\r\n\r\ndata: " + b + "\r\n\r\n", []string{a, b}, ""},
	{"CR", "data: " + a + "\r\rdata: " + b + "\r\r", []string{a, b}, ""},
	{"byte order mark", "\ufeffdata: " + a + "\n\n", []string{a}, ""},
	{"no space, no end", "data:" + a, []string{a}, ""},
	{"comments and other fields", ": keep-alive\n\nid: 7\nretry: 1\n: c\ndata: " + a + "\n\n:", []string{a}, ""},
	{"data in lines", "data: {\"id\":\ndata: \"1\",\"choices\":[]}\n\n", []string{a}, ""},
	{"no data, null, ping", "event: ping\ndata: {\"type\":\"ping\"}\n\ndata:\n\ndata: null\n\ndata: " + a + "\n\n", []string{a}, ""},
	{"other name with choices", "event: delta\ndata: " + a + "\n\n", []string{a}, ""},
	{"an error event", "data: " + a + "\n\nevent: error\ndata: {}\n\n", []string{a}, "^the stream reports an error$"},
	{"an error body", `data: {"error":{"message":"m"}}` + "\n\n", nil, "^the stream reports an error$"},
	{"an error body in an array", `data: [{"error":1e400}]` + "\n\n", nil, "^the stream reports an error$"},
	{"an error object", `data: {"object":"error"}` + "\n\n", nil, "^the stream reports an error$"},
	{"a bare error body", "data: " + a + "\n" + `{"error":{"message":"m"}}` + "\n", []string{a}, "^the stream reports an error$"},
	{"an empty error", `data: {"error":{},"id":"1"}` + "\n\n", []string{`{"id":"1","error":{}}`}, ""},
	{"a zero for an error", `data: {"error":0.0,"id":"1"}` + "\n\n", []string{`{"id":"1","error":0}`}, ""},
	{"not a chunk", "data: " + a + "\n\ndata: {]\n\n", []string{a}, "^an event that is not a chunk: .* at line 1, column 2"},
	{"not UTF-8", "data: " + a + "\n\ndata: {\"id\":\"\xff\"}\n\n", []string{a}, "^an event that is not a chunk: "},
	{"cut short", "data: " + a + "\n\ndata: {\"id\"", []string{a}, "^the stream ends inside an event$"},
	{"too large", "data: " + a + "\n\ndata: {\"id\":\"" + strings.Repeat("x", 200) + "\"}\n\n", []string{a}, "more than 200 bytes"},
	{"too many lines", "data: " + a + "\n\n" + strings.Repeat("data: x\n", 30) + "\n", []string{a}, "more than 200 bytes"},
	{"a long comment", ":" + strings.Repeat("c", 10_000) + "\n" + strings.Repeat(":d\n", 500) + "data: " + a + "\n\n", []string{a}, ""},
	{"nothing", "", nil, ""},
}

// chunksOf returns the JSON texts of a stream's chunks, and its error.
func chunksOf(t *testing.T, stream io.Reader) (found []string, err error) {
	t.Helper()
	chunks := chatpb.NewChunkReader(stream)
	chunks.MaxEvent = 200
	wire, err := chunks.Next()
	for ; err == nil; wire, err = chunks.Next() {
		found = append(found, string(must(chatpb.WireToJSON(wire, chatpb.Chunk))))
	}
	if _, again := chunks.Next(); again != err {
		t.Error(again)
	}
	return found, err
}

var pieces = map[string]func(io.Reader) io.Reader{
	"whole":        func(r io.Reader) io.Reader { return r },
	"byte by byte": iotest.OneByteReader,
	"halves":       iotest.HalfReader,
	"with its end": iotest.DataErrReader,
}

func TestEventStreams(t *testing.T) {
	for _, each := range eventStreams {
		for name, reader := range pieces {
			t.Run(each.name+", "+name, func(t *testing.T) {
				found, err := chunksOf(t, reader(strings.NewReader(each.stream)))
				equal(t, found, each.chunks)
				if each.wrong == "" {
					equal(t, err == io.EOF, true)
				} else if errorOf(t, err); !regexp.MustCompile(each.wrong).MatchString(err.Error()) {
					t.Error(err)
				}
			})
		}
	}
}

// The pieces in which a stream comes change nothing, whatever its bytes are.
func FuzzEventStreams(f *testing.F) {
	for _, each := range eventStreams {
		f.Add([]byte(each.stream))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		expected, wrong := chunksOf(t, bytes.NewReader(stream))
		for _, reader := range pieces {
			found, err := chunksOf(t, reader(bytes.NewReader(stream)))
			equal(t, found, expected)
			equal(t, err.Error(), wrong.Error())
		}
	})
}

func TestErrorsOfEventStreams(t *testing.T) {
	_, err := chatpb.NewChunkReader(strings.NewReader("data: {\"error\":{\"message\":\"m\"}}\n\n")).Next()
	equal(t, errorOf(t, err).Code, chatpb.CodeEvent)
	equal(t, errorOf(t, err).Event, []byte(`{"error":{"message":"m"}}`))
	_, err = chatpb.NewChunkReader(strings.NewReader("data: {]\n\n")).Next()
	equal(t, errorOf(t, err).Code, chatpb.CodeStream)
	equal(t, errorOf(t, errors.Unwrap(err)).Code, chatpb.CodeJSON)
	_, err = chatpb.NewChunkReader(iotest.ErrReader(io.ErrClosedPipe)).Next()
	equal(t, err == io.ErrClosedPipe, true)
}

// An event is there once its empty line is, though the stream stays open.
func TestChunksComeAtOnce(t *testing.T) {
	for _, end := range []string{"\n\n", "\r\n\r\n", "\r\r"} {
		reader, writer := io.Pipe()
		go func() { _, _ = writer.Write([]byte("data: " + a + end)) }()
		equal(t, must(chatpb.NewChunkReader(reader).Next()), chunk(a))
		_ = reader.Close()
	}
}
