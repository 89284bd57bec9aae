// Package grpcmiddleware tests promfold beneath a middleware that hides its Vecs
// in a collector of its own, so that they are snapshotted. It is a module of its
// own, so that promfold does not depend on the middleware.
package grpcmiddleware
