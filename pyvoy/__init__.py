"""pyvoy: an L4/L7 sidecar proxy in pure Python that runs unmodified Envoy v3 bootstraps."""
