"""Descriptors as bytes, for programs that read messages without generated code, and for the native engine."""

from __future__ import annotations

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from chatcompletion.v1 import chat_completion_record_pb2, chat_completion_service_pb2

__all__ = ["descriptor_set", "descriptor_set_of"]


def descriptor_set() -> bytes:
    """Return the contract and all that it imports, as an encoded `google.protobuf.FileDescriptorSet`.

    Each file comes after those that it imports, as `protoc --include_imports --descriptor_set_out` writes them.

    Examples:
        >>> from google.protobuf.descriptor_pb2 import FileDescriptorSet
        >>> from chatpb import descriptor_set
        >>> files = FileDescriptorSet.FromString(descriptor_set()).file
        >>> files[-1].package
        'chatcompletion.v1'

    """
    return descriptor_set_of(chat_completion_record_pb2.DESCRIPTOR, chat_completion_service_pb2.DESCRIPTOR)


def descriptor_set_of(*files: FileDescriptor) -> bytes:
    """Return files and all that they import, as an encoded `google.protobuf.FileDescriptorSet`."""
    found: dict[str, bytes] = {}
    for file in files:
        _add(file, found)
    collected = FileDescriptorSet()
    for serialized in found.values():
        collected.file.add().MergeFromString(serialized)
    return collected.SerializeToString(deterministic=True)


def _add(file: FileDescriptor, found: dict[str, bytes]) -> None:
    if file.name not in found:
        for imported in file.dependencies:
            _add(imported, found)
        found[file.name] = file.serialized_pb
