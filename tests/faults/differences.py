"""Where pyvoy's answer to bad input differs from Envoy's although both are right, each with its reason."""

_LLHTTP = "llhttp, the parser, is stricter and its lenient flags stay off: refusing is always safe"
KNOWN: dict[str, str] = {
    "rl-lf-only": _LLHTTP,
    "rl-bare-cr": _LLHTTP,
    "rl-cr-line-end": _LLHTTP,
    "rl-http12": "llhttp knows no minor version above 1; it says 400 where Envoy says 426",
    "rl-tab": _LLHTTP,
    "rl-trailing-space": _LLHTTP,
    "hdr-obs-fold": _LLHTTP,
    "hdr-val-cr": _LLHTTP,
    "hdr-val-lf": _LLHTTP,
    "te-empty": "llhttp refuses the field before a coding can be judged: 400 where Envoy says 501",
    "chunk-trailer-cl": _LLHTTP,
    "chunk-trailws": _LLHTTP,
    "chunk-bare-semicolon": _LLHTTP,
    "u-hdr-obs-fold": _LLHTTP,
    "u-hdr-bare-cr": _LLHTTP,
}

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
