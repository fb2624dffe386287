"""Streams of chunks as one message each, in which what the chunks repeat is stored once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from chatcompletion.v1 import ChatCompletionChunk
from chatpb._engine import codec_of
from chatpb._runtimes import wire_of

__all__ = ["compact_stream", "expand_stream"]


def compact_stream(chunks: Iterable[Any]) -> bytes:
    """Return the wire bytes of the ChatCompletionStream that consists of chunks; what all of them have is stored once.

    Args:
        chunks: ChatCompletionChunk messages of any runtime, or their wire bytes in any buffer.

    Raises:
        WireError: a chunk is not valid protobuf; the error's path is the place of the chunk.
        TypeError: a chunk is neither a message nor wire bytes.

    Examples:
        >>> from chatpb import ChatCompletionChunk, compact_stream
        >>> chunks = [ChatCompletionChunk(id="c1", model="m") for _ in range(10)]
        >>> len(compact_stream(chunks)) < sum(len(chunk.SerializeToString()) for chunk in chunks)
        True

    """
    return codec_of(ChatCompletionChunk.DESCRIPTOR).compact_stream([wire_of(chunk) for chunk in chunks])


def expand_stream(stream: Any) -> list[bytes]:
    """Return the wire bytes of each chunk of a ChatCompletionStream.

    Chunks whose fields were in number order, as every engine here and protobuf's own serializers write them, come back
    byte for byte; others come back equal.

    Args:
        stream: a ChatCompletionStream message of any runtime, or its wire bytes in any buffer.

    Raises:
        WireError: the bytes are not valid protobuf, or stand for more than 256 MiB of chunks.
        TypeError: the stream is neither a message nor wire bytes.

    Examples:
        >>> from chatpb import ChatCompletionChunk, compact_stream, expand_stream
        >>> chunks = [ChatCompletionChunk(id="c1", created=second) for second in (1, 2)]
        >>> stream = compact_stream(chunks)
        >>> [ChatCompletionChunk.FromString(wire) for wire in expand_stream(stream)] == chunks
        True

    """
    return codec_of(ChatCompletionChunk.DESCRIPTOR).expand_stream(wire_of(stream))
