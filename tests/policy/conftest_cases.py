"""Folders of policies and inputs, written from conftest's rules, one for each of them."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["CASES", "Case"]

BAD = "package main\n\ndeny contains msg if { input.bad; msg := 'bad' }\n".replace("'", '"')
WARN = 'package main\n\nwarn contains "careful" if { input.bad }\n'
BOTH = f'{BAD}\nwarn contains "careful" if {{ input.bad }}\n'
KUBERNETES = """package main

import rego.v1

name := input.metadata.name

deny_root contains {"msg": msg, "severity": "high", "at": {"kind": input.kind}} if {
	input.kind == "Deployment"
	not input.spec.template.spec.securityContext.runAsNonRoot
	msg := sprintf("%s must not run as root", [name])
}

violation_replicas contains {"msg": msg, "wanted": 2} if {
	input.kind == "Deployment"
	input.spec.replicas < 2
	msg := sprintf("%s has %d of %v replicas", [name, input.spec.replicas, 2])
}

warn contains msg if {
	input.kind == "Service"
	msg := sprintf("Found service %s", [name])
}
"""
DEPLOYMENT = """kind: Deployment
metadata:
  name: web
spec:
  replicas: 1
  template: {spec: {containers: [{image: "web:latest"}]}}
"""
EXCEPTED = """package main

deny_root contains "root" if { input.bad }
deny_other contains "other" if { input.bad }
deny contains "plain" if { input.bad }

exception contains rules if { input.excepted; rules := input.excepted }
"""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One run of ``conftest test``."""

    name: str
    policy: str | dict[str, str] = BAD
    """The module, or several by their paths below ``policy``."""
    files: dict[str, str] = field(default_factory=lambda: {"in.json": '{"bad": true}'})
    arguments: tuple[str, ...] = ()
    """conftest's flags."""
    ours: tuple[str, ...] = ()
    """Flags that only this program needs, to do the same."""
    words: tuple[str, ...] = ()
    """What to judge; all of *files* when left out."""
    stdin: str = ""
    status: int = 1
    unordered: bool = False
    """conftest walks through files and modules in Go's random order, so lines are sorted."""


def rule(body: str) -> str:
    """Return a module with one rule of a body that sets ``msg``."""
    return f"package main\n\ndeny contains msg if {{\n{body}\n}}\n"


def parsed(name: str, text: str, *arguments: str) -> Case:
    """Return a case whose message is the whole input as JSON."""
    return Case(
        name=f"parser: {name}",
        policy=rule("\tmsg := json.marshal(input)"),
        files={name: text},
        arguments=arguments,
    )


DATA = rule('\tsome k, v in data.things\n\tmsg := sprintf("%v=%v", [k, v])')
PREFIXED = rule('\tstartswith(input.n, "a")\n\tmsg := "m"')
LENIENT = ("--ignore-builtin-errors",)

CASES = (
    # Which rules judge.
    Case(name="deny"),
    Case(name="deny holds not", files={"in.json": "{}"}, status=0),
    Case(name="warn", policy=WARN, status=0),
    Case(name="deny and warn", policy=BOTH),
    Case(name="violation", policy=BAD.replace("deny", "violation")),
    Case(name="deny_name and violation_name and warn_name", policy=KUBERNETES, files={"d.yaml": DEPLOYMENT}),
    Case(name="names that only begin so", policy=BAD.replace("deny", "denying"), status=0),
    Case(name="an underscore at the end", policy=BAD.replace("deny", "deny_"), status=0),
    Case(name="two bodies count as two", policy=BOTH + 'deny contains "more" if { input.more }\n'),
    Case(name="two messages of one body", policy=rule("\tsome msg in input"), files={"in.json": '["a"]'}, status=0),
    Case(name="many messages", policy=rule("\tsome msg in input.all"), files={"in.json": '{"all": ["b", "a", "c"]}'}),
    Case(name="an empty message passes", policy=rule('\tmsg := ""'), status=0),
    Case(name="an array", policy='package main\n\ndeny := ["a", "b", "a"] if { input.bad }\n'),
    Case(name="a boolean passes", policy="package main\n\ndeny if { input.bad }\n", status=0),
    Case(name="a text passes", policy='package main\n\ndeny := "no" if { input.bad }\n', status=0),
    Case(name="an object passes", policy='package main\n\ndeny := {"a": "b"} if { input.bad }\n', status=0),
    Case(name="a number in the set is passed over", policy='package main\n\ndeny contains 1 if { input.bad }\ndeny contains "a" if { input.bad }\n'),
    Case(name="a default counts", policy='package main\n\ndefault deny := ["d"]\n'),
    Case(name="a head without contains", policy="package main\n\ndeny[msg] if { msg := input.bad }\n"),
    # Objects.
    Case(name="metadata", policy=rule('\tmsg := {"msg": "m", "code": "X-1", "n": 1.50, "deep": {"b": [1, null], "a": true}}')),
    Case(name="metadata of HTML", policy=rule('\tmsg := {"msg": "a < b & c > d", "<k>": "\u2028"}')),
    Case(name="query in metadata is replaced", policy=rule('\tmsg := {"msg": "m", "query": "mine"}')),
    Case(name="an object without msg", policy=rule('\tmsg := {"message": "m"}')),
    Case(name="msg is a number", policy=rule('\tmsg := {"msg": 1}')),
    Case(name="a location", policy=rule('\tmsg := {"msg": "m", "_loc": {"file": "in.json", "line": 7}}')),
    Case(name="a location elsewhere", policy=rule('\tmsg := {"msg": "m", "_loc": {"file": "a, b:c.yaml", "line": 3}}')),
    Case(name="half a location", policy=rule('\tmsg := {"msg": "m", "_loc": {"line": 3}}')),
    Case(name="no location", policy=rule('\tmsg := {"msg": "m", "_loc": "in.json"}')),
    # Exceptions.
    Case(name="exception of a name", policy=EXCEPTED, files={"in.json": '{"bad": true, "excepted": ["root"]}'}),
    Case(name="exception of the bare rule", policy=EXCEPTED, files={"in.json": '{"bad": true, "excepted": [""]}'}),
    Case(name="exceptions of all", policy=EXCEPTED, files={"in.json": '{"bad": true, "excepted": ["root", "other", ""]}'}, status=0),
    Case(name="an exception twice", policy=EXCEPTED, files={"in.json": '{"bad": true, "excepted": ["root", "root"]}'}),
    Case(name="exceptions not shown", policy=EXCEPTED, files={"in.json": '{"bad": true, "excepted": ["root"]}'}, arguments=("--suppress-exceptions",)),
    # Namespaces.
    Case(name="a namespace", policy=BAD.replace("main", "a.b"), arguments=("--namespace", "a.b")),
    Case(name="a namespace that is not there", arguments=("-n", "other"), status=0),
    Case(name="two namespaces", policy={"a.rego": BAD, "b.rego": BAD.replace("main", "b")}, arguments=("-n", "main,b"), unordered=True),
    Case(name="a pattern", policy={"a.rego": BAD.replace("main", "x.a"), "b.rego": BAD.replace("main", "y.b")}, arguments=("-n", "x.*")),
    Case(name="a pattern with brackets", policy={"a.rego": BAD.replace("main", "x1"), "b.rego": BAD.replace("main", "x9")}, arguments=("-n", "x[0-5]")),
    Case(name="a pattern of no range", policy=BAD.replace("main", "x"), arguments=("-n", "x[z-a]*"), status=0),
    Case(name="a pattern of all but", policy={"a.rego": BAD.replace("main", "x"), "b.rego": BAD.replace("main", "y")}, arguments=("-n", "[^y]*")),
    Case(name="a pattern with a bracket that is one", policy=BAD.replace("main", 'a["b-c"]'), arguments=("-n", "a\\[?[a\\]b]*")),
    Case(name="a pattern with nothing in its brackets", arguments=("-n", "[]*")),
    Case(name="a pattern whose bracket comes first", arguments=("-n", "[]m]*")),
    Case(name="a pattern whose range has no end", arguments=("-n", "[m-]*")),
    Case(name="a pattern that ends behind a backslash", arguments=("-n", "m*\\")),
    Case(name="all namespaces", policy={"a.rego": BAD, "b.rego": BAD.replace("main", "b")}, arguments=("--all-namespaces",), unordered=True),
    Case(name="a package that is no word", policy=BAD.replace("main", 'a["b-c"]'), arguments=("--all-namespaces",)),
    Case(name="two files of one package", policy={"a.rego": BAD, "b.rego": WARN}, unordered=True),
    # Inputs.
    Case(name="two files", files={"a.json": '{"bad": true}', "b.json": "{}"}, unordered=True),
    Case(name="documents of YAML", policy=BOTH, files={"in.yaml": "bad: true\n---\nbad: false\n---\nbad: yes\n"}),
    Case(name="an array of JSON", files={"in.json": '[{"bad": true}, {"bad": true}, 3]'}),
    Case(name="an empty array", files={"in.json": "[]"}, status=0),
    Case(name="an empty file", files={"in.yaml": ""}, status=0),
    Case(name="combined", policy=rule('\tmsg := sprintf("%v %v", [input[_].path, count(input)])'), files={"a.json": "{}", "b.yaml": "a: 1\n---\nb: 2\n"}, arguments=("--combine",)),
    Case(name="a folder", files={"in/a.json": '{"bad": true}', "in/deep/b.yml": "bad: true", "in/c.unknown": "?"}, words=("in",), unordered=True),
    Case(name="a folder but for some", files={"in/a.json": '{"bad": true}', "in/deep/b.yml": "bad: true"}, words=("in",), arguments=("--ignore", "deep/")),
    Case(name="stdin", words=("-",), stdin="bad: true\n"),
    Case(name="stdin as JSON", words=("-",), stdin='{"bad": true}', arguments=("--parser", "json")),
    Case(name="a parser for all", files={"in.txt": "bad = true"}, arguments=("--parser", "toml")),
    Case(name="a file that is not there", words=("nowhere.json",)),
    Case(name="a format that is not known", files={"in.unknown": "x"}),
    Case(name="JSON that is none", files={"in.json": "{"}),
    Case(name="the file's own name", policy=rule('\tmsg := sprintf("%v %v", [data.conftest.file.name, endswith(data.conftest.file.dir, "/in")])'), files={"in/a.json": "{}"}, words=("in/a.json",)),
    Case(name="numbers", policy=rule('\tmsg := sprintf("%v %v", [input[_], json.marshal(input)])'), files={"in.json": '{"a": 1234567, "b": 100000, "c": 1e21, "d": 0.00001, "e": 1.5}'}),
    # Data and functions.
    Case(name="data", policy=rule("\tsome msg in data.lists.words"), files={"in.json": "{}", "data/lists/d.yaml": "words: [a, b]\n"}, words=("in.json",), arguments=("--data", "data")),
    Case(name="a data file", policy=rule("\tsome msg in data.words"), files={"in.json": "{}", "d.json": '{"words": ["a"]}'}, words=("in.json",), arguments=("-d", "d.json")),
    Case(name="parse_config", policy=rule('\tmsg := parse_config("toml", "a = \\"b\\"").a')),
    Case(name="parse_config_file", policy=rule('\tmsg := parse_config_file("../in.json").a'), files={"in.json": '{"a": "b"}'}),
    Case(name="parse_combined_config_files", policy=rule('\tmsg := sprintf("%v", [[each.contents | some each in parse_combined_config_files(["../in.json", "../b.yaml"])]])'), files={"in.json": '{"a": "b"}', "b.yaml": "c: d"}, words=("in.json",)),
    Case(name="parse_config of nothing", policy=rule('\tmsg := sprintf("%v", [parse_config("yaml", "")])')),
    Case(name="parse_config of nothing, and a rule that reads it", policy=rule('\tnot data.main.named with input as parse_config("yaml", "")\n\tmsg := "m"') + "\nnamed if input.name\n"),
    Case(name="parse_config_file of nothing in it", policy=rule('\tis_null(parse_config_file("../empty.yaml"))\n\tmsg := "m"'), files={"in.json": "{}", "empty.yaml": ""}, words=("in.json",)),
    Case(name="parse_config over several lines", policy=rule('\tmsg := parse_config(\n\t\t"yaml", # as text\n\t\tconcat(": ", ["a", "b"]),\n\t).a')),
    Case(name="parse_config within parse_config", policy=rule('\tmsg := parse_config("yaml", parse_config("json", "{\\"a\\": \\"b: c\\"}").a).b')),
    Case(name="parse_config within a text", policy=rule('\tmsg := $"got {parse_config("json", "{}")}"')),
    Case(name="parse_config that yields by its last argument", policy=rule('\tparse_config("yaml", "a: b", x)\n\tmsg := x.a')),
    Case(name="something else in the place of parse_config", policy=rule('\tx := parse_config("yaml", "a: b").a with parse_config as {"a": "c"}\n\tmsg := sprintf("%v %v", [x, parse_config("yaml", "d")])')),
    Case(name="a function of the policy's own that is called like it", policy=rule('\tmsg := parse_config_file("x")') + '\nparse_config_file(x) := sprintf("own %v", [x])\n'),
    Case(name="print", policy=rule('\tprint("seen", input.bad)\n\tmsg := "m"')),
    # How it ends.
    Case(name="fail on warn", policy=WARN, arguments=("--fail-on-warn",)),
    Case(name="fail on warn with failures", policy=BOTH, arguments=("--fail-on-warn",), status=2),
    Case(name="no fail", arguments=("--no-fail",), status=0),
    Case(name="quiet and nothing", files={"in.json": "{}"}, arguments=("--quiet",), status=0),
    Case(name="quiet and something", arguments=("--quiet",)),
    Case(name="a rule that is no Rego", policy="package main\n\ndeny contains\n"),
    Case(name="a rule that does not compile", policy=rule("\tmsg := inptu.x")),
    Case(name="no policies", policy={"a.txt": ""}),
    Case(name="Rego v0", policy="package main\n\ndeny[msg] { msg := input.bad }\n"),
    Case(name="fail on warn, and no fail", policy=BOTH, arguments=("--fail-on-warn", "--no-fail"), status=0),
    Case(name="junit without messages", policy=BOTH, arguments=("--junit-hide-message",)),
    Case(name="github without what passed", files={"a.json": "{}", "b.json": '{"bad": true}'}, arguments=("--github-hide-passed",), unordered=True),
    Case(name="stdin has a name", words=("-",), stdin="bad: true\n", arguments=("--stdin-filename", "k8s/a.yaml")),
    Case(name="stdin has a name, and a file", files={"a.json": "{}"}, words=("a.json", "-"), stdin="bad: true\n", arguments=("--stdin-filename", "x"), unordered=True),
    # Errors of built-ins, which conftest takes for undefined.
    Case(name="an error of a built-in", policy=PREFIXED + 'deny_other contains "o" if { input.n }\n', files={"in.json": '{"n": 1}'}, ours=LENIENT),
    Case(name="an error of a built-in in one file of two", policy=PREFIXED, files={"a.json": '{"n": 1}', "b.json": '{"n": "ab"}'}, ours=LENIENT, unordered=True),
    Case(name="an error of a built-in behind not", policy=PREFIXED.replace("starts", "not starts"), files={"in.json": '{"n": 1}'}, ours=LENIENT),
    Case(name="an error of a built-in in a comprehension", policy=rule('\tx := [y | some v in input.l; y := to_number(v)]\n\tmsg := sprintf("%v", [x])'), files={"in.json": '{"l": ["1", "a", "2"]}'}, ours=LENIENT),
    Case(name="an error of a built-in in an exception", policy='package main\n\ndeny_a contains "m" if { input.n }\n\nexception contains ["a"] if { startswith(input.n, "x") }\n', files={"in.json": '{"n": 1}'}, ours=LENIENT),
    Case(name="parse_config_file of nothing", policy=rule('\tx := parse_config_file("nope.yaml")\n\tmsg := "m"') + 'warn contains "w"\n', ours=LENIENT, status=0),
    Case(name="division by nothing", policy=rule('\tx := 1 / input.z\n\tmsg := sprintf("%v", [x])'), files={"in.json": '{"z": 0}'}, ours=LENIENT, status=0),
    Case(name="an error of a built-in that is shown", policy=PREFIXED, files={"in.json": '{"n": 1}'}, arguments=("--show-builtin-errors",)),
    # More of data.
    Case(name="data of two folders", policy=DATA, files={"in.json": "{}", "a/x.json": '{"things": {"a": 1}}', "b/y.yaml": "things: {b: 2}\n"}, words=("in.json",), arguments=("-d", "a,b")),
    Case(name="data of two folders, of one key", policy=DATA, files={"in.json": "{}", "a/x.json": '{"things": {"a": 1}}', "b/y.yaml": "things: {a: 2}\n"}, words=("in.json",), arguments=("-d", "a,b")),
    Case(name="data below the names of folders", policy=DATA, files={"in.json": "{}", "d/things/x.json": '{"a": 1}', "d/things/deep/y.yml": "b: 2\n"}, words=("in.json",), arguments=("-d", "d")),
    Case(name="data of nothing", policy=DATA, files={"in.json": "{}", "d.yaml": ""}, words=("in.json",), arguments=("-d", "d.yaml")),
    Case(name="data of nothing in a folder", policy=rule("\tmsg := json.marshal(data)"), files={"in.json": "{}", "d/things/x.yaml": ""}, words=("in.json",), arguments=("-d", "d/things")),
    Case(name="data that are a list", policy=DATA, files={"in.json": "{}", "d.json": "[1]"}, words=("in.json",), arguments=("-d", "d.json")),
    Case(name="data of several documents", policy=DATA, files={"in.json": "{}", "d.yaml": "things: {a: 1}\n---\nthings: {b: 2}\n"}, words=("in.json",), arguments=("-d", "d.yaml")),
    # Texts in every format.
    Case(name="quotation marks in a file's name", files={"a\"b'c.json": '{"bad": true}'}),
    Case(name="a line before the first", policy=rule('\tmsg := {"msg": "m", "_loc": {"file": "in.json", "line": -1}}')),
    Case(name="texts", policy=rule('\tsome msg in ["ünï 日本 😀", "  lead", "trail  ", "a\\ttab", "\\"q\\" \'s\'", "<&>", "-"]')),
    Case(name="a percent sign", policy=rule('\tmsg := "100% sure"')),
    Case(name="lines", policy=rule('\tmsg := "one\\n\\n  two\\nthree"')),
    Case(name="blanks before a line's end", policy=rule('\tmsg := "a   \\n  b  \\n\\nc "')),
    Case(name="flags of countries", policy=rule('\tmsg := "🇩🇪"')),
    Case(name="half a character", policy=rule("\tmsg := json.marshal(input)"), files={"in.json": '{"a": "\\ud83d!"}'}),
    # Parsers: the whole input is the message.
    parsed("a.yaml", "a: 010\nb: 0o10\nc: yes\nd: 'yes'\ne: 1_000\nf: 2001-01-01\ng: ~\nh: 1:30\ni: .5\nj: !!str 5\nk: y\n1: x\ntrue: z\nbase: &b {p: 1}\nm: {<<: *b, q: 2}\n"),
    parsed("b.yaml", "a: |\n  one\n  two\nb: >-\n  x\n  y\nc: [1, 2.0, 1e3]\nd: 12345678901234567890\n"),
    parsed("c.yaml", "---\na: 1\n---\n---\nb: 2\n"),
    parsed("d.yml", "a: 1\r\n---\r\nb: 2\r\n"),
    parsed("v11.yaml", "%YAML 1.1\n---\na: yes\n"),
    parsed("v12.yaml", "%TAG ! x:\n%YAML 1.2\n---\na: yes\n"),
    parsed("e.json", '\ufeff{"a": [1, 2.50, -0, 1e400000]}'.replace("1e400000", "1e40")),
    parsed("f.toml", 'a = 9007199254740993\nb = 1.5\nd = 2020-01-02T03:04:05Z\ne = 12:30:00.50\nf = 2020-01-02T03:04:05.120+02:00\n[x.y]\nz = ["1", "2"]\n[[t]]\nk = true\n'),
    parsed("g.ini", 'top = 1\n[a]\nx = 1\ny: yes # c\nz = "a b" ; c\nt = true\nl = one \\\n  two\n[b c]\n- = first\n'),
    parsed("h.properties", "# c\n! d\na=b\nc : d e\nf g\\\n  h\nu=\\u00e9\\n\nr=${a}\nempty\n"),
    parsed(".env", "A=b\nexport C='d # e'\nF=\"g\\nh $A\" # i\nJ: k\nL=\n"),
    parsed("i.xml", '<?xml version="1.0"?>\n<a x="1" n:y="2"><b>t</b><b/><c k="v"> text </c><!-- c --></a>\n'),
    parsed("Dockerfile", '# syntax=docker/dockerfile:1\n# c\nFROM --platform=linux/amd64 a AS b\nRUN x \\\n  # inside\n  && y\nCMD ["a", "b"]\nENV A=1 B="2 3"\nENV OLD value here\nLABEL k=v\nEXPOSE 80 443\nFROM b\nCOPY --from=b --chown=u:g /x /y\nONBUILD run echo hi\nHEALTHCHECK --interval=5s CMD curl x\nENTRYPOINT exec a\nARG V\nUSER u\n'),
    parsed("large.toml", "a = 9223372036854775807\nb = -9223372036854775808\n"),
    parsed("larger.toml", "a = 9223372036854775808\n"),
    parsed("end.properties", "a=b\\\n"),
    parsed("noend.properties", "a=b\\"),
    parsed("j.dockerignore", "a\n!b\n# c\n\nd\\ \n"),
)  # fmt: skip
