"""The proxy as an application of the supervisor: what is checked, and what main and a worker do.

Everything heavy is imported in `preload`, before the first fork: children share it and start quickly.
"""

from __future__ import annotations

import logging

from pyvoy.server.application import Checked, CheckFailed, ChildContext
from pyvoy.server.options import Options

log = logging.getLogger("pyvoy.config")


class ProxyApplication:
    """pyvoy itself."""

    def preload(self) -> None:
        """Import what main and the workers need."""
        import pyvoy.server.data_plane
        import pyvoy.server.main  # noqa: F401
        from pyvoy.config.registry import load_builtin

        load_builtin()

    def check(self, options: Options) -> Checked:
        """Read the bootstrap, check it and build all its plans once.  Raises CheckFailed with every problem."""
        from pyvoy.config.load import load
        from pyvoy.config.problems import ConfigErrors
        from pyvoy.server import listen_specs
        from pyvoy.server.plans import try_build

        node = {"id": options.service_node, "cluster": options.service_cluster, "zone": options.service_zone}
        try:
            loaded = load(options.config_path or None, config_yaml=options.config_yaml, node=node)
            warnings = (*loaded.warnings, *try_build(loaded))
        except ConfigErrors as error:
            raise CheckFailed([str(problem) for problem in error.problems]) from None
        return Checked(loaded.serialized(), listen_specs.of_bootstrap(loaded.message), [str(one) for one in warnings])

    def main(self, context: ChildContext) -> int:
        """Admin, DNS, statistics."""
        from pyvoy.server.main import Main

        return Main(context).run()

    def worker(self, context: ChildContext) -> int:
        """Traffic."""
        from pyvoy.server.data_plane import ProxyDataPlane
        from pyvoy.server.worker import Worker

        return Worker(context, ProxyDataPlane).run()
