"""From the sources of a Wasm filter to its module: which toolchain, whether it is there, and how it is called.

    from pyvoy.toolchain.project import build, find
    for module in find(Path("filters/add_header")):
        build(module)

Nothing of the proxy imports this.  One file for each toolchain; `project.py` has the table of the languages.
"""
