# The sidecar: one static binary, no shell, no libraries. `make image` builds it; `make image-check` does the same
# step by step on a machine without a container engine, and runs the result.

# The toolchain compiles for any platform, so it runs on the builder's own.
FROM --platform=$BUILDPLATFORM golang:1.26.8 AS build
WORKDIR /src
# The modules are a layer of their own, which is made again only when they change.
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# What --version and promfold_build_info tell; .git is not copied.
ARG VERSION
ARG REVISION
ARG BRANCH
# BuildKit sets these two; empty means the platform of the build.
ARG TARGETOS
ARG TARGETARCH
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -ldflags "-s -w \
  -X github.com/prometheus/common/version.Version=$VERSION \
  -X github.com/prometheus/common/version.Revision=$REVISION \
  -X github.com/prometheus/common/version.Branch=$BRANCH" -o promfold ./cmd/promfold

# Who may have signed the certificate of a Redis.
RUN cp /etc/ssl/certs/ca-certificates.crt .

FROM scratch AS program
LABEL org.opencontainers.image.title="promfold" \
  org.opencontainers.image.description="Folds the metrics of many processes into one Prometheus target" \
  org.opencontainers.image.source="https://github.com/promfold/promfold" \
  org.opencontainers.image.licenses="Apache-2.0"
COPY LICENSE /LICENSE
COPY --from=build /src/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /src/promfold /promfold
# Not root, and a number, so that runAsNonRoot can be checked. Beside an application run it as the application's user
# (--user, runAsUser): the kernel tells only the owner of a file whether its writer lives.
USER 65532:65532
ENTRYPOINT ["/promfold"]

# For who comes from Hermes: its environment variables, defaults and ports, so that a Dockerfile which adds a
# configuration to Hermes' image changes its FROM and nothing else. Built with --target hermes.
FROM program AS hermes
EXPOSE 7789/udp 8080
ENTRYPOINT ["/promfold", "serve", "--hermes.env-compat"]

# The last stage is what is built without --target.
FROM program
EXPOSE 9500
