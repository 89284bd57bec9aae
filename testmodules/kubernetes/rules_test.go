package kubernetes

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// rules is what must hold of the manifest, by name. Each is broken by a case of
// TestRulesFindWhatBreaksThem.
var rules = map[string]func(*manifest) error{
	"restricted": restricted,
	"user":       sameUser,
	"root":       readOnlyRoot,
	"native":     nativeSidecar,
	"volume":     sharedVolume,
	"directory":  sameDirectory,
	"memory":     memoryLimits,
	"probes":     probes,
	"scraped":    scraped,
	"linger":     linger,
}

// restricted asks the code that admits pods to a namespace of this profile.
func restricted(m *manifest) error {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return err
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	result := policy.AggregateCheckResults(evaluator.EvaluatePod(level, &m.deployment.Spec.Template.ObjectMeta, m.pod()))
	if !result.Allowed {
		return errors.New(result.ForbiddenDetail())
	}
	return nil
}

// sameUser: the kernel's lease answers only to the owner of a file.
func sameUser(m *manifest) error {
	s := m.pod().SecurityContext
	switch {
	case s == nil || s.RunAsUser == nil || s.FSGroup == nil:
		return errors.New("the pod sets no user or no group of its volumes")
	case *s.RunAsUser == 0:
		return errors.New("the user is root")
	case s.RunAsGroup == nil || *s.RunAsGroup != *s.FSGroup:
		return errors.New("the group of the processes is not that of the volume")
	}
	for _, c := range []*core.Container{m.sidecar(), m.web()} {
		if c.SecurityContext != nil && (c.SecurityContext.RunAsUser != nil || c.SecurityContext.RunAsGroup != nil) {
			return fmt.Errorf("%s has a user or group of its own", c.Name)
		}
	}
	return nil
}

func readOnlyRoot(m *manifest) error {
	for _, c := range []*core.Container{m.sidecar(), m.web()} {
		if read := c.SecurityContext.ReadOnlyRootFilesystem; read == nil || !*read {
			return fmt.Errorf("%s may write to its root file system", c.Name)
		}
	}
	return nil
}

func nativeSidecar(m *manifest) error {
	if p := m.sidecar().RestartPolicy; p == nil || *p != core.ContainerRestartPolicyAlways {
		return errors.New("the init container does not restart: it would have to end before the application starts")
	}
	if !strings.Contains(m.sidecar().Image, "promfold") {
		return fmt.Errorf("the sidecar's image is %s", m.sidecar().Image)
	}
	return nil
}

// sharedVolume: both containers mount the same memory, which is bounded.
func sharedVolume(m *manifest) error {
	mounts := make(map[string]int)
	for _, c := range []*core.Container{m.sidecar(), m.web()} {
		for _, mount := range c.VolumeMounts {
			if mount.MountPath == env(c, "PROMETHEUS_MULTIPROC_DIR") && !mount.ReadOnly {
				mounts[mount.Name]++
			}
		}
	}
	for _, v := range m.pod().Volumes {
		if mounts[v.Name] != 2 {
			continue
		}
		e := v.EmptyDir
		if e == nil || e.Medium != core.StorageMediumMemory || e.SizeLimit == nil || e.SizeLimit.Sign() <= 0 {
			return fmt.Errorf("volume %s is not bounded memory", v.Name)
		}
		if e.SizeLimit.Cmp(*m.web().Resources.Limits.Memory()) >= 0 {
			return fmt.Errorf("the files of volume %s may take all of the application's memory", v.Name)
		}
		return nil
	}
	return errors.New("no volume is mounted by both for writing")
}

func sameDirectory(m *manifest) error {
	theirs, ours := env(m.web(), "PROMETHEUS_MULTIPROC_DIR"), env(m.sidecar(), "PROMETHEUS_MULTIPROC_DIR")
	if theirs == "" || theirs != ours {
		return fmt.Errorf("the application's directory is %q, promfold's %q", theirs, ours)
	}
	return nil
}

// memoryLimits: Go's limit leaves room below the container's.
func memoryLimits(m *manifest) error {
	r := m.sidecar().Resources
	soft, err := goMemory(env(m.sidecar(), "GOMEMLIMIT"))
	if err != nil {
		return err
	}
	hard := r.Limits.Memory().Value()
	if soft <= 0 || soft > hard*9/10 {
		return fmt.Errorf("GOMEMLIMIT is %d of %d bytes", soft, hard)
	}
	if request := r.Requests.Memory(); request.Sign() <= 0 || request.Value() > hard || r.Requests.Cpu().Sign() <= 0 {
		return errors.New("the sidecar requests no memory, more than its limit, or no CPU")
	}
	return nil
}

// goMemory reads the runtime's own notation, which has MiB and no Mi.
func goMemory(s string) (int64, error) {
	number, found := strings.CutSuffix(s, "MiB")
	n, err := strconv.ParseInt(number, 10, 64)
	if !found || err != nil {
		return 0, fmt.Errorf("GOMEMLIMIT=%q is not in MiB", s)
	}
	return n << 20, nil
}

func probes(m *manifest) error {
	c := m.sidecar()
	for _, p := range []struct {
		name, path string
		probe      *core.Probe
	}{
		{"startup", "/-/ready", c.StartupProbe},
		{"readiness", "/-/ready", c.ReadinessProbe},
		{"liveness", "/-/healthy", c.LivenessProbe},
	} {
		if p.probe == nil || p.probe.HTTPGet == nil || p.probe.HTTPGet.Path != p.path {
			return fmt.Errorf("the %s probe does not ask %s", p.name, p.path)
		}
		if port := p.probe.HTTPGet.Port; namedPort(c, port.String()) != 9500 && port.IntValue() != 9500 {
			return fmt.Errorf("the %s probe asks port %s", p.name, port.String())
		}
	}
	return nil
}

// scraped: annotation and PodMonitor lead to the port that promfold listens on, and
// the selectors to these pods.
func scraped(m *manifest) error {
	pod := m.deployment.Spec.Template.ObjectMeta
	endpoints := m.monitor.Spec.PodMetricsEndpoints
	if pod.Annotations["prometheus.io/scrape"] != "true" || pod.Annotations["prometheus.io/path"] != "/metrics" {
		return errors.New("the annotations ask for no scrape of /metrics")
	}
	if len(endpoints) != 1 || endpoints[0].Port == nil || endpoints[0].Path != "/metrics" {
		return errors.New("the PodMonitor asks for no scrape of /metrics")
	}
	port := namedPort(m.sidecar(), *endpoints[0].Port)
	if port != 9500 || pod.Annotations["prometheus.io/port"] != strconv.Itoa(int(port)) {
		return fmt.Errorf("the PodMonitor leads to port %d, the annotation to %s", port, pod.Annotations["prometheus.io/port"])
	}
	for _, s := range []*meta.LabelSelector{m.deployment.Spec.Selector, &m.monitor.Spec.Selector} {
		selector, err := meta.LabelSelectorAsSelector(s)
		if err != nil {
			return err
		}
		if selector.Empty() || !selector.Matches(labels.Set(pod.Labels)) {
			return fmt.Errorf("selector %v does not match the pod", selector)
		}
	}
	return nil
}

// linger: longer than a scrape interval, and what follows a SIGTERM fits into the
// grace period.
func linger(m *manifest) error {
	interval, err := time.ParseDuration(string(m.monitor.Spec.PodMetricsEndpoints[0].Interval))
	if err != nil {
		return err
	}
	wait, err := time.ParseDuration(argument(m.sidecar(), "--web.linger="))
	if err != nil {
		return err
	}
	graceful, err := time.ParseDuration(argument(m.web(), "--graceful-timeout=") + "s")
	if err != nil {
		return err
	}
	grace := m.pod().TerminationGracePeriodSeconds
	if wait <= interval || grace == nil || graceful+wait >= time.Duration(*grace)*time.Second {
		return fmt.Errorf("interval %v, linger %v, graceful timeout %v", interval, wait, graceful)
	}
	return nil
}

func env(c *core.Container, name string) string {
	i := slices.IndexFunc(c.Env, func(e core.EnvVar) bool { return e.Name == name })
	if i < 0 {
		return ""
	}
	return c.Env[i].Value
}

func argument(c *core.Container, prefix string) string {
	for _, a := range c.Args {
		if value, found := strings.CutPrefix(a, prefix); found {
			return value
		}
	}
	return ""
}

func namedPort(c *core.Container, name string) int32 {
	for _, p := range c.Ports {
		if p.Name == name {
			return p.ContainerPort
		}
	}
	return 0
}
