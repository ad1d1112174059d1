package image_test

import data.image
import data.lib_test as fixture

signers := [
	{"environments": ["production"], "keys": ["SHA256:release", "SHA256:old"]},
	{"environments": ["dev", "staging"], "keys": ["k"]},
]

for_target(target, keys) := fixture.set(
	fixture.set(fixture.image, "/target", target),
	"/evidence/signature/facts/keys", keys,
)

test_only_who_may_sign_for_the_target if {
	denied(for_target("dev", ["k"])) == set() with data.image.signers as signers
	denied(for_target("production", ["k"])) == {"image.signer"} with data.image.signers as signers
	denied(for_target("production", ["k", "SHA256:old"])) == set() with data.image.signers as signers
	denied(for_target("canary", ["k", "SHA256:old"])) == {"image.signer"} with data.image.signers as signers
	everywhere := [{"environments": "all", "keys": ["k"]}]
	denied(for_target("canary", ["k"])) == set() with data.image.signers as everywhere
}

test_any_trusted_key_while_nobody_is_listed if {
	denied(for_target("production", ["x"])) == set()
}

test_without_a_target_every_row_counts if {
	denied(fixture.image) == set() with data.image.signers as signers
	denied(fixture.set(fixture.image, "/evidence/signature/facts/keys", ["x"])) == {"image.signer"} with data.image.signers as signers
}

test_a_key_counts_only_with_a_signature_that_verifies if {
	unsigned := fixture.set(for_target("dev", ["k"]), "/evidence/signature/status", "failed")
	denied(unsigned) == {"image.signature", "image.signer"} with data.image.signers as signers
	other := fixture.set(for_target("dev", ["k"]), "/evidence/signature/subject", fixture.other)
	denied(other) == {"image.signature-subject", "image.signer"} with data.image.signers as signers
}

test_the_refusal_says_by_whom_it_is_signed if {
	some found in image.decision.deny with input as for_target("production", ["x", "y"])
		with data.image.signers as signers
	found.msg == sprintf("Nobody who may sign for production signed %s; it is signed by x, y.", [fixture.digest])
	some nobody in image.decision.deny with input as fixture.set(fixture.image, "/evidence/signature/facts/keys", [])
		with data.image.signers as signers
	startswith(nobody.msg, "Nobody who may sign for any environment signed")
	endswith(nobody.msg, "signed by nobody.")
}

test_signers_that_are_not_understood if {
	every wrong in [
		null, {}, "k", ["k"], [{}],
		[{"environments": "dev", "keys": ["k"]}], [{"environments": "all", "keys": "k"}],
		[{"environments": "all", "keys": [""]}], [{"environments": "all", "keys": ["k"], "issuer": "x"}],
	] {
		not image.signers_understood with data.image.signers as wrong
	}
	denied(fixture.image) == {"image.signer"} with data.image.signers as null
}
