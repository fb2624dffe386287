// Command conformance answers tests/conformance/run.py: it reads, reports, writes, builds, generates and converts
// messages of the contract.
package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"os"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"example.com/app/gen/conformance"
)

func main() {
	in, out := bufio.NewReader(os.Stdin), bufio.NewWriter(os.Stdout)
	for {
		request := new(conformance.Request)
		if err := readFrame(in, request); err == io.EOF {
			return
		} else if err != nil {
			log.Fatal(err)
		}
		response, err := answer(request)
		if err != nil {
			response = &conformance.Response{Error: err.Error()}
		}
		if err := writeFrame(out, response); err != nil {
			log.Fatal(err)
		}
	}
}

func readFrame(in io.Reader, m proto.Message) error {
	var size uint32
	if err := binary.Read(in, binary.LittleEndian, &size); err != nil {
		return err
	}
	frame := make([]byte, size)
	if _, err := io.ReadFull(in, frame); err != nil {
		return err
	}
	return proto.Unmarshal(frame, m)
}

func writeFrame(out *bufio.Writer, m proto.Message) error {
	frame, err := proto.Marshal(m)
	if err != nil {
		return err
	}
	if err := binary.Write(out, binary.LittleEndian, uint32(len(frame))); err != nil {
		return err
	}
	if _, err := out.Write(frame); err != nil {
		return err
	}
	return out.Flush()
}

func answer(request *conformance.Request) (*conformance.Response, error) {
	switch action := request.Action.(type) {
	case *conformance.Request_Rewrite:
		return rewrite(action.Rewrite)
	case *conformance.Request_Build:
		return build()
	case *conformance.Request_Generate:
		return generate(action.Generate)
	case *conformance.Request_Call:
		return call(action.Call)
	case *conformance.Request_Serve:
		return serve()
	case *conformance.Request_Convert:
		return convert(action.Convert)
	}
	return nil, fmt.Errorf("no such action")
}

func rewrite(request *conformance.Rewrite) (*conformance.Response, error) {
	response := new(conformance.Response)
	for _, encoded := range request.Messages {
		message, err := newMessage(encoded.Type)
		if err != nil {
			return nil, err
		}
		if err := proto.Unmarshal(encoded.Wire, message); err != nil {
			return nil, err
		}
		if request.Report {
			response.Reports = append(response.Reports, report(message.ProtoReflect()))
		}
		if err := add(response, encoded.Name, message); err != nil {
			return nil, err
		}
	}
	return response, nil
}

func newMessage(name string) (proto.Message, error) {
	found, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(name))
	if err != nil {
		return nil, err
	}
	return found.New().Interface(), nil
}

func add(response *conformance.Response, name string, message proto.Message) error {
	wire, err := proto.Marshal(message)
	if err != nil {
		return err
	}
	response.Messages = append(response.Messages, &conformance.Encoded{
		Type: string(message.ProtoReflect().Descriptor().FullName()),
		Name: name,
		Wire: wire,
	})
	return nil
}
