package mmapstore

// Sizes, offsets and flags of the native file. docs/format.md draws them;
// testdata/golden.hex holds the code to them.

const (
	// magic opens every native file. The first byte is not ASCII, so that no
	// text file is taken for one.
	magic = "\x89PFMFILE"

	// Version written by this package. Readers accept any minor version of a
	// major version they know: records of unknown kind are skipped by length.
	majorVersion = 1
	minorVersion = 0

	// byteOrderMark is written in the writer's own byte order.
	byteOrderMark uint32 = 0x01020304
)

// The immutable header: written once, before the file gets its name.
const (
	offMagic       = 0  // 8 bytes
	offByteOrder   = 8  // u32
	offMajor       = 12 // u16
	offMinor       = 14 // u16
	offID          = 16 // 16 bytes, random
	offBootID      = 32 // 16 bytes, zero where unknown
	offPIDNS       = 48 // u64, inode of the pid namespace, 0 where unknown
	offStartTicks  = 56 // u64, start of the process in clock ticks since boot, 0 where unknown
	offCreated     = 64 // i64, Unix nanoseconds
	offPID         = 72 // u32, in the writer's own pid namespace
	offFlags       = 76 // u32
	offIdentityLen = 80 // u16
	offIdentity    = 82 // up to MaxIdentity bytes, zero padded
	offHeaderSum   = 252
	headerSumEnd   = 256
)

// The live words of the header: each alone on its cache line, written while
// readers look.
const (
	// offPublished holds the file offset at which the published schema ends
	// (u64). The writer stores it (release) after a record is complete; a
	// reader loads it (acquire) and reads no schema byte at or after it.
	offPublished = 256
	// offDropped counts the series that got no place in this file (u64).
	offDropped = 320
	// offClosed is 1 once the writer began to close the file (u64). From then on
	// the process may live on without the file, so its pid is no sign of life.
	offClosed = 384
)

const (
	// headerSize is the first page; the schema begins behind it.
	headerSize = 4096
	// ChunkSize is the unit in which the file grows and is mapped by its
	// writer. 64 KiB is the largest page size of the platforms we know, so a
	// chunk is aligned whatever the page size of writer and reader.
	ChunkSize = 64 << 10
	// windowSize is the unit in which cells are allocated on the file system.
	windowSize = 4096
	// lineSize is the cache line: cells of neighbours do not share one.
	lineSize = 64
	// wordSize is the size of a cell's word, and its alignment in the file.
	wordSize = 8
)

// Header flags.
const (
	// flagLocked: the writer holds the life lock, so a free lock means death.
	flagLocked uint32 = 1 << 0
)

// Schema records: u32 body length, u16 kind, u16 zero, u32 CRC-32C of kind and
// body, then the body, zero padded to recordAlign.
const (
	recordHeaderSize = 12
	recordAlign      = 4

	kindFamily    uint16 = 1
	kindSeries    uint16 = 2
	kindTombstone uint16 = 3
	// kindNext leads to the next schema chunk: the body is its u64 offset.
	kindNext uint16 = 4
	// Reserved; skipped by readers of this version.
	kindExemplar        uint16 = 5 //nolint:unused // reserved
	kindNativeHistogram uint16 = 6 //nolint:unused // reserved

	nextRecordSize = recordHeaderSize + 8
	// maxRecord is what fits into a schema chunk beside its kindNext record.
	maxRecord = ChunkSize - headerSize - nextRecordSize
)

// Caps on what one file may hold. The writer enforces them by ErrTooLarge; the
// reader refuses what is over them, whoever wrote it.
const (
	MaxIdentity   = 128      // bytes of an identity
	MaxLabelBytes = 32 << 10 // encoded label set of a series
	MaxName       = 1 << 10  // bytes of a family name or unit
	MaxHelp       = 16 << 10
	MaxBounds     = 4096    // finite bucket bounds of a family
	MaxFamilies   = 10_000  // per file
	MaxSeries     = 1 << 20 // per file
	MaxWords      = 1 << 24 // of the vector of values: see Schema
	MaxFileSize   = 1 << 30 // bytes that a reader is ready to map
)

// Words of a tombstone's life cell.
const (
	lifeGeneration = 0 // odd: deleted; even: alive again
	lifeCreated    = 1 // Unix nanoseconds of the present life
	lifeDeleted    = 2 // Unix nanoseconds of the last deletion
	lifeWords      = 4 // one word is spare
)

// Words of a gauge in the latest modes, as they lie in the file: a count of
// completed sets, whose lowest bit names the slot in force and whose highest
// says that they are forgotten, then two slots of value and Unix nanoseconds.
const (
	latestSets  = 0
	latestSlots = 1
	latestWords = 5
)
