"""What is read of processes and of the machine."""

import os
import time

from pyvoy.bench import measure
from pyvoy.bench.ports import PortSource, is_free
from pyvoy.bench.process import answers


def test_the_cpu_time_of_a_process_grows_with_its_work():
    before = measure.family_cpu_s(os.getpid())
    until = time.process_time() + 0.05
    while time.process_time() < until:
        pass
    assert measure.family_cpu_s(os.getpid()) - before >= 0.04


def test_a_process_that_is_gone_has_used_nothing():
    assert measure.family_cpu_s(2**22 + 1) == 0.0
    assert measure.own_pss_bytes(2**22 + 1) == 0


def test_memory_and_cores():
    assert measure.pss_bytes(os.getpid()) >= measure.own_pss_bytes(os.getpid()) > 1 << 20
    cpu = min(os.sched_getaffinity(0))
    assert measure.busy_s(cpu) > 0.0
    assert measure.busy_s(9999) == 0.0
    assert {"cpu", "cores", "kernel", "python", "memory_mib"} == set(measure.machine())


def test_ports_are_given_once_and_given_back():
    source = PortSource()
    ports = source.take(20)
    assert len(set(ports)) == 20
    assert not is_free(ports[0])
    assert not answers(ports[0], "/")()
    source.close()
    assert is_free(ports[0])
