// Makes tabwriter.jsonl: random tables through Go's text/tabwriter.
//
//	GO111MODULE=off go run tabwriter.go > tabwriter.jsonl
package main

import (
	"bytes"
	"encoding/json"
	"math/rand"
	"os"
	"strings"
	"text/tabwriter"
)

type sample struct {
	MinWidth, TabWidth, Padding int
	PadChar, Input, Output      string
}

var settings = []struct {
	min, tab, pad int
	char          byte
}{{1, 8, 1, ' '}, {4, 8, 4, ' '}, {1, 8, 4, ' '}, {1, 8, 2, ' '}, {1, 8, 1, '\t'}}

func input(random *rand.Rand) string {
	var text strings.Builder
	for line := random.Intn(7); line >= 0; line-- {
		for cell := random.Intn(5); cell > 0; cell-- {
			for size := random.Intn(12); size > 0; size-- {
				text.WriteRune([]rune("abcxyz0189 é│")[random.Intn(13)])
			}
			if cell > 1 || random.Intn(2) == 0 {
				text.WriteByte('\t')
			}
		}
		if line > 0 || random.Intn(4) > 0 {
			text.WriteByte('\n')
		}
	}
	return text.String()
}

func main() {
	random := rand.New(rand.NewSource(1))
	var samples []sample
	for round := 0; round < 40; round++ {
		text := input(random)
		for _, set := range settings {
			var out bytes.Buffer
			writer := tabwriter.NewWriter(&out, set.min, set.tab, set.pad, set.char, 0)
			writer.Write([]byte(text))
			writer.Flush()
			samples = append(samples, sample{set.min, set.tab, set.pad, string(set.char), text, out.String()})
		}
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	for _, one := range samples {
		encoder.Encode(one)
	}
}
