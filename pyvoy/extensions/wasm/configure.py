"""Envoy's PluginConfig as PluginSettings, and the plugin started from it.

Source: envoy.extensions.wasm.v3; the texts of refusals are Envoy's where it has one.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from pyvoy.extensions.attributes import compile_attribute, place_of
from pyvoy.extensions.early_calls import EarlyCaller
from pyvoy.extensions.host import Host
from pyvoy.extensions.wasm.plugin import Plugin, PluginRefused
from pyvoy.extensions.wasm.remote import RemoteCode
from pyvoy.extensions.wasm.runtime import DEFAULT_RUNTIME, NULL_RUNTIME, WasmRuntime
from pyvoy.extensions.wasm.settings import FailurePolicy, Limits, PluginSettings, VmSettings

if TYPE_CHECKING:
    from random import Random

    from pyvoy.config.context import Context

_MEBIBYTE = 1 << 20


def plugin(message: Any, context: Context, what: str) -> Plugin | None:
    """Start the plugin of a PluginConfig; None after a problem.

    `what` is the kind of plugin for the text of a refusal.  A plugin that does not start is an error, unless its policy
    is to fail open: then there is a warning, and a Plugin without a VM.  One whose code has to be fetched starts while
    the configuration warms, and where a configuration is only tried, not at all."""
    settings = read(message, context)
    if settings is None or context.env.problems.has_error_below(context.path):
        return None
    place = place_of(context)
    host = Host.of(context, context.root_scope, "wasm")
    if host.caller is None:
        host.caller = EarlyCaller(context.env)  # modules call from on_vm_start and on_configure
    runtime = WasmRuntime.of(context)
    made = runtime.plugin(settings, host, lambda parts: compile_attribute(parts, place))
    remote = _remote(message.vm_config, context.at("vm_config"))
    if remote is not None:
        code = runtime.code.known(remote.sha256)
        if code is None:
            if context.env.services is not None:
                context.env.warming.append(partial(_fetch, made, runtime, remote, host, context.random))
            return made
        made.settings = replace(settings, vm=replace(settings.vm, code=code))
    try:
        made.start()
    except PluginRefused as error:
        text = f"Unable to create {what} {settings.name}: {error}"
        if settings.policy is FailurePolicy.OPEN:
            context.warning("", text)
        else:
            context.error("", text)
            return None
    return made


async def _fetch(made: Plugin, runtime: WasmRuntime, remote: RemoteCode, host: Host, random: Random) -> None:
    code = await runtime.code.fetch(remote, host, random)
    if code is not None:
        made.start_late(code)


def read(message: Any, context: Context) -> PluginSettings | None:
    """The settings of a PluginConfig; None without a VM configuration."""
    if not message.HasField("vm_config"):
        context.error("vm_config", "is required")
        return None
    vm = _vm(message, context.at("vm_config"), context)
    if vm is None:
        return None
    stop = message.allow_on_headers_stop_iteration
    return PluginSettings(
        name=message.name,
        root_id=message.root_id,
        vm=vm,
        configuration=any_bytes(message.configuration),
        policy=_policy(message, context),
        reload_backoff_s=_backoff_s(message),
        headers_stop_iteration=stop.value,
        place={"direction": context.direction, "metadata": json.dumps(context.listener_metadata, default=str)},
    )


def _policy(message: Any, context: Context) -> FailurePolicy:
    if message.fail_open:
        if message.failure_policy:
            context.error("fail_open", "only one of fail_open or failure_policy can be set")
        return FailurePolicy.OPEN
    names = {1: FailurePolicy.RELOAD, 2: FailurePolicy.CLOSED, 3: FailurePolicy.OPEN}
    return names.get(message.failure_policy, FailurePolicy.CLOSED)


def _backoff_s(message: Any) -> float:
    backoff = message.reload_config.backoff
    if not message.HasField("reload_config") or not backoff.HasField("base_interval"):
        return 1.0
    return float(backoff.base_interval.seconds + backoff.base_interval.nanos / 1e9)


def _vm(message: Any, place: Context, context: Context) -> VmSettings | None:
    config = message.vm_config
    code = _code(config, place)
    if code is None:
        return None
    runtime = context.runtime
    limits = Limits(
        call_s=runtime.number("pyvoy.wasm.call_time_limit_ms", 1000.0) / 1000,
        start_s=runtime.number("pyvoy.wasm.start_time_limit_ms", 60_000.0) / 1000,
        memory_bytes=runtime.integer("pyvoy.wasm.memory_limit_mib", 1024) * _MEBIBYTE,
    )
    return VmSettings(
        vm_id=config.vm_id,
        runtime=config.runtime or DEFAULT_RUNTIME,
        code=code,
        configuration=any_bytes(config.configuration),
        environment=_environment(config, place),
        capabilities=frozenset(message.capability_restriction_config.allowed_capabilities),
        strict=runtime.boolean("pyvoy.wasm.strict_phases", True),
        trace=runtime.boolean("pyvoy.wasm.trace_calls", False),
        trace_streams=context.env.trace_sink is not None,
        limits=limits,
    )


def _code(config: Any, context: Context) -> bytes | None:
    kind = config.code.WhichOneof("specifier")
    if kind is None:
        context.error("code", "is required")
        return None
    if kind == "remote":
        return b"" if _remote(config, context) is not None else None
    code = context.at("code").data_source(config.code, "local")
    if config.code.local.filename:
        context.env.files.add(config.code.local.filename)  # `run --dev` loads it anew when it changes
    place = context.at("code").at("local")
    if not code and not context.env.problems.has_error_below(place.path):
        place.error("", "Failed to load Wasm code: it is empty")
    return code or None


def _remote(config: Any, context: Context) -> RemoteCode | None:
    """Where to fetch the code; None for local code, and after a problem."""
    if config.code.WhichOneof("specifier") != "remote":
        return None
    message = config.code.remote
    place = context.at("code").at("remote")
    uri = message.http_uri
    at_uri = place.at("http_uri")
    if not uri.uri:
        at_uri.error("uri", "is required")
    if not uri.cluster or at_uri.unknown_cluster("cluster", uri.cluster):
        if not uri.cluster:
            at_uri.error("cluster", "is required")
        return None
    if not re.fullmatch("[0-9a-fA-F]{64}", message.sha256):
        place.error("sha256", "is required: 64 hexadecimal digits")
        return None
    policy = message.retry_policy
    base_s = place.at("retry_policy").at("retry_back_off").duration_s(policy.retry_back_off, "base_interval", 1.0)
    max_s = place.at("retry_policy").at("retry_back_off").duration_s(policy.retry_back_off, "max_interval", None)
    return RemoteCode(
        uri=uri.uri,
        cluster=uri.cluster,
        sha256=message.sha256.lower(),
        timeout_s=at_uri.duration_s(uri, "timeout", 5.0) or 5.0,
        retries=policy.num_retries.value if policy.HasField("num_retries") else 1,
        base_s=base_s or 1.0,
        max_s=max_s or 10 * (base_s or 1.0),
    )


def _environment(config: Any, context: Context) -> tuple[tuple[str, str], ...]:
    """The module's variables: some of this process, and those that are given."""
    message = config.environment_variables
    if config.runtime == NULL_RUNTIME and (message.host_env_keys or message.key_values):
        context.error("environment_variables", "the null runtime has no environment variables")
    found = dict(sorted(message.key_values.items()))
    for index, key in enumerate(message.host_env_keys):
        place = context.at("environment_variables").at("host_env_keys", index)
        if key in found:
            place.error("", f"Key {key} is duplicated in envoy.extensions.wasm.v3.VmConfig.environment_variables")
        elif key in os.environ:
            found[key] = os.environ[key]
    return tuple(found.items())


def any_bytes(message: Any) -> bytes:
    """A configuration as the module sees it: text and bytes as they are, any other message serialized.

    A Struct too: Envoy's documentation speaks of JSON, the running 1.40 passes the message on."""
    name = message.type_url.rpartition("/")[2]
    if name not in ("google.protobuf.StringValue", "google.protobuf.BytesValue"):
        return bytes(message.value)
    from pyvoy.config.message_types import unpack

    value = unpack(message, name).value
    return value.encode() if isinstance(value, str) else bytes(value)
