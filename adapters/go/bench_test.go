package chatpb

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"io"
	"math"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// completions returns the completions of the folder that follows -args, or of tests/corpus.
func completions(tb testing.TB) [][]byte {
	tb.Helper()
	path := "../../tests/corpus/completion.jsonl"
	if folder := flag.Arg(0); folder != "" {
		path = folder + "/completion.jsonl"
		if _, err := os.Stat(path); err != nil {
			path += ".gz"
		}
	}
	data, err := os.ReadFile(path)
	if err == nil && strings.HasSuffix(path, ".gz") {
		var reader *gzip.Reader
		if reader, err = gzip.NewReader(bytes.NewReader(data)); err == nil {
			data, err = io.ReadAll(reader)
		}
	}
	if err != nil {
		tb.Fatal(err)
	}
	return bytes.Split(bytes.TrimSpace(data), []byte("\n"))
}

// encoded returns the wire bytes of completions.
func encoded(tb testing.TB, texts [][]byte) (wires [][]byte) {
	tb.Helper()
	for _, text := range texts {
		wire, err := JSONToWire(text, Completion)
		if err != nil {
			tb.Fatal(err)
		}
		wires = append(wires, wire)
	}
	return wires
}

// BenchmarkRatios measures the conversions beside encoding/json on the same documents. They take turns, and the fastest round of
// each counts, because other programs can only slow one down.
func BenchmarkRatios(b *testing.B) {
	texts := completions(b)
	wires := encoded(b, texts)
	values := make([]any, len(texts))
	for i, text := range texts {
		if err := json.Unmarshal(text, &values[i]); err != nil {
			b.Fatal(err)
		}
	}
	functions := []struct {
		name string
		call func(i int) error
	}{
		{"JSONToWire", func(i int) error { _, err := JSONToWire(texts[i], Completion); return err }},
		{"json.Unmarshal", func(i int) error { var value any; return json.Unmarshal(texts[i], &value) }},
		{"WireToJSON", func(i int) error { _, err := WireToJSON(wires[i], Completion); return err }},
		{"json.Marshal", func(i int) error { _, err := json.Marshal(values[i]); return err }},
	}
	best := map[string]float64{}
	for b.Loop() {
		for _, each := range functions {
			start := time.Now()
			for i := range texts {
				if err := each.call(i); err != nil {
					b.Fatal(err)
				}
			}
			time := float64(time.Since(start)) / float64(len(texts))
			if known, ok := best[each.name]; !ok || time < known {
				best[each.name] = time
			}
		}
	}
	for name, time := range best {
		b.ReportMetric(time, name+"-ns")
	}
	b.ReportMetric(best["JSONToWire"]/best["json.Unmarshal"], "JSONToWire/json.Unmarshal")
	b.ReportMetric(best["WireToJSON"]/best["json.Marshal"], "WireToJSON/json.Marshal")
	b.ReportMetric(0, "ns/op") // of all four together, which says nothing
}

// BenchmarkParallel converts in as many goroutines as -cpu says: -cpu 1,2,4 shows whether speed grows with them.
func BenchmarkParallel(b *testing.B) {
	texts := completions(b)
	b.RunParallel(func(each *testing.PB) {
		for i := 0; each.Next(); i++ {
			if _, err := JSONToWire(texts[i%len(texts)], Completion); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkStart makes an instance of the core, and converts a first document.
func BenchmarkStart(b *testing.B) {
	codec := &Codec{typeName: Completion}
	for b.Loop() {
		i := newInstance()
		made, err := i.handlesOf(codec)
		if err == nil {
			err = i.call(jsonToWire, made.codec, []byte(`{"id":"1"}`), 0)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMemory reports what is in use after a thousand documents, and after a million.
func BenchmarkMemory(b *testing.B) {
	texts := completions(b)
	found := func() float64 {
		var stats runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return math.Round(float64(stats.HeapAlloc)/(1<<20)*10) / 10
	}
	convert := func(count int) {
		for i := range count {
			wire, err := JSONToWire(texts[i%len(texts)], Completion)
			if err == nil {
				_, err = WireToJSON(wire, Completion)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	convert(1_000)
	first := found()
	for b.Loop() {
		convert(1_000_000)
	}
	b.ReportMetric(first, "MiB-after-1,000")
	b.ReportMetric(found(), "MiB-after-1,000,000")
}
