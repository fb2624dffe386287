// Print as JSON what openai-go makes of the endpoint at an address. The test compares two endpoints.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

func main() {
	client := openai.NewClient(
		option.WithBaseURL(os.Args[1]), option.WithAPIKey("sk-test"), option.WithMaxRetries(0))
	ask := func(model string) openai.ChatCompletionNewParams {
		return openai.ChatCompletionNewParams{
			Model:    model,
			Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("hello")},
		}
	}
	found := map[string]any{}
	for _, model := range []string{"m", "busy", "breaks"} {
		answer, err := client.Chat.Completions.New(context.Background(), ask(model))
		if err == nil {
			found[model] = json.RawMessage(answer.RawJSON())
		} else {
			found[model] = failure(err)
		}
		var chunks []json.RawMessage
		stream := client.Chat.Completions.NewStreaming(context.Background(), ask(model))
		for stream.Next() {
			chunk := stream.Current()
			chunks = append(chunks, json.RawMessage(chunk.RawJSON()))
		}
		found[model+" streamed"] = []any{chunks, failure(stream.Err())}
	}
	printed, err := json.Marshal(found)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(printed))
}

func failure(err error) any {
	var refused *openai.Error
	if errors.As(err, &refused) {
		return []any{refused.StatusCode, refused.Message, refused.Type}
	}
	if err != nil {
		return err.Error()
	}
	return nil
}
