"""The documents of the contract by name."""

from __future__ import annotations

import pytest

from chatpb._contract.documents import message_type


@pytest.mark.parametrize(
    ("name", "full_name"),
    [
        ("completion", "chatcompletion.v1.ChatCompletion"),
        ("chunk", "chatcompletion.v1.ChatCompletionChunk"),
        ("request", "chatcompletion.v1.CreateChatCompletionRequest"),
        ("error", "chatcompletion.v1.ErrorResponse"),
        ("ChatCompletionMessage", "chatcompletion.v1.ChatCompletionMessage"),
        ("chatcompletion.v1.CompletionUsage", "chatcompletion.v1.CompletionUsage"),
    ],
)
def test_message_type(name: str, full_name: str) -> None:
    assert message_type(name).DESCRIPTOR.full_name == full_name


@pytest.mark.parametrize("name", ["", "Completion", "StringList", "FinishReason", "google.protobuf.Struct"])
def test_a_name_that_no_message_has(name: str) -> None:
    with pytest.raises(ValueError, match="^no message is called") as failure:
        message_type(name)
    assert str(failure.value) == (
        f"no message is called {name!r}: use completion, chunk, request, error, record, or the name of a message of the contract"
    )
