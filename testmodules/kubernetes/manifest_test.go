package kubernetes

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/yaml"
)

const manifestPath = "../../deploy/kubernetes/sidecar.yaml"

// manifest is what sidecar.yaml declares.
type manifest struct {
	deployment *apps.Deployment
	monitor    *monitoring.PodMonitor
}

func (m *manifest) pod() *core.PodSpec { return &m.deployment.Spec.Template.Spec }

// sidecar is the container of promfold, web that of the application.
func (m *manifest) sidecar() *core.Container { return &m.pod().InitContainers[0] }
func (m *manifest) web() *core.Container     { return &m.pod().Containers[0] }

// decode takes the documents one by one. A field that the API does not know is an
// error, and so is one that comes twice.
func decode(data []byte) (*manifest, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(apps.AddToScheme(scheme), monitoring.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	decoder := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Yaml: true, Strict: true})
	m := &manifest{}
	documents := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		object, kind, err := decoder.Decode(document, nil, nil)
		if err != nil {
			return nil, err
		}
		switch o := object.(type) {
		case *apps.Deployment:
			m.deployment = o
		case *monitoring.PodMonitor:
			m.monitor = o
		default:
			return nil, fmt.Errorf("a %v is not expected", kind)
		}
	}
	if m.deployment == nil || m.monitor == nil {
		return nil, errors.New("a Deployment and a PodMonitor are expected")
	}
	if len(m.pod().InitContainers) != 1 || len(m.pod().Containers) != 1 {
		return nil, errors.New("one sidecar and one container are expected")
	}
	return m, nil
}

func readManifest(t *testing.T) []byte {
	t.Helper()
	data, err := os.ReadFile(manifestPath)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func mustDecode(t *testing.T, data []byte) *manifest {
	t.Helper()
	m, err := decode(data)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// The manifest has no field that the API server would refuse or, what is worse,
// silently drop.
func TestDecodesStrictly(t *testing.T) {
	mustDecode(t, readManifest(t))
}

// The decoder of these tests is strict: a typing error anywhere in the manifest is
// found.
func TestDecodingFindsTypingErrors(t *testing.T) {
	for _, c := range []struct{ name, old, new string }{
		{"field of a container", "readOnlyRootFilesystem:", "readOnlyRootFileSystem:"},
		{"field of the volume", "sizeLimit:", "limitSize:"},
		{"field of the PodMonitor", "podMetricsEndpoints:", "podMetricEndpoints:"},
		{"quantity", "memory: 128Mi", "memory: 128MB!"},
		{"type", "runAsUser: 10001", "runAsUser: root"},
		{"twice", "runAsNonRoot: true", "runAsNonRoot: true\n        runAsNonRoot: true"},
		{"version", "monitoring.coreos.com/v1", "monitoring.coreos.com/v9"},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := readManifest(t)
			broken := bytes.ReplaceAll(data, []byte(c.old), []byte(c.new))
			if bytes.Equal(data, broken) {
				t.Fatalf("the manifest has no %q", c.old)
			}
			if _, err := decode(broken); err == nil {
				t.Errorf("%q in place of %q was taken", c.new, c.old)
			}
		})
	}
}
