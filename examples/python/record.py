"""Record what a client of the `openai` package does, and ask the recording.

OPENAI_BASE_URL=http://127.0.0.1:8000/v1 OPENAI_API_KEY=any python record.py traffic.db m-1 "Where is Oslo?" "And Rome?"
"""

import sys

import openai

from chatpb import storage


def ask(client: openai.OpenAI, model: str, question: str) -> None:
    try:
        stream = client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": question}],
            stream=True,
            stream_options={"include_usage": True},
        )
        for chunk in stream:
            for choice in chunk.choices:
                print(choice.delta.content or "", end="", flush=True)
        print()
    except openai.APIError as error:
        print("refused:", error.body["message"] if isinstance(error.body, dict) else error.message)


def main(path: str, model: str, *questions: str) -> None:
    with storage.Recorder(path) as recorder, openai.OpenAI(max_retries=0) as plain:
        client = storage.record_openai(plain, recorder, labels={"team": "search"})
        for question in questions:
            ask(client, model, question)

    for row in storage.stats(path, by=["label:team"]).to_pylist():
        print(f"{row['label:team']}: {row['records']} calls, {row['errors']} refused, {row['total_tokens']} tokens")
    with storage.open(path) as records:  # one by one, each part a message in which nothing is missing
        for record in records:
            print(record.to_json().decode())


if __name__ == "__main__":
    main(*sys.argv[1:])
