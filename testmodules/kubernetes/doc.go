// Package kubernetes tests deploy/kubernetes against the API types of Kubernetes
// and of the Prometheus operator. It is a module of its own, so that promfold does
// not depend on either.
package kubernetes
