package aggregate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"math"
	"slices"

	"github.com/promfold/promfold/internal/wire"
	"github.com/promfold/promfold/mmapstore"
)

// The bytes of an archive: a header, then the payload, then whatever the file
// had room for. docs/archive.md draws them.
const (
	archiveMagic      = "\x89PFMARCH"
	archiveMajor      = 1
	archiveMinor      = 0
	archiveByteOrder  = uint32(0x01020304)
	archiveGeneration = 32

	// ArchiveHeaderSize is how many bytes of an archive tell its generation.
	ArchiveHeaderSize = 64
)

// Flags of a family.
const (
	flagPartial = 1 << 0 // the source told only some of the bounds
	flagSpelled = 1 << 1 // the text of each bound follows the bounds
	knownFlags  = flagPartial | flagSpelled
)

// ErrChecksum and the like come from mmapstore: an archive is damaged
// (ErrChecksum, ErrTruncated, ErrNotNative) or too new (ErrVersion). Only the
// former may be set aside.

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Encode is the archive as bytes.
//
// Header: magic, u32 byte-order mark, u16 major, u16 minor, 16 bytes id, u64
// generation, u64 payload length, u32 CRC-32C of the payload, u32 zero, u32
// zero, u32 CRC-32C of the header before it.
func (a *Archive) Encode() []byte {
	b := make([]byte, ArchiveHeaderSize, ArchiveHeaderSize+64*len(a.Schema.Series))
	b = a.appendPayload(b)
	payload := b[ArchiveHeaderSize:]
	o := binary.NativeEndian
	copy(b, archiveMagic)
	o.PutUint32(b[8:], archiveByteOrder)
	o.PutUint16(b[12:], archiveMajor)
	o.PutUint16(b[14:], archiveMinor)
	copy(b[16:32], a.ID[:])
	o.PutUint64(b[archiveGeneration:], a.Generation)
	o.PutUint64(b[40:], uint64(len(payload)))
	o.PutUint32(b[48:], crc32.Checksum(payload, castagnoli))
	o.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
	return b
}

func (a *Archive) appendPayload(b []byte) []byte {
	o := binary.NativeEndian
	b = o.AppendUint64(b, a.Horizon)
	b = o.AppendUint32(b, uint32(len(a.Schema.Families)))
	for i := range a.Schema.Families {
		b = appendFamily(b, &a.Schema.Families[i], a.History.Families[i])
	}
	b = o.AppendUint32(b, uint32(len(a.Schema.Series)))
	for i := range a.Schema.Series {
		b = a.appendSeries(b, i)
	}
	b = o.AppendUint32(b, uint32(len(a.Absorbed)))
	for _, e := range a.Absorbed {
		b = append(b, e.ID[:]...)
		b = o.AppendUint64(b, e.Generation)
		b = o.AppendUint64(b, uint64(e.At))
		b = o.AppendUint64(b, e.Inode.Dev)
		b = o.AppendUint64(b, e.Inode.Ino)
	}
	return appendForgotten(b, a.History.Forgotten)
}

func appendFamily(b []byte, f *mmapstore.Family, newest int64) []byte {
	o := binary.NativeEndian
	flags := byte(0)
	if f.Partial {
		flags |= flagPartial
	}
	spelled := len(f.Spelled) > 0 && len(f.Spelled) == len(f.Bounds)
	if spelled {
		flags |= flagSpelled
	}
	b = append(b, byte(f.Type), byte(f.Mode), flags)
	b = o.AppendUint64(b, uint64(newest))
	b = appendStrings(b, f.Name, f.Help, f.Unit)
	b = o.AppendUint32(b, uint32(len(f.Bounds)))
	for _, bound := range f.Bounds {
		b = o.AppendUint64(b, math.Float64bits(bound))
	}
	if spelled {
		b = appendStrings(b, f.Spelled...)
	}
	return b
}

func appendStrings(b []byte, all ...string) []byte {
	for _, s := range all {
		b = binary.NativeEndian.AppendUint16(b, uint16(len(s)))
		b = append(b, s...)
	}
	return b
}

func (a *Archive) appendSeries(b []byte, i int) []byte {
	o := binary.NativeEndian
	s, past := &a.Schema.Series[i], a.History.Series[i]
	b = o.AppendUint32(b, uint32(s.Family))
	b = o.AppendUint32(b, uint32(len(s.Labels)))
	b = append(b, s.Labels...)
	for _, t := range []int64{s.Created, past.Newest, past.Deleted, past.Died} {
		b = o.AppendUint64(b, uint64(t))
	}
	n := a.Schema.Families[s.Family].WordCount(archiveSumWords)
	return appendWords(b, a.Words[s.Word:s.Word+n])
}

func appendWords(b []byte, words []uint64) []byte {
	for _, w := range words {
		b = binary.NativeEndian.AppendUint64(b, w)
	}
	return b
}

func appendForgotten(b []byte, forgotten map[mmapstore.ID][]Forgotten) []byte {
	o := binary.NativeEndian
	b = o.AppendUint32(b, uint32(len(forgotten)))
	ids := slices.SortedFunc(maps.Keys(forgotten), func(a, b mmapstore.ID) int { return bytes.Compare(a[:], b[:]) })
	for _, id := range ids {
		b = append(b, id[:]...)
		b = o.AppendUint32(b, uint32(len(forgotten[id])))
		for _, f := range forgotten[id] {
			b = o.AppendUint32(b, uint32(f.Series))
			b = o.AppendUint64(b, f.Generation)
			b = o.AppendUint32(b, uint32(len(f.Words)))
			b = appendWords(b, f.Words)
		}
	}
	return b
}

// DecodeArchiveHeader reads generation and id out of the first
// ArchiveHeaderSize bytes, so that a reader can tell whether an archive is
// still the one that it knows.
func DecodeArchiveHeader(b []byte) (generation uint64, id mmapstore.ID, err error) {
	o := binary.NativeEndian
	switch {
	case len(b) < 16 || !bytes.HasPrefix(b, []byte(archiveMagic)):
		return 0, id, mmapstore.ErrNotNative
	case o.Uint32(b[8:]) != archiveByteOrder:
		return 0, id, mmapstore.ErrByteOrder
	case o.Uint16(b[12:]) > archiveMajor:
		return 0, id, fmt.Errorf("archive version %d.%d: %w", o.Uint16(b[12:]), o.Uint16(b[14:]), mmapstore.ErrVersion)
	case len(b) < ArchiveHeaderSize:
		return 0, id, mmapstore.ErrTruncated
	case o.Uint32(b[60:]) != crc32.Checksum(b[:60], castagnoli):
		return 0, id, mmapstore.ErrChecksum
	}
	copy(id[:], b[16:])
	return o.Uint64(b[archiveGeneration:]), id, nil
}

// MaxArchiveSize bounds what a reader is ready to hold in memory.
const MaxArchiveSize = 1 << 30

// CheckArchive reads an archive as far as it goes and returns how many bytes that
// is. It fails as DecodeArchive would of what is not whole, and with ErrLimit, but
// keeps nothing: what only claims to be an archive costs no memory.
func CheckArchive(r io.Reader) (size int64, err error) {
	head := make([]byte, ArchiveHeaderSize)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, err
	}
	if _, _, err := DecodeArchiveHeader(head[:n]); err != nil {
		return 0, err
	}
	payload := binary.NativeEndian.Uint64(head[40:])
	if payload > MaxArchiveSize-ArchiveHeaderSize {
		return 0, fmt.Errorf("archive of %d bytes: %w", payload, mmapstore.ErrLimit)
	}
	sum := crc32.New(castagnoli)
	switch _, err := io.CopyN(sum, r, int64(payload)); {
	case errors.Is(err, io.EOF):
		return 0, mmapstore.ErrTruncated
	case err != nil:
		return 0, err
	case sum.Sum32() != binary.NativeEndian.Uint32(head[48:]):
		return 0, mmapstore.ErrChecksum
	}
	return ArchiveHeaderSize + int64(payload), nil
}

// DecodeArchive reads what Encode wrote.
func DecodeArchive(b []byte) (*Archive, error) {
	generation, id, err := DecodeArchiveHeader(b)
	if err != nil {
		return nil, err
	}
	n := binary.NativeEndian.Uint64(b[40:])
	if n > uint64(len(b)-ArchiveHeaderSize) {
		return nil, mmapstore.ErrTruncated
	}
	payload := b[ArchiveHeaderSize : ArchiveHeaderSize+int(n)]
	if crc32.Checksum(payload, castagnoli) != binary.NativeEndian.Uint32(b[48:]) {
		return nil, mmapstore.ErrChecksum
	}
	a := NewArchive()
	a.ID, a.Generation = id, generation
	if err := a.decodePayload(&wire.Decoder{B: payload}); err != nil {
		return nil, err
	}
	return a, nil
}

func (a *Archive) decodePayload(d *wire.Decoder) error {
	a.Horizon = d.U64()
	for range d.U32() {
		if err := a.decodeFamily(d); err != nil {
			return fmt.Errorf("family %d of the archive: %w", len(a.Schema.Families), err)
		}
	}
	for range d.U32() {
		if err := a.decodeSeries(d); err != nil {
			return fmt.Errorf("series %d of the archive: %w", len(a.Schema.Series), err)
		}
	}
	a.Schema.Words = len(a.Words)
	for range d.U32() {
		var e Absorbed
		copy(e.ID[:], d.Bytes(len(e.ID)))
		e.Generation, e.At = d.U64(), int64(d.U64())
		e.Inode = Inode{Dev: d.U64(), Ino: d.U64()}
		if d.Err != nil {
			return d.Err
		}
		a.Absorbed = append(a.Absorbed, e)
	}
	a.decodeForgotten(d)
	if d.Err == nil && len(d.B) > 0 {
		return errors.Join(mmapstore.ErrMalformed, fmt.Errorf("%d bytes too many", len(d.B)))
	}
	return d.Err
}

func (a *Archive) decodeFamily(d *wire.Decoder) error {
	f := mmapstore.Family{Type: mmapstore.Type(d.U8()), Mode: mmapstore.Mode(d.U8())}
	flags := d.U8()
	f.Partial = flags&flagPartial != 0
	newest := int64(d.U64())
	f.Name, f.Help, f.Unit = d.Str(), d.Str(), d.Str()
	for range d.U32() {
		if f.Bounds = append(f.Bounds, d.F64()); d.Err != nil {
			break
		}
	}
	if flags&flagSpelled != 0 && d.Err == nil {
		f.Spelled = make([]string, len(f.Bounds))
		for i := range f.Spelled {
			f.Spelled[i] = d.Str()
		}
	}
	switch {
	case d.Err != nil:
		return d.Err
	case flags&^knownFlags != 0, flags&flagSpelled != 0 && len(f.Bounds) == 0, !spellingsValid(&f):
		return mmapstore.ErrMalformed
	}
	a.Schema.Families = append(a.Schema.Families, f)
	a.History.Families = append(a.History.Families, newest)
	return f.Validate()
}

func (a *Archive) decodeSeries(d *wire.Decoder) error {
	family := int(d.U32())
	labels, err := mmapstore.ParseLabels(d.Bytes(int(d.U32())))
	switch {
	case err != nil:
		return err
	case d.Err != nil:
		return d.Err
	case family < 0 || family >= len(a.Schema.Families),
		mmapstore.TakenLabel(a.Schema.Families[family].Type, labels) != "":
		return mmapstore.ErrMalformed
	}
	s := mmapstore.Series{Family: family, Labels: labels, Created: int64(d.U64()), Word: len(a.Words)}
	past := Past{Newest: int64(d.U64()), Deleted: int64(d.U64()), Died: int64(d.U64())}
	a.Words = decodeWords(d, a.Words, a.Schema.Families[family].WordCount(archiveSumWords))
	a.Schema.Series = append(a.Schema.Series, s)
	a.History.Series = append(a.History.Series, past)
	return d.Err
}

func decodeWords(d *wire.Decoder, words []uint64, n int) []uint64 {
	if n < 0 || n > len(d.B)/8 {
		d.Bytes(len(d.B) + 1) // more than there is
		return words
	}
	b := wire.Decoder{B: d.Bytes(8 * n)}
	for range n {
		words = append(words, b.U64())
	}
	return words
}

func (a *Archive) decodeForgotten(d *wire.Decoder) {
	sources := d.U32()
	for range sources {
		var id mmapstore.ID
		copy(id[:], d.Bytes(len(id)))
		for range d.U32() {
			f := Forgotten{Series: int(d.U32()), Generation: d.U64()}
			if n := int(d.U32()); n > 0 {
				f.Words = decodeWords(d, nil, n)
			}
			if d.Err != nil {
				return
			}
			if a.History.Forgotten == nil {
				a.History.Forgotten = make(map[mmapstore.ID][]Forgotten)
			}
			a.History.Forgotten[id] = append(a.History.Forgotten[id], f)
		}
		if d.Err != nil {
			return
		}
	}
}
