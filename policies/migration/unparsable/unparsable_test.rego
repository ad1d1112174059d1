package migration_test

test_what_is_not_understood_is_refused if {
	denied(one("unparsable", {})) == {"migration.unparsable"}
	denied(one("unparsable", {"new_object": "yes"})) == {"migration.unparsable"}
	denied(one("execute", {"dynamic": true})) == {"migration.unparsable"}
	said(one("unparsable", {"label": "syntax error at or near \"FOO\"."})) == "Nobody can tell what this does: syntax error at or near \"FOO\"."
	said(one("unparsable", {})) == "Nobody can tell what this does: the statement was not understood."
}
