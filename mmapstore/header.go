package mmapstore

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"time"
	"unicode/utf8"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Process tells which process wrote a file, in terms that a reader on the same
// machine can check. Fields that the platform does not tell are zero.
type Process struct {
	PID          uint32
	StartTicks   uint64 // clock ticks from boot to the start of the process
	BootID       [16]byte
	PIDNamespace uint64 // inode of the pid namespace in which PID means something
}

// Header is the immutable head of a native file.
type Header struct {
	Major, Minor uint16
	ID           ID
	Process      Process
	Identity     string    // value of the label pid
	Created      time.Time // birth of the file
	Locked       bool      // the writer holds the life lock
}

func (h *Header) encode() []byte {
	b := make([]byte, headerSumEnd)
	o := binary.NativeEndian
	copy(b[offMagic:], magic)
	o.PutUint32(b[offByteOrder:], byteOrderMark)
	o.PutUint16(b[offMajor:], majorVersion)
	o.PutUint16(b[offMinor:], minorVersion)
	copy(b[offID:], h.ID[:])
	copy(b[offBootID:], h.Process.BootID[:])
	o.PutUint64(b[offPIDNS:], h.Process.PIDNamespace)
	o.PutUint64(b[offStartTicks:], h.Process.StartTicks)
	o.PutUint64(b[offCreated:], uint64(h.Created.UnixNano()))
	o.PutUint32(b[offPID:], h.Process.PID)
	if h.Locked {
		o.PutUint32(b[offFlags:], flagLocked)
	}
	o.PutUint16(b[offIdentityLen:], uint16(len(h.Identity)))
	copy(b[offIdentity:offIdentity+MaxIdentity], h.Identity)
	o.PutUint32(b[offHeaderSum:], crc32.Checksum(b[:offHeaderSum], castagnoli))
	return b
}

// decodeHeader reads the header out of the first headerSumEnd bytes of a file.
// Magic, byte order and major version come before the checksum, because another
// major version may keep its checksum elsewhere.
func decodeHeader(b []byte) (Header, error) {
	var h Header
	if len(b) < offMinor+2 || !bytes.HasPrefix(b, []byte(magic)) {
		return h, ErrNotNative
	}
	o := binary.NativeEndian
	if o.Uint32(b[offByteOrder:]) != byteOrderMark {
		return h, ErrByteOrder
	}
	h.Major, h.Minor = o.Uint16(b[offMajor:]), o.Uint16(b[offMinor:])
	if h.Major > majorVersion {
		return h, fmt.Errorf("version %d.%d: %w", h.Major, h.Minor, ErrVersion)
	}
	if len(b) < headerSumEnd {
		return h, ErrTruncated
	}
	if o.Uint32(b[offHeaderSum:]) != crc32.Checksum(b[:offHeaderSum], castagnoli) {
		return h, ErrChecksum
	}
	n := int(o.Uint16(b[offIdentityLen:]))
	copy(h.ID[:], b[offID:])
	if h.Major == 0 || h.ID == (ID{}) || n > MaxIdentity {
		return h, ErrMalformed
	}
	copy(h.Process.BootID[:], b[offBootID:])
	h.Process.PIDNamespace = o.Uint64(b[offPIDNS:])
	h.Process.StartTicks = o.Uint64(b[offStartTicks:])
	h.Process.PID = o.Uint32(b[offPID:])
	h.Created = time.Unix(0, int64(o.Uint64(b[offCreated:])))
	h.Locked = o.Uint32(b[offFlags:])&flagLocked != 0
	h.Identity = string(b[offIdentity : offIdentity+n])
	if !utf8.ValidString(h.Identity) {
		return h, ErrMalformed
	}
	return h, nil
}
