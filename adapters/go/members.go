package chatpb

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Member returns the JSON text of a member of the object that a message stands for, whatever its home: `null` where the member
// is null, nil where there is none. Options: [SkipUnknown].
func Member(message proto.Message, name string, options ...Option) ([]byte, error) {
	if _, err := CodecOf(message); err != nil {
		return nil, err
	}
	if _, err := join(options, SkipUnknown); err != nil {
		return nil, err
	}
	from := message.ProtoReflect()
	alone := from.New()
	moveOpen(from, alone)
	move(from, alone, fieldsOf(from, name))
	members, err := membersOf(alone, options...)
	if err != nil {
		return nil, err
	}
	for _, each := range members {
		if each.name == name {
			return each.text, nil
		}
	}
	return nil, nil
}

// SetMember gives a member of the object that a message stands for a value, which is JSON text, in the home that [Unmarshal]
// gives it. Other members keep their values and their order; a new one of a vendor is the last of them. After an error, whose
// position is one in the value, the message is as it was. To give a null, set `null`.
func SetMember(message proto.Message, name string, value []byte) error {
	codec, err := CodecOf(message)
	if err != nil {
		return err
	}
	if !utf8.ValidString(name) {
		return &Error{Code: CodeArgument, Reason: "the name is not UTF-8"}
	}
	if err := check(codec, name, value); err != nil {
		return err
	}
	return edit(message, name, func(members []member) []member {
		for i := range members {
			if members[i].name == name {
				members[i].text = value
				return members
			}
		}
		return append(members, member{name, value})
	})
}

// DeleteMember removes a member of the object that a message stands for, whatever its home, if there is one. Other members keep
// their values and their order.
func DeleteMember(message proto.Message, name string) error {
	if _, err := CodecOf(message); err != nil {
		return err
	}
	return edit(message, name, func(members []member) []member {
		return slices.DeleteFunc(members, func(each member) bool { return each.name == name })
	})
}

// check returns an error if a value is not one that a member may have.
func check(codec *Codec, name string, value []byte) error {
	start := object([]member{{name, nil}})
	start = start[:len(start)-1]
	_, err := codec.JSONToWire(slices.Concat(start, value, []byte{'}'}))
	if err == nil && !json.Valid(value) { // such as `1,"other":2`
		return &Error{Code: CodeJSON, Reason: "the value is more than one"}
	}
	var refused *Error
	if errors.As(err, &refused) && refused.Line > 0 {
		refused.Offset -= len(start)
		if refused.Line == 1 {
			refused.Column -= utf8.RuneCount(start)
		}
	}
	return err
}

// edit has a function change the open members of a message, with the one of a name, and gives the message what becomes of them.
func edit(message proto.Message, name string, change func([]member) []member) error {
	to := message.ProtoReflect()
	open := to.New()
	moveOpen(to, open)
	members, err := membersOf(open)
	if err != nil {
		return err
	}
	members = change(members)
	made := to.New()
	if err := Unmarshal(object(members), made.Interface()); err != nil {
		return err
	}
	clearMember(to, fieldsOf(to, name))
	moveOpen(made, to)
	for _, each := range members {
		// A message that was not made from JSON may have had a member in another home than the mapping gives it.
		if fields := fieldsOf(to, each.name); !holds(to, fields) {
			move(made, to, fields)
		}
	}
	return nil
}

type member struct {
	name string
	text json.RawMessage
}

// membersOf returns the members of the object that a message stands for, in their order.
func membersOf(message protoreflect.Message, options ...Option) ([]member, error) {
	text, err := Marshal(message.Interface(), options...)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	if _, err := decoder.Token(); err != nil {
		return nil, &Error{Code: CodeInternal, Reason: err.Error(), cause: err}
	}
	var found []member
	for decoder.More() {
		name, err := decoder.Token()
		var each member
		if err == nil {
			each.name, _ = name.(string)
			err = decoder.Decode(&each.text)
		}
		if err != nil {
			return nil, &Error{Code: CodeInternal, Reason: err.Error(), cause: err}
		}
		found = append(found, each)
	}
	return found, nil
}

// object returns the JSON text of an object.
func object(members []member) []byte {
	text := []byte{'{'}
	for i, each := range members {
		if i > 0 {
			text = append(text, ',')
		}
		name, _ := json.Marshal(each.name) // a string has a text
		text = append(append(append(text, name...), ':'), each.text...)
	}
	return append(text, '}')
}

// The names and numbers of the fields that are homes of members. An envelope has none of them.
var memberHomes = map[protoreflect.Name]protoreflect.FieldNumber{
	"member_order": 12, "empty_fields": 13, "null_fields": 14, "additional_properties": 15, "verbatim_properties": 16,
}

// memberHome returns a field that is a home of members; nil in an envelope.
func memberHome(message protoreflect.Message, name protoreflect.Name) protoreflect.FieldDescriptor {
	field := message.Descriptor().Fields().ByName(name)
	if field == nil || field.Number() != memberHomes[name] {
		return nil
	}
	return field
}

// fieldsOf returns the typed fields of a member: one, or the alternatives of a oneof.
func fieldsOf(message protoreflect.Message, name string) []protoreflect.FieldDescriptor {
	var found []protoreflect.FieldDescriptor
	fields := message.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		called := field.Name()
		if oneof := field.ContainingOneof(); oneof != nil && !oneof.IsSynthetic() {
			called = oneof.Name()
		}
		if string(called) == name && memberHome(message, field.Name()) == nil {
			found = append(found, field)
		}
	}
	return found
}

// bits calls a function with each field of bits, and those that fields have in it.
func bits(message protoreflect.Message, fields []protoreflect.FieldDescriptor, do func(protoreflect.FieldDescriptor, uint64)) {
	var mask uint64
	for _, field := range fields {
		mask |= 1 << field.Number()
	}
	for _, name := range []protoreflect.Name{"empty_fields", "null_fields"} {
		if field := memberHome(message, name); field != nil {
			do(field, mask)
		}
	}
}

func holds(message protoreflect.Message, fields []protoreflect.FieldDescriptor) bool {
	found := false
	for _, field := range fields {
		found = found || message.Has(field)
	}
	bits(message, fields, func(field protoreflect.FieldDescriptor, mask uint64) {
		found = found || message.Get(field).Uint()&mask != 0
	})
	return found
}

func move(from, to protoreflect.Message, fields []protoreflect.FieldDescriptor) {
	for _, field := range fields {
		if from.Has(field) {
			to.Set(field, from.Get(field))
		}
	}
	bits(to, fields, func(field protoreflect.FieldDescriptor, mask uint64) {
		to.Set(field, protoreflect.ValueOfUint64(to.Get(field).Uint()|from.Get(field).Uint()&mask))
	})
}

func clearMember(message protoreflect.Message, fields []protoreflect.FieldDescriptor) {
	for _, field := range fields {
		message.Clear(field)
	}
	bits(message, fields, func(field protoreflect.FieldDescriptor, mask uint64) {
		message.Set(field, protoreflect.ValueOfUint64(message.Get(field).Uint()&^mask))
	})
}

// moveOpen gives a message all open members of another one, with their order.
func moveOpen(from, to protoreflect.Message) {
	for _, name := range []protoreflect.Name{"additional_properties", "verbatim_properties", "member_order"} {
		if field := memberHome(from, name); field != nil {
			to.Clear(field)
			if from.Has(field) {
				to.Set(field, from.Get(field))
			}
		}
	}
}
