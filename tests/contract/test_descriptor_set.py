"""The descriptor set, which reads every message without generated code."""

from __future__ import annotations

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

import chatpb
from tests.support import ALL_VECTORS, ROOT, Vector, by_name

FILES = FileDescriptorSet.FromString(chatpb.descriptor_set()).file
PROTO = ROOT / "proto"


@pytest.fixture(scope="module")
def pool() -> DescriptorPool:
    pool = DescriptorPool()
    for file in FILES:  # the pool raises if a file comes before one that it imports
        pool.Add(file)
        pool.FindFileByName(file.name)
    return pool


def test_every_file_of_the_contract_is_there_once() -> None:
    names = [file.name for file in FILES]
    assert len(set(names)) == len(names)
    assert {str(path.relative_to(PROTO)) for path in PROTO.rglob("chatcompletion/**/*.proto")} <= set(names)


@by_name(ALL_VECTORS)
def test_messages_are_read(pool: DescriptorPool, vector: Vector) -> None:
    found = GetMessageClass(pool.FindMessageTypeByName(vector.type.DESCRIPTOR.full_name)).FromString(vector.wire)
    assert str(found) == str(vector.type.FromString(vector.wire))
