// Package fiberprometheus tests promfold beneath a middleware that makes its Vecs
// with promauto. It is a module of its own, so that promfold does not depend on
// the middleware.
package fiberprometheus
