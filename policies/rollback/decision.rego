# METADATA
# title: Rollback
# description: >-
#   Whether an environment may go back to an image. Going back must be quick, so little is asked:
#   the image is the one that was signed, it has served here before, and who acts is known. Not asked
#   are path, source, soak and canary (it does not come from anywhere, and has served here already);
#   role and approval (whoever is proven and awake may stop the damage); smoke, contract and other
#   evidence (no instance of it runs yet); SBOM, scan, provenance and who may sign for the target (they
#   were judged when it came, and what is known since must not keep a worse image serving); freezes
#   (they are there for fewer changes, and this takes one back).
# schemas:
#   - input: schema.rollback.input
package rollback

# METADATA
# title: Decision of the gate rollback
# description: Everything that denies and everything that warns about going back.
# entrypoint: true
decision := {"deny": (deny | signature), "warn": warn, "waivers": data.waiver.judged}
