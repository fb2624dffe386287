package main

import (
	"strconv"

	"google.golang.org/protobuf/reflect/protoreflect"

	"example.com/app/gen/conformance"
)

// report returns what reflection finds in a message.
func report(message protoreflect.Message) *conformance.Report {
	found := new(conformance.Report)
	walk(found, message, "")
	return found
}

func walk(found *conformance.Report, message protoreflect.Message, path string) {
	found.Leaves = append(found.Leaves, &conformance.Leaf{Path: path})
	found.NullMembers = append(found.NullMembers, members(message, "null_fields", path)...)
	found.EmptyMembers = append(found.EmptyMembers, members(message, "empty_fields", path)...)
	message.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		at := path + "/" + string(field.Name())
		switch {
		case field.IsMap():
			value.Map().Range(func(key protoreflect.MapKey, item protoreflect.Value) bool {
				visit(found, field.MapValue(), item, at+"/"+key.String())
				return true
			})
		case field.IsList():
			for i := range value.List().Len() {
				visit(found, field, value.List().Get(i), at+"/"+strconv.Itoa(i))
			}
		default:
			visit(found, field, value, at)
		}
		return true
	})
}

func visit(found *conformance.Report, field protoreflect.FieldDescriptor, value protoreflect.Value, path string) {
	leaf := &conformance.Leaf{Path: path}
	switch field.Kind() {
	case protoreflect.MessageKind:
		walk(found, value.Message(), path)
		return
	case protoreflect.Int32Kind, protoreflect.Int64Kind:
		leaf.Value = &conformance.Leaf_Integer{Integer: value.Int()}
	case protoreflect.Uint64Kind:
		leaf.Value = &conformance.Leaf_Unsigned{Unsigned: value.Uint()}
	case protoreflect.DoubleKind:
		leaf.Value = &conformance.Leaf_Number{Number: value.Float()}
	case protoreflect.BoolKind:
		leaf.Value = &conformance.Leaf_Boolean{Boolean: value.Bool()}
	case protoreflect.StringKind:
		leaf.Value = &conformance.Leaf_Text{Text: value.String()}
	case protoreflect.BytesKind:
		leaf.Value = &conformance.Leaf_Data{Data: value.Bytes()}
	case protoreflect.EnumKind:
		leaf.Value = &conformance.Leaf_EnumNumber{EnumNumber: int32(value.Enum())}
	default:
		panic("no such kind in the contract: " + field.Kind().String())
	}
	found.Leaves = append(found.Leaves, leaf)
}

// members returns the paths of the fields whose bits are set.
func members(message protoreflect.Message, bits protoreflect.Name, path string) []string {
	var names []string
	fields := message.Descriptor().Fields()
	field := fields.ByName(bits)
	if field == nil {
		return nil
	}
	set := message.Get(field).Uint()
	for number := range 64 {
		if set>>number&1 == 0 {
			continue
		}
		name := strconv.Itoa(number)
		if named := fields.ByNumber(protoreflect.FieldNumber(number)); named != nil {
			name = string(named.Name())
		}
		names = append(names, path+"/"+name)
	}
	return names
}
