"""Tests of pyvoy.upstream; a package, because file names such as test_limits.py occur elsewhere too."""
