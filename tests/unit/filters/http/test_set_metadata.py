"""Set metadata: merging, overwriting, and what is counted."""

from __future__ import annotations

from pyvoy.filters.http.set_metadata import SetMetadata
from pyvoy.testing.contract import check_http_filter
from pyvoy.testing.playbook import Play, forwarded, headers, play

FIRST = "{metadata_namespace: ns, value: {a: 1, l: [1], m: {x: 1}}}"


def metadata(text: str) -> Play:
    p = play(SetMetadata, text) >> headers() << forwarded()
    p.stage.close()
    return p


def test_a_namespace_is_written_once() -> None:
    p = metadata(f"metadata: [{FIRST}, {{metadata_namespace: ns, value: {{b: 2}}}}]")
    assert p.stream.info.dynamic_metadata == {"ns": {"a": 1, "l": [1], "m": {"x": 1}}}
    assert p.counter("http.test.set_metadata.overwrite_denied") == 1


def test_overwriting_merges_structures_and_joins_lists() -> None:
    more = "{metadata_namespace: ns, allow_overwrite: true, value: {a: 2, l: [2], m: {y: 1}, c: z}}"
    p = metadata(f"metadata: [{FIRST}, {more}]")
    assert p.stream.info.dynamic_metadata == {"ns": {"a": 2, "l": [1, 2], "m": {"x": 1, "y": 1}, "c": "z"}}


def test_the_old_form_comes_first() -> None:
    p = metadata("metadata_namespace: ns\nvalue: {a: 1}\nmetadata: [{metadata_namespace: ns, value: {b: 2}}]")
    assert p.stream.info.dynamic_metadata == {"ns": {"a": 1}}


def test_streams_do_not_share_what_they_merge() -> None:
    p = play(SetMetadata, f"metadata: [{FIRST}, {{metadata_namespace: ns, allow_overwrite: true, value: {{l: [2]}}}}]")
    for _ in range(2):
        p >> headers() << forwarded()
        assert p.stream.info.dynamic_metadata["ns"]["l"] == [1, 2]
    p.stage.close()


def test_contract() -> None:
    check_http_filter(SetMetadata, f"metadata: [{FIRST}]")
