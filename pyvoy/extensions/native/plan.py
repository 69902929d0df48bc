"""The plan of one configured Python filter, HTTP or network: its code loaded, its class compiled, its configuration.

Built in every process that builds plans.  Where a configuration is only tried the code is executed too, so that what is
wrong with it is known before it is put in force.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pyvoy.extensions.attributes import Place, place_of
from pyvoy.extensions.failure import FailurePolicy, Failures
from pyvoy.extensions.host import Host
from pyvoy.extensions.native import load
from pyvoy.extensions.native.configuring import build_config, config_type, from_mapping
from pyvoy.extensions.native.load import Code, LoadError

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.stats.store import Scope

Compile = Callable[["PythonPlan"], type]
"""Makes the class for the chain out of the user's.  Raises LoadError."""


class PythonPlan:
    """One configured filter in one worker.

    `cls` is the compiled class (with FAIL_RELOAD it changes when the filter has failed), `user_class` what was written,
    `config_class` its dataclass, `values` the configuration as it stands in the bootstrap."""

    __slots__ = (
        "_base",
        "_compile",
        "_module",
        "cls",
        "code",
        "config",
        "config_class",
        "failures",
        "host",
        "name",
        "place",
        "user_class",
        "values",
    )

    host: Host
    failures: Failures
    place: Place
    cls: type
    config: Any
    config_class: type | None
    values: Mapping[str, Any]

    def __init__(self, code: Code, name: str, base: type, compile_: Compile) -> None:
        self.code = code
        self.name = name
        self._base = base
        self._compile = compile_
        self._module = ""
        self.user_class = self._load()

    def _load(self) -> type:
        """Execute the code; what was loaded before is forgotten.  Raises LoadError."""
        module = self.code.load()
        self.forget()
        self._module = module.__name__
        return load.find_class(module, self.name, self._base)

    def compile(self) -> None:
        """Make the class and let it begin.  Raises LoadError."""
        self.cls = self._compile(self)
        try:
            self.cls.on_load()  # type: ignore[attr-defined]  # every base has it
        except BaseException as error:  # the wall of the extension
            where = load.place_of(error, self.user_class.__name__)
            raise LoadError(f"{where}: on_load: {type(error).__name__}: {error}") from error

    def reload(self) -> None:
        """Load the code anew; what was there stays in force if that fails.  Raises LoadError."""
        before = self.user_class, self.config_class, self.config, self.cls
        try:
            self.user_class = self._load()
            self.config_class = config_type(self.user_class)
            problems: list[str] = []
            self.config = self.values
            if self.config_class is not None:
                self.config = from_mapping(
                    self.config_class, self.values, "config", lambda path, text, _: problems.append(f"{path}: {text}")
                )
            if problems:
                raise LoadError("; ".join(problems))
            self.host.cancel_timers()
            self.compile()
        except BaseException:
            self.user_class, self.config_class, self.config, self.cls = before
            raise

    def forget(self) -> None:
        """The code's own module is no longer to be found."""
        if self._module and self.code.is_private:
            sys.modules.pop(self._module, None)


def build_plan(message: Any, context: Context, base: type, compile_: Compile, scope: Scope) -> PythonPlan | None:
    """The plan of a Python message; None after a problem.  `scope` is what the filter's own statistics lie below."""
    code = read_code(message.code, context)
    if code is None:
        return None
    try:
        plan = PythonPlan(code, getattr(message, "class"), base, compile_)
    except LoadError as error:
        context.error("code", str(error))
        return None
    context.env.retire.append(plan.forget)
    context.env.files.update(code.files(sys.modules[plan.user_class.__module__]))
    if not _configure(plan, message, context):
        return None
    name = message.stat_prefix or plan.user_class.__name__
    own_scope = scope.scope("python").scope(name)
    plan.place = place_of(context)
    plan.host = Host.of(context, own_scope, "python")
    policy = FailurePolicy(message.failure_policy)
    plan.failures = Failures(
        name,
        policy,
        own_scope,
        plan.host.logger,
        development=context.env.development,
        reload=plan.reload if policy is FailurePolicy.RELOAD else None,
    )
    try:
        plan.compile()
    except LoadError as error:
        context.error("code", str(error))
        return None
    return plan


def read_code(message: Any, context: Context) -> Code | None:
    """Where the code is; None after a problem."""
    kind = message.WhichOneof("specifier")
    if kind is None or not getattr(message, kind).strip():
        context.error("code", "needs one of module, filename, inline_string")
        return None
    return Code(message.module, message.filename, message.inline_string, f"inline python of {context.path}")


def _configure(plan: PythonPlan, message: Any, context: Context) -> bool:
    plan.values = struct_values(message, "config")
    try:
        plan.config_class = config_type(plan.user_class)
    except TypeError as error:
        context.error("class", str(error))
        return False
    plan.config = build_config(plan.config_class, plan.values, context)
    return plan.config is not None


def struct_values(message: Any, field: str) -> dict[str, Any]:
    """A Struct field as plain Python values."""
    from pyvoy.filters.common.metadata import plain_struct

    return plain_struct(getattr(message, field)) if message.HasField(field) else {}
