"""The worker process: Open Policy Agent as a library, one request at a time, over two pipes.

Run by an isolated interpreter (``python -I -S start.py LIBRARY SHA256 READ WRITE MEMORY_BYTES``), so
it imports nothing but the standard library and starts in milliseconds.

Messages are JSON behind an eight-byte big-endian length. A request is ``{"op": ...}``, and perhaps
a line end and a gate's input behind it, as JSON that goes to the library as it is: it may be large,
and only the library has a use for what is in it. The answer is ``{"ok": ...}`` or ``{"error":
{"code", "message"}}`` with the library's own code; of an evaluation it is the library's envelope (see
below) as it was written. The end of the request pipe ends the process at
once, in the middle of an evaluation too.

Before it loads the library the worker says which file it has open, ``{"file": [device, inode, bytes,
modified, changed]}`` (the last two in ns), and is told whether to hash it: ``{"hash": true}``. It takes
longer than the rest of a start, and the parent may know that very file.

While it evaluates, the worker may put a question of its own: ``{"call": {"name", "arguments"}}`` asks
for the value of a function that the parent lent to the policies, and the next message answers it.

Before the first request the process gives up what a policy has no use for: it can open no more
files or sockets, and it may not grow by more than MEMORY_BYTES.

The C interface is that of libopabridge (``opa_golib_python_bindings/_native.py`` 0.4.4): every
call returns an allocated JSON envelope ``{"result", "error", "coverage", "trace", "prints"}``.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import re
import select
import sys
import threading
from collections import OrderedDict

TYPE_CHECKING = False  # importing typing takes a fifth of what all the other imports do
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, BinaryIO

    Lent = Callable[[str, list[Any]], dict[str, Any]]
    """Name and arguments of a lent function to ``{"result"}`` or ``{"error"}``."""

__all__ = ["main"]

_LENGTH = 8
_KEPT_ENGINES = 6
"""Compiled bundles kept at once: each gate's and a schema check's, with room for a change."""
_RESERVED_FILES = 5
"""Standard streams and the two pipes."""
_HIGHEST_INHERITED = 256
"""Descriptors above the pipes up to here are closed; a well-behaved parent passes none."""


class BridgeError(Exception):
    """The library reported an error: its code and its message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_uint64, ctypes.c_char_p, ctypes.c_char_p)
"""Engine, name and arguments as JSON, to a JSON envelope that the library frees."""


class Library:
    """The functions of libopabridge that are used here."""

    def __init__(self, path: str) -> None:
        self._functions = ctypes.CDLL(path)
        text, handle, flag = ctypes.c_char_p, ctypes.c_uint64, ctypes.c_int
        # Results are declared as addresses: ctypes would copy a c_char_p and lose what to free.
        for name, arguments, result in (
            ("OpaNew", [], handle),
            ("OpaDestroy", [handle], None),
            ("OpaFreeString", [ctypes.c_void_p], None),
            ("OpaAddPolicy", [handle, text, text], ctypes.c_void_p),
            ("OpaAddData", [handle, text, text], ctypes.c_void_p),
            ("OpaRegisterBuiltin", [handle, text, flag, _CALLBACK], ctypes.c_void_p),
            ("OpaEvalQuery", [handle, text, text, flag, flag], ctypes.c_void_p),
        ):
            function = getattr(self._functions, name)
            function.argtypes = arguments
            function.restype = result
        self._allocate = ctypes.CDLL(None).malloc
        self._allocate.argtypes = [ctypes.c_size_t]
        self._allocate.restype = ctypes.c_void_p

    def new(self) -> int:
        """Return a handle to an empty engine."""
        return int(self._functions.OpaNew())

    def destroy(self, handle: int) -> None:
        """Free an engine."""
        self._functions.OpaDestroy(handle)

    def keep(self, body: bytes) -> int | None:
        """Copy *body* to where the library frees it; ``None`` when there is no memory for it."""
        address: int | None = self._allocate(len(body) + 1)
        if address:
            ctypes.memmove(address, body + b"\0", len(body) + 1)
        return address

    def call(self, name: str, *arguments: Any) -> dict[str, Any]:
        """Call *name* and return its envelope; raise :class:`BridgeError` when it says so."""
        envelope: dict[str, Any] = json.loads(self.written(name, *arguments))
        error = envelope.get("error")
        if error:
            raise BridgeError(error.get("code", "unknown"), error.get("message", ""))
        return envelope

    def written(self, name: str, *arguments: Any) -> bytes:
        """Call *name* and return its envelope as the library writes it."""
        address = getattr(self._functions, name)(*arguments)
        if not address:
            raise BridgeError("internal", f"{name} returned nothing")
        try:
            return ctypes.string_at(address)
        finally:
            self._functions.OpaFreeString(address)


class Engine:
    """One compiled set of modules and data."""

    def __init__(
        self,
        library: Library,
        modules: dict[str, str],
        data: dict[str, Any],
        functions: dict[str, int] | None = None,
        lent: Lent | None = None,
    ) -> None:
        self._library = library
        self._lent = lent
        self._handle = library.new()
        self._callback = _CALLBACK(self._called)  # has to live as long as the engine
        try:
            for name, arity in (functions or {}).items():
                library.call("OpaRegisterBuiltin", self._handle, _text(name), arity, self._callback)
            for name in sorted(modules):
                library.call("OpaAddPolicy", self._handle, _text(name), _text(modules[name]))
            if data:
                library.call("OpaAddData", self._handle, b"", _document(data))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Free the engine in the library."""
        self._library.destroy(self._handle)

    def _called(self, _handle: int, name: bytes, arguments: bytes) -> int | None:
        """Answer the library, which calls from the middle of an evaluation: never raise."""
        try:
            answer = self._lent(name.decode(), json.loads(arguments)) if self._lent else {}
            body = _document(answer)
        except Exception as error:  # noqa: BLE001 - an exception must not cross into Go
            body = _document({"error": f"{type(error).__name__}: {error}"})
        return self._library.keep(body)

    def query(
        self, query: str, document: bytes = b"", *, coverage: bool = False, trace: bool = False
    ) -> dict[str, Any]:
        """Evaluate *query*; the same query of the same engine is prepared only once.

        *document* is JSON, and no input at all when it is empty.
        """
        _without_nul(document)
        return self._library.call(
            "OpaEvalQuery", self._handle, _text(query), document, int(coverage), int(trace)
        )

    def answer(self, query: str, document: bytes) -> bytes:
        """Evaluate *query* and return the library's envelope, be it an error's, as it is written."""
        _without_nul(document)
        return self._library.written("OpaEvalQuery", self._handle, _text(query), document, 0, 0)


class Jobs:
    """The operations that a parent may ask for."""

    def __init__(self, library: Library, lent: Lent | None = None) -> None:
        self._library = library
        self.lent = lent
        self._parser = Engine(library, {}, {})
        self._engines: OrderedDict[str, Engine] = OrderedDict()

    def answer(self, body: bytes) -> Any:
        """Return what the request in *body* yields."""
        head, _, document = body.partition(b"\n")
        request = json.loads(head)
        operations: dict[str, Callable[..., Any]] = {
            "evaluate": self._evaluate,
            "load": self._load,
            "parse": self._parse,
            "prepare": self._prepare,
            "query": self._query,
            "run": self._run,
        }
        more = {"document": document} if request["op"] == "evaluate" else {}
        return operations[request.pop("op")](**request, **more)

    def _load(
        self,
        key: str,
        modules: dict[str, str],
        data: dict[str, Any],
        functions: dict[str, int] | None = None,
        query: str = "true",
    ) -> list[str]:
        """Compile a bundle under *key*; return the keys that are held now, oldest first.

        *functions* are lent by the parent: name to the number of arguments. *query* is what will be
        asked, since the library compiles at the first query and again at each other one; without an
        input it had better stop at its first expression.
        """
        engine = Engine(self._library, modules, data, functions, self.lent)
        try:
            engine.query(query)
        except BaseException:
            engine.close()
            raise
        self._engines[key] = engine
        while len(self._engines) > _KEPT_ENGINES:
            self._engines.popitem(last=False)[1].close()
        return list(self._engines)

    def _prepare(self, key: str, query: str) -> None:
        """Compile a further query."""
        self._engines.move_to_end(key)
        self._engines[key].query(query)

    def _evaluate(self, key: str, query: str, document: bytes) -> bytes:
        """Return the library's envelope as text: only the parent has a use for what is in it."""
        self._engines.move_to_end(key)
        return self._engines[key].answer(query, document)

    def _query(self, key: str, query: str, text: str) -> dict[str, Any]:
        """Return ``{"found": [bindings, ...], "printed": [...]}`` for an input as JSON text."""
        self._engines.move_to_end(key)
        envelope = self._engines[key].query(query, _text(text))
        found = [result.get("bindings", {}) for result in envelope.get("result") or []]
        return {"found": found, "printed": _lines(envelope)}

    def _parse(self, modules: dict[str, str]) -> dict[str, Any]:
        """Return each module's ``{"tree"}`` or ``{"error"}`` as OPA's own parser sees it."""
        parsed: dict[str, Any] = {}
        for name, source in modules.items():
            query = "tree := rego.parse_module(input.name, input.source)"
            try:
                envelope = self._parser.query(query, _document({"name": name, "source": source}))
                parsed[name] = {"tree": envelope["result"][0]["bindings"]["tree"]}
            except BridgeError as error:
                parsed[name] = {"error": _parser_message(error.message)}
        return parsed

    def _run(self, key: str, rules: list[str], traced: int) -> dict[str, Any]:
        """Evaluate rules with coverage, together while none of them is in error.

        The first *traced* that fail are traced: it costs many times what the evaluation does.
        """
        engine = self._engines[key]
        lines: dict[str, tuple[set[int], set[int]]] = {}
        results: list[dict[str, Any]] = []
        failing = []
        for rule, value in zip(rules, _values(engine, rules, lines), strict=True):
            results.append({"rule": rule, "passed": value == [True]})
            if isinstance(value, str):
                results[-1]["error"] = value
            elif not results[-1]["passed"]:
                failing.append(rule)
        seen = _seen(engine, failing[:traced])
        results = [each | seen.get(each["rule"], {}) for each in results]
        return {
            "results": results,
            "covered": {name: sorted(rows[0]) for name, rows in lines.items()},
            "missed": {name: sorted(rows[1] - rows[0]) for name, rows in lines.items()},
        }


def _values(
    engine: Engine, rules: list[str], lines: dict[str, tuple[set[int], set[int]]]
) -> list[Any]:
    """Return each rule's list of values: one, or none where it is undefined; its error as text.

    One that ends in an error ends the whole query, so the halves are asked by themselves.
    """
    query = "; ".join(f"v{n} := [v | v := data.{rule}]" for n, rule in enumerate(rules))
    try:
        envelope = engine.query(query, coverage=True)
    except BridgeError as error:
        if len(rules) == 1:
            return [error.message]
        half = len(rules) // 2
        return _values(engine, rules[:half], lines) + _values(engine, rules[half:], lines)
    _merge(lines, envelope)
    bindings = envelope["result"][0]["bindings"]
    return [bindings[f"v{n}"] for n in range(len(rules))]


def _seen(engine: Engine, rules: list[str]) -> dict[str, dict[str, Any]]:
    """Return for each rule that fails where it stopped, and what it printed.

    They are asked together, since a new query is compiled with all modules. Where one printed
    something they are asked one by one, since what is printed does not say for which rule it was.
    """
    if not rules:
        return {}
    query = "; ".join(f"v{n} := [v | v := data.{rule}]" for n, rule in enumerate(rules))
    traced: dict[str, Any] = {}
    try:
        traced = engine.query(query, trace=True)
    except BridgeError as error:
        if len(rules) == 1:
            return {rules[0]: {"error": error.message}}
    printed = _lines(traced)
    if len(rules) > 1 and (printed or not traced):
        return {rule: seen for each in rules for rule, seen in _seen(engine, [each]).items()}
    stopped = _failed_at(traced.get("trace") or [], rules)
    return {rule: {"failed_at": stopped.get(rule, ""), "printed": printed} for rule in rules}


def main(arguments: list[str]) -> int:
    """Serve requests until the pipe ends; return the process's exit status."""
    path, pinned, reading, writing, memory = arguments
    requests, answers = _take_pipes(int(reading), int(writing))
    try:
        jobs = _open(path, pinned, int(memory), requests, answers)
    except (BridgeError, OSError, AttributeError) as error:
        code = error.code if isinstance(error, BridgeError) else "library"
        _send(answers, {"error": {"code": code, "message": str(error)}})
        return 1
    _send(answers, {"ok": {"process": os.getpid()}})
    threading.Thread(target=_end_with_parent, args=(requests.fileno(),), daemon=True).start()

    def lent(name: str, values: list[Any]) -> dict[str, Any]:
        _send(answers, {"call": {"name": name, "arguments": values}})
        answer: dict[str, Any] = json.loads(_receive(requests))
        return answer

    jobs.lent = lent
    while True:
        body = _receive(requests)
        try:
            answer = jobs.answer(body)
            answer = answer if isinstance(answer, bytes) else {"ok": answer}
        except BridgeError as error:
            answer = {"error": {"code": error.code, "message": error.message}}
        except (UnicodeError, ValueError, RecursionError) as error:
            answer = {"error": {"code": "document", "message": f"{type(error).__name__}: {error}"}}
        _send(answers, answer)


def _open(path: str, pinned: str, memory: int, requests: BinaryIO, answers: BinaryIO) -> Jobs:
    with open(path, "rb") as file:  # noqa: PTH123 - pathlib costs more than this whole start
        found = os.fstat(file.fileno())
        times = found.st_mtime_ns, found.st_ctime_ns
        _send(answers, {"file": [found.st_dev, found.st_ino, found.st_size, *times]})
        if json.loads(_receive(requests))["hash"]:
            import hashlib  # brings OpenSSL along

            digest = hashlib.file_digest(file, "sha256").hexdigest()
            if digest != pinned:
                what = f"{path} has SHA-256 {digest}, and only {pinned} is trusted"
                raise BridgeError("untrusted", what)
    jobs = Jobs(Library(path))
    _confine(memory)
    return jobs


def _confine(memory: int) -> None:
    """Allow no further file or socket, and only *memory* more bytes of address space."""
    import resource

    if sys.platform == "linux":  # elsewhere the parent's watch over resident memory has to do
        with open("/proc/self/status", encoding="ascii") as file:  # noqa: PTH123 - as above
            found = re.search(r"VmSize:\s+(\d+) kB", file.read())
        if found:
            limit = int(found[1]) * 1024 + memory
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_RESERVED_FILES, _RESERVED_FILES))


def _take_pipes(reading: int, writing: int) -> tuple[BinaryIO, BinaryIO]:
    """Move the inherited pipes to 3 and 4, so that the limit on files can be exact."""
    # Both are duplicated upwards first: either may sit where the other belongs.
    upwards = [fcntl.fcntl(each, fcntl.F_DUPFD, _RESERVED_FILES) for each in (reading, writing)]
    for descriptor, place in zip(upwards, (3, 4), strict=True):
        os.dup2(descriptor, place, inheritable=False)
    os.closerange(_RESERVED_FILES, _HIGHEST_INHERITED)
    return os.fdopen(3, "rb"), os.fdopen(4, "wb")


def _end_with_parent(requests: int) -> None:
    """Wait until nobody can write any request, and end in the middle of whatever is evaluated.

    Requests themselves wake nobody here: handing each from thread to thread costs what a small
    evaluation does.
    """
    watched = select.poll()
    watched.register(requests, select.POLLHUP)
    while not any(seen & ~select.POLLIN for _, seen in watched.poll()):
        pass
    os._exit(0)


def _receive(requests: BinaryIO) -> bytes:
    head = requests.read(_LENGTH)
    body = requests.read(int.from_bytes(head)) if len(head) == _LENGTH else b""
    if not body:
        os._exit(0)  # the parent is gone
    return body


def _send(answers: BinaryIO, answer: dict[str, Any] | bytes) -> None:
    if isinstance(answer, bytes):
        body = answer
    else:
        body = json.dumps(answer, separators=(",", ":")).encode()
    answers.write(len(body).to_bytes(_LENGTH) + body)
    answers.flush()


def _without_nul(document: bytes) -> None:
    """Refuse what C would cut short."""
    if b"\0" in document:
        raise BridgeError("document", "the input contains a NUL byte")


def _text(text: str) -> bytes:
    """Encode for C, where a NUL would cut the text and let two names become one."""
    if "\0" in text:
        raise BridgeError("parse_error", "the text contains a NUL character")
    return text.encode()  # a lone surrogate is refused; Go would replace it


def _document(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


def _parser_message(message: str) -> str:
    return re.sub(
        r"^.*?rego\.parse_module: (?:\d+ errors? occurred:)?", "", message, count=1
    ).strip()


def _merge(lines: dict[str, tuple[set[int], set[int]]], envelope: dict[str, Any]) -> None:
    for name, report in ((envelope.get("coverage") or {}).get("files") or {}).items():
        covered, missed = lines.setdefault(name, (set(), set()))
        for rows, ranges in ((covered, "covered"), (missed, "not_covered")):
            for span in report.get(ranges) or []:
                # An expression over several lines counts at the line where it begins.
                rows.add(span["start"]["row"])


def _lines(envelope: dict[str, Any]) -> list[str]:
    """Return what ``print`` said."""
    return [f"{line['location']}: {line['message']}" for line in envelope.get("prints") or []]


def _failed_at(trace: list[dict[str, Any]], rules: list[str]) -> dict[str, str]:
    """Return for each rule ``file:row: expression`` of the last failure in its own body.

    The query is entered first, in it a comprehension for each rule in turn, and in that the rule.
    """
    within: dict[Any, list[Any]] = {}
    failed: dict[Any, str] = {}
    for event in trace:
        operation, place = str(event.get("op", "")).lower(), event.get("query_id")
        if operation == "enter" and place != event.get("parent_id"):
            within.setdefault(event.get("parent_id"), []).append(place)
        elif operation == "fail":
            failed[place] = f"{event.get('location')}: {event.get('node')}"
    query = trace[0].get("query_id") if trace else None
    found = {}
    for rule, asked in zip(rules, within.get(query, []), strict=False):
        body = within.get(asked, [asked])[0]
        found[rule] = failed.get(body) or failed.get(asked, "")
    return found
