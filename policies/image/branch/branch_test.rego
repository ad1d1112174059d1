package image_test

import data.lib_test as fixture

protected := asking({"branches": ["refs/heads/main", "refs/heads/stable"]})

branches(found) := fixture.set(fixture.image, "/evidence/provenance/facts/branches", found)

test_only_revisions_on_a_protected_branch if {
	denied(fixture.image) == set() with data.image.provenance as protected
	denied(branches(["refs/heads/x", "refs/heads/stable"])) == set() with data.image.provenance as protected
	denied(branches(["refs/heads/x"])) == {"image.branch"} with data.image.provenance as protected
	denied(branches([])) == {"image.branch"} with data.image.provenance as protected
	without("/evidence/provenance/facts/branches") == {"image.branch"} with data.image.provenance as protected
	denied(branches(["refs/heads/x"])) == set()
}

test_a_branch_counts_only_in_provenance_that_passes if {
	failed := fixture.set(fixture.image, "/evidence/provenance/status", "failed")
	denied(failed) == {"image.branch", "image.provenance"} with data.image.provenance as protected
}

test_the_refusal_names_the_revision_and_its_branches if {
	elsewhere := messages(branches(["refs/heads/x"])) with data.image.provenance as protected
	startswith(elsewhere, `The revision "c0ffee" of sha256:aaaa`)
	endswith(elsewhere, "is on refs/heads/x, and on none of refs/heads/main, refs/heads/stable.")
	nowhere := messages(branches([])) with data.image.provenance as protected
	contains(nowhere, "is on no branch that is known, and on none of")
}
