package kubernetes

import (
	"maps"
	"slices"
	"testing"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

// The manifest keeps every rule.
func TestRules(t *testing.T) {
	m := mustDecode(t, readManifest(t))
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		if err := rules[name](m); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Every rule can fail: the manifest with one thing changed breaks it.
func TestRulesFindWhatBreaksThem(t *testing.T) {
	tried := make(map[string]bool)
	for _, c := range []struct {
		rule, what string
		change     func(*manifest)
	}{
		{"restricted", "a capability is kept", func(m *manifest) { m.sidecar().SecurityContext.Capabilities = nil }},
		{"restricted", "no seccomp profile", func(m *manifest) { m.pod().SecurityContext.SeccompProfile = nil }},
		{"restricted", "privileges may grow", func(m *manifest) { m.web().SecurityContext.AllowPrivilegeEscalation = nil }},
		{"restricted", "root is allowed", func(m *manifest) { m.pod().SecurityContext.RunAsNonRoot = nil }},
		{"restricted", "a directory of the host", func(m *manifest) {
			m.pod().Volumes[0].VolumeSource = core.VolumeSource{HostPath: &core.HostPathVolumeSource{Path: "/dev/shm"}}
		}},
		{"user", "the sidecar has another user", func(m *manifest) { m.sidecar().SecurityContext.RunAsUser = ptr.To(int64(65532)) }},
		{"user", "no group of the volume", func(m *manifest) { m.pod().SecurityContext.FSGroup = nil }},
		{"root", "writable", func(m *manifest) { m.sidecar().SecurityContext.ReadOnlyRootFilesystem = ptr.To(false) }},
		{"native", "an ordinary init container", func(m *manifest) { m.sidecar().RestartPolicy = nil }},
		{"volume", "on disk", func(m *manifest) { m.pod().Volumes[0].EmptyDir.Medium = "" }},
		{"volume", "no limit", func(m *manifest) { m.pod().Volumes[0].EmptyDir.SizeLimit = nil }},
		{"volume", "as large as the application's memory", func(m *manifest) {
			m.pod().Volumes[0].EmptyDir.SizeLimit = m.web().Resources.Limits.Memory()
		}},
		{"volume", "the sidecar cannot archive", func(m *manifest) { m.sidecar().VolumeMounts[0].ReadOnly = true }},
		{"directory", "two directories", func(m *manifest) { m.sidecar().Env[0].Value = "/metrics" }},
		{"memory", "GOMEMLIMIT is the limit", func(m *manifest) {
			m.sidecar().Resources.Limits[core.ResourceMemory] = resource.MustParse("96Mi")
		}},
		{"memory", "a unit that Go does not know", func(m *manifest) { m.sidecar().Env[1].Value = "96Mi" }},
		{"probes", "another path", func(m *manifest) { m.sidecar().LivenessProbe.HTTPGet.Path = "/metrics" }},
		{"probes", "another port", func(m *manifest) { m.sidecar().ReadinessProbe.HTTPGet.Port = intstr.FromInt32(8000) }},
		{"probes", "none at startup", func(m *manifest) { m.sidecar().StartupProbe = nil }},
		{"scraped", "the annotation names the application's port", func(m *manifest) {
			m.deployment.Spec.Template.Annotations["prometheus.io/port"] = "8000"
		}},
		{"scraped", "the PodMonitor names a port that is not there", func(m *manifest) {
			m.monitor.Spec.PodMetricsEndpoints[0].Port = ptr.To("metrics")
		}},
		{"scraped", "the PodMonitor selects other pods", func(m *manifest) {
			m.monitor.Spec.Selector.MatchLabels = map[string]string{"app": "other"}
		}},
		{"linger", "shorter than the interval", func(m *manifest) { m.monitor.Spec.PodMetricsEndpoints[0].Interval = "1m" }},
		{"linger", "killed before it is over", func(m *manifest) { m.pod().TerminationGracePeriodSeconds = ptr.To(int64(30)) }},
	} {
		t.Run(c.rule+": "+c.what, func(t *testing.T) {
			m := mustDecode(t, readManifest(t))
			c.change(m)
			if rules[c.rule](m) == nil {
				t.Error("the rule holds")
			}
		})
		tried[c.rule] = true
	}
	for name := range rules {
		if !tried[name] {
			t.Errorf("no case breaks the rule %s", name)
		}
	}
}
