"""The proxy as an application of the supervisor: what is checked, and what main and a worker do.

Everything heavy is imported in `preload`, before the first fork: children share it and start quickly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyvoy.server.application import Checked, CheckFailed, ChildContext
from pyvoy.server.options import Options

if TYPE_CHECKING:
    from pyvoy.config.load import LoadedBootstrap
    from pyvoy.config.problems import ConfigProblem


class ProxyApplication:
    """pyvoy itself."""

    def preload(self) -> None:
        """Import what main and the workers need."""
        import pyvoy.server.data_plane
        import pyvoy.server.main  # noqa: F401
        from pyvoy.config.registry import load_builtin

        load_builtin()

    def load(self, options: Options) -> Checked:
        """Read and check the bootstrap.  Raises CheckFailed with every problem."""
        return _checked(_load(options), ())

    def check(self, options: Options) -> Checked:
        """Read and check the bootstrap and build all its plans once.  Raises CheckFailed with every problem."""
        from pyvoy.config.problems import ConfigErrors
        from pyvoy.server.plans import try_build

        loaded = _load(options)
        try:
            return _checked(loaded, try_build(loaded))
        except ConfigErrors as error:
            raise CheckFailed([str(problem) for problem in error.problems]) from None

    def main(self, context: ChildContext) -> int:
        """Admin, DNS, statistics."""
        from pyvoy.server.main import Main

        return Main(context).run()

    def worker(self, context: ChildContext) -> int:
        """Traffic."""
        from pyvoy.server.data_plane import ProxyDataPlane
        from pyvoy.server.worker import Worker

        return Worker(context, ProxyDataPlane).run()


def _load(options: Options) -> LoadedBootstrap:
    from pyvoy.config.load import load
    from pyvoy.config.problems import ConfigErrors

    node = {"id": options.service_node, "cluster": options.service_cluster, "zone": options.service_zone}
    try:
        return load(options.config_path or None, config_yaml=options.config_yaml, node=node)
    except ConfigErrors as error:
        raise CheckFailed([str(problem) for problem in error.problems]) from None


def _checked(loaded: LoadedBootstrap, more: Sequence[ConfigProblem]) -> Checked:
    from pyvoy.server import listen_specs

    specs = listen_specs.of_bootstrap(loaded.message)
    warnings = [str(problem) for problem in (*loaded.warnings, *more)]
    files = [(each.scope, each.path) for each in loaded.subscriptions]
    return Checked(loaded.serialized(), specs, warnings, files, loaded)
