"""Where secrets come from: in place, from the bootstrap's `secrets`, or by SDS from a file that is read again when it
changes.

A missing or broken file of SDS is no load error, as in Envoy: the context is not ready until the file is there.
Source: Envoy, SdsApi and FilesystemSubscriptionImpl.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pyvoy.config import source
from pyvoy.config.context import Context
from pyvoy.config.messages import MessageReader
from pyvoy.config.problems import ConfigErrors, Problems, nearest_name
from pyvoy.config.registry import supports
from pyvoy.server.file_watch import state_of

if TYPE_CHECKING:
    from pyvoy.server.services import Services
    from pyvoy.stats.counters import Counter

log = logging.getLogger("pyvoy.config")

_TLS = "envoy.extensions.transport_sockets.tls.v3."
supports(_TLS + "SdsSecretConfig", "name sds_config")
supports(_TLS + "Secret", "name tls_certificate session_ticket_keys validation_context")
supports("envoy.config.core.v3.ConfigSource", "path path_config_source", tuning="initial_fetch_timeout")
supports("envoy.config.core.v3.PathConfigSource", "path", tuning="watched_directory")

Contexts = TypeVar("Contexts")
Made_co = TypeVar("Made_co", covariant=True)
LOOK_S = 0.5
"""How often files are looked at."""


class NotReadyError(Exception):
    """A secret is not there (yet)."""


@dataclass(slots=True)
class Secrets:
    """The secrets of one TLS context (`context` stands at its message), and the files that they come from."""

    context: Context
    files: set[str] = field(default_factory=set)

    def find(self, config: Any, kind: str, place: str) -> Any:
        """The `kind` field of the secret that an SdsSecretConfig at `place` names.  Raises NotReadyError; a reference
        that can never be right is reported, and None returned."""
        at = self.context.at(place)
        if not config.HasField("sds_config"):
            return self._static(config.name, kind, at)
        where = config.sds_config.WhichOneof("config_source_specifier")
        if where not in ("path", "path_config_source"):
            at.error("sds_config", "secrets come from files only: use path_config_source")
            return None
        path = config.sds_config.path or config.sds_config.path_config_source.path
        self.files.add(path)
        return _of_kind(read_secret(path, config.name), kind)

    def _static(self, name: str, kind: str, at: Context) -> Any:
        known = self.context.env.secrets
        if name not in known:
            at.error("name", f"Unknown static secret: {name}", nearest_name(name, known))
            return None
        return _of_kind(known[name], kind)

    def again(self) -> Context:
        """A context of the same place for another reading, with problems of its own."""
        context = self.context
        env = replace(context.env, problems=Problems())
        return Context(env, context.scope, path=context.path)


def _of_kind(secret: Any, kind: str) -> Any:
    if secret.WhichOneof("type") != kind:
        raise NotReadyError(f"the secret {secret.name!r} is no {kind}")
    return getattr(secret, kind)


def read_secret(path: str, name: str) -> Any:
    """The secret of that name in a file with a DiscoveryResponse.  Raises NotReadyError."""
    from envoy.extensions.transport_sockets.tls.v3 import secret_pb2
    from envoy.service.discovery.v3 import discovery_pb2

    problems = Problems()
    message = discovery_pb2.DiscoveryResponse()
    try:
        text = source.decode(Path(path).read_bytes())
        parsed, node = source.parse(text, path, is_json=path.endswith(".json"))
        MessageReader(parsed, problems).read(node, message)
        problems.raise_errors()
    except (OSError, ConfigErrors) as error:
        raise NotReadyError(str(error)) from None
    for resource in message.resources:
        secret = secret_pb2.Secret()
        if resource.Unpack(secret) and secret.name == name:
            return secret
    raise NotReadyError(f"{path!r} has no secret named {name!r}")


class FileWatch:
    """Calls `changed` when one of some files is another one, until it is stopped."""

    def __init__(self, services: Services, files: set[str], changed: Callable[[], None]) -> None:
        """`files` may grow later."""
        self._services = services
        self._files = files
        self._changed = changed
        self._known = self._states()
        self._timer = services.timers.call_later(LOOK_S, self._look)

    def stop(self) -> None:
        """Look no more."""
        self._timer.cancel()

    def _states(self) -> dict[str, object]:
        return {name: state_of(name) for name in self._files}

    def _look(self) -> None:
        self._timer = self._services.timers.call_later(LOOK_S, self._look)
        now = self._states()
        if now != self._known:
            self._known = now
            self._changed()


class Held(Protocol[Contexts]):
    """What connections take their TLS contexts from; None while there are none."""

    current: Contexts | None


class ContextsBuilder(Protocol[Made_co]):
    """Makes the TLS contexts of one message, now and whenever a secret has changed."""

    secrets: Secrets
    updated: Counter

    def contexts(self, context: Context) -> Made_co | None:
        """The contexts; None after a problem.  Raises NotReadyError."""


def hold(held: Held[Contexts], builder: ContextsBuilder[Contexts], context: Context) -> None:
    """Make the contexts, and make them anew whenever a file of theirs changes."""
    try:
        held.current = builder.contexts(context)
    except NotReadyError as error:
        log.warning("%s: TLS is not ready: %s", context.path, error)
    services = context.env.services
    if builder.secrets.files and services is not None:

        def again() -> None:
            found = _renewed(builder)
            if found is not None:
                held.current = found
                builder.updated.inc()

        context.env.retire.append(FileWatch(services, builder.secrets.files, again).stop)


def _renewed(builder: ContextsBuilder[Contexts]) -> Contexts | None:
    """The contexts with the secrets as they are now; None while they are not good, so that the old ones stay."""
    context = builder.secrets.again()
    try:
        contexts = builder.contexts(context)
    except NotReadyError as error:
        log.warning("%s: the secrets are left as they were: %s", context.path, error)
        return None
    for problem in context.env.problems:
        log.warning("the secrets are left as they were: %s", problem)
    return None if context.env.problems.has_errors else contexts
