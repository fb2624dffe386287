package chatpb_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"chatpb"
)

func TestMembersAreThoseOfTheText(t *testing.T) {
	const start = `{"id":"1","choices":[{"index":0}],"usage":null,"z":{"b":1,"a":{}},"a":"q","m":18446744073709551615}`
	cases := []struct{ name, value, expected string }{
		{"z", `5`, `{"id":"1","choices":[{"index":0}],"usage":null,"z":5,"a":"q","m":18446744073709551615}`},
		{"b", `[{"d":1,"c":2}]`, `{"id":"1","choices":[{"index":0}],"usage":null,"z":{"b":1,"a":{}},"a":"q","b":[{"d":1,"c":2}],"m":18446744073709551615}`},
		{"a", ``, `{"id":"1","choices":[{"index":0}],"usage":null,"z":{"b":1,"a":{}},"m":18446744073709551615}`},
		{"usage", `{"prompt_tokens":7}`, `{"id":"1","choices":[{"index":0}],"usage":{"prompt_tokens":7},"z":{"b":1,"a":{}},"a":"q","m":18446744073709551615}`},
		{"usage", ``, `{"id":"1","choices":[{"index":0}],"z":{"b":1,"a":{}},"a":"q","m":18446744073709551615}`},
		{"choices", `[]`, `{"id":"1","choices":[],"usage":null,"z":{"b":1,"a":{}},"a":"q","m":18446744073709551615}`},
		{"id", `5`, `{"choices":[{"index":0}],"usage":null,"z":{"b":1,"a":{}},"a":"q","id":5,"m":18446744073709551615}`},
	}
	for _, each := range cases {
		message := newMessage(t, chatpb.Completion)
		if err := chatpb.Unmarshal([]byte(start), message); err != nil {
			t.Fatal(err)
		}
		if each.value == "" {
			if err := chatpb.DeleteMember(message, each.name); err != nil {
				t.Fatal(err)
			}
		} else if err := chatpb.SetMember(message, each.name, []byte(each.value)); err != nil {
			t.Fatal(err)
		}
		equal(t, must(chatpb.Marshal(message)), []byte(each.expected))
		equal(t, must(chatpb.Member(message, each.name)), []byte(each.value))
		again := message.ProtoReflect().New().Interface()
		if err := chatpb.Unmarshal([]byte(each.expected), again); err != nil || !proto.Equal(message, again) {
			t.Errorf("%s has other homes than those of the text: %v", each.name, err)
		}
		for _, wrong := range []string{`tru`, `1,"other":2`, `{"a":1,"a":2}`, ` `, ``} {
			if err := chatpb.SetMember(message, each.name, []byte(wrong)); errorOf(t, err).Code != chatpb.CodeJSON {
				t.Errorf("%s: %v", wrong, err)
			}
		}
		equal(t, must(chatpb.Marshal(message)), []byte(each.expected))
	}
}

// A message that is given the members of a vector, one by one, is that of the vector, and each member is read as it was given.
func TestMembersOfVectors(t *testing.T) {
	for _, each := range vectors(t) {
		t.Run(each.name, func(t *testing.T) {
			whole := newMessage(t, each.typeName)
			if err := proto.Unmarshal(each.wire, whole); err != nil {
				t.Fatal(err)
			}
			made := newMessage(t, each.typeName)
			// Maps of Go have no order, and some vectors have a field in a form that only unknown fields have.
			text := must(chatpb.Marshal(whole, chatpb.SkipUnknown))
			names, texts := membersIn(t, text)
			for i, name := range names {
				equal(t, must(chatpb.Member(whole, name, chatpb.SkipUnknown)), texts[i])
				if err := chatpb.SetMember(made, name, texts[i]); err != nil {
					t.Fatal(err)
				}
			}
			expected := newMessage(t, each.typeName)
			if err := chatpb.Unmarshal(text, expected); err != nil {
				t.Fatal(err)
			}
			if !proto.Equal(made, expected) {
				t.Errorf("found    %v\nexpected %v", made, expected)
			}
			for _, name := range names {
				if err := chatpb.DeleteMember(whole, name); err != nil {
					t.Fatal(err)
				}
				if text := must(chatpb.Member(whole, name, chatpb.SkipUnknown)); text != nil {
					t.Errorf("%s is %s", name, text)
				}
			}
			equal(t, must(chatpb.Marshal(whole, chatpb.SkipUnknown)), []byte(`{}`))
		})
	}
}

// membersIn returns the names of an object's members, and their texts.
func membersIn(t *testing.T, text []byte) (names []string, texts [][]byte) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	must(decoder.Token())
	for decoder.More() {
		var value json.RawMessage
		names = append(names, must(decoder.Token()).(string))
		if err := decoder.Decode(&value); err != nil {
			t.Fatal(err)
		}
		texts = append(texts, value)
	}
	return names, texts
}

func TestMembersThatCannotBe(t *testing.T) {
	message := newMessage(t, chatpb.Completion)
	err := errorOf(t, chatpb.SetMember(message, "vendör", []byte("{\"a\":\ntru}")))
	equal(t, []any{err.Code, err.Path, err.Line, err.Column, err.Offset}, []any{"json", "/vendör/a", 2, 1, 6})
	err = errorOf(t, chatpb.SetMember(message, "vendör", []byte(`tru`)))
	equal(t, []any{err.Code, err.Path, err.Line, err.Column, err.Offset}, []any{"json", "/vendör", 1, 1, 0})
	equal(t, errorOf(t, chatpb.SetMember(message, "\xff", []byte(`1`))).Code, chatpb.CodeArgument)
	equal(t, errorOf(t, chatpb.SetMember(nil, "a", []byte(`1`))).Code, chatpb.CodeArgument)
	equal(t, errorOf(t, chatpb.DeleteMember(nil, "a")).Code, chatpb.CodeArgument)
	_, none := chatpb.Member(nil, "a")
	equal(t, errorOf(t, none).Code, chatpb.CodeArgument)
	_, other := chatpb.Member(message, "a", chatpb.Nonfinite)
	equal(t, errorOf(t, other).Code, chatpb.CodeArgument)
	equal(t, must(chatpb.Marshal(message)), []byte(`{}`))

}

// What a newer contract has inside a member is left out only where one asks for it, and an edit of another member keeps it.
func TestMembersWithUnknownFields(t *testing.T) {
	message := newMessage(t, chatpb.Completion)
	wire := []byte{5<<3 | 2, 3, 0xf8, 0x03, 1} // a choice with a field 63
	if err := proto.Unmarshal(wire, message); err != nil {
		t.Fatal(err)
	}
	_, err := chatpb.Member(message, "choices")
	equal(t, errorOf(t, err).Code, chatpb.CodeWire)
	equal(t, must(chatpb.Member(message, "choices", chatpb.SkipUnknown)), []byte(`[{}]`))
	if err := chatpb.SetMember(message, "a", []byte(`1`)); err != nil {
		t.Fatal(err)
	}
	if err := chatpb.DeleteMember(message, "a"); err != nil {
		t.Fatal(err)
	}
	equal(t, must(proto.Marshal(message)), wire)
}

// A program may write a member into a home that the mapping does not give it: an edit of another member gives it the right one.
func TestMembersInAnotherHome(t *testing.T) {
	message := newMessage(t, chatpb.Completion)
	if err := chatpb.SetMember(message, "service_tierx", []byte(`"fast"`)); err != nil {
		t.Fatal(err)
	}
	fields := message.ProtoReflect().Descriptor().Fields()
	open := message.ProtoReflect().Get(fields.ByName("additional_properties")).Message()
	entries := open.Get(open.Descriptor().Fields().ByName("fields")).Map()
	entries.Set(protoreflect.ValueOfString("id").MapKey(), entries.Get(protoreflect.ValueOfString("service_tierx").MapKey()))
	if err := chatpb.DeleteMember(message, "service_tierx"); err != nil {
		t.Fatal(err)
	}
	equal(t, message.ProtoReflect().Get(fields.ByName("id")).String(), "fast")
	equal(t, must(chatpb.Marshal(message)), []byte(`{"id":"fast"}`))
}
