package chatpb

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Code is the kind of an [Error].
type Code string

const (
	// CodeJSON: text is not acceptable JSON, by RFC 8259 and the limits of the mapping.
	CodeJSON Code = "json"
	// CodeWire: bytes are not a valid encoding, or hold what JSON cannot.
	CodeWire Code = "wire"
	// CodeContract: a document breaks the contract, and [Strict] was given.
	CodeContract Code = "contract"
	// CodeSchema: descriptors are malformed, lack the message type, or describe what the mapping cannot hold.
	CodeSchema Code = "schema"
	// CodeStream: a stream cannot be read further: an event is too large, not a chunk, or cut short.
	CodeStream Code = "stream"
	// CodeEvent: the sender reports an error in the stream.
	CodeEvent Code = "event"
	// CodeArgument: the function does not take such an argument.
	CodeArgument Code = "argument"
	// CodeInternal: a defect of chatpb, or no memory left. The next call has a new instance of the core.
	CodeInternal Code = "internal"
)

// Error is every error of this package but those of the reader that [NewChunkReader] is given. Find it with [errors.As].
type Error struct {
	Code Code
	// Path is the JSON Pointer (RFC 6901) of the value or message being read; "" is the document itself.
	Path string
	// Line and Column say where text is wrong. They count from 1, columns in code points. 0 if the error is not of text.
	Line, Column int
	// Offset counts bytes from the start of the input.
	Offset int
	// Reason says what is wrong, in one sentence.
	Reason string
	// Violations are those of a CodeContract, in the contract's order.
	Violations []Violation
	// Event has the data of a CodeEvent, usually the JSON text of an error response.
	Event []byte

	cause error
}

// Violation is one way in which a message breaks the contract.
type Violation struct {
	// Path is the JSON Pointer (RFC 6901) of the member.
	Path string `json:"path"`
	// Rule is the id of the broken rule, from the list in docs/mapping.md.
	Rule string `json:"rule"`
	// Message says what is wrong, in one sentence. It names types and members, but never a value.
	Message string `json:"message"`
}

const shownViolations = 20

// Error words the error as the Python library does.
func (e *Error) Error() string {
	var text strings.Builder
	text.WriteString(e.Reason)
	switch e.Code {
	case CodeJSON:
		fmt.Fprintf(&text, " at line %d, column %d (byte %d)", e.Line, e.Column, e.Offset)
	case CodeWire:
		fmt.Fprintf(&text, " at byte %d", e.Offset)
	}
	if e.Path != "" {
		text.WriteString(", in " + e.Path)
	}
	return text.String()
}

// Unwrap returns the error behind one of a stream or of the core; nil if there is none.
func (e *Error) Unwrap() error { return e.cause }

// contractError returns the error of violations, given as the core's JSON.
func contractError(violations []byte) *Error {
	found, err := violationsOf(violations)
	if err != nil {
		return err.(*Error)
	}
	count := len(found)
	head := fmt.Sprintf("%d violations", count)
	if count == 1 {
		head = "1 violation"
	}
	var shown []string
	for _, each := range found[:min(count, shownViolations)] {
		path := each.Path
		if path == "" {
			path = "document"
		}
		shown = append(shown, fmt.Sprintf("%s: %s [%s]", path, each.Message, each.Rule))
	}
	if count > shownViolations {
		shown = append(shown, fmt.Sprintf("and %d more", count-shownViolations))
	}
	reason := head + " of the contract: " + strings.Join(shown, "; ")
	return &Error{Code: CodeContract, Reason: reason, Violations: found}
}

func violationsOf(text []byte) ([]Violation, error) {
	var found []Violation
	if err := json.Unmarshal(text, &found); err != nil {
		return nil, &Error{Code: CodeInternal, Reason: "the core's list of violations is no JSON", cause: err}
	}
	return found, nil
}
