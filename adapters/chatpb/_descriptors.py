"""The contract's descriptors, for what reads messages without generated code."""

from __future__ import annotations

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from chatcompletion.v1 import chat_completion_record_pb2, chat_completion_service_pb2

__all__ = ["descriptor_set"]


def descriptor_set() -> bytes:
    """The contract and all that it imports, as an encoded `google.protobuf.FileDescriptorSet`.

    A file comes after those that it imports, as in what `protoc --include_imports --descriptor_set_out` writes.
    """
    found: dict[str, bytes] = {}
    for root in (chat_completion_record_pb2, chat_completion_service_pb2):
        _add(root.DESCRIPTOR, found)
    files = FileDescriptorSet()
    for serialized in found.values():
        files.file.add().MergeFromString(serialized)
    return files.SerializeToString(deterministic=True)


def _add(file: FileDescriptor, found: dict[str, bytes]) -> None:
    if file.name not in found:
        for imported in file.dependencies:
            _add(imported, found)
        found[file.name] = file.serialized_pb
