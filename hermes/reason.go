//go:build unix

package hermes

// reason is why a datagram was rejected: the value of the label reason of
// promfold_hermes_packets_rejected_total.
type reason uint8

const (
	accepted        reason = iota
	badJSON                // no JSON, no object, or a field of another type than Hermes wants
	unknownMetric          // no name, or one that the configuration does not have
	badLabels              // a label missing, one too many, or a label set too long for a file
	badOperation           // what gauges do not know
	badValue               // none where one is needed, or one that a counter cannot add
	oversize               // more bytes than Options.MaxPacketSize
	seriesLimit            // a label set that would be one too many
	numberOfReasons = iota
)

var reasonNames = [numberOfReasons]string{
	badJSON: "json", unknownMetric: "unknown_metric", badLabels: "labels", badOperation: "operation",
	badValue: "value", oversize: "oversize", seriesLimit: "series_limit",
}

func (r reason) String() string { return reasonNames[r] }
