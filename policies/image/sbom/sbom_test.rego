package image_test

import data.lib_test as fixture

test_sbom if {
	without("/evidence/sbom") == {"image.sbom"}
	changed("/evidence/sbom/status", "error") == {"image.sbom"}
	changed("/evidence/sbom/subject", fixture.other) == {"image.sbom"}
	changed("/evidence/sbom/facts/attested", false) == {"image.sbom"}
	without("/evidence/sbom/facts/attested") == {"image.sbom"}
}
