package image_test

import data.lib_test as fixture

test_only_repositories_of_ours if {
	mine := asking({"repositories": ["https://example.com/settlement"]})
	denied(fixture.image) == set() with data.image.provenance as mine
	changed("/evidence/provenance/facts/repository", "https://example.com/fork") == {"image.source"} with data.image.provenance as mine
	changed("/evidence/provenance/facts/repository", "") == {"image.source"} with data.image.provenance as mine
	without("/evidence/provenance/facts/repository") == {"image.source"} with data.image.provenance as mine
}

test_the_refusal_names_the_repository_and_ours if {
	said_of := messages(fixture.image) with data.image.provenance as asking({"repositories": ["a", "b"]})
	contains(said_of, `is "https://example.com/settlement", which is none of a, b.`)
}
