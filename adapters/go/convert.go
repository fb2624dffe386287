package chatpb

import "sync"

// The full names of the contract's documents.
const (
	Completion = "chatcompletion.v1.ChatCompletion"
	Chunk      = "chatcompletion.v1.ChatCompletionChunk"
	Request    = "chatcompletion.v1.CreateChatCompletionRequest"
	Record     = "chatcompletion.v1.ChatCompletionRecord"
	Stream     = "chatcompletion.v1.ChatCompletionStream"
)

// JSONToWire returns the wire bytes of the message that the text of a JSON object stands for. typeName is the full name of
// a message type of the contract. Options: [Canonical], [Nonfinite], [Strict].
func JSONToWire(text []byte, typeName string, options ...Option) ([]byte, error) {
	codec, err := contractCodec(typeName)
	if err != nil {
		return nil, err
	}
	return codec.JSONToWire(text, options...)
}

// WireToJSON returns the JSON text of an encoded message. Options: [Nonfinite], [FillRequired], [SkipUnknown].
func WireToJSON(wire []byte, typeName string, options ...Option) ([]byte, error) {
	codec, err := contractCodec(typeName)
	if err != nil {
		return nil, err
	}
	return codec.WireToJSON(wire, options...)
}

// Validate returns every way in which an encoded message breaks the contract, in the contract's order: at most 1,000.
// Options: [Strict].
func Validate(wire []byte, typeName string, options ...Option) ([]Violation, error) {
	codec, err := contractCodec(typeName)
	if err != nil {
		return nil, err
	}
	return codec.Validate(wire, options...)
}

// Codec has the conversions of one message type. Any number of goroutines may use it. Make it once: each instance of the
// core compiles the descriptors of each codec that it meets.
type Codec struct {
	typeName    string
	descriptors []byte
}

// NewCodec returns the codec of a message type, given its full name. The descriptors are an encoded FileDescriptorSet that has
// the type and all that it needs, as `protoc --include_imports` writes it; nil stands for the contract's own.
func NewCodec(typeName string, descriptors []byte) (*Codec, error) {
	codec := &Codec{typeName, descriptors}
	err := conversions.do(func(i *instance) error {
		_, err := i.handlesOf(codec)
		return err
	})
	if err != nil {
		return nil, err
	}
	return codec, nil
}

// JSONToWire converts as the function [JSONToWire].
func (c *Codec) JSONToWire(text []byte, options ...Option) ([]byte, error) {
	return c.convert(jsonToWire, text, options, toWireOptions)
}

// WireToJSON converts as the function [WireToJSON].
func (c *Codec) WireToJSON(wire []byte, options ...Option) ([]byte, error) {
	return c.convert(wireToJSON, wire, options, toJSONOptions)
}

// Validate lists violations as the function [Validate].
func (c *Codec) Validate(wire []byte, options ...Option) ([]Violation, error) {
	text, err := c.convert(validate, wire, options, validateOptions)
	if err != nil {
		return nil, err
	}
	return violationsOf(text)
}

func (c *Codec) convert(to function, input []byte, options []Option, known Option) ([]byte, error) {
	flags, err := join(options, known)
	if err != nil {
		return nil, err
	}
	return conversions.convert(to, c, input, flags)
}

var contractCodecs sync.Map // of *Codec, by full name

// contractCodec returns the codec of a message type of the contract.
func contractCodec(typeName string) (*Codec, error) {
	if known, ok := contractCodecs.Load(typeName); ok {
		return known.(*Codec), nil
	}
	codec, err := NewCodec(typeName, nil)
	if err != nil {
		return nil, err
	}
	kept, _ := contractCodecs.LoadOrStore(typeName, codec)
	return kept.(*Codec), nil
}
