package worker

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/promfold/promfold/mmapstore"
)

// Info is a metric whose labels are what it says; its value is 1. Merged, a
// label set is shown once, however many processes have it.
type Info interface {
	prometheus.Metric
	prometheus.Collector
}

const infoSuffix = "_info"

// NewInfo makes and registers an Info of the ConstLabels. The name gets the
// suffix _info if it has not got it.
func (f Factory) NewInfo(o prometheus.Opts) Info {
	return f.single(f.info(o, nil)).(Info)
}

// NewInfoVec makes and registers an InfoVec. The name gets the suffix _info if
// it has not got it.
func (f Factory) NewInfoVec(o prometheus.Opts, labelNames []string) *InfoVec {
	fam := f.info(o, labelNames)
	v := &InfoVec{MetricVec: fam.newVec()}
	f.store.mustRegister(v, fam)
	return v
}

func (f Factory) info(o prometheus.Opts, labelNames []string) *family {
	if !strings.HasSuffix(o.Name, infoSuffix) && o.Name != "" {
		o.Name += infoSuffix
	}
	return f.family(o, mmapstore.Info, labelNames)
}

// InfoVec is Infos that differ in label values. They exist from the first time
// that they are asked for until they are deleted. Goroutines may share it.
type InfoVec struct {
	*prometheus.MetricVec
}

// WithLabelValues shows the Info of the label values. It panics if their number
// is not that of the labels.
func (v *InfoVec) WithLabelValues(lvs ...string) Info {
	m, err := v.GetMetricWithLabelValues(lvs...)
	if err != nil {
		panic(err)
	}
	return m.(Info)
}

// With shows the Info of the labels. It panics if they are not those of the
// InfoVec.
func (v *InfoVec) With(labels prometheus.Labels) Info {
	m, err := v.GetMetricWith(labels)
	if err != nil {
		panic(err)
	}
	return m.(Info)
}
