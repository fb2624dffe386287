package main

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"

	"example.com/app/gen/conformance"
)

// ../generated.py states the rules for these messages.

var words = []string{"0", `""`, `"hé 😀"`, "18446744073709551616", `{"z":1,"a":[null]}`, "true", "1e400", `"\ud83d"`}

func generate(request *conformance.Generate) (*conformance.Response, error) {
	response := new(conformance.Response)
	for i := request.First; i < request.First+request.Count; i++ {
		message, err := newMessage(request.Types[i%uint64(len(request.Types))])
		if err != nil {
			return nil, err
		}
		(&generator{request.Seed + i}).fill(message.ProtoReflect(), 0)
		if err := add(response, fmt.Sprint(i), message); err != nil {
			return nil, err
		}
	}
	return response, nil
}

type generator struct{ state uint64 }

func (g *generator) next() uint64 {
	g.state += 0x9E3779B97F4A7C15
	mixed := g.state
	mixed = (mixed ^ mixed>>30) * 0xBF58476D1CE4E5B9
	mixed = (mixed ^ mixed>>27) * 0x94D049BB133111EB
	return mixed ^ mixed>>31
}

func (g *generator) below(count int) int { return int(g.next()>>33) % count }

func (g *generator) fill(message protoreflect.Message, depth int) {
	descriptor := message.Descriptor()
	fields := make([]protoreflect.FieldDescriptor, descriptor.Fields().Len())
	for i := range fields {
		fields[i] = descriptor.Fields().Get(i)
	}
	slices.SortFunc(fields, func(a, b protoreflect.FieldDescriptor) int { return cmp.Compare(a.Number(), b.Number()) })
	switch descriptor.FullName() {
	case "google.protobuf.Value":
		alternatives := 6
		if depth >= 8 {
			alternatives = 4
		}
		g.put(message, fields[g.below(alternatives)], 1, depth)
	case "google.protobuf.Struct", "google.protobuf.ListValue":
		g.put(message, fields[0], g.below(3), depth)
	default:
		for _, field := range fields {
			if g.below(2) == 0 || depth >= 6 && holdsMessages(field) {
				continue
			}
			count := 1
			if field.Cardinality() == protoreflect.Repeated {
				count += g.below(2)
			}
			g.put(message, field, count, depth)
		}
	}
}

func holdsMessages(field protoreflect.FieldDescriptor) bool {
	if field.IsMap() {
		field = field.MapValue()
	}
	return field.Message() != nil
}

func (g *generator) put(message protoreflect.Message, field protoreflect.FieldDescriptor, count, depth int) {
	switch {
	case field.IsMap():
		entries := message.Mutable(field).Map()
		for i := range count {
			key := protoreflect.ValueOfString(fmt.Sprintf("k%d", i)).MapKey()
			entries.Set(key, g.value(field.MapValue(), entries.NewValue(), depth))
		}
	case field.IsList():
		items := message.Mutable(field).List()
		for range count {
			items.Append(g.value(field, items.NewElement(), depth))
		}
	default:
		message.Set(field, g.value(field, message.NewField(field), depth))
	}
}

// value fills a message and returns it, or returns a new scalar.
func (g *generator) value(field protoreflect.FieldDescriptor, empty protoreflect.Value, depth int) protoreflect.Value {
	switch field.Kind() {
	case protoreflect.MessageKind:
		g.fill(empty.Message(), depth+1)
		return empty
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(g.below(2) == 1)
	case protoreflect.EnumKind:
		values := field.Enum().Values()
		return protoreflect.ValueOfEnum(values.Get(g.below(values.Len())).Number())
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(words[g.below(len(words))])
	}
	number := g.next()
	switch field.Kind() {
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(int32(number>>32) >> g.below(32))
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(int64(number) >> g.below(64))
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(number >> g.below(64))
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(math.Float64frombits(number &^ (1 << 62)))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes(binary.LittleEndian.AppendUint64(nil, number)[:g.below(9)])
	}
	panic("no such kind in the contract: " + field.Kind().String())
}
