"""From the chunks of a stream to the completion that they amount to, and from a completion to chunks.

`Accumulator` takes chunks one by one, and gives the completion so far at any moment. `split` is its reverse.
"""

from chatpb._accumulate import Accumulator
from chatpb._split import split, split_wire

__all__ = ["Accumulator", "split", "split_wire"]
