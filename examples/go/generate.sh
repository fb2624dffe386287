#!/bin/sh
# Generate gen/ from proto/ with `protoc`, which is on the PATH.
# shellcheck disable=SC2086 # $files are names without spaces
set -eu
cd "$(dirname "$0")"
proto=../../proto
GOBIN="$PWD/bin" go install tool # protoc-gen-go and protoc-gen-go-grpc, at the versions in go.mod
mkdir -p gen
files=$(cd "$proto" && echo chatcompletion/v1/*.proto)
packages=$(for file in $files; do echo "M$file=example.com/front/gen/chatcompletionv1"; done | paste -sd, -)
PATH="$PWD/bin:$PATH" protoc -I "$proto" \
  --go_out=gen --go_opt="module=example.com/front/gen,$packages" \
  --go-grpc_out=gen --go-grpc_opt="module=example.com/front/gen,$packages" \
  $files
