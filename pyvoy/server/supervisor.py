"""The supervisor: owns the listening sockets, forks main and the workers, watches and replaces them, passes frames on.

No event loop, no thread, no configuration messages: it polls its channels and a wake-up socket that signals write to.
What the proxy does is the Application's matter.  Signals: SIGTERM and SIGINT drain and exit 0, a second one exits now;
SIGHUP checks the configuration in a throw-away process and then hands it out; SIGUSR1 reopens the logs.
Source: ARCHITECTURE, rule 8; Envoy's signals, except that SIGTERM drains and SIGHUP reloads.
"""

from __future__ import annotations

import gc
import logging
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from pyvoy.server import children, logs
from pyvoy.server.application import MAIN, WORKER, Application, Checked, CheckFailed, ChildContext
from pyvoy.server.children import Child
from pyvoy.server.control import MAX_FDS, Channel, ChannelClosed, Message
from pyvoy.server.options import Options
from pyvoy.server.reload import Check
from pyvoy.server.shared import SharedState
from pyvoy.server.sockets import ADMIN, BindError, ListenSpec, SocketTable
from pyvoy.server.watchdog import Beats, StallJudge

log = logging.getLogger("pyvoy.main")

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD)
EXIT_GRACE_S = 1.0
"""What a child gets beyond the drain time before it is killed."""
_WRITABLE = select.POLLIN | select.POLLOUT


class Supervisor:
    """One proxy.  `run` returns its exit status."""

    def __init__(self, application: Application, options: Options) -> None:
        self._application = application
        self._options = options
        self._slots = options.concurrency + 1
        self._children: dict[int, Child] = {}
        self._quick_deaths = [0] * self._slots
        self._restarts = [0] * self._slots
        self._restart_at_s: dict[int, float] = {}
        self._tables = SocketTable(options.concurrency)
        self._checked: Checked | None = None
        self._check: Check | None = None
        self._check_again = False
        self._version = 0
        self._live = False
        self._drain_deadline_s: float | None = None
        self._main_deadline_s = 0.0
        self._status: int | None = None
        self._started_wall_s = time.time()
        self._state: dict[str, Any] = {}
        self._beats = Beats(self._slots)
        self._judge = StallJudge(time.monotonic())
        self._next_round_s = 0.0
        self._wake, self._wake_writer = socket.socketpair()
        self._shared = SharedState(options.concurrency)
        self._handlers: dict[str, Callable[[Child, Message], None]] = {
            "ready": self._on_ready,
            "applied": self._on_applied,
            "refused": self._on_refused,
            "to_workers": self._to_workers,
            "to_main": self._to_main,
            "logging": self._on_logging,
            "close_listeners": self._on_close_listeners,
            "reload": lambda child, message: self._reload(),
            "reopen_logs": lambda child, message: self._reopen_logs(),
            "quit": lambda child, message: self.stop("/quitquitquit"),
        }

    def run(self) -> int:
        """Serve until told to stop.  Returns the exit status of the proxy."""
        self._application.preload()
        self._listen_to_signals()
        try:
            self._adopt(self._application.load(self._options))
        except CheckFailed as error:
            self._refuse(error.lines)
        except BindError as error:
            self._refuse([str(error)])
        while self._status is None:
            self._turn()
        for child in self._children.values():
            self._kill(child)
            with suppress(ChildProcessError):
                os.waitpid(child.pid, 0)
        self._tables.close_except(None)
        log.info("exiting")
        return self._status

    # --- the loop

    def _turn(self) -> None:
        poller = select.poll()
        poller.register(self._wake, select.POLLIN)
        channels = {child.channel.fileno(): child for child in self._children.values()}
        for fd, child in channels.items():
            poller.register(fd, _WRITABLE if child.channel.has_backlog else select.POLLIN)
        check_fd = self._check.channel.fileno() if self._check else -1
        if self._check:
            poller.register(check_fd, select.POLLIN)
        for fd, events in poller.poll(self._wait_ms()):
            if fd == self._wake.fileno():
                self._on_signals()
            elif fd == check_fd:
                self._on_check()
            else:
                self._on_channel(channels[fd], events)
        self._on_time()

    def _wait_ms(self) -> float:
        now = time.monotonic()
        moments = [self._next_round_s, *self._restart_at_s.values()]
        if self._drain_deadline_s is not None:
            moments.append(self._drain_deadline_s)
        return max(0.0, (min(moments) - now) * 1000 + 1)

    def _listen_to_signals(self) -> None:
        self._wake.setblocking(False)
        self._wake_writer.setblocking(False)
        signal.set_wakeup_fd(self._wake_writer.fileno(), warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, lambda signum, frame: None)

    def _on_signals(self) -> None:
        try:
            numbers = set(self._wake.recv(4096))
        except BlockingIOError:
            return
        if signal.SIGCHLD in numbers:
            self._reap()
        if signal.SIGUSR1 in numbers:
            self._reopen_logs()
        if signal.SIGHUP in numbers:
            self._reload()
        for number in (signal.SIGTERM, signal.SIGINT):
            if number in numbers:
                self.stop(signal.Signals(number).name)

    def _on_time(self) -> None:
        now = time.monotonic()
        for slot in [slot for slot, due in self._restart_at_s.items() if due <= now]:
            del self._restart_at_s[slot]
            self._fork(slot)
        if self._drain_deadline_s is not None and now > self._drain_deadline_s:
            self._drain_deadline_s = now + EXIT_GRACE_S
            for child in self._children.values():
                self._kill(child)
        if now >= self._next_round_s:
            self._next_round_s = now + 1.0
            self._judge.checked(now)
            for child in self._children.values():
                self._judge_child(child, now)
            if self._check and self._check.is_overdue:
                self._fail_check(["the check of the configuration took too long"])

    def _judge_child(self, child: Child, now: float) -> None:
        age_s = self._beats.age_s(child.slot)
        if self._judge.stalled(now, age_s, loading=not child.ready):
            log.critical("%s (pid %d) has not turned its loop for %.1f s: killed", child.name, child.pid, age_s)
            self._kill(child)

    # --- configuration

    def _reload(self) -> None:
        if self._drain_deadline_s is not None:
            log.warning("cannot reload now: the proxy is stopping")
        elif self._check or not self._live:
            self._check_again = True
        else:
            log.info("reloading the configuration")
            self._start_check()

    def _start_check(self) -> None:
        inherited = [child.channel for child in self._children.values()]
        self._check = Check.start(self._application, self._options, inherited)

    def _on_check(self) -> None:
        assert self._check is not None
        try:
            checked = self._check.outcome()
            if checked is None:
                return
            self._adopt(checked)
        except CheckFailed as error:
            self._fail_check(error.lines)
        except BindError as error:
            self._fail_check([str(error)])
        if self._check:
            self._check.channel.close()
            self._check = None
        self._check_once_more()

    def _check_once_more(self) -> None:
        """A reload that was asked for while another one, or the start, was under way."""
        if self._check_again and self._live and self._status is None:
            self._check_again = False
            self._start_check()

    def _fail_check(self, lines: list[str]) -> None:
        if self._check:
            self._check.stop()
            self._check = None
        self._refuse(lines)

    def _refuse(self, lines: list[str]) -> None:
        """Say what is wrong: the proxy does not start, or keeps the configuration it has."""
        for line in lines:
            log.critical("%s", line)
        source = self._options.config_path
        if not self._live:
            log.critical("error initializing configuration '%s'", source)
            self._status = 1
        else:
            log.critical("configuration '%s' is not used, the one before stays in force", source)
            self._tell_main("reload_failed", {"lines": lines})

    def _adopt(self, checked: Checked) -> None:
        for warning in checked.warnings:
            log.warning("%s", warning)
        old = self._tables
        if self._version:
            checked.specs = self._with_old_admin(checked.specs)
        self._tables = old.bind(checked.specs)
        self._checked = checked
        self._version += 1
        if self._version == 1:
            self._write_admin_address()
            gc.freeze()  # what is there now is shared with the children and never collected
            for slot in range(self._slots):
                self._fork(slot)
            return
        old_keys = old.keys()
        old.close_except(self._tables)
        for child in list(self._children.values()):
            self._hand_out(child, old_keys)
        self._tell_state()

    def _with_old_admin(self, specs: list[ListenSpec]) -> list[ListenSpec]:
        """The admin stays where it is until the next start, as in Envoy: whoever watches it must find it again."""
        admin = self._tables.admin()
        kept = [admin.spec] if admin is not None else []
        if [spec for spec in specs if spec.listener == ADMIN] != kept:
            log.warning("the admin's address cannot be changed by a reload")
        return [spec for spec in specs if spec.listener != ADMIN] + kept

    def _hand_out(self, child: Child, old_keys: set[str]) -> None:
        assert self._checked is not None
        child.version = self._version
        if child.role == WORKER:
            fresh = self._tables.new_sockets(child.index, old_keys)
            for start in range(0, len(fresh), MAX_FDS):
                part = fresh[start : start + MAX_FDS]
                fds = [sock.fileno() for _, sock in part]
                self._send(child, "sockets", {"keys": [key for key, _ in part]}, fds=fds)
        fields = {
            "version": self._version,
            "keys": self._tables.keys_by_listener(),
            "addresses": self._tables.addresses(),
            "subscriptions": self._checked.subscriptions,
        }
        self._send(child, "config", fields, self._checked.blob)

    def _write_admin_address(self) -> None:
        admin = self._tables.admin()
        if admin is not None:
            log.info("admin address: %s", admin.address.text)
            if self._options.admin_address_path:
                try:
                    Path(self._options.admin_address_path).write_text(admin.address.text)
                except OSError as error:
                    log.critical("cannot write the admin address to '%s': %s", error.filename, error.strerror)

    # --- children

    def _fork(self, slot: int) -> None:
        role, index = (MAIN, -1) if slot == 0 else (WORKER, slot - 1)
        name = MAIN if slot == 0 else f"worker {index}"
        ours, theirs = Channel.pair()
        inherited = [child.channel for child in self._children.values()] + [ours]
        if self._check:
            inherited.append(self._check.channel)
        self._beats.clear(slot)
        pid = children.fork(lambda: self._become(role, index, slot, theirs), f"pyvoy-{name}", inherited)
        theirs.close()
        self._children[slot] = Child(name, role, index, slot, pid, ours, time.monotonic(), version=self._version)

    def _become(self, role: str, index: int, slot: int, channel: Channel) -> int:
        """In the child: let go of what belongs to others and play the role."""
        assert self._checked is not None
        self._wake.close()
        self._wake_writer.close()
        admin = self._tables.admin()
        self._tables.keep_only(index if role == WORKER else None)
        context = ChildContext(
            options=self._options,
            role=role,
            index=index,
            slot=slot,
            channel=channel,
            checked=self._checked,
            version=self._version,
            shared=self._shared,
            beats=self._beats,
            sockets=self._tables.of_worker(index) if role == WORKER else {},
            socket_keys=self._tables.keys_by_listener(),
            admin_socket=admin.sockets[0] if admin is not None and role == MAIN else None,
            addresses=self._tables.addresses(),
            started_wall_s=self._started_wall_s,
        )
        return self._application.main(context) if role == MAIN else self._application.worker(context)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            child = next((child for child in self._children.values() if child.pid == pid), None)
            if child is not None:
                self._on_death(child, status)

    def _on_death(self, child: Child, status: int) -> None:
        with suppress(ChannelClosed):
            for message in child.channel.receive():  # its last words
                self._on_message(child, message)
        child.channel.close()
        del self._children[child.slot]
        self._shared.child_died(child.slot)
        if self._drain_deadline_s is not None:
            self._on_drained()
            return
        log.error("%s (pid %d) %s", child.name, child.pid, children.describe_status(status))
        if not child.ready and not self._live:
            if self._status is not None:
                return
            log.critical("%s could not start", child.name)
            self._status = 1
            return
        lived_s = time.monotonic() - child.started_s
        delay_s = children.restart_delay_s(lived_s, self._quick_deaths[child.slot])
        self._quick_deaths[child.slot] = self._quick_deaths[child.slot] + 1 if lived_s < children.QUICK_DEATH_S else 1
        self._restarts[child.slot] += 1
        self._restart_at_s[child.slot] = time.monotonic() + delay_s

    def _kill(self, child: Child) -> None:
        with suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGKILL)

    # --- frames

    def _on_channel(self, child: Child, events: int) -> None:
        if self._children.get(child.slot) is not child:
            return
        try:
            if events & select.POLLOUT:
                child.channel.flush()
            for message in child.channel.receive():
                self._on_message(child, message)
        except ChannelClosed:
            if events & select.POLLHUP or child.channel.has_backlog:
                self._kill(child)  # without its channel a child is of no use; SIGCHLD brings the rest

    def _on_message(self, child: Child, message: Message) -> None:
        handler = self._handlers.get(message.kind)
        if handler is not None:
            handler(child, message)

    def _to_workers(self, child: Child, message: Message) -> None:
        for other in list(self._children.values()):
            if other.role == WORKER:
                self._send(other, message.fields["kind"], message.fields["fields"], message.blob)

    def _to_main(self, child: Child, message: Message) -> None:
        fields = {**message.fields["fields"], "worker": child.index}
        self._tell_main(message.fields["kind"], fields, message.blob)

    def _on_applied(self, child: Child, message: Message) -> None:
        fields = message.fields
        if fields["error"]:
            log.critical("%s could not apply configuration %d: %s", child.name, fields["version"], fields["error"])
        self._tell_main("applied", {**fields, "worker": child.index})

    def _on_refused(self, child: Child, message: Message) -> None:
        if self._status is None and not self._live:  # one worker speaks for all
            self._refuse(message.fields["lines"])

    def _on_close_listeners(self, child: Child, message: Message) -> None:
        self._tables.drop(set(message.fields["names"]))
        for other in list(self._children.values()):
            if other.role == WORKER:
                self._send(other, "close_listeners", message.fields)

    def _on_logging(self, child: Child, message: Message) -> None:
        logs.set_component(message.fields["component"], message.fields["level"])
        for other in list(self._children.values()):
            self._send(other, "logging", message.fields)

    def _on_ready(self, child: Child, message: Message) -> None:
        child.ready = True
        started = len(self._children) == self._slots and all(other.ready for other in self._children.values())
        if started and not self._live:
            self._live = True
            log.info("all workers started: %d", self._options.concurrency)
            self._check_once_more()
        self._tell_state()

    def _tell_state(self) -> None:
        workers = [child for child in self._children.values() if child.role == WORKER]
        self._tell_main(
            "state",
            {
                "live": self._live,
                "draining": self._drain_deadline_s is not None,
                "version": self._version,
                "supervisor": os.getpid(),
                "workers": [[child.index, child.pid, self._restarts[child.slot], child.ready] for child in workers],
            },
        )

    def _tell_main(self, kind: str, fields: dict[str, Any], blob: bytes = b"") -> None:
        main = self._children.get(0)
        if main is not None:
            self._send(main, kind, fields, blob)

    def _send(self, child: Child, kind: str, fields: dict[str, Any], blob: bytes = b"", fds: Any = ()) -> None:
        try:
            child.channel.send(kind, fields, blob, fds)
        except ChannelClosed:
            self._kill(child)

    def _reopen_logs(self) -> None:
        try:
            logs.reopen()
        except logs.LogError as error:
            log.error("%s", error)
        for child in list(self._children.values()):
            self._send(child, "reopen_logs", {})

    # --- the end

    def stop(self, why: str) -> None:
        """Drain and exit; at once when asked a second time or when there is nothing to drain."""
        if self._drain_deadline_s is not None or self._version == 0:
            log.warning("%s: exiting at once", why)
            self._status = 0
            return
        log.info("%s: draining for at most %g s", why, self._options.drain_time_s)
        if self._check:
            self._check.stop()
            self._check = None
        self._restart_at_s.clear()
        self._drain_deadline_s = time.monotonic() + self._options.drain_time_s + EXIT_GRACE_S
        # Our copies go first: a worker that empties its queue and closes is then the last holder of its sockets.
        self._tables.close_except(None)
        self._tables = SocketTable(self._options.concurrency)
        for child in list(self._children.values()):
            if child.role == WORKER:
                self._send(child, "finish", {"time_s": self._options.drain_time_s})
        self._tell_state()
        self._on_drained()

    def _on_drained(self) -> None:
        if any(child.role == WORKER for child in self._children.values()):
            return
        main = self._children.get(0)
        if main is None:
            self._status = 0
        else:
            self._drain_deadline_s = time.monotonic() + EXIT_GRACE_S
            self._send(main, "exit", {})
