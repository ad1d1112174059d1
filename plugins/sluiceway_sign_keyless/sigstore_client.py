"""The sigstore library: the one module that imports it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.config.settings import take
from sluiceway.errors import ActionFailed, ConfigurationError, PluginError
from sluiceway.model import Project
from sluiceway.signing import MalformedError
from sluiceway.signing.dsse import Envelope
from sluiceway.signing.found import Check
from sluiceway_sign_keyless.identities import Identity, Wanted, identity_of, wanted_identities

if TYPE_CHECKING:
    from sigstore.models import ClientTrustConfig, TrustedRoot
    from sigstore.oidc import IdentityToken

__all__ = [
    "PLUGIN",
    "TOKEN",
    "has_extra",
    "judge_with",
    "options",
    "read_token",
    "signed_bundle",
    "trusted_root",
    "wanted",
]

PLUGIN = "sign-keyless"
TOKEN = "SIGSTORE_ID_TOKEN"  # noqa: S105 - a variable's name
DEFAULTS: Mapping[str, Any] = {"identities": [], "trust_config": "", "token_file": ""}

_CONFIG = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"
_LONGEST = 4 * 1024 * 1024


def options(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plugin's settings."""
    return take(settings, PLUGIN, DEFAULTS)


def wanted(settings: Mapping[str, Any]) -> tuple[Wanted, ...]:
    """Return who may sign."""
    return wanted_identities(options(settings)["identities"], f"[plugins.{PLUGIN}]")


def has_extra() -> bool:
    """Say whether the sigstore library is installed, without importing it (two seconds)."""
    from importlib.util import find_spec

    return find_spec("sigstore") is not None


def read_token(project: Project, settings: Mapping[str, Any]) -> IdentityToken:
    """Return the OpenID token to sign with: of the file, of the variable, else of the machine.

    Raises:
        PluginError: ``sign.no-extra``.
        ConfigurationError: ``sign.no-token`` or ``sign.token``.
    """
    _require()
    from sigstore.errors import Error
    from sigstore.oidc import IdentityError, IdentityToken, detect_credential

    named = options(settings)["token_file"]
    text: str | None
    if named:
        path = project.root / Path(named).expanduser()
        try:
            text, origin = path.read_text(encoding="ascii").strip(), str(path)
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"the token {path} cannot be read",
                remedy=f"Correct [plugins.{PLUGIN}] token_file.",
                code="sign.no-token",
            ) from error
    elif project.environ.get(TOKEN):
        text, origin = project.environ[TOKEN], f"the variable {TOKEN}"
    else:
        origin = "this machine's provider"
        try:
            text = detect_credential()
        except (Error, IdentityError) as error:
            raise ActionFailed(
                f"this machine's OpenID provider gives no token: {error}",
                remedy="In GitHub Actions, give the job the permission `id-token: write`.",
                code="sign.no-token",
            ) from error
    if not text:
        raise ConfigurationError(
            "there is no OpenID token to sign with",
            means="Keyless signing proves who signs by a token of a CI system or a person. "
            "Nothing was signed.",
            remedy="Run in a CI job that gives one (GitHub Actions: `id-token: write`), "
            f"or set {TOKEN}.",
            code="sign.no-token",
        )
    try:
        return IdentityToken(text)
    except IdentityError:
        # The library's error is left out: it may quote what it could not parse.
        raise ConfigurationError(
            f"{origin} holds no OpenID token that sigstore takes",
            means="It is malformed, expired, or made for another audience than 'sigstore'.",
            remedy="Ask the provider for a fresh token with the audience 'sigstore'.",
            code="sign.token",
        ) from None


def signed_bundle(
    project: Project, settings: Mapping[str, Any], token: IdentityToken, statement: bytes
) -> bytes:
    """Have *statement* signed by a certificate for *token*, and logged; return the bundle.

    Raises:
        ActionFailed: ``sign.sigstore``.
    """
    from sigstore.dsse import Statement
    from sigstore.sign import SigningContext

    try:
        context = SigningContext.from_trust_config(_trust_config(project, settings))
        with context.signer(token) as signer:
            return signer.sign_dsse(Statement(statement)).to_json().encode()
    except ConfigurationError:
        raise
    except Exception as error:  # noqa: BLE001 - a dozen unrelated kinds, its HTTP client's too
        raise ActionFailed(
            f"sigstore did not sign: {type(error).__name__}: {_told(error, token)}",
            means="Nothing was stored.",
            remedy="Try again; if it stays, see https://status.sigstore.dev, or the logs of your "
            "own instance.",
            code="sign.sigstore",
        ) from None


def trusted_root(project: Project, settings: Mapping[str, Any]) -> TrustedRoot:
    """Return whom to trust: of the file, else the public instance's, as it was last known.

    Raises:
        PluginError: ``sign.no-extra``.
        ConfigurationError: ``sign.trust-config``.
    """
    _require()
    from sigstore.models import ClientTrustConfig, TrustedRoot

    path = _trust_path(project, settings)
    if path is None:
        try:
            return ClientTrustConfig.production(offline=True).trusted_root
        except Exception as error:
            raise ActionFailed(
                f"the public instance's trusted root cannot be read: {type(error).__name__}",
                means="Whom to trust is not known, so nothing is.",
                remedy="See that the home folder can be written to, where sigstore keeps it, or "
                f"name a file: [plugins.{PLUGIN}] trust_config.",
                code="sign.trust-config",
            ) from error
    text = _read(path)
    try:
        if json.loads(text).get("mediaType") == _CONFIG:
            return ClientTrustConfig.from_json(text).trusted_root
        return TrustedRoot.from_file(str(path))
    except Exception as error:
        raise _unusable(path, error) from error


def judge_with(root: TrustedRoot, who: tuple[Wanted, ...]) -> Any:
    """Return the judge of bundles that were signed with a certificate (see ``read_bundles``)."""
    from sigstore.verify import Verifier

    verifier = Verifier(trusted_root=root)

    def judge(bundle: Mapping[str, Any]) -> Check:
        material = bundle.get("verificationMaterial")
        if not isinstance(material, dict) or "publicKey" in material:
            raise MalformedError("it was signed with a key pair, and only identities are trusted")

        def check(envelope: Envelope) -> str:
            return _verified(verifier, bundle, envelope, who)

        return check

    return judge


class _Policy:
    """Sigstore's interface for what a certificate must say; remembers whom it found."""

    def __init__(self, who: tuple[Wanted, ...]) -> None:
        self._who = who
        self.found: Identity | None = None

    def verify(self, cert: Any) -> None:
        """Raise unless the certificate names somebody who is wanted."""
        from sigstore.errors import VerificationError

        try:
            found = identity_of(cert)
        except MalformedError as error:
            raise VerificationError(str(error)) from error
        if not self._who:
            msg = f"nobody is trusted, so neither is {found}"
            raise VerificationError(msg)
        if not any(item.takes(found) for item in self._who):
            msg = f"{found} is not among those who may sign"
            raise VerificationError(msg)
        self.found = found


def _verified(
    verifier: Any, data: Mapping[str, Any], envelope: Envelope, who: tuple[Wanted, ...]
) -> str:
    from sigstore.errors import Error
    from sigstore.models import Bundle

    policy = _Policy(who)
    try:
        kind, payload = verifier.verify_dsse(Bundle.from_json(json.dumps(data)), policy)
    except Error as error:
        raise MalformedError(f"sigstore refuses it: {error}") from error
    except Exception as error:
        # Anyone may push bytes that break a parser. That is a reason to refuse, and none to stop.
        raise MalformedError(f"sigstore cannot read it: {type(error).__name__}") from error
    # Two readers of one document must have read the same thing.
    if policy.found is None or (kind, payload) != (envelope.payload_type, envelope.payload):
        raise MalformedError("sigstore verified something else than what is read here")
    return str(policy.found)


def _trust_config(project: Project, settings: Mapping[str, Any]) -> ClientTrustConfig:
    from sigstore.models import ClientTrustConfig

    path = _trust_path(project, settings)
    if path is None:
        return ClientTrustConfig.production()
    text = _read(path)
    try:
        return ClientTrustConfig.from_json(text)
    except Exception as error:
        raise _unusable(path, error) from error


def _trust_path(project: Project, settings: Mapping[str, Any]) -> Path | None:
    named = options(settings)["trust_config"]
    return project.root / Path(named).expanduser() if named else None


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as source:
            return source.read(_LONGEST)
    except (OSError, ValueError) as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"{path} is no sigstore trust configuration: {type(error).__name__}",
        means="Whom to trust is not known, so nothing is.",
        remedy=f"Name a file of the media type {_CONFIG} (a trusted root is enough for verifying).",
        code="sign.trust-config",
    )


def _told(error: Exception, token: IdentityToken) -> str:
    return str(error).replace(str(token), "***")


def _require() -> None:
    if not has_extra():
        raise PluginError(
            f"{PLUGIN} needs the sigstore library, which is not installed",
            remedy="pip install 'sluiceway[keyless]'",
            code="sign.no-extra",
        )
