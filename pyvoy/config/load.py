"""The way in: a bootstrap file (and text laid over it) -> a checked message with the places of its fields.

Collects every problem that can be seen without building plans and raises them at once.  What it does not do: build
plans (`compile`), bind, resolve or start anything.  Source: Envoy's Server::InstanceUtil::loadBootstrapConfig.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyvoy.config import source, traps
from pyvoy.config.checks import Checker
from pyvoy.config.compile import bootstrap as bootstrap_messages
from pyvoy.config.compile import discovery
from pyvoy.config.compile.discovery import Subscription
from pyvoy.config.compile.overload import proxy_limit
from pyvoy.config.context import Context, Environment
from pyvoy.config.merge import merge
from pyvoy.config.messages import MessageReader
from pyvoy.config.problems import NOWHERE, ConfigErrors, ConfigProblem, Problems, Where
from pyvoy.config.registry import load_builtin

if TYPE_CHECKING:
    from pyvoy.server.arena import Arena
    from pyvoy.server.services import Services
    from pyvoy.stats.store import Scope

log = logging.getLogger("pyvoy.config")

YAML_OPTION = "--config-yaml"


@dataclass(slots=True, frozen=True)
class LoadedBootstrap:
    """A bootstrap that passed all checks.

    `message` is the Bootstrap, `where` the places of its fields, `warnings` what the user should hear, `subscriptions`
    the files of resources that parts of it came from."""

    message: Any
    where: Where = NOWHERE
    warnings: tuple[ConfigProblem, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()

    def environment(self, root_scope: Scope, arena: Arena, problems: Problems | None = None) -> Environment:
        """What all builders of one load share: clusters, runtime and node of this bootstrap."""
        collected = problems if problems is not None else Problems()
        environment = Environment(collected, root_scope, arena, self.message.node)
        environment.clusters = bootstrap_messages.cluster_names(self.message)
        environment.secrets = {secret.name: secret for secret in self.message.static_resources.secrets}
        environment.runtime = bootstrap_messages.runtime(self.message, self._at_root(environment))
        environment.proxy_limit = proxy_limit(self.message, self._at_root(environment))
        return environment

    def context(
        self,
        root_scope: Scope,
        arena: Arena,
        problems: Problems | None = None,
        services: Services | None = None,
    ) -> Context:
        """The context of the bootstrap message itself; builders go down from here with `at`.

        `services` are those of the worker that will run the plans; None to try them."""
        environment = self.environment(root_scope, arena, problems)
        environment.services = services
        if services is not None:
            environment.development = services.development
            environment.trace_sink = services.trace_sink
        return self._at_root(environment)

    def serialized(self) -> bytes:
        """The message as bytes, for workers that build the same plans."""
        return bytes(self.message.SerializeToString(deterministic=True))

    def _at_root(self, environment: Environment) -> Context:
        return Context(environment, environment.root_scope, self.where)


def load(path: str | None = None, *, config_yaml: str = "", node: Any = None) -> LoadedBootstrap:
    """Read and check a bootstrap.

    `path` is a YAML, JSON or protobuf file (.yaml .yml .json .pb .pb_text; anything else is read as YAML), and
    `config_yaml` is merged over it.  `node` is a mapping of node fields that win over the file's (`id`, `cluster`,
    `zone`).  Raises ConfigErrors with all problems, OSError never."""
    if path is None and not config_yaml:
        raise ConfigErrors([ConfigProblem("there is no configuration: give a file or a text")])
    message, where, problems = read(path, config_yaml)
    _apply_node(message, node or {})
    return check(message, where, problems)


def read(path: str | None, config_yaml: str = "") -> tuple[Any, Where, Problems]:
    """The message of a file with a text merged over it; only reading problems so far."""
    problems = Problems()
    message, where = _new_message(), NOWHERE
    if path is not None:
        message, where = _read_file(path, problems)
    if config_yaml:
        over, over_where = _read_text(config_yaml, YAML_OPTION, problems)
        where = over_where if path is None else merge(message, where, over, over_where)
        if path is None:
            message = over
    return message, where, problems


def check(message: Any, where: Where, problems: Problems) -> LoadedBootstrap:
    """Check a Bootstrap that was read (or came as a message).  Raises ConfigErrors with all problems."""
    registry = load_builtin()
    subscriptions = discovery.put_in_place(message, where, problems)
    readable = not problems.has_errors
    Checker(problems, registry).check(message, where)
    traps.check(message, where, problems)
    if readable and problems.has_errors:
        _add_what_builders_say(LoadedBootstrap(message, where), problems)
    problems.raise_errors()
    return LoadedBootstrap(message, where, problems.warnings, subscriptions)


def _add_what_builders_say(loaded: LoadedBootstrap, problems: Problems) -> None:
    """Complete the list of a configuration that is refused anyway, so that nobody corrects it in two rounds.

    Builders expect a message that passed the checks: what they choke on was reported already."""
    from pyvoy.server import plans

    more = Problems()
    try:
        plans.try_build(loaded, more)
    except ConfigErrors:
        pass
    except Exception:
        log.debug("plans of a refused configuration", exc_info=True)
    for problem in more:
        if problem.is_error and not problems.has_error_around(problem.path):
            problems.add(problem)


def from_bytes(data: bytes) -> LoadedBootstrap:
    """A bootstrap that another process has checked; without places."""
    message = _new_message()
    message.ParseFromString(data)
    load_builtin()
    return LoadedBootstrap(message)


def _new_message() -> Any:
    from envoy.config.bootstrap.v3 import bootstrap_pb2

    return bootstrap_pb2.Bootstrap()


def _read_file(path: str, problems: Problems) -> tuple[Any, Where]:
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigErrors([ConfigProblem(f"cannot read {path!r}: {reason}")]) from None
    lowered = path.lower()
    if lowered.endswith((".pb", ".pb_text")):
        return _read_protobuf(path, data), NOWHERE
    return _read_text(source.decode(data), path, problems, is_json=lowered.endswith(".json"))


def _read_text(text: str, name: str, problems: Problems, *, is_json: bool = False) -> tuple[Any, Where]:
    message = _new_message()
    parsed, node = source.parse(text, name, is_json=is_json)
    return message, MessageReader(parsed, problems).read(node, message)


def _read_protobuf(path: str, data: bytes) -> Any:
    from google.protobuf import text_format
    from google.protobuf.message import DecodeError

    message = _new_message()
    try:
        if path.lower().endswith(".pb"):
            message.ParseFromString(data)
        else:
            text_format.Parse(data.decode("utf-8", "replace"), message)
    except (DecodeError, text_format.ParseError) as error:
        raise ConfigErrors([ConfigProblem(f"{path!r} is no bootstrap in protobuf form: {error}")]) from None
    return message


def _apply_node(message: Any, node: Any) -> None:
    for name in ("id", "cluster"):
        if node.get(name):
            setattr(message.node, name, node[name])
    if node.get("zone"):
        message.node.locality.zone = node["zone"]
