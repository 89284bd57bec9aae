//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/alecthomas/kingpin/v2"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/internal/exposition"
)

// dump prints the merge of what lies in files and directories.
type dump struct {
	paths       []string
	format      string
	assumeAlive bool
	archive     bool
	metrics     metricsFlag
}

func addDump(app *kingpin.Application) runner {
	d := &dump{}
	cmd := app.Command("dump", "Print the merge of files and directories. Nothing is changed.")
	cmd.Flag("format", "text, or json: an array of metric families as protobuf writes them in JSON.").
		Default("text").EnumVar(&d.format, "text", "json")
	cmd.Flag("assume-alive", "Take all processes for alive, as for files that were copied from elsewhere. "+
		"Otherwise it is found out, and gauges of the dead are left out as in a scrape.").BoolVar(&d.assumeAlive)
	cmd.Flag("include-archive", "Include the archives of directories.").Default("true").BoolVar(&d.archive)
	d.metrics.add(cmd)
	cmd.Arg("path", "File or directory.").Required().StringsVar(&d.paths)
	return d.run
}

func (d *dump) run(*slog.Logger) error {
	overrides, err := d.metrics.load()
	if err != nil {
		return err
	}
	in := newInput(d.assumeAlive, d.archive, overrides)
	defer in.close()
	for _, path := range d.paths {
		in.add(context.Background(), path)
	}
	result, err := aggregate.NewMerger(nil).Merge(in.sources)
	if err != nil {
		in.fail(err)
	}
	for _, c := range result.Conflicts {
		fmt.Fprintf(os.Stderr, "promfold: note: %s: processes disagree about its %s\n", c.Family, c.Kind)
	}
	write := writeText
	if d.format == "json" {
		write = writeJSON
	}
	if err := write(os.Stdout, result); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if in.failed {
		return errSilent
	}
	return nil
}

func writeText(w io.Writer, r *aggregate.Result) error {
	var b []byte
	for _, f := range r.Families {
		b = f.Append(b[:0], exposition.Style{}, f.Values, 0, len(f.Series))
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return nil
}

func writeJSON(w io.Writer, r *aggregate.Result) error {
	all := make([]json.RawMessage, len(r.Families))
	for i, f := range r.Families {
		b, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(f.Metric())
		if err != nil {
			return fmt.Errorf("family %s: %w", f.Name, err)
		}
		all[i] = b
	}
	b, err := json.Marshal(all)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", "  "); err != nil {
		return err
	}
	out.WriteByte('\n')
	_, err = w.Write(out.Bytes())
	return err
}
