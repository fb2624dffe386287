"""A vendor's members with types, checked when they are read: `python vendor_view.py < in.jsonl > out.jsonl`.

The program hides the id that the vendor gives each call, sums the times that calls waited, and says which completions
are not as the vendor promises. All else in them stays as it is.
"""

import sys
from collections.abc import Iterable

from pydantic import BaseModel, ValidationError

import chatpb


class Call(BaseModel, extra="allow", strict=True):
    id: str
    seed: int | None = None


class Times(BaseModel, strict=True):
    queue_time: float
    total_time: float


class VendorView(BaseModel):
    """What the vendor adds to a completion; the contract has fields for the rest."""

    x_groq: Call
    usage: Times


def main(lines: Iterable[bytes]) -> None:
    waited = 0.0
    for number, line in enumerate(lines, 1):
        completion = chatpb.from_json(line)
        members = chatpb.members(completion)
        try:
            view = VendorView.model_validate(members.copy())
        except ValidationError as error:
            places = [".".join(map(str, each["loc"])) for each in error.errors()]
            print(f"line {number}: not as promised: {', '.join(places)}", file=sys.stderr)
        else:
            waited += view.usage.queue_time
            view.x_groq.id = "hidden"
            members["x_groq"] = view.x_groq.model_dump(exclude_unset=True)
        print(chatpb.to_json(completion).decode())
    print(f"waited {waited:g} s", file=sys.stderr)


if __name__ == "__main__":
    main(sys.stdin.buffer)
