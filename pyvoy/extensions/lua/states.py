"""What a hook waits for and what it is given: the numbers that `hook.py` and `prelude/handle.lua` share."""

OVER, FOR_BODY, FOR_CHUNK, FOR_TRAILERS, FOR_CALL, RESPONDED = range(6)
ABSENT, PRESENT, WAIT = range(3)
ERROR = -1
"""What running a hook answers, with text and traceback, when the script has failed."""
