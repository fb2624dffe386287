package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "example.com/app/gen/chatcompletionv1"
	"example.com/app/gen/conformance"
)

func call(request *conformance.Call) (*conformance.Response, error) {
	connection, err := grpc.NewClient(request.Address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	body := new(pb.CreateChatCompletionRequest)
	if err := proto.Unmarshal(request.Request, body); err != nil {
		return nil, err
	}
	response := new(conformance.Response)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	client := pb.NewChatCompletionServiceClient(connection)
	switch request.Scenario {
	case conformance.Scenario_SCENARIO_UNARY:
		completion, err := client.CreateChatCompletion(ctx, body)
		if err != nil {
			return nil, err
		}
		return response, add(response, "", completion)
	case conformance.Scenario_SCENARIO_STREAM:
		stream, err := client.StreamChatCompletion(ctx, body)
		for err == nil {
			var chunk *pb.ChatCompletionChunk
			if chunk, err = stream.Recv(); err == nil {
				err = add(response, "", chunk)
			}
		}
		return response, ignoreEOF(err)
	case conformance.Scenario_SCENARIO_CANCEL:
		stream, err := client.StreamChatCompletion(ctx, body)
		if err != nil {
			return nil, err
		}
		chunk, err := stream.Recv()
		if err != nil {
			return nil, err
		}
		cancel()
		if _, err := stream.Recv(); status.Code(err) != codes.Canceled {
			return nil, fmt.Errorf("after the cancel: %w", err)
		}
		return response, add(response, "", chunk)
	case conformance.Scenario_SCENARIO_DEADLINE:
		ctx, cancel := context.WithTimeout(ctx, time.Second/2)
		defer cancel()
		stream, err := client.StreamChatCompletion(ctx, body)
		for err == nil {
			_, err = stream.Recv()
		}
		response.Lines = []string{fmt.Sprint(int(status.Code(err)))}
		return response, nil
	}
	// docs: call
	_, err = client.CreateChatCompletion(ctx, body)
	refused := status.Convert(err)
	lines := []string{fmt.Sprint(int(refused.Code()))}
	for _, detail := range refused.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			lines = append(lines, detail.Metadata["http_status"])
		case *errdetails.RetryInfo:
			lines = append(lines, fmt.Sprint(detail.RetryDelay.GetSeconds()))
		case *pb.ErrorResponse:
			lines = append(lines, detail.GetError().GetMessage(), detail.GetError().GetCodeText())
		}
	}
	// docs: end
	response.Lines = lines
	return response, nil
}

func ignoreEOF(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

func serve() (*conformance.Response, error) {
	// docs: serve
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server := grpc.NewServer()
	pb.RegisterChatCompletionServiceServer(server, echo{})
	go server.Serve(listener)
	// docs: end
	return &conformance.Response{Lines: []string{listener.Addr().String()}}, nil
}

// docs: service
type echo struct {
	pb.UnimplementedChatCompletionServiceServer
}

func (echo) CreateChatCompletion(_ context.Context, request *pb.CreateChatCompletionRequest) (*pb.ChatCompletion, error) {
	if len(request.Messages) == 0 {
		return nil, status.Error(codes.InvalidArgument, "no messages")
	}
	text := request.Messages[len(request.Messages)-1].GetContentText()
	return &pb.ChatCompletion{
		Model:   request.Model,
		Choices: []*pb.ChatCompletionChoice{{Message: &pb.ChatCompletionMessage{Content: &text}}},
	}, nil
}

func (echo) StreamChatCompletion(
	request *pb.CreateChatCompletionRequest, stream grpc.ServerStreamingServer[pb.ChatCompletionChunk],
) error {
	if len(request.Messages) == 0 {
		return status.Error(codes.InvalidArgument, "no messages")
	}
	for _, word := range strings.Fields(request.Messages[len(request.Messages)-1].GetContentText()) {
		delta := &pb.ChoiceDelta{Content: &word}
		if err := stream.Send(&pb.ChatCompletionChunk{Choices: []*pb.ChatCompletionChunkChoice{{Delta: delta}}}); err != nil {
			return err
		}
	}
	return nil
}

// docs: end
