package chatpb

import (
	"fmt"
	"strings"
)

// Option changes what a call does. A call refuses an option that it does not have.
type Option uint32

// The values are those of chatpb.h.
const (
	// Canonical, to wire: the same document gives the same bytes, whatever the order of its members.
	Canonical Option = 1
	// Nonfinite, everywhere: NaN, Infinity and -Infinity are numbers. Without it they are errors.
	Nonfinite Option = 2
	// FillRequired, to JSON: the required members that no home holds are printed, as null where the contract allows it, else as
	// [] or {} if they are arrays or maps. Others stay out.
	FillRequired Option = 4
	// SkipUnknown, to JSON and of streams: fields that the contract does not have are left out. Without it they are errors.
	SkipUnknown Option = 8
	// Strict, to wire: a document that breaks the contract so that typed readers fail is an error. Of [Validate]: only what
	// makes typed readers fail is a violation.
	Strict Option = 16
	// WithoutUsage, of [Split]: the chunks leave out what comes at the end of a stream, such as the usage.
	WithoutUsage Option = 32
)

var optionNames = []string{"Canonical", "Nonfinite", "FillRequired", "SkipUnknown", "Strict", "WithoutUsage"}

const (
	toWireOptions   = Canonical | Nonfinite | Strict
	toJSONOptions   = Nonfinite | FillRequired | SkipUnknown
	streamOptions   = Nonfinite | SkipUnknown
	splitOptions    = streamOptions | WithoutUsage
	validateOptions = Strict
)

func (o Option) String() string {
	var names []string
	for bit, name := range optionNames {
		if o&(1<<bit) != 0 {
			names = append(names, name)
		}
	}
	if rest := o &^ (1<<len(optionNames) - 1); rest != 0 || o == 0 {
		names = append(names, fmt.Sprintf("Option(%d)", uint32(rest)))
	}
	return strings.Join(names, "|")
}

// join returns the options as one, or an error if the call has none such.
func join(options []Option, known Option) (Option, error) {
	var all Option
	for _, each := range options {
		all |= each
	}
	if wrong := all &^ known; wrong != 0 {
		return 0, &Error{Code: CodeArgument, Reason: fmt.Sprintf("this call does not have the option %v", wrong)}
	}
	return all, nil
}
