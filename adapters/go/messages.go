package chatpb

import (
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// Unmarshal reads the text of a JSON object into a message, of which nothing stays that was in it before. After an error
// of the text the message is as it was. Options: [Canonical], [Nonfinite], [Strict].
func Unmarshal(text []byte, message proto.Message, options ...Option) error {
	codec, err := CodecOf(message)
	if err != nil {
		return err
	}
	wire, err := codec.JSONToWire(text, options...)
	if err != nil {
		return err
	}
	if err := proto.Unmarshal(wire, message); err != nil {
		return &Error{Code: CodeWire, Reason: "the message cannot be decoded: " + err.Error(), cause: err}
	}
	return nil
}

// Marshal returns the JSON text of a message. Options: [Nonfinite], [FillRequired], [SkipUnknown].
func Marshal(message proto.Message, options ...Option) ([]byte, error) {
	codec, err := CodecOf(message)
	if err != nil {
		return nil, err
	}
	// Maps of Go have no order of their own: sorted, the same message gives the same text each time.
	wire, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
	if err != nil {
		return nil, &Error{Code: CodeWire, Reason: "the message cannot be encoded: " + err.Error(), cause: err}
	}
	return codec.WireToJSON(wire, options...)
}

var codecs sync.Map // of *Codec, by protoreflect.MessageDescriptor

// CodecOf returns the codec of a message's type, made from the message's own descriptors. It is kept for as long as the program
// runs.
func CodecOf(message proto.Message) (*Codec, error) {
	if message == nil {
		return nil, &Error{Code: CodeArgument, Reason: "the message is nil"}
	}
	descriptor := message.ProtoReflect().Descriptor()
	if known, ok := codecs.Load(descriptor); ok {
		return known.(*Codec), nil
	}
	set := new(descriptorpb.FileDescriptorSet)
	addFile(set, descriptor.ParentFile(), map[string]bool{})
	descriptors, err := proto.Marshal(set)
	if err != nil {
		return nil, &Error{Code: CodeSchema, Reason: "the descriptors cannot be encoded", cause: err}
	}
	codec, err := NewCodec(string(descriptor.FullName()), descriptors)
	if err != nil {
		return nil, err
	}
	kept, _ := codecs.LoadOrStore(descriptor, codec)
	return kept.(*Codec), nil
}

// addFile adds a file to a set after all that it imports.
func addFile(set *descriptorpb.FileDescriptorSet, file protoreflect.FileDescriptor, done map[string]bool) {
	if file.IsPlaceholder() || done[file.Path()] {
		return
	}
	done[file.Path()] = true
	for i := range file.Imports().Len() {
		addFile(set, file.Imports().Get(i).FileDescriptor, done)
	}
	set.File = append(set.File, protodesc.ToFileDescriptorProto(file))
}
