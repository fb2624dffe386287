"""The descriptor set reads every message, without generated code."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

import chatpb
from conftest import ALL_VECTORS, Vector, by_name

FILES = FileDescriptorSet.FromString(chatpb.descriptor_set()).file
PROTO = Path(__file__).parents[1] / "proto"


@pytest.fixture(scope="module")
def pool() -> DescriptorPool:
    pool = DescriptorPool()
    for file in FILES:  # raises where a file comes before one that it imports
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
