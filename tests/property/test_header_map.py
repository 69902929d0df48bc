"""The header map is a list of pairs, whatever is done to it and however it keeps them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pyvoy.http.headers import HeaderMap, Pair

JOINED = (b"location", b"via")
NAMES = st.sampled_from([b"a", b"b", b"c", *JOINED])
VALUES = st.sampled_from([b"", b"1", b"2", b"1,2"])
STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "set", "replace", "remove", "append_value"]), NAMES, VALUES), max_size=25
)


class Model:
    """The same by the plainest means."""

    def __init__(self) -> None:
        self.pairs: list[Pair] = []

    def places(self, name: bytes) -> list[int]:
        return [index for index, (key, _) in enumerate(self.pairs) if key == name]

    def add(self, name: bytes, value: bytes) -> None:
        places = self.places(name)
        if places and name in JOINED:
            self.pairs[places[0]] = (name, self.pairs[places[0]][1] + b"," + value)
        else:
            self.pairs.append((name, value))

    def set(self, name: bytes, value: bytes) -> None:
        places = self.places(name)
        if not places:
            self.pairs.append((name, value))
            return
        self.pairs[places[0]] = (name, value)
        self.pairs = [pair for index, pair in enumerate(self.pairs) if index not in places[1:]]

    def replace(self, name: bytes, value: bytes) -> None:
        self.remove(name)
        last = max((at for at, (key, _) in enumerate(self.pairs) if key[:1] == b":"), default=-1)
        self.pairs.insert(last + 1 if name[:1] == b":" else len(self.pairs), (name, value))

    def remove(self, name: bytes) -> int:
        gone = len(self.places(name))
        self.pairs = [pair for pair in self.pairs if pair[0] != name]
        return gone

    def append_value(self, name: bytes, value: bytes) -> None:
        places = self.places(name)
        old = self.pairs[places[0]][1] if places else b""
        self.set(name, old + b"," + value if old else value)


@given(steps=STEPS)
def test_steps_give_what_they_give_to_a_list(steps: list[tuple[str, bytes, bytes]]) -> None:
    headers, model = HeaderMap(), Model()
    for step, name, value in steps:
        arguments = (name,) if step == "remove" else (name, value)
        assert getattr(headers, step)(*arguments) == getattr(model, step)(*arguments)
        assert list(headers.items()) == model.pairs
        assert headers.map == {key: headers.get_all(key)[0] for key, _ in model.pairs}
        assert len(headers) == len(model.pairs)
        for key in (b"a", *JOINED):
            assert headers.get_all(key) == [each for other, each in model.pairs if other == key]
            assert headers.joined(key) == (b",".join(headers.get_all(key)) if key in headers else None)
