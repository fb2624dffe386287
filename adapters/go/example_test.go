package chatpb_test

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"chatpb"
)

// docs/languages/go.md shows these functions.

func ExampleJSONToWire() {
	text := []byte(`{"id":"c1","created":18446744073709551615,"usage":null,"x_groq":{"id":"r1"}}`)
	wire, err := chatpb.JSONToWire(text, chatpb.Completion)
	if err != nil {
		panic(err)
	}
	printed, err := chatpb.WireToJSON(wire, chatpb.Completion)
	fmt.Println(string(printed), err)
	violations, err := chatpb.Validate(wire, chatpb.Completion)
	fmt.Println(violations[0].Message, err)
	// Output:
	// {"id":"c1","usage":null,"x_groq":{"id":"r1"},"created":18446744073709551615} <nil>
	// object is missing <nil>
}

func ExampleError() {
	_, err := chatpb.JSONToWire([]byte(`{"id": tru}`), chatpb.Completion)
	var refused *chatpb.Error
	if errors.As(err, &refused) {
		fmt.Println(refused.Code, refused.Path, refused.Line, refused.Column, refused.Offset)
	}
	fmt.Println(err)
	// Output:
	// json /id 1 8 7
	// expected a value at line 1, column 8 (byte 7), in /id
}

func ExampleChunkReader() {
	body := strings.NewReader(`data: {"id":"c1","choices":[{"index":0,"delta":{"role":"assistant","content":"Hel"}}]}

data: {"id":"c1","choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":"stop"}]}

data: [DONE]

`) // of net/http: response.Body
	accumulator, err := chatpb.NewAccumulator()
	if err != nil {
		panic(err)
	}
	chunks := chatpb.NewChunkReader(body)
	for {
		chunk, err := chunks.Next()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = accumulator.AddWire(chunk)
		}
		if err != nil {
			panic(err)
		}
	}
	text, err := accumulator.JSON()
	fmt.Println(string(text), err)
	wire, err := accumulator.Wire()
	if err != nil {
		panic(err)
	}
	count := 0
	for _, err := range chatpb.Split(wire, 2) {
		if err != nil {
			panic(err)
		}
		count++
	}
	fmt.Println(count)
	// Output:
	// {"id":"c1","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}]} <nil>
	// 5
}
