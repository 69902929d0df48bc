"""Compression of bodies: the filter, what clients accept, and the libraries that compress."""
