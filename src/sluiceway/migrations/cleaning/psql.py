"""What psql does with a file besides sending it: its commands, its variables, the data of COPY.

Sources: PostgreSQL 18 ``src/bin/psql/psqlscanslash.l``, ``command.c`` and ``copy.c``.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection

from sluiceway.migrations.cleaning.edits import Draft, Edit, blanked
from sluiceway.migrations.records import Dialect
from sluiceway.migrations.statements import BETWEEN, BLANK, tokens

__all__ = ["clean"]

_HARMLESS = frozenset(
    re.findall(
        r"\w+",
        "a C conninfo copyright crosstabview echo errverbose f getenv getresults h H help html l L"
        " list lo_list o out password prompt pset qecho restrict s t T timing unrestrict unset warn x"
        " z cd q quit p print bind bind_named parse close_prepared flush flushrequest syncpipeline"
        " startpipeline endpipeline sendpipeline sf sv",
    )
)
"""They run no SQL. ``\\q`` ends the reading, and what stands behind it is judged all the same."""
_SENDS = frozenset({"g", "gx", "gset", "gdesc", "watch", "r", "reset"})
"""They end a statement as a semicolon does (``\\r`` throws it away, which is not relied on)."""
_CONDITION = frozenset({"if", "elif", "else", "endif"})
_INCLUDES = frozenset({"i", "ir", "include", "include_relative"})
_RUNS = frozenset({"gexec", "!", "e", "edit", "ef", "ev", "w", "write"})
_WRITES = frozenset({"o", "out", "g", "gx"})
_KNOWN = _HARMLESS | _SENDS | {"c", "connect", "copy", "encoding", "set"}
_DESCRIBES = re.compile(r"d\w*|\?")
_NOT_KNOWN = "\\{} is no command of psql that is known, and a backslash is no SQL"
_COMMAND = re.compile(r"\\([A-Za-z_]+|[!?;.]|)")
_ARGUMENTS = re.compile(
    r"""(?:[^\\'"`\r\n]+|'(?:[^'\\\r\n]|\\.)*'|"[^"\r\n]*"|`[^`\r\n]*`|['"`])*"""
)
"""To the end of the line, or to a backslash outside quotes: another command, or SQL behind ``\\\\``."""
_WHOLE_LINE = frozenset({"copy", "!", "ef", "ev", "sf", "sv", "h", "help"})
_VARIABLE = re.compile(r""":(?:([A-Za-z_]\w*)|'[A-Za-z_]\w*'|"[A-Za-z_]\w*"|\{\?\w+\})""")
_MAY_BE_VARIABLE = re.compile(r""":(?<![\w:\])$]:)(?=[A-Za-z_'"{])""")
_STDIN = re.compile(r"[sS][tT][dD][iI][nN]")
_SET = re.compile(r"\s*(\w+)(?=\s|\Z)")
_PIECE = re.compile(r"""(\s+)|'((?:[^'\\]|'')*)'|("[^"\\]*"|(?:[^\s'"`:\\]|::)+)""")
"""Of what ``\\set`` is given: space, a quoted text, or what stands as it is."""
_ITEM = r"""(?:-?\w+(?:[.\-]\w+)*|'[^'\\]*'|"[^"]*")(?:::\w+)?"""
_PLAIN = re.compile(rf"(?:{_ITEM}(?:\s*,\s*{_ITEM})*)?")
"""Values that stay names or constants wherever they stand: no keyword can follow one."""
_COPY = re.compile(
    r"(?is)\s*COPY\b(?!\s*\()(?:(?!\bFROM\b)[^()])*(?:\([^()]*\)\s*)?\bFROM\s+STDIN\b"
)
"""On what a statement is outside quotes: ``COPY (SELECT ' FROM stdin') TO ...`` is another."""
_STATEMENT = re.compile(
    rf"(?i)(?:\A|;){BETWEEN}*+(?:"
    rf"(?:drop|alter|create|reassign|reindex){BETWEEN}++(?:or{BETWEEN}++replace{BETWEEN}++)?"
    r"(?:aggregate|cast|collation|database|domain|event|extension|foreign|function|index|language|"
    r"materialized|operator|owned|policy|procedure|publication|role|routine|rule|schema|sequence|"
    r"server|system|table|temp|temporary|trigger|type|unique|unlogged|user|view)\b"
    rf"|truncate\b|do{BETWEEN}*+(?:'|\$|[eu]&?'|language\b)|call{BETWEEN}++[^\s;]+\(|"
    rf"select\b[^;]*\(|execute{BETWEEN}++[\w\"]+{BETWEEN}*+[(;])",
    re.DOTALL,
)
"""When COPY itself fails, psql goes on with its data as SQL; prose with a semicolon is none."""
_COPY_PROGRAM = re.compile(r"(?i)\b(?:from|to)\s+program\b")
_COPY_STDIN = re.compile(r"(?i)\bfrom\s+stdin\b")
_DATA_END = re.compile(r"(?m)^\\\.[ \t]*\r?$")
_LONGEST = 80
"""Characters of a variable's name: more than any has."""
_UTF8 = re.compile(r"(?i)\s*(?:utf-?8|unicode|)\s*")


def clean(draft: Draft, dialect: Dialect, path: str, known: Collection[str]) -> None:
    """Leave only what psql sends as SQL in *draft*.

    Args:
        draft: The text, changed in place.
        dialect: PostgreSQL, or one whose tools speak as psql does.
        path: The file's own, for the files that it includes.
        known: The paths that are judged as well.
    """
    _Session(draft, dialect, path, known).run()


class _Session:
    def __init__(self, draft: Draft, dialect: Dialect, path: str, known: Collection[str]) -> None:
        self.draft = draft
        self.text = draft.text
        self.dialect = dialect
        self.path = path
        self.known = known
        self.edits: list[Edit] = []
        self.begun = False
        """A statement has begun: something other than space and comment was read."""
        self.words: list[str] = []
        """Its text, with a mark for each quoted part."""
        self.any_before = False
        self.conditions: list[int] = []
        self.odd: dict[str, bool] = {}
        """By variable, whether its value may be more than a name; by ``*``, of those never set."""

    def run(self) -> None:
        """Read the text once, to the end of the last statement in which psql may do something."""
        position, size = 0, len(self.text)
        last = self._last()
        data_from = -1  # the rest of COPY's own line is read as SQL first
        left = tokens(self.text, self.dialect)
        while position < size and (position <= last or self.begun or data_from >= 0):
            kind, begin, end = next(left, ("end", size, size))
            line_end = self.text.find("\n", position) + 1 if data_from >= 0 else 0
            stop = min(begin, line_end) if line_end else begin
            if (slash := self.text.find("\\", position, stop)) >= 0:
                self._gap(position, slash)
                position = self._command(slash)
                left = tokens(self.text, self.dialect, start=position)
                continue
            if line_end and line_end <= begin:
                self._gap(position, line_end)
                position, data_from = self._data(line_end), -1
                left = tokens(self.text, self.dialect, start=position)
                continue
            self._gap(position, begin)
            position = end
            if kind == "end":
                if begin < size and self.begun and _COPY.match("".join(self.words)):
                    data_from = end
                self._sent()
            elif kind == "quoted":
                self.begun = True
                self.words.append('"')
        if data_from >= 0:
            self.draft.problem(size, "COPY ... FROM stdin without data: they are not in this file")
        if self.conditions:
            self.draft.problem(size, "\\if without \\endif")
        self.draft.text = self.text
        self.draft.edit(sorted(self.edits))

    def _last(self) -> int:
        """Return where a command, a variable or the word of COPY begins that none comes behind."""
        variables = [match.start() for match in _MAY_BE_VARIABLE.finditer(self.text)]
        copies = [match.start() for match in _STDIN.finditer(self.text)]
        return max(self.text.rfind("\\"), *variables[-1:], *copies[-1:], -1)

    def _sent(self) -> None:
        self.any_before = self.any_before or self.begun
        self.begun = False
        self.words.clear()

    def _gap(self, begin: int, end: int) -> None:
        """Read what is neither quote nor comment: words, and the variables among them."""
        piece = self.text[begin:end]
        if piece.strip(BLANK):
            self.begun = True
        self.words.append(piece or " ")
        if ":" not in piece and self.text[end : end + 1] not in {"'", '"'}:
            return
        for match in _VARIABLE.finditer(self.text, begin, end + _LONGEST):
            at = match.start()
            if at >= end:
                return
            before = self.text[at - 1 : at] if at else ""
            if before.isalnum() or (before and before in ":_])$"):
                continue  # a cast, or a slice of an array
            if match[1] and self.odd.get(match[1], "*" in self.odd):
                self.draft.problem(
                    at, f"a variable of psql whose value is not a plain name ({match[0]})"
                )
            self.edits.append((at, at + 1, "_" if match[1] else " "))

    def _data(self, begin: int) -> int:
        """Blank the data of COPY that begin at *begin*; return where SQL goes on."""
        match = _DATA_END.search(self.text, begin)
        end = match.end() if match else len(self.text)
        if not match:
            self.draft.problem(begin, "the data of COPY ... FROM stdin do not end with \\.")
        elif _STATEMENT.search(self.text[begin : match.start()]):
            self.draft.problem(
                begin, "data of COPY that read as SQL: psql runs them as such when the COPY fails"
            )
        self.edits.append((begin, end, blanked(self.text[begin:end])))
        return end

    def _command(self, begin: int) -> int:
        """Take out the command whose backslash stands at *begin*; return where SQL goes on."""
        match = _COMMAND.match(self.text, begin)
        word = match[1] if match else ""
        after = begin + 1 + len(word)
        if word == ";":
            self.edits.append((begin, begin + 1, " "))
            return begin + 1
        if self.text.startswith("\\\\", begin):
            # The end of a command's arguments: what follows is SQL.
            self.edits.append((begin, begin + 2, "  "))
            return begin + 2
        end = len(self.text) if (found := self.text.find("\n", after)) < 0 else found
        if word not in _WHOLE_LINE:
            stop = _ARGUMENTS.match(self.text, after)
            end = stop.end() if stop else end
        arguments = self.text[after:end].rstrip("\r")
        replaced = blanked(self.text[begin:end])
        if word in _SENDS or word == "gexec":
            replaced = ";" + replaced[1:]
        self.edits.append((begin, end, replaced))
        self._judge(begin, word, arguments)
        if replaced[:1] == ";":
            self._sent()
        if word == "copy" and _COPY_STDIN.search(arguments):
            return self._data(min(end + 1, len(self.text)))
        return end

    def _judge(self, begin: int, word: str, arguments: str) -> None:
        """Say what of the command cannot be judged."""
        if word in _CONDITION:
            problem = self._condition(begin, word)
        elif word in _INCLUDES:
            problem = self._include(word, arguments)
        elif (
            word in _RUNS
            or "`" in arguments
            or (word in _WRITES and arguments.lstrip().startswith("|"))
            or (word == "copy" and _COPY_PROGRAM.search(arguments))
        ):
            problem = f"\\{word} runs a program, or what a query returns: write the statements out"
        elif word in {"c", "connect"} and (self.any_before or self.begun):
            problem = "\\connect after statements: what was made before is in another database"
        elif word == "copy" and arguments.lstrip().startswith("("):
            problem = "\\copy of a query: write the query as a statement of its own"
        elif word == "encoding" and not _UTF8.fullmatch(arguments):
            problem = "\\encoding of something else than UTF8: save the file as UTF-8"
        else:
            problem = (
                "" if word in _KNOWN or _DESCRIBES.fullmatch(word) else _NOT_KNOWN.format(word)
            )
        if word == "gset":
            self.odd = {"*": True}  # under any names
        elif word == "set":
            self._set(arguments)
        if problem:
            self.draft.problem(begin, problem)

    def _set(self, arguments: str) -> None:
        """Note whether a variable's value, its pieces put together, may be more than a name."""
        named = _SET.match(arguments)
        if named is None:
            if arguments.strip():
                self.odd["*"] = True
            return
        value, position = "", named.end()
        while position < len(arguments):
            piece = _PIECE.match(arguments, position)
            if piece is None:
                break
            value += (piece[2] or "").replace("''", "'") + (piece[3] or "")
            position = piece.end()
        plain = position >= len(arguments) and _PLAIN.fullmatch(value) is not None
        # One that a condition sets is what it was before, or this.
        self.odd[named[1]] = not plain or (bool(self.conditions) and self.odd.get(named[1], False))

    def _include(self, word: str, arguments: str) -> str:
        name = arguments.strip().strip("'\"")
        near = posixpath.normpath(posixpath.join(posixpath.dirname(self.path), name))
        if near in self.known or (
            not word.startswith("ir") and posixpath.normpath(name) in self.known
        ):
            return ""
        return f"\\{word} {name}: that file is not among those that are judged; name its folder as well"

    def _condition(self, begin: int, word: str) -> str:
        if self.begun:
            return f"\\{word} inside a statement: put conditions around whole statements"
        if word != "if" and not self.conditions:
            return f"\\{word} without \\if"
        if self.conditions:  # each branch for itself: they exclude each other
            self.draft.conditional.append((self.conditions[-1], begin))
        if word == "endif":
            self.conditions.pop()
        if word == "if":
            self.conditions.append(begin)
        elif self.conditions:
            self.conditions[-1] = begin
        return ""
