"""Mutants of the rooms of Python, by cosmic-ray, one after the other.

A room's tests run once to learn which of them execute each line, in this process and in the programs that they start.
What was learned of a file of tests is kept until it or the code changes. For a mutant, the tests of its statement run, the
quickest first, until one fails.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from cosmic_ray.commands import init
from cosmic_ray.mutating import mutate_and_test, mutate_code
from cosmic_ray.plugins import get_operator
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import MutationSpec, TestOutcome, WorkerOutcome
from coverage import CoverageData

from tests.mutation.equivalent import EQUIVALENT
from tests.mutation.sample import draw

PACKAGE = Path("adapters/python/chatpb")

ROOMS = {
    "reference": (
        ["_engine/reference", "_tree", "_json", "_wire"],
        # Coverage hangs in a second interpreter of a process.
        [
            *("tests/engine", "tests/json", "tests/wire", "tests/streams"),
            *("tests/convert/test_dicts.py", "tests/files/test_files.py"),
            "--ignore=tests/engine/test_interpreters.py",
        ],
    ),
    "streams": (["streams", "_engine/reference/streams"], ["tests/streams", "tests/engine/test_engines.py"]),
    "detect": (["_detect.py", "_openai_objects.py"], ["tests/contract", "tests/convert", "tests/streams"]),
    "storage": (["storage", "_records", "_files"], ["tests/storage", "tests/records", "tests/files"]),
    "service": (
        ["service"],
        ["tests/service", *(f"tests/cli/test_service{each}.py" for each in ("s", "_effects", "_options"))],
    ),
    "cli": (["cli"], ["tests/cli", "tests/storage", "tests/service"]),
}
"""Rooms to mutate: the code, and the tests that are to notice."""

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "chatpb-mutation"
"""Where is kept which tests execute each line."""

NO_TESTS = 5
"""The status of pytest for a file whose tests are all left out."""

PYTEST = (sys.executable, "-m", "pytest", "-x", "-q", "-n0", "-p", "no:cacheprovider")


def run(repository: Path, room: str, size: int, seed: int, only: str) -> Iterator[tuple[str, bool, str]]:
    """Yield the name of each mutant of a sample, whether a test notices it, and how it differs."""
    code, tests = ROOMS[room]
    os.environ["PYTHONPATH"] = os.pathsep.join([str(repository), f"{repository}/adapters/python", f"{repository}/gen"])
    os.environ["CHATPB_MUTATED"] = ",".join("chatpb." + each.removesuffix(".py").replace("/", ".") for each in code)
    lines = Lines(repository, tests)
    mutants = {name: mutant for name, mutant in named(mutants_of(code)) if only in name}
    drawn = draw(mutants, len(mutants), seed)
    sample = list(islice((name for name in drawn if name in EQUIVALENT or compiles(mutants[name])), size))
    print(f"{len(sample)} of {len(mutants)} mutants of {', '.join(code)}", flush=True)
    chosen = repository / "chosen-tests"
    command = shlex.join([*PYTEST, f"@{chosen}"])
    for name in sample:
        if name in EQUIVALENT:  # all its tests would run, for minutes
            yield name, False, ""
            continue
        mutant = mutants[name]
        tests = lines.tests_of(mutant)
        chosen.write_text("\n".join(tests))
        result = mutate_and_test([mutant], command, 60 + 5 * sum(map(lines.seconds.__getitem__, tests)))
        if result.worker_outcome is not WorkerOutcome.NORMAL:
            sys.exit(f"{name} was not tested\n{result.output}")
        yield name, result.test_outcome is not TestOutcome.SURVIVED, result.diff or ""


def compiles(mutant: MutationSpec) -> bool:
    """Return whether a mutant is a program at all: one that is none would count as noticed."""
    operator = get_operator(mutant.operator_name)(**mutant.operator_args)
    code = mutate_code(mutant.module_path.read_text(), operator, mutant.occurrence)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(code, mutant.module_path, "exec")
    except SyntaxError:
        return False
    return True


COVERAGE = """
[run]
data_file = {repository}/coverage-data
source = {repository}/adapters/python/chatpb
parallel = true
context = ${{PYTEST_CURRENT_TEST-}}
disable_warnings = no-data-collected, module-not-measured, module-not-imported
"""
"""What coverage records. A program that a test starts reads this again, with the test's name in its environment."""


class Lines:
    """The tests that execute each line of the package.

    Attributes:
        seconds: the tests, the quickest first, and how long each took.

    """

    def __init__(self, repository: Path, tests: list[str]) -> None:
        self._repository = repository
        self._tests: defaultdict[Path, defaultdict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
        seconds: dict[str, float] = {}
        options = [each for each in tests if each.startswith("-")]
        common = digest(path for path in sorted(Path().rglob("*")) if not is_test(path))
        for path in files_of(tests):
            kept = CACHE / f"{common}-{digest([path])}.json"
            if not kept.exists():
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_text(json.dumps(self._run(path, options)))
            found = json.loads(kept.read_text())
            seconds |= found["seconds"]
            names = list(found["seconds"])
            for module, lines in found["tests"].items():
                for line, numbers in lines.items():
                    self._tests[Path(module)][int(line)].update(names[number] for number in numbers)
        self.seconds = dict(sorted(seconds.items(), key=lambda item: item[1]))

    def _run(self, path: Path, options: list[str]) -> dict[str, Any]:
        """Run a file of tests, and return how long each takes, and which of them, by number, execute each line."""
        repository = self._repository
        settings = repository / "coverage-settings"
        settings.write_text(COVERAGE.format(repository=repository))
        os.environ["CHATPB_SECONDS"] = str(repository / "test-seconds")
        os.environ["COVERAGE_PROCESS_START"] = str(settings)
        coverage = (sys.executable, "-m", "coverage")
        command = (
            "run",
            f"--rcfile={settings}",
            "-m",
            *PYTEST[2:],
            "-p",
            "tests.mutation.note_tests",
            *options,
            str(path),
        )
        done = subprocess.run((*coverage, *command), check=False, capture_output=True, text=True)
        del os.environ["COVERAGE_PROCESS_START"]
        if done.returncode not in (0, NO_TESTS):
            sys.exit(f"the tests fail without any mutant\n{done.stdout[-3000:]}")
        subprocess.run((*coverage, "combine", "-q", f"--rcfile={settings}"), check=True)
        data = CoverageData(str(repository / "coverage-data"))
        data.read()
        seconds = json.loads((repository / "test-seconds").read_text())
        numbers = {test: number for number, test in enumerate(seconds)}
        tests = {
            str(Path(name).relative_to(repository)): {
                line: [numbers[test] for each in found if (test := test_of(each)) in numbers]
                for line, found in data.contexts_by_lineno(name).items()
            }
            for name in data.measured_files()
        }
        return {"seconds": seconds, "tests": tests}

    def tests_of(self, mutant: MutationSpec) -> list[str]:
        """Return the tests that execute a mutant's statement; all, if none does.

        A statement outside functions runs when its module is imported, as does a default of a parameter, and what they make
        may be used anywhere: all tests, and first those that execute a line which uses it.
        """
        of_file = self._tests[mutant.module_path]
        found = set[str]().union(*(of_file[line] for line in statement_of(mutant)))
        if found:
            return [test for test in self.seconds if test in found]
        first = set[str]().union(*(of_file[line] for line in users_of(mutant)))
        return sorted(self.seconds, key=lambda test: test not in first)


def files_of(tests: list[str]) -> list[Path]:
    """Return the files of tests that are meant by arguments of pytest."""
    left_out = {Path(each.partition("=")[2]) for each in tests if each.startswith("--ignore=")}
    paths = [Path(each) for each in tests if not each.startswith("-")]
    return [
        path
        for each in paths
        for path in (sorted(each.rglob("test_*.py")) if each.is_dir() else [each])
        if path not in left_out
    ]


def is_test(path: Path) -> bool:
    """Return whether no other file of tests needs a file."""
    return path.parts[0] == "tests" and (path.name.startswith("test_") or path.parts[1:2] == ("mutation",))


def digest(paths: Iterable[Path]) -> str:
    """Return what stands for the names and the contents of the files of Python and the engine among these."""
    found = hashlib.sha256(f"{sys.version} {os.environ['CHATPB_MUTATED']}".encode())
    for path in paths:
        if path.suffix in (".py", ".so"):
            found.update(f"{path}\0".encode() + path.read_bytes())
    return found.hexdigest()[:32]


def test_of(context: str) -> str:
    """Return the test that a context of coverage names: `NAME`, or `NAME (call)` in a program."""
    return re.sub(r" \((?:setup|call|teardown)\)$", "", context)


def statement_of(mutant: MutationSpec) -> Iterable[int]:
    """Return the lines of a mutant's innermost statement in a function, as far as the mutant's end.

    None for what is evaluated before any call: a statement outside functions, and a default of a parameter.
    """
    _, last, statements, functions = around(mutant)
    if not functions or last < functions[-1].body[0].lineno:
        return ()
    return range(max(node.lineno for node in statements), last + 1)


def users_of(mutant: MutationSpec) -> Iterable[int]:
    """Return the lines of a mutant's module that use what is evaluated before any call: those that have a name which the
    statement sets; of a default of a parameter, those of its function.
    """
    text, _, statements, functions = around(mutant)
    if functions:
        return range(functions[-1].body[0].lineno, (functions[-1].end_lineno or 0) + 1)
    names = [
        target.id
        for node in statements
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    ]
    word = re.compile(rf"\b(?:{'|'.join(names)})\b")
    return [number for number, line in enumerate(text.splitlines(), 1) if names and word.search(line)]


Function = ast.FunctionDef | ast.AsyncFunctionDef


def around(mutant: MutationSpec) -> tuple[str, int, list[ast.stmt], list[Function]]:
    """Return a mutant's module and last line, and the statements and functions that it is in, the innermost one last."""
    text = mutant.module_path.read_text()
    first, last = mutant.start_pos[0], mutant.end_pos[0]
    statements = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.stmt) and node.lineno <= first and last <= (node.end_lineno or node.lineno)
    ]
    statements.sort(key=lambda node: node.lineno)
    return text, last, statements, [node for node in statements if isinstance(node, Function)]


EQUALITIES = {"core/ReplaceComparisonOperator_Is_Eq", "core/ReplaceComparisonOperator_IsNot_NotEq"}


def mutants_of(code: list[str]) -> Iterator[MutationSpec]:
    """Yield the mutants of some modules, but those that change nothing.

    These are of annotations and overloads, which nothing evaluates, and `==` for `is` where None, types and members of
    enums are compared, which equal themselves alone; True equals 1 as well. The asterisk among parameters is no operator.
    """
    paths = [
        path for each in code for path in ([PACKAGE / each] if each.endswith(".py") else (PACKAGE / each).rglob("*.py"))
    ]
    with use_db(":memory:", WorkDB.Mode.create) as items:
        init(sorted(paths), items, {})
        annotations = {path: annotated(path) for path in paths}
        lines = {path: path.read_text().splitlines() for path in paths}
        for item in items.work_items:
            for mutant in item.mutations:
                line = lines[mutant.module_path][mutant.start_pos[0] - 1]
                is_same = mutant.operator_name in EQUALITIES and not re.search(r"\bis (not )?(True|False)\b", line)
                is_mark = line.startswith("*,", mutant.start_pos[1])
                if not (is_same or is_mark) and mutant.start_pos not in annotations[mutant.module_path]:
                    yield mutant


def annotated(path: Path) -> set[tuple[int, int]]:
    """Return the places of a module's operators and names in annotations, and in overloads with their decorators."""
    tree = ast.parse(path.read_text())
    roots: list[ast.expr | ast.stmt] = [
        getattr(node, name)
        for node in ast.walk(tree)
        for name in ("annotation", "returns")
        if getattr(node, name, None)
    ]
    spans: list[Any] = [(root.lineno, root.col_offset, root.end_lineno, root.end_col_offset) for root in roots]
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and "overload" in [
            getattr(each, "id", "") for each in node.decorator_list
        ]:
            first = node.decorator_list[0]
            # A decorator begins with its `@`.
            spans.append((first.lineno, first.col_offset - 1, node.end_lineno, node.end_col_offset))
    return {
        (line, column)
        for first, start, last, end in spans
        for line in range(first, last + 1)
        for column in range(start if line == first else 0, end + 1 if line == last else 200)
    }


def named(mutants: Iterable[MutationSpec]) -> Iterator[tuple[str, MutationSpec]]:
    """Yield mutants with their names: the module, the definition, the operator, and a number among those alike."""
    alike = Counter[str]()
    for mutant in mutants:
        place = f"{mutant.module_path.relative_to(PACKAGE)}:{mutant.definition_name}"
        kind = f"{place}:{mutant.operator_name.removeprefix('core/')}"
        yield f"{kind}:{alike[kind]}", mutant
        alike[kind] += 1
