package chatpb

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// DefaultMaxEvent is the size in bytes of the largest event that a [ChunkReader] accepts, unless it is given another.
const DefaultMaxEvent = 16 << 20

// ChunkReader reads the chunks of a `text/event-stream`, the form of streamed completions over HTTP.
//
// The rules are from the WHATWG specification of server-sent events and from what providers send:
//
//   - Lines end in LF, CRLF or CR. An event ends at an empty line. Skipped are a leading byte order mark, comments, and fields
//     other than `event` and `data`. Several data lines are joined by LF.
//   - An event with the data `[DONE]` ends the stream, and whatever follows it is ignored. A stream may also just end.
//   - The last event counts without the empty line after it, which some providers leave out, but only if it is whole JSON.
//   - An event named `error` is an error. So is one whose data is an error body.
//   - A line that begins with `{` is no field of the specification, but what some servers write when they fail. With the lines
//     after it, up to the empty line, it is the data of an event of its own.
//   - Not chunks, and left out: events without data or with `null`, and those with another name than `message` whose data has no
//     `choices`, such as `ping`.
//   - At most one event is buffered. An event above the limit is refused.
type ChunkReader struct {
	reader *bufio.Reader
	// MaxEvent is the size in bytes of the largest event that is accepted.
	MaxEvent int

	events  []event
	isFirst bool
	afterCR bool
	atEnd   bool
	err     error
}

// event is one event: its data lines, joined by LF, and its name.
type event struct {
	data []byte
	name string
}

// NewChunkReader returns a reader of the chunks in a stream of bytes, such as the body of an HTTP response. It reads ahead, and
// never closes the stream.
func NewChunkReader(stream io.Reader) *ChunkReader {
	return &ChunkReader{reader: bufio.NewReader(stream), MaxEvent: DefaultMaxEvent, isFirst: true}
}

// Next returns the wire bytes of the next chunk, and [io.EOF] after the last one. After an error it returns the same error
// again. An [Error] has CodeEvent for an error that the sender reports, and CodeStream for an event that is too large, not a
// chunk or cut short. An error of the stream of bytes is returned as it is.
func (r *ChunkReader) Next() ([]byte, error) {
	for r.err == nil {
		if len(r.events) == 0 {
			r.err = r.readEvent()
			continue
		}
		next := r.events[0]
		r.events = r.events[1:]
		wire, err := r.chunk(next)
		if wire != nil {
			return wire, nil
		}
		r.err = err
	}
	return nil, r.err
}

// chunk returns the chunk of an event; neither it nor an error if the event is none.
func (r *ChunkReader) chunk(next event) ([]byte, error) {
	switch trimmed := string(bytes.TrimSpace(next.data)); {
	case trimmed == "" || trimmed == "null":
		return nil, nil
	case trimmed == "[DONE]":
		return nil, io.EOF
	case next.name == "error" || isErrorBody(next.data):
		return nil, &Error{Code: CodeEvent, Reason: "the stream reports an error", Event: next.data}
	case next.name != "message" && !bytes.Contains(next.data, []byte(`"choices"`)):
		return nil, nil
	}
	wire, err := JSONToWire(next.data, Chunk)
	var refused *Error
	if errors.As(err, &refused) && refused.Code == CodeJSON {
		reason := "an event that is not a chunk: " + refused.Error()
		if r.atEnd {
			reason = "the stream ends inside an event"
		}
		return nil, &Error{Code: CodeStream, Reason: reason, cause: refused}
	}
	return wire, err
}

// readEvent reads up to the next empty line, and queues the events that it ends.
func (r *ChunkReader) readEvent() error {
	if r.atEnd {
		return io.EOF
	}
	var lines [][]byte
	for size := 0; ; {
		line, err := r.readLine(r.MaxEvent - size)
		if r.isFirst {
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
			r.isFirst = false
		}
		r.atEnd = err == io.EOF
		if err != nil && !r.atEnd {
			return err
		}
		if len(line) > 0 && line[0] != ':' {
			lines = append(lines, line)
			size += len(line) + 1
		}
		if len(line) == 0 || r.atEnd {
			r.queue(lines)
			return nil
		}
	}
}

// readLine reads a line, and returns it without its end. Of a comment, which a server may send for hours, only the colon stays.
func (r *ChunkReader) readLine(limit int) ([]byte, error) {
	var line []byte
	for {
		if _, err := r.reader.Peek(1); err != nil {
			return line, err
		}
		piece, _ := r.reader.Peek(r.reader.Buffered())
		if r.afterCR {
			r.afterCR = false
			if piece[0] == '\n' {
				_, _ = r.reader.Discard(1)
				continue
			}
		}
		end := bytes.IndexAny(piece, "\r\n")
		size, whole := end+1, end >= 0
		if !whole {
			size, end = len(piece), len(piece)
		} else {
			r.afterCR = piece[end] == '\r'
		}
		if line = append(line, piece[:end]...); len(line) > 0 && line[0] == ':' {
			line = line[:1]
		} else if len(line) > limit {
			return nil, &Error{Code: CodeStream, Reason: fmt.Sprintf("an event of more than %d bytes, the limit", r.MaxEvent)}
		}
		_, _ = r.reader.Discard(size)
		if whole {
			return line, nil
		}
	}
}

// queue adds the event that lines stand for, if they have data, and that of JSON text without a field name.
func (r *ChunkReader) queue(lines [][]byte) {
	fields := lines
	bare := slices.IndexFunc(lines, func(line []byte) bool { return line[0] == '{' })
	if bare >= 0 {
		fields = lines[:bare]
	}
	name, data := "message", [][]byte(nil)
	for _, line := range fields {
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "data":
			data = append(data, value)
		case "event":
			name = cmp.Or(string(value), "message")
		}
	}
	if data != nil {
		r.events = append(r.events, event{bytes.Join(data, []byte("\n")), name})
	}
	if bare >= 0 {
		r.events = append(r.events, event{bytes.Join(lines[bare:], []byte("\n")), "message"})
	}
}

// isErrorBody returns whether JSON text is an error body: it has `error` and no `choices`, or its `object` is "error".
func isErrorBody(text []byte) bool {
	if !bytes.Contains(text, []byte(`"error"`)) {
		return false
	}
	// Numbers stay text: one beyond a double is valid.
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var body any
	if decoder.Decode(&body) != nil {
		return false
	}
	if _, err := decoder.Token(); err != io.EOF {
		return false
	}
	if items, ok := body.([]any); ok && len(items) == 1 {
		body = items[0]
	}
	members, ok := body.(map[string]any)
	return ok && (members["object"] == "error" || isTrue(members["error"]) && members["choices"] == nil)
}

// isTrue returns whether a JSON value is neither null, false, zero nor empty.
func isTrue(value any) bool {
	switch value := value.(type) {
	case bool:
		return value
	case string:
		return value != ""
	case json.Number:
		number, err := value.Float64()
		return number != 0 || err != nil
	case []any:
		return len(value) > 0
	case map[string]any:
		return len(value) > 0
	}
	return false
}
