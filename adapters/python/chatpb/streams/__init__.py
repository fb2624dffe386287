"""Put the chunks of a stream together into a completion, and split a completion into chunks.

`Accumulator` takes chunks one by one, and returns the completion so far at any moment. `split` is its reverse.
`chatpb.streams.sse` reads and writes event streams; `chatpb.streams.compact` stores a stream in one message.
"""

import chatpb._contract.own_classes  # noqa: F401
from chatpb.streams.accumulate import Accumulator
from chatpb.streams.split import split, split_wire

__all__ = ["Accumulator", "split", "split_wire"]
