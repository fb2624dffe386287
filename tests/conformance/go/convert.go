package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"chatpb"

	"google.golang.org/protobuf/proto"

	pb "example.com/app/gen/chatcompletionv1"
	"example.com/app/gen/conformance"
)

// convert converts JSON with chatpb.
func convert(request *conformance.Convert) (*conformance.Response, error) {
	if text, err := edited(); err != nil || text != editedText {
		return nil, fmt.Errorf("edited: %s, %w", text, err)
	}
	response := new(conformance.Response)
	for _, input := range request.Inputs {
		output, err := converted(request, input)
		outcome := &conformance.Outcome{Output: output}
		var refused *chatpb.Error
		if errors.As(err, &refused) && (refused.Code == chatpb.CodeJSON || refused.Code == chatpb.CodeWire) {
			outcome.Refusal = &conformance.Refusal{
				Code:   string(refused.Code),
				Path:   refused.Path,
				Line:   uint64(refused.Line),
				Column: uint64(refused.Column),
				Offset: uint64(refused.Offset),
				Reason: refused.Reason,
			}
		} else if err != nil {
			return nil, err
		}
		response.Outcomes = append(response.Outcomes, outcome)
	}
	return response, nil
}

func converted(request *conformance.Convert, input []byte) ([]byte, error) {
	switch request.Conversion {
	case conformance.Conversion_CONVERSION_JSON_TO_WIRE:
		wire, err := chatpb.JSONToWire(input, request.Type)
		if err == nil {
			err = throughMessage(request.Type, input, wire)
		}
		return wire, err
	case conformance.Conversion_CONVERSION_WIRE_TO_JSON:
		var options chatpb.Option
		if request.SkipUnknown {
			options = chatpb.SkipUnknown
		}
		return chatpb.WireToJSON(input, request.Type, options)
	case conformance.Conversion_CONVERSION_VALIDATE:
		violations, err := chatpb.Validate(input, request.Type)
		if err != nil {
			return nil, err
		}
		return json.Marshal(append([]chatpb.Violation{}, violations...))
	case conformance.Conversion_CONVERSION_ACCUMULATE:
		accumulator, err := chatpb.NewAccumulator()
		if err != nil {
			return nil, err
		}
		for line := range bytes.Lines(input) {
			if err := accumulator.AddJSON(bytes.TrimSuffix(line, []byte("\n"))); err != nil {
				return nil, err
			}
		}
		return accumulator.JSON()
	}
	return nil, fmt.Errorf("no such conversion: %v", request.Conversion)
}

// throughMessage checks that a generated class gives what the wire bytes give, and is read by its own descriptors.
func throughMessage(name string, text, wire []byte) error {
	made, err := newMessage(name)
	if err != nil {
		return err
	}
	parsed := made.ProtoReflect().New().Interface()
	if err := errors.Join(chatpb.Unmarshal(text, made), proto.Unmarshal(wire, parsed)); err != nil {
		return err
	}
	if !proto.Equal(made, parsed) {
		return fmt.Errorf("Unmarshal made another message of %s", text)
	}
	printed, err := chatpb.Marshal(made)
	if err != nil {
		return err
	}
	sorted, err := proto.MarshalOptions{Deterministic: true}.Marshal(parsed)
	if err != nil {
		return err
	}
	expected, err := chatpb.WireToJSON(sorted, name)
	if err == nil && !bytes.Equal(printed, expected) {
		err = fmt.Errorf("Marshal gave %s, not %s", printed, expected)
	}
	return err
}

// editedText is what the comment in edited says.
const editedText = `{"id":"c1","choices":[{"index":0,"finish_reason":"stop","seen":{"seed":9007199254740993}}],"vendor":{"seed":9007199254740993}}`

func edited() (string, error) {
	// docs: messages
	completion := new(pb.ChatCompletion)
	text := []byte(`{"id":"c1","choices":[{"index":0}],"usage":null,"vendor":{"seed":9007199254740993}}`)
	if err := chatpb.Unmarshal(text, completion); err != nil {
		return "", err
	}
	completion.Choices[0].FinishReason = pb.FinishReason_FINISH_REASON_STOP.Enum()
	seen, err := chatpb.Member(completion, "vendor") // JSON text, nil if there is none
	if err != nil {
		return "", err
	}
	if err := chatpb.SetMember(completion.Choices[0], "seen", seen); err != nil {
		return "", err
	}
	if err := chatpb.DeleteMember(completion, "usage"); err != nil {
		return "", err
	}
	printed, err := chatpb.Marshal(completion)
	// {"id":"c1","choices":[{"index":0,"finish_reason":"stop","seen":{"seed":9007199254740993}}],"vendor":{"seed":9007199254740993}}
	// docs: end
	return string(printed), err
}
