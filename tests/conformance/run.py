"""Check that other languages read and write the contract's messages with their own standard protobuf runtimes.

    python tests/conformance/run.py                      every language whose tools are on this machine
    python tests/conformance/run.py --require-all        every language; fail if the tools of one are missing
    python tests/conformance/run.py --language go java   only these languages

Each language's program is built here with code generated from proto/, and answers requests on its standard input
(conformance.proto). The first run downloads what the lock files pin. The exit status is 1 if a case failed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1] / folder) for folder in ("", "gen", "adapters/python")]

from tests.conformance import calls, checks, conversions, languages  # noqa: E402
from tests.conformance.checks import Result  # noqa: E402
from tests.conformance.program import Program, ProgramError  # noqa: E402

SHOWN = 8
"""The most failures that are shown for one check of one language."""

Table = dict[str, dict[str, list[Result]]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    names = [language.name for language in languages.LANGUAGES]
    parser.add_argument("--language", nargs="+", choices=names, default=names, help="run only these")
    parser.add_argument("--require-all", action="store_true", help="fail if a language is not run")
    parser.add_argument("--messages", type=int, default=10_000, help="how many messages to generate")
    parser.add_argument("--documents", type=int, default=20_000, help="how many documents to convert")
    arguments = parser.parse_args()
    chosen = [language for language in languages.LANGUAGES if language.name in arguments.language]

    tools = languages.generators()
    protocol = languages.protocol(tools)
    not_run: dict[str, str] = {}
    table: Table = {}
    with ExitStack() as stack:
        programs: dict[str, Program] = {}
        for language in chosen:
            if missing := language.missing():
                not_run[language.name] = f"no {', '.join(missing)} on this machine"
                continue
            start = time.monotonic()
            table[language.name] = defaultdict(list)
            try:
                languages.build(language, tools)
            except languages.BuildError as error:
                table[language.name]["build"].append(Result("build", str(error)))
                continue
            print(f"{language.name}: built in {time.monotonic() - start:.0f} s", file=sys.stderr)
            programs[language.name] = stack.enter_context(Program(list(language.command), language.folder, protocol))
        if not find_spec("grpc"):
            not_run["gRPC"] = "chatpb is installed without the extra `service`"
        _run(programs, table, arguments.messages, arguments.documents)
    return _print(table, not_run, require_all=arguments.require_all)


def _run(programs: dict[str, Program], table: Table, count: int, documents: int) -> None:
    steps: dict[str, checks.Check] = {
        "read": checks.read,
        "write": checks.write,
        "native": checks.native,
        "depth": checks.depth,
        "generated": checks.generated(count),
    }
    has_grpc = bool(find_spec("grpc"))
    for name, program in programs.items():
        language = languages.BY_NAME[name]
        live = {"client": calls.client} if language.client and has_grpc else {}
        live |= {"server": calls.server} if language.server and has_grpc else {}
        converts = conversions.checks(documents) if language.converts else {}
        for step, check in {**steps, **converts, **live}.items():
            try:
                table[name][step].extend(check(program))
            except ProgramError as error:
                table[name][step].append(Result(step, str(error)))
    for name, result in checks.ring(programs, count) if programs else ():
        table[name]["ring"].append(result)
    converting = {name: program for name, program in programs.items() if languages.BY_NAME[name].converts}
    for name, result in conversions.ring(converting, count):
        table[name]["json-ring"].append(result)


def _print(table: Table, not_run: dict[str, str], *, require_all: bool) -> int:
    """Print the table and the failures, and return the exit status."""
    columns = list(dict.fromkeys(step for steps in table.values() for step in steps))
    expected = _expected_failures()
    failed = require_all and bool(not_run)
    print(f"{'language':<12}" + "".join(f"{column:>13}" for column in columns))
    for name, steps in table.items():
        cells = []
        for column in columns:
            results = steps.get(column, [])
            passed = sum(not result.reason for result in results)
            cells.append(f"{f'{passed}/{len(results)}' if results else '-':>13}")
        print(f"{name:<12}" + "".join(cells))
    for name, reason in not_run.items():
        print(f"{name:<12}  not run: {reason}")
    for name, steps in table.items():
        for column, results in steps.items():
            known = {case for language, check, case in expected if (language, check) == (name, column)}
            wrong = [result for result in results if bool(result.reason) != (result.case in known)]
            wrong += [Result(case) for case in sorted(known - {result.case for result in results})]
            for result in wrong[:SHOWN]:
                print(f"{name} {column} {result.case}: {result.reason or 'does not fail, but is an expected failure'}")
            if wrong[SHOWN:]:
                print(f"{name} {column}: {len(wrong) - SHOWN} more")
            failed |= bool(wrong)
    return int(failed)


def _expected_failures() -> set[tuple[str, str, str]]:
    lines = (HERE / "expected_failures.txt").read_text().splitlines()
    heads = [line.partition(": ")[0].split(" ") for line in lines if line and not line.startswith("#")]
    return {(language, check, case) for language, check, case in heads}


if __name__ == "__main__":
    sys.exit(main())
