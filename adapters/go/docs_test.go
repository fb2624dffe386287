package chatpb_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strings"
	"testing"
)

// The page shows the bodies of the examples, which run as tests do. What it shows of the messages of generated classes is held
// by tests/conformance.
func TestThePageShowsTheExamples(t *testing.T) {
	source := string(read(t, "example_test.go"))
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, "example_test.go", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	bodies := map[string]string{}
	for _, each := range parsed.Decls {
		if function, ok := each.(*ast.FuncDecl); ok {
			start, end := files.Position(function.Body.Lbrace).Offset+1, files.Position(function.Body.Rbrace).Offset
			body := strings.ReplaceAll(source[start:end], "\n\t", "\n")
			bodies[strings.TrimSpace(body)] = function.Name.Name
		}
	}
	page := string(read(t, root+"docs/languages/go.md"))
	for _, block := range regexp.MustCompile("(?ms)^(<!-- .*? -->\n)?```go\n(.*?)^```").FindAllStringSubmatch(page, -1) {
		code := strings.TrimSpace(block[2])
		if block[1] != "" {
			continue
		}
		if _, ok := bodies[code]; !ok {
			t.Errorf("the page has code that no example has:\n%s", code)
		}
		delete(bodies, code)
	}
	for _, name := range bodies {
		t.Errorf("the page does not show %s as it is", name)
	}
}
