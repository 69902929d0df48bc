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

    `load_class` executes the code and gives the class; it raises LoadError.  `cls` is the compiled class (with
    FAIL_RELOAD it changes when the filter has failed), `user_class` what was written, `config_class` its dataclass,
    `values` the configuration as it stands in the bootstrap."""

    __slots__ = (
        "_compile",
        "_load_class",
        "cls",
        "config",
        "config_class",
        "failures",
        "host",
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

    def __init__(self, load_class: Callable[[], type], compile_: Compile) -> None:
        self._load_class = load_class
        self._compile = compile_
        self.user_class = load_class()

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
            self.user_class = self._load_class()
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


class Loader:
    """Loads the class of a bootstrap's code; its own module is to be found as long as nothing newer was loaded."""

    __slots__ = ("_base", "_code", "_module", "_name")

    def __init__(self, code: Code, name: str, base: type) -> None:
        self._code = code
        self._name = name
        self._base = base
        self._module = ""

    def __call__(self) -> type:
        """Execute the code.  Raises LoadError."""
        module = self._code.load()
        self.forget()
        self._module = module.__name__
        return load.find_class(module, self._name, self._base)

    @property
    def files(self) -> list[str]:
        """The files whose change means that the code has changed."""
        return self._code.files(sys.modules[self._module])

    def forget(self) -> None:
        """The module is no longer to be found."""
        if self._module and self._code.is_private:
            sys.modules.pop(self._module, None)


def build_plan(message: Any, context: Context, base: type, compile_: Compile, scope: Scope) -> PythonPlan | None:
    """The plan of a Python message; None after a problem.  `scope` is what the filter's own statistics lie below."""
    code = read_code(message.code, context)
    if code is None:
        return None
    loader = Loader(code, getattr(message, "class"), base)
    try:
        plan = PythonPlan(loader, compile_)
    except LoadError as error:
        context.error("code", str(error))
        return None
    context.env.retire.append(loader.forget)
    context.env.files.update(loader.files)
    policy = FailurePolicy(message.failure_policy)
    values = struct_values(message, "config")
    return plan if complete(plan, values, policy, message.stat_prefix, context, scope) else None


def complete(
    plan: PythonPlan,
    values: Mapping[str, Any],
    policy: FailurePolicy,
    stat_prefix: str,
    context: Context,
    scope: Scope,
) -> bool:
    """Configure and compile a plan whose class is loaded; False after a problem."""
    if not _configure(plan, values, context):
        return False
    name = stat_prefix or plan.user_class.__name__
    own_scope = scope.scope("python").scope(name)
    plan.place = place_of(context)
    plan.host = Host.of(context, own_scope, "python")
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
        return False
    return True


def read_code(message: Any, context: Context) -> Code | None:
    """Where the code is; None after a problem."""
    kind = message.WhichOneof("specifier")
    if kind is None or not getattr(message, kind).strip():
        context.error("code", "needs one of module, filename, inline_string")
        return None
    return Code(message.module, message.filename, message.inline_string, f"inline python of {context.path}")


def _configure(plan: PythonPlan, values: Mapping[str, Any], context: Context) -> bool:
    plan.values = values
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
