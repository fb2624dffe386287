package main

import (
	"fmt"
	"math"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"

	pb "example.com/app/gen/chatcompletionv1"
	"example.com/app/gen/conformance"
)

// build makes the messages of the golden files by hand, as a user would.
func build() (*conformance.Response, error) {
	response := new(conformance.Response)
	completion, err := writeCompletion()
	if err != nil {
		return nil, err
	}
	if response.Lines, err = readCompletion(completion); err != nil {
		return nil, err
	}
	response.Messages = []*conformance.Encoded{
		{Name: "completion", Type: "chatcompletion.v1.ChatCompletion", Wire: completion},
	}
	for name, message := range map[string]proto.Message{
		"tool-call":       toolCall(),
		"stream-usage":    streamUsage(),
		"request-parts":   requestParts(),
		"zero-and-empty":  zeroAndEmpty(),
		"enums":           enums(),
		"vendor":          vendor(),
		"chunk-of-stream": expand(stream())[1],
	} {
		if err := add(response, name, message); err != nil {
			return nil, err
		}
	}
	return response, nil
}

func writeCompletion() ([]byte, error) {
	// docs: write
	completion := &pb.ChatCompletion{
		Id:      proto.String("chatcmpl-1"),
		Object:  pb.ChatCompletionObject_CHAT_COMPLETION_OBJECT_CHAT_COMPLETION.Enum(),
		Created: proto.Int64(1721075651),
		Model:   proto.String("m-1"),
		Choices: []*pb.ChatCompletionChoice{{
			Index: proto.Int32(0), // zero, but present
			Message: &pb.ChatCompletionMessage{
				Role:    pb.ChatCompletionRole_CHAT_COMPLETION_ROLE_ASSISTANT.Enum(),
				Content: proto.String("Hello"),
			},
			FinishReason: pb.FinishReason_FINISH_REASON_STOP.Enum(),
		}},
	}
	completion.NullFields |= bit(completion, "usage") // "usage": null
	vendor, err := structpb.NewStruct(map[string]any{"x_groq": map[string]any{"id": "req_1"}})
	if err != nil {
		return nil, err
	}
	completion.AdditionalProperties = vendor
	completion.VerbatimProperties = map[string]string{"seed": "18446744073709551615"} // too large for a double
	return proto.Marshal(completion)
	// docs: end
}

// docs: bit
// bit returns the bit of a field in null_fields and empty_fields.
func bit(message proto.Message, field protoreflect.Name) uint64 {
	return 1 << message.ProtoReflect().Descriptor().Fields().ByName(field).Number()
}

// docs: end

func readCompletion(wire []byte) (lines []string, err error) {
	// docs: read
	completion := new(pb.ChatCompletion)
	if err := proto.Unmarshal(wire, completion); err != nil {
		return nil, err
	}
	for _, choice := range completion.Choices {
		if choice.GetFinishReason() == pb.FinishReason_FINISH_REASON_STOP {
			lines = append(lines, choice.GetMessage().GetContent())
		}
	}
	if completion.Usage == nil && completion.NullFields&bit(completion, "usage") != 0 {
		lines = append(lines, "usage is null, not absent")
	}
	vendor := completion.AdditionalProperties.GetFields()["x_groq"].GetStructValue()
	lines = append(lines, vendor.GetFields()["id"].GetStringValue())
	lines = append(lines, completion.VerbatimProperties["seed"]) // JSON text
	// docs: end
	return lines, nil
}

// docs: expand
// expand returns the chunks of a stream, each of them whole.
func expand(stream *pb.ChatCompletionStream) []*pb.ChatCompletionChunk {
	var chunks []*pb.ChatCompletionChunk
	for _, kept := range stream.Chunks {
		chunk := new(pb.ChatCompletionChunk)
		proto.Merge(chunk, stream.Common)
		proto.Merge(chunk, kept)
		chunks = append(chunks, chunk)
	}
	return chunks
}

// docs: end

func stream() *pb.ChatCompletionStream {
	member, err := structpb.NewStruct(map[string]any{"x_groq": map[string]any{"id": "req_1"}})
	if err != nil {
		panic(fmt.Sprint("a Struct of plain values: ", err))
	}
	common := &pb.ChatCompletionChunk{
		Id:                   proto.String("chatcmpl-1"),
		Model:                proto.String("m-1"),
		Object:               pb.ChatCompletionChunkObject_CHAT_COMPLETION_CHUNK_OBJECT_CHAT_COMPLETION_CHUNK.Enum(),
		AdditionalProperties: member,
	}
	common.NullFields = bit(common, "usage")
	piece := func(text string) []*pb.ChatCompletionChunkChoice {
		return []*pb.ChatCompletionChunkChoice{{
			Index: proto.Int32(0),
			Delta: &pb.ChoiceDelta{Content: proto.String(text)},
		}}
	}
	return &pb.ChatCompletionStream{
		Common: common,
		Chunks: []*pb.ChatCompletionChunk{
			{Choices: piece("Hel")},
			{Model: proto.String("m-2"), Choices: piece("lo")},
		},
	}
}

func toolCall() proto.Message {
	message := &pb.ChatCompletionMessage{
		Role: pb.ChatCompletionRole_CHAT_COMPLETION_ROLE_ASSISTANT.Enum(),
		ToolCalls: []*pb.ChatCompletionMessageToolCall{{
			Id:       proto.String("call_1"),
			Type:     pb.ToolType_TOOL_TYPE_FUNCTION.Enum(),
			Function: &pb.ToolCallFunction{Name: proto.String("get_weather"), Arguments: proto.String(`{"city": "Oslo"}`)},
		}},
	}
	message.NullFields = bit(message, "content") | bit(message, "refusal")
	return &pb.ChatCompletion{
		Choices: []*pb.ChatCompletionChoice{{
			Index:        proto.Int32(0),
			Message:      message,
			FinishReason: pb.FinishReason_FINISH_REASON_TOOL_CALLS.Enum(),
		}},
	}
}

func streamUsage() proto.Message {
	chunk := &pb.ChatCompletionChunk{
		Id:     proto.String("chatcmpl-1"),
		Object: pb.ChatCompletionChunkObject_CHAT_COMPLETION_CHUNK_OBJECT_CHAT_COMPLETION_CHUNK.Enum(),
		Usage: &pb.CompletionUsage{
			PromptTokens:            proto.Int64(9),
			CompletionTokens:        proto.Int64(12),
			TotalTokens:             proto.Int64(21),
			CompletionTokensDetails: &pb.CompletionTokensDetails{ReasoningTokens: proto.Int64(0)},
		},
	}
	chunk.EmptyFields = bit(chunk, "choices")
	return chunk
}

func requestParts() proto.Message {
	text := func(role pb.ChatCompletionRole, text string) *pb.ChatCompletionMessageParam {
		return &pb.ChatCompletionMessageParam{Role: role.Enum(), Content: &pb.ChatCompletionMessageParam_ContentText{ContentText: text}}
	}
	parts := []*pb.ChatCompletionContentPartParam{
		{Type: pb.ContentPartType_CONTENT_PART_TYPE_TEXT.Enum(), Text: proto.String("What is this? \u00e9\U0001f600")},
		{
			Type:     pb.ContentPartType_CONTENT_PART_TYPE_IMAGE_URL.Enum(),
			ImageUrl: &pb.ImageUrl{Url: proto.String("https://example.com/a.png"), Detail: pb.ImageDetail_IMAGE_DETAIL_LOW.Enum()},
		},
		{
			Type:       pb.ContentPartType_CONTENT_PART_TYPE_INPUT_AUDIO.Enum(),
			InputAudio: &pb.InputAudio{Data: []byte{0, 1, 254, 255}, Format: pb.InputAudioFormat_INPUT_AUDIO_FORMAT_WAV.Enum()},
		},
	}
	return &pb.CreateChatCompletionRequest{
		Model: proto.String("m-1"),
		Messages: []*pb.ChatCompletionMessageParam{
			text(pb.ChatCompletionRole_CHAT_COMPLETION_ROLE_DEVELOPER, "Be brief."),
			{
				Role:    pb.ChatCompletionRole_CHAT_COMPLETION_ROLE_USER.Enum(),
				Content: &pb.ChatCompletionMessageParam_ContentParts{ContentParts: &pb.ChatCompletionContentParts{Items: parts}},
			},
		},
		Temperature:   proto.Float64(0.1),
		Seed:          proto.Int64(math.MinInt64),
		Stream:        proto.Bool(true),
		StreamOptions: &pb.ChatCompletionStreamOptionsParam{IncludeUsage: proto.Bool(true)},
		Stop:          &pb.CreateChatCompletionRequest_StopList{StopList: &pb.StringList{Items: []string{"END", ""}}},
		LogitBias:     map[string]int32{"50256": -100, "7": 0},
		Tools: []*pb.ChatCompletionToolParam{{
			Type:     pb.ToolType_TOOL_TYPE_FUNCTION.Enum(),
			Function: &pb.FunctionDefinition{Name: proto.String("f"), Parameters: proto.String(`{"type":"object","properties":{"z":{},"a":{}}}`)},
		}},
		ToolChoice: &pb.CreateChatCompletionRequest_ToolChoiceMode{ToolChoiceMode: pb.ToolChoiceMode_TOOL_CHOICE_MODE_AUTO},
	}
}

func zeroAndEmpty() proto.Message {
	completion := &pb.ChatCompletion{
		Id:      proto.String(""),
		Created: proto.Int64(0),
		Choices: []*pb.ChatCompletionChoice{{Message: &pb.ChatCompletionMessage{}}},
		Usage:   &pb.CompletionUsage{PromptTokens: proto.Int64(0)},
	}
	completion.EmptyFields = bit(completion, "metadata")
	message := completion.Choices[0].Message
	message.EmptyFields = bit(message, "tool_calls")
	message.NullFields = bit(message, "annotations")
	return completion
}

func enums() proto.Message {
	return &pb.CreateChatCompletionRequest{
		ServiceTier:          pb.ServiceTier_SERVICE_TIER_FLEX.Enum(),
		ReasoningEffort:      pb.ReasoningEffort_REASONING_EFFORT_NONE.Enum(),
		Verbosity:            pb.Verbosity_VERBOSITY_LOW.Enum(),
		PromptCacheRetention: pb.PromptCacheRetention_PROMPT_CACHE_RETENTION_ONE_DAY.Enum(),
		Modalities: []pb.ChatCompletionModality{
			pb.ChatCompletionModality_CHAT_COMPLETION_MODALITY_TEXT,
			pb.ChatCompletionModality_CHAT_COMPLETION_MODALITY_AUDIO,
		},
		ResponseFormat: &pb.ResponseFormat{
			Type:       pb.ResponseFormatType_RESPONSE_FORMAT_TYPE_JSON_SCHEMA.Enum(),
			JsonSchema: &pb.JsonSchema{Name: proto.String("n"), Schema: proto.String(`{"minimum":1.0}`), Strict: proto.Bool(false)},
		},
	}
}

func vendor() proto.Message {
	member, err := structpb.NewStruct(map[string]any{
		"timings": map[string]any{"queue": 0.025, "steps": []any{1, true, nil, "x", map[string]any{}, []any{}}},
	})
	if err != nil {
		panic(fmt.Sprint("a Struct of plain values: ", err))
	}
	return &pb.ChatCompletion{
		Choices:            []*pb.ChatCompletionChoice{{AdditionalProperties: member}},
		VerbatimProperties: map[string]string{"budget": "9007199254740993", "limits": `{"max":1e400}`},
		Metadata:           map[string]string{"b": "1", "a": ""},
	}
}
