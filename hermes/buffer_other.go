//go:build unix && !linux

package hermes

import "errors"

func forceReceiveBuffer(int, int) error { return errors.ErrUnsupported }
