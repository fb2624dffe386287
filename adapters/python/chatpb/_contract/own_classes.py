"""The generated classes of the contract, or an error that says what else has their name.

Each way into the library imports this module before any other that needs the classes.
"""

__all__: list[str] = []

try:
    from chatcompletion.v1 import ChatCompletionRecord  # noqa: F401  (a class that other packages hardly have)
except (ImportError, TypeError) as error:
    if isinstance(error, ImportError) and not (error.name or "").startswith("chatcompletion."):
        raise
    import chatcompletion

    raise ImportError(
        f"chatpb needs its own classes of chatcompletion.v1, and there are others ({error}). Python found the package "
        f"in {chatcompletion.__spec__.origin}. Give another name to a package `chatcompletion` of yours, and another "
        "package to a .proto file of yours that has `package chatcompletion.v1`."
    ) from error
