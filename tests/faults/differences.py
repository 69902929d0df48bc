"""Where pyvoy's answer to bad input differs from Envoy's although both are right, each with its reason."""

KNOWN: dict[str, str] = {}

# Rows where the real Envoy 1.40 is outside of what is right: no model for us.
ENVOY_IS_WRONG = frozenset(
    {
        "host-twice",
        "host-twice-same",
        "host-at",
        "host-badport",
        "chunk-lf-data",
        "chunk-spill",
        "u-status-2-digits",
        "u-status-4-digits",
        "u-status-000",
        "u-101-unasked",
    }
)
