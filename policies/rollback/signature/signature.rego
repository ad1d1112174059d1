package rollback

# Of the image's own rules only the signature's: a bad scan must not keep a worse version serving.
signature := {found | some found in data.image.deny; startswith(found.code, "image.signature")}
