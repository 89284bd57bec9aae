package mmapstore

import "testing"

// Property: whatever is loaded as a word lies on a word's boundary; the regions
// of the header do not overlap; and what is written while others read is alone
// on its cache line.
func TestLayout(t *testing.T) {
	for name, off := range map[string]int{
		"offPublished": offPublished, "offDropped": offDropped, "offClosed": offClosed,
		"offPIDNS": offPIDNS, "offStartTicks": offStartTicks, "offCreated": offCreated,
		"headerSize": headerSize, "windowSize": windowSize, "lineSize": lineSize,
		"ChunkSize": ChunkSize, "smallSize": smallSize, "MaxFileSize": MaxFileSize,
	} {
		if off%wordSize != 0 {
			t.Errorf("%s = %d is not a multiple of %d", name, off, wordSize)
		}
	}
	fields := []struct{ off, size int }{
		{offMagic, len(magic)}, {offByteOrder, 4}, {offMajor, 2}, {offMinor, 2}, {offID, 16},
		{offBootID, 16}, {offPIDNS, 8}, {offStartTicks, 8}, {offCreated, 8}, {offPID, 4},
		{offFlags, 4}, {offIdentityLen, 2}, {offIdentity, MaxIdentity}, {offHeaderSum, 4},
		{offPublished, lineSize}, {offDropped, lineSize}, {offClosed, lineSize}, {headerSize, 0},
	}
	for i := 1; i < len(fields); i++ {
		if end := fields[i-1].off + fields[i-1].size; end > fields[i].off {
			t.Errorf("field at %d ends at %d, in the field at %d", fields[i-1].off, end, fields[i].off)
		}
	}
	for _, live := range []int{offPublished, offDropped, offClosed} {
		if live%lineSize != 0 {
			t.Errorf("live word at %d does not begin a cache line", live)
		}
	}
	for name, divides := range map[string]bool{
		"windows fill chunks":      ChunkSize%windowSize == 0,
		"chunks fill files":        MaxFileSize%ChunkSize == 0,
		"lines fill windows":       windowSize%lineSize == 0,
		"small cells fill lines":   lineSize%smallSize == 0,
		"records are aligned":      headerSize%recordAlign == 0 && recordHeaderSize%recordAlign == 0,
		"a histogram fits a chunk": (MaxBounds+2)*wordSize <= ChunkSize,
		"labels fit a record":      20+MaxLabelBytes <= maxRecord,
		"a family fits a record":   12+2*MaxName+MaxHelp+MaxBounds*8 <= maxRecord,
		"offsets fit a run":        MaxFileSize <= 1<<32-1 && MaxWords <= 1<<32-1 && MaxBounds+2 <= 1<<16-1,
	} {
		if !divides {
			t.Errorf("not true: %s", name)
		}
	}
}
