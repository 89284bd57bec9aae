package redisstore

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/promfold/promfold/aggregate"
	"github.com/promfold/promfold/mmapstore"
)

// publication is a record as it travels: what seldom changes apart from the values.
//
// schema is an archive as docs/archive.md draws it, whose words are all zero; values is the
// record's words, 8 bytes each, little endian. Both are compressed with zstd, which
// adds a checksum.
type publication struct {
	digest string // of schema
	schema []byte
	values []byte
}

// size is how many bytes travel.
func (p *publication) size() int { return len(p.schema) + len(p.values) }

// Shared by all: both may be used by several goroutines.
var (
	compressor = sync.OnceValue(func() *zstd.Encoder {
		e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
		if err != nil {
			panic(err) // the options are valid
		}
		return e
	})
	decompressor = sync.OnceValue(func() *zstd.Decoder {
		d, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxDecompressed), zstd.WithDecoderConcurrency(0))
		if err != nil {
			panic(err)
		}
		return d
	})
	// bounded fills what there is room for, and fails where there is more.
	bounded = sync.OnceValue(func() *zstd.Decoder {
		d, err := zstd.NewReader(nil, zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderConcurrency(0))
		if err != nil {
			panic(err)
		}
		return d
	})
)

// maxDecompressed bounds what a few bytes in Redis can cost a reader.
const maxDecompressed = 256 << 20

func compress(b []byte) []byte { return compressor().EncodeAll(b, nil) }

func decompress(b []byte) ([]byte, error) { return decompressor().DecodeAll(b, nil) }

// encodeSchema is all of a record but its words.
func encodeSchema(record *aggregate.Archive) (digest string, schema []byte, err error) {
	blank := &aggregate.Archive{Schema: record.Schema, History: record.History, Words: make([]uint64, len(record.Words))}
	b := blank.Encode()
	if len(b) > maxDecompressed {
		return "", nil, fmt.Errorf("schema of %d bytes: %w", len(b), mmapstore.ErrLimit)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16]), compress(b), nil
}

func encodeValues(words []uint64) []byte {
	b := make([]byte, 0, 8*len(words))
	for _, w := range words {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return compress(b)
}

// decodeSchema reads what encodeSchema wrote, which is a record whose words are zero.
func decodeSchema(schema []byte) (*aggregate.Archive, error) {
	a, err := decodeArchive(schema)
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	return a, nil
}

// decodeValues reads the words of a record that has so many of them.
func decodeValues(values []byte, n int) ([]uint64, error) {
	b, err := bounded().DecodeAll(values, make([]byte, 0, 8*n+1)) // one byte too many is seen as such
	switch {
	case err != nil:
		return nil, fmt.Errorf("values: %w: %w", mmapstore.ErrChecksum, err)
	case len(b) != 8*n:
		return nil, fmt.Errorf("values: %w: %d bytes for %d words", mmapstore.ErrMalformed, len(b), n)
	}
	words := make([]uint64, n)
	for i := range words {
		words[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return words, nil
}

// decode is the record of a publication.
func (p *publication) decode() (*aggregate.Archive, error) {
	layout, err := decodeSchema(p.schema)
	if err != nil {
		return nil, err
	}
	return withValues(layout, p.values)
}

// withValues is a record with the values, which shares the layout.
func withValues(layout *aggregate.Archive, values []byte) (*aggregate.Archive, error) {
	words, err := decodeValues(values, layout.Schema.Words)
	if err != nil {
		return nil, err
	}
	return &aggregate.Archive{Schema: layout.Schema, History: layout.History, Words: words}, nil
}

// encodeArchive fails for an archive that nobody would read.
func encodeArchive(a *aggregate.Archive) ([]byte, error) {
	b := a.Encode()
	if len(b) > maxDecompressed {
		return nil, fmt.Errorf("archive of %d bytes: %w", len(b), mmapstore.ErrLimit)
	}
	return compress(b), nil
}

func decodeArchive(b []byte) (*aggregate.Archive, error) {
	b, err := decompress(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", mmapstore.ErrChecksum, err)
	}
	return aggregate.DecodeArchive(b)
}
