// Package image tests the Dockerfile on machines without a container engine:
// always what it says, and with the build tag image also what comes of it, by
// carrying out its instructions. It is a module of its own, so that promfold does
// not depend on a parser of Dockerfiles.
package image
