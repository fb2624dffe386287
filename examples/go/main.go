// Command front answers OpenAI clients over HTTP with what a chat completion service answers over gRPC:
//
//	front 127.0.0.1:8000 127.0.0.1:50051
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"chatpb"
	pb "example.com/front/gen/chatcompletionv1"
)

const largest, whole, events = 64 << 20, "application/json", "text/event-stream"

var formats = map[string]string{whole: "%s", events: "data: %s\n\n"}

type front struct{ pb.ChatCompletionServiceClient }

func (f front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	code, err := f.answer(w, r)
	if err == nil {
		return
	}
	body := &pb.ErrorResponse{Error: &pb.ErrorObject{Message: proto.String(err.Error())}}
	for _, detail := range status.Convert(err).Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			fmt.Sscan(detail.Metadata["http_status"], &code)
		case *errdetails.RetryInfo:
			w.Header().Set("Retry-After", fmt.Sprint(detail.RetryDelay.AsDuration().Seconds()))
		case *pb.ErrorResponse:
			body = detail
		}
	}
	if w.Header().Get("Content-Type") == "" { // else the stream has begun, and the error is its last event
		w.Header().Set("Content-Type", whole)
		w.WriteHeader(code)
	}
	send(w, w.Header().Get("Content-Type"), body)
}

// docs: answer

// answer returns the status of an error that has none of its own.
func (f front) answer(w http.ResponseWriter, r *http.Request) (int, error) {
	request := new(pb.CreateChatCompletionRequest)
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, largest))
	if err == nil {
		err = chatpb.Unmarshal(text, request)
	}
	if err != nil {
		return http.StatusBadRequest, err
	}
	// The context ends when the client leaves, and the call with it.
	ctx := metadata.NewOutgoingContext(r.Context(), metadata.MD{"authorization": r.Header["Authorization"]})
	if !request.GetStream() {
		completion, err := f.CreateChatCompletion(ctx, request)
		if err == nil {
			err = send(w, whole, completion)
		}
		return http.StatusBadGateway, err
	}
	chunks, err := f.StreamChatCompletion(ctx, request)
	for err == nil {
		var chunk *pb.ChatCompletionChunk
		if chunk, err = chunks.Recv(); err == nil {
			err = send(w, events, chunk)
		}
	}
	if err == io.EOF {
		w.Header().Set("Content-Type", events)
		_, err = fmt.Fprintf(w, formats[events], "[DONE]")
	}
	return http.StatusBadGateway, err
}

// docs: end

func send(w http.ResponseWriter, kind string, message proto.Message) error {
	text, err := chatpb.Marshal(message)
	if err == nil {
		w.Header().Set("Content-Type", kind)
		fmt.Fprintf(w, formats[kind], text)
		err = http.NewResponseController(w).Flush()
	}
	return err
}

func main() {
	insecure := grpc.WithTransportCredentials(insecure.NewCredentials())
	connection, err := grpc.NewClient(os.Args[2], insecure, grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(largest)))
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("POST /v1/chat/completions", front{pb.NewChatCompletionServiceClient(connection)})
	listener, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("listening on %s", listener.Addr())
	log.Fatal(http.Serve(listener, nil))
}
