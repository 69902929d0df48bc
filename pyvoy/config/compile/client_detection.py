"""What the connection manager configures about the request head by extensions: client address detectors and early
header mutations.

Source: Envoy's original_ip_detection and early_header_mutation extensions; texts from the running 1.40.
"""

from __future__ import annotations

from typing import Any

from pyvoy.config.compile.header_rules import header_rule
from pyvoy.config.context import Context
from pyvoy.config.message_types import unpack
from pyvoy.config.registry import supports, type_name_of
from pyvoy.http.client_address import Detector, custom_header_detector, xff_detector, xff_ranges_detector
from pyvoy.http.headers import HeaderMap
from pyvoy.http.request_rules import EarlyMutation
from pyvoy.http.routing.header_rules import HeaderRules

_DETECTION = "envoy.extensions.http.original_ip_detection."
_XFF = _DETECTION + "xff.v3.XffConfig"
_CUSTOM_HEADER = _DETECTION + "custom_header.v3.CustomHeaderConfig"
_EARLY = "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation"
_MUTATION = "envoy.config.common.mutation_rules.v3.HeaderMutation"
_CUSTOM_HEADER_REFUSAL = 403

supports(_XFF, "xff_num_trusted_hops xff_trusted_cidrs skip_xff_append")
supports("envoy.extensions.http.original_ip_detection.xff.v3.XffTrustedCidrs", "cidrs")
supports(_CUSTOM_HEADER, "header_name allow_extension_to_set_address_as_trusted reject_with_status")
supports("envoy.type.v3.HttpStatus", "code")
supports(_EARLY, "mutations")
supports(_MUTATION, "remove append remove_on_match")
supports(_MUTATION + ".RemoveOnMatch", "key_matcher")


def build_detectors(message: Any, context: Context) -> tuple[Detector, ...]:
    """The original_ip_detection_extensions of a HttpConnectionManager message."""
    extensions = message.original_ip_detection_extensions
    if extensions and (message.use_remote_address.value or message.xff_num_trusted_hops):
        context.error(
            "original_ip_detection_extensions",
            "Original IP detection extensions and use_remote_address may not be mixed"
            if message.use_remote_address.value
            else "Original IP detection extensions and xff_num_trusted_hops may not be mixed",
        )
    found = []
    for index, extension in enumerate(extensions):
        detector = _detector(extension, context.at("original_ip_detection_extensions", index))
        if detector is not None:
            found.append(detector)
    return tuple(found)


def _detector(extension: Any, context: Context) -> Detector | None:
    name = type_name_of(extension.typed_config.type_url)
    place = context.at("typed_config")
    if name == _XFF:
        return _xff(unpack(extension.typed_config, name), place)
    if name == _CUSTOM_HEADER:
        return _custom_header(unpack(extension.typed_config, name))
    context.error("typed_config", f"no original IP detection of type {name!r}")
    return None


def _xff(message: Any, context: Context) -> Detector:
    append = message.HasField("skip_xff_append") and not message.skip_xff_append.value
    if not message.HasField("xff_trusted_cidrs"):
        return xff_detector(message.xff_num_trusted_hops, append)
    if message.xff_num_trusted_hops:
        context.error("xff_num_trusted_hops", "Cannot set both xff_num_trusted_hops and xff_trusted_cidrs")
    ranges = context.at("xff_trusted_cidrs").cidr_ranges(message.xff_trusted_cidrs.cidrs, "cidrs")
    return xff_ranges_detector(ranges, append)


def _custom_header(message: Any) -> Detector:
    """Codes below 400 and above 599 are answered as 403, as in Envoy."""
    status = None
    if message.HasField("reject_with_status"):
        code = message.reject_with_status.code
        status = code if 400 <= code <= 599 else _CUSTOM_HEADER_REFUSAL
    name = message.header_name.lower().encode()
    return custom_header_detector(name, message.allow_extension_to_set_address_as_trusted, status)


def build_early_mutations(message: Any, context: Context) -> tuple[EarlyMutation, ...]:
    """The early_header_mutation_extensions of a HttpConnectionManager message, one function for each mutation."""
    made: list[EarlyMutation] = []
    for index, extension in enumerate(message.early_header_mutation_extensions):
        place = context.at("early_header_mutation_extensions", index).at("typed_config")
        name = type_name_of(extension.typed_config.type_url)
        if name != _EARLY:
            place.error("", f"no early header mutation of type {name!r}")
            continue
        mutations = unpack(extension.typed_config, name).mutations
        for number, mutation in enumerate(mutations):
            step = _mutation(mutation, place.at("mutations", number))
            if step is not None:
                made.append(step)
    return tuple(made)


def _mutation(message: Any, context: Context) -> EarlyMutation | None:
    which = message.WhichOneof("action")
    if which == "remove":
        name = message.remove.lower().encode()
        return lambda _source, headers: _discard(headers, name)
    if which == "remove_on_match":
        return _remove_on_match(message.remove_on_match, context.at("remove_on_match"))
    rule = header_rule(message.append, context.at("append"))
    return None if rule is None else HeaderRules([rule]).apply


def _discard(headers: HeaderMap, name: bytes) -> None:
    headers.remove(name)


def _remove_on_match(message: Any, context: Context) -> EarlyMutation:
    matches = context.string_matcher(message, "key_matcher")

    def remove(_source: Any, headers: HeaderMap) -> None:
        for name in [name for name in headers.map if matches(name) and not name.startswith(b":")]:
            headers.remove(name)

    return remove
