"""The splitter: every dialect's quotes, comments and bodies; nothing is ever lost."""

from __future__ import annotations

import pytest

from sluiceway.migrations import statements
from sluiceway.migrations.records import Dialect
from sluiceway.migrations.statements import BLANK, spans, tokens


def cut(text: str, dialect: str = "postgres") -> list[str]:
    return [text[begin:end] for begin, end in spans(text, Dialect(dialect))]


POSTGRES = [
    ("", []),
    (" \n\t;; ;", []),
    ("-- only a comment", []),
    ("a; b", ["a", "b"]),
    (";;a;;b;;", ["a", "b"]),
    ("a; b -- c; d\n;", ["a", "b"]),
    ("a --x\r; b", ["a", "b"]),
    ("/* x /* ; */ ; */ a; b", ["a", "b"]),
    ("/*/ ; */ a; b", ["a", "b"]),
    ("/* ; a", []),
    ("select ';', 'it''s;', E'\\';', \"a;\"\"b\"; b", ["select ';', 'it''s;', E'\\';', \"a;\"\"b\"", "b"]),
    ("select '\\'; b", ["select '\\'", "b"]),
    ("select name'\\'; b", ["select name'\\'", "b"]),
    ("select $$;$$; b", ["select $$;$$", "b"]),
    ("select $a$;$$;$b$;$a$; b", ["select $a$;$$;$b$;$a$", "b"]),
    ("select a$b$; c$b$", ["select a$b$", "c$b$"]),
    ("select é$b$; c$b$", ["select é$b$", "c$b$"]),
    ("select $1; b", ["select $1", "b"]),
    ("select 'abc; drop table x", ["select 'abc; drop table x"]),
    ("select $$abc; drop table x", ["select $$abc; drop table x"]),
    ("select E'abc\\", ["select E'abc\\"]),
    (
        "create function f() returns int begin atomic select case when a then 1 end; select 2; end; b",
        ["create function f() returns int begin atomic select case when a then 1 end; select 2; end", "b"],
    ),
    ("create /* a */ or\nreplace -- b\nprocedure p() BEGIN\nATOMIC ; END; b", ["create /* a */ or\nreplace -- b\nprocedure p() BEGIN\nATOMIC ; END", "b"]),
    ("begin; atomic; end; b", ["begin", "atomic", "end", "b"]),
    ("create rule r as on insert to t do (a; b); c", ["create rule r as on insert to t do (a; b)", "c"]),
    ("create table t (a int; b", ["create table t (a int", "b"]),
    ("create table begin_atomic (a int); b", ["create table begin_atomic (a int)", "b"]),
    ("(select 1); create function f; b", ["(select 1)", "create function f", "b"]),
    ("a\u00a0;\u2028b", ["a\u00a0", "\u2028b"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), POSTGRES)
def test_postgres(text, expected):
    assert cut(text) == expected


OTHERS = [
    ("mysql", "select 'a\\';', \"b;\\\"\", `c;```; d", ["select 'a\\';', \"b;\\\"\", `c;```", "d"]),
    ("mysql", "a # ;\n; 1--2; b -- ;\n; c --;d", ["a", "1--2", "b", "c --", "d"]),
    ("mysql", "/* /* ; */ a; b */", ["a", "b */"]),
    ("mysql", "a $$; b$$", ["a $$", "b$$"]),
    (
        "mysql",
        "create definer=root@localhost procedure p() begin if a then b; end if; case x when 1 then c; end case; while d do e; end while; begin f; end; if g then h; end if; end; i",
        ["create definer=root@localhost procedure p() begin if a then b; end if; case x when 1 then c; end case; while d do e; end while; begin f; end; if g then h; end if; end", "i"],
    ),
    ("mysql", "create trigger t after insert on x for each row set @a = 1; b", ["create trigger t after insert on x for each row set @a = 1", "b"]),
    ("mysql", "create table event (a int); begin; b; end; c", ["create table event (a int)", "begin", "b", "end", "c"]),
    ("mariadb", "begin not atomic a; b; end; c", ["begin not atomic a; b; end", "c"]),
    (
        "sqlite",
        'create temp trigger t after insert on x begin select case when 1 then 2 end; delete from y; end; b [c;d] `e;` "f;";',
        ["create temp trigger t after insert on x begin select case when 1 then 2 end; delete from y; end", 'b [c;d] `e;` "f;"'],
    ),
    ("sqlite", "begin; a; end; b", ["begin", "a", "end", "b"]),
    ("tsql", "a\ngo\nb; c\nGO 5\n[d;]]];e\n  go  -- x\nf", ["a", "b", "c", "[d;]]]", "e", "f"]),
    ("tsql", "create or alter procedure p as a; b\ngo\nc", ["create or alter procedure p as a; b", "c"]),
    ("tsql", "if x begin a; b end; c; if d e; else f; begin tran; g; commit", ["if x begin a; b end", "c", "if d e; else f", "begin tran", "g", "commit"]),
    ("tsql", "begin try a; end try begin catch b; end catch; c", ["begin try a; end try begin catch b; end catch", "c"]),
    ("tsql", "GO\na\n\tgo -- b\nGOTO c\nd\ngo;\ne GO\nf", ["a", "GOTO c\nd", "e GO\nf"]),
    ("tsql", "end conversation @h; a", ["end conversation @h", "a"]),
    ("tsql", "select 'go\ngo\n'; a", ["select 'go\ngo\n'", "a"]),
    ("oracle", "begin a; b; end;\n/\nc; create or replace package body p is d; end;\n/\nselect q'[;']' from e; f", ["begin a; b; end;", "c", "create or replace package body p is d; end;", "select q'[;']' from e", "f"]),
    ("oracle", "select nq'!;'!', q'a;a' from b; c", ["select nq'!;'!', q'a;a' from b", "c"]),
    ("bigquery", "select '''a';''', r\"b;\"; begin c; end; begin transaction; d; # ;\ne", ["select '''a';''', r\"b;\"", "begin c; end", "begin transaction", "d", "e"]),
    ("snowflake", "execute immediate $$ a; $$; b // ;\n; select 'c\\';'", ["execute immediate $$ a; $$", "b", "select 'c\\';'"]),
]  # fmt: skip


@pytest.mark.parametrize(("dialect", "text", "expected"), OTHERS)
def test_other_dialects(dialect, text, expected):
    assert cut(text, dialect) == expected


@pytest.mark.parametrize("dialect", list(Dialect))
def test_every_dialect_has_a_scanner(dialect):
    assert cut("a; b", dialect) == ["a", "b"]
    assert list(tokens("a; 'b'", dialect)) == [("end", 1, 2), ("quoted", 3, 6)]
    assert BLANK == " \t\n\r\f\v"


def test_statements_are_cut_one_by_one_from_where_none_is_open():
    text = "a; b 'c; /* d */ e"
    assert list(statements.cut(text, Dialect.POSTGRES, start=2)) == [(3, len(text), len(text))]
    first = statements.cut("a ; b;", Dialect.POSTGRES)
    assert (next(first), next(first), next(first, None)) == ((0, 1, 3), (4, 5, 6), None)
