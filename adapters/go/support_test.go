package chatpb_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"chatpb"
)

const root = "../../"

// vector is a case of tests/vectors.
type vector struct {
	name, typeName string
	wire, expected []byte
	input          []byte // nil: there is none
}

func vectors(t *testing.T) []vector {
	t.Helper()
	folders, err := filepath.Glob(root + "tests/vectors/*")
	if err != nil || len(folders) < 100 {
		t.Fatal("tests/vectors is not there")
	}
	var found []vector
	for _, folder := range folders {
		var head struct{ Message string }
		if err := json.Unmarshal(read(t, folder+"/case.json"), &head); err != nil {
			t.Fatal(err)
		}
		input, _ := os.ReadFile(folder + "/input.json")
		found = append(found, vector{
			filepath.Base(folder), head.Message, read(t, folder+"/wire.binpb"), read(t, folder+"/expected.json"), input,
		})
	}
	return found
}

// recording returns documents of a kind, one a line.
func recording(t testing.TB, kind string) [][]byte {
	t.Helper()
	return bytes.Split(bytes.TrimSpace(read(t, root+"tests/corpus/"+kind+".jsonl")), []byte("\n"))
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func contract(t testing.TB) []byte {
	t.Helper()
	return read(t, root+"adapters/core/src/schema/contract.binpb")
}

// newMessage returns an empty message of a type of the contract, as generated classes would give it.
func newMessage(t testing.TB, typeName string) proto.Message {
	t.Helper()
	found, err := contractFiles().FindDescriptorByName(protoreflect.FullName(typeName))
	if err != nil {
		t.Fatal(err)
	}
	return dynamicpb.NewMessage(found.(protoreflect.MessageDescriptor))
}

var contractFiles = sync.OnceValue(func() *protoregistry.Files {
	set := new(descriptorpb.FileDescriptorSet)
	if err := proto.Unmarshal(must(os.ReadFile(root+"adapters/core/src/schema/contract.binpb")), set); err != nil {
		panic(err)
	}
	set.File = append(set.File, protodesc.ToFileDescriptorProto(descriptorpb.File_google_protobuf_descriptor_proto))
	return must(protodesc.NewFiles(set))
})

// must returns a value; an error ends the program, because a test without it has no sense.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// errorOf returns the error of this package that an error is, or fails.
func errorOf(t testing.TB, err error) *chatpb.Error {
	t.Helper()
	var found *chatpb.Error
	if !errors.As(err, &found) {
		t.Fatalf("%v is no *chatpb.Error", err)
	}
	return found
}

func equal(t testing.TB, found, expected any) {
	t.Helper()
	if one, other := show(found), show(expected); one != other {
		t.Errorf("found    %s\nexpected %s", one, other)
	}
}

// plain returns JSON as a value, with its numbers as text.
func plain(t testing.TB, text []byte) (value any) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

func show(value any) string {
	if data, ok := value.([]byte); ok {
		return string(data)
	}
	return string(must(json.Marshal(value)))
}
