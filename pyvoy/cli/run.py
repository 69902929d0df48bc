"""Serving: the log, then the supervisor."""

from __future__ import annotations

import gc
import logging
import sys

from pyvoy.server import logs
from pyvoy.server.options import Options


def set_up_logs(options: Options) -> bool:
    """Direct the application log as the options say; False (and a word) when it cannot be."""
    try:
        logs.setup(options.log_level, options.component_log_level, options.log_format, options.log_path)
    except logs.LogError as error:
        print(error, file=sys.stderr)
        return False
    if options.accepted:
        logging.getLogger("pyvoy.main").debug("accepted without effect: %s", " ".join(options.accepted))
    return True


def serve(options: Options) -> int:
    """Run the proxy until it is told to stop.  Returns the exit status."""
    gc.disable()  # collecting while modules load finds nothing; every child turns it on again
    from pyvoy.server.proxy import ProxyApplication
    from pyvoy.server.supervisor import Supervisor

    if not set_up_logs(options):
        return 1
    if options.dev:
        # Compiled files know the time of their source by the second: an edit right behind another would be missed.
        sys.dont_write_bytecode = True
    return Supervisor(ProxyApplication(), options).run()
