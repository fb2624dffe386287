#!/bin/sh
# Generate gen/ from proto/. $GOOGLEAPIS is a folder that has google/rpc/*.proto.
# shellcheck disable=SC2046 # the files are names without spaces
set -eu
cd "$(dirname "$0")"
proto=../../../proto
# docs: generate
mkdir -p gen
PATH="$PWD/node_modules/.bin:$PATH" protoc -I "$proto" -I "$GOOGLEAPIS" \
  --es_out=gen --es_opt=target=ts,import_extension=js \
  $(cd "$proto" && echo chatcompletion/v1/*.proto) \
  google/api/annotations.proto google/api/http.proto google/api/field_behavior.proto \
  google/rpc/status.proto google/rpc/error_details.proto
# docs: end
PATH="$PWD/node_modules/.bin:$PATH" protoc -I .. --es_out=gen --es_opt=target=ts,import_extension=js conformance.proto
