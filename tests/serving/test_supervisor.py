"""Children are started again when they die or hang, and ended with all that they started."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from licensing.serving import serve
from licensing.serving import supervisor as supervising
from licensing.serving.process_tree import Descendants, kill_all
from licensing.serving.supervisor import Child, Supervisor
from tests.portal_process import ROOT, alive, wait_until

# A child that does not want to end, with one of its own that does not either; both tell their ids.
STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if sys.argv[2:] != ["inner"]:
    subprocess.Popen([sys.executable, __file__, sys.argv[1], "inner"])
with open(sys.argv[1], "a") as file:
    file.write(f"{os.getpid()}\\n")
time.sleep(60)
"""


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def supervisor(told: list[str], tmp_path: Path) -> Iterator[Supervisor]:
    running = Supervisor(told.append, tmp_path / "logs")
    yield running
    running.end()


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def pids(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def test_a_child_that_dies_is_started_again(supervisor: Supervisor, told: list[str], tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    supervisor.start(Child("sad", python(f"open({str(starts)!r}, 'a').write('x'); raise SystemExit(3)")))
    supervisor.look_after(1.5)
    assert len(starts.read_text()) >= 2
    output = tmp_path / "logs" / "sad.out"
    assert told[0] == f"sad ended with status 3; starting it again in 0.5 s (see {output})"


def test_the_pause_before_a_start_doubles(supervisor: Supervisor, told: list[str]) -> None:
    supervisor.start(Child("sad", python("raise SystemExit(1)")))
    supervisor.look_after(2.5)
    assert "starting it again in 0.5 s" in told[0]
    assert "starting it again in 1 s" in told[1]


def test_a_child_that_had_run_well_is_started_again_at_once_the_first_time(
    supervisor: Supervisor, told: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervising, "SETTLED_SECONDS", 2.0)
    # Its first run takes two seconds and more, all others end at once.
    code = f"import pathlib, time; ran = pathlib.Path({str(tmp_path / 'ran')!r})"
    code += "; ran.exists() or ran.touch() or time.sleep(2.2); exit(1)"
    supervisor.start(Child("sad", python(code)))
    run_until(supervisor, lambda: len(told) >= 2)
    output = tmp_path / "logs" / "sad.out"
    assert told[0] == f"sad ended with status 1; starting it again now (see {output})"
    assert told[1] == f"sad ended with status 1; starting it again in 0.5 s (see {output})"


def test_the_pause_is_never_longer_than_half_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervising, "FIRST_PAUSE", 20.0)
    running = Supervisor(print, tmp_path)
    running.start(Child("sad", python("raise SystemExit(1)")))
    running.look_after(0.5)
    child = running._children[0]
    assert child._pause == supervising.LONGEST_PAUSE
    running.end()


def test_a_child_that_hangs_is_ended_with_its_tree_and_started_again(
    supervisor: Supervisor, told: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervising, "HUNG_SECONDS", 1.0)
    monkeypatch.setattr(supervising, "SIGNS_SECONDS", 0.1)
    monkeypatch.setattr(supervising, "GRACE_SECONDS", 0.1)
    started = tmp_path / "pids"
    script = tmp_path / "stubborn.py"
    script.write_text(STUBBORN)
    command = (sys.executable, str(script), str(started))
    supervisor.start(Child("worker", command, sign_of_life=lambda: "always the same"))
    run_until(supervisor, lambda: len(pids(started)) >= 3)
    assert told[0].startswith("worker has shown no sign of life for 1 s; starting it again in 0.5 s")
    assert not any(psutil.pid_exists(pid) and alive(psutil.Process(pid)) for pid in pids(started)[:2])


def test_a_child_that_shows_signs_of_life_is_left_alone(
    supervisor: Supervisor, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervising, "HUNG_SECONDS", 0.6)
    monkeypatch.setattr(supervising, "SIGNS_SECONDS", 0.1)
    supervisor.start(Child("worker", python("import time; time.sleep(60)"), sign_of_life=time.monotonic))
    began = time.monotonic()
    run_until(supervisor, lambda: time.monotonic() - began > 1.5)
    assert told == []


def test_nobody_is_blamed_while_nothing_is_known(
    supervisor: Supervisor, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervising, "HUNG_SECONDS", 0.6)
    monkeypatch.setattr(supervising, "SIGNS_SECONDS", 0.1)

    def database_is_away() -> object:
        raise OSError

    supervisor.start(Child("worker", python("import time; time.sleep(60)"), sign_of_life=database_is_away))
    began = time.monotonic()
    run_until(supervisor, lambda: time.monotonic() - began > 1.5)
    assert told == []


def test_a_list_of_processes_that_cannot_be_made_ends_no_child(
    supervisor: Supervisor, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervising, "HUNG_SECONDS", 0.6)
    monkeypatch.setattr(supervising, "SIGNS_SECONDS", 0.1)
    monkeypatch.setattr(Descendants, "note", fail_in("signs-of-life", Descendants.note))
    supervisor.start(Child("worker", python("import time; time.sleep(60)"), sign_of_life=time.monotonic))
    began = time.monotonic()
    run_until(supervisor, lambda: time.monotonic() - began > 1.5)
    assert told == []


def test_what_goes_wrong_with_one_child_keeps_nobody_from_looking_after_the_others(
    supervisor: Supervisor, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervising, "HUNG_SECONDS", 0.6)
    monkeypatch.setattr(supervising, "SIGNS_SECONDS", 0.1)
    for name in ("first", "second"):
        supervisor.start(Child(name, python("import time; time.sleep(60)"), sign_of_life=time.monotonic))
    first = supervisor._children[0]
    monkeypatch.setattr(first, "look_for_signs", fail_in("signs-of-life", first.look_for_signs))
    began = time.monotonic()
    run_until(supervisor, lambda: time.monotonic() - began > 1.5)
    assert not any(line.startswith("second") for line in told)
    assert "first could not be looked after (RuntimeError('Set changed size during iteration'))" in told


def fail_in(thread: str, well: Callable[..., None]) -> Callable[..., None]:
    """Something that goes wrong in one thread and well in all others."""

    def call(*arguments: object) -> None:
        if threading.current_thread().name == thread:
            raise RuntimeError("Set changed size during iteration")
        well(*arguments)

    return call


def test_two_threads_may_note_the_same_descendants() -> None:
    noted, failed, over = Descendants(os.getpid()), [], threading.Event()

    def note() -> None:
        while not over.is_set():
            try:
                noted.note()
            except Exception as error:
                failed.append(error)

    threads = [threading.Thread(target=note) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        for started in [subprocess.Popen(["sleep", "0.1"]) for _ in range(3)]:
            started.wait()
    over.set()
    for thread in threads:
        thread.join()
    assert failed == []


def test_a_child_that_the_system_cannot_start_is_tried_again_and_the_others_go_on(
    supervisor: Supervisor, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor.start(Child("web server", python("import time; time.sleep(60)")))
    supervisor.start(Child("worker", python("raise SystemExit(1)")))
    wait_until(supervisor._children[1].has_ended, 10)

    def no_memory(*arguments: object) -> None:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    with monkeypatch.context() as broken:
        broken.setattr(supervising, "ProcessTree", no_memory)
        supervisor.look_after(2)
    assert (
        "worker could not be started ([Errno 12] Cannot allocate memory); starting it again in 1 s" in told[1]
    )
    assert not supervisor._children[0].has_ended()
    supervisor.look_after(3)
    assert "worker ended with status 1" in told[-1]


def test_a_first_start_that_the_system_cannot_make_is_tried_again(
    supervisor: Supervisor, told: list[str], tmp_path: Path
) -> None:
    missing = tmp_path / "missing"
    supervisor.start(Child("worker", (str(missing),)))
    assert "worker could not be started" in told[0]
    missing.symlink_to("/bin/true")
    supervisor.look_after(1.5)
    assert "worker ended with status 0" in told[1]


@pytest.mark.parametrize("step", ["ask_to_end", "kill"])
def test_an_end_that_goes_wrong_with_one_child_leaves_none_of_the_others(
    supervisor: Supervisor, told: list[str], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.setattr(supervising, "GRACE_SECONDS", 0.5)
    for name in ("first", "second"):
        supervisor.start(Child(name, python("import time; time.sleep(60)")))
    first, second = supervisor._children
    with monkeypatch.context() as broken:
        broken.setattr(first, step, fail_in(threading.current_thread().name, print))
        supervisor.end()
    assert second.has_ended()
    assert told[0].startswith("first could not be looked after")


@pytest.mark.parametrize(("inherited", "stops"), [(signal.SIG_IGN, False), (signal.SIG_DFL, True)])
def test_a_hang_up_that_nohup_has_ignored_does_not_stop_the_portal(
    supervisor: Supervisor, inherited: signal.Handlers, stops: bool
) -> None:
    before = {name: signal.getsignal(name) for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    signal.signal(signal.SIGHUP, inherited)
    try:
        with serve._stopped_by_signals(supervisor):
            os.kill(os.getpid(), signal.SIGHUP)
            assert supervisor.is_stopping is stops
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def test_the_end_leaves_no_process_however_stubborn(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervising, "GRACE_SECONDS", 0.5)
    started = tmp_path / "pids"
    script = tmp_path / "stubborn.py"
    script.write_text(STUBBORN)
    supervisor.start(Child("stubborn", (sys.executable, str(script), str(started))))
    wait_until(lambda: len(pids(started)) == 2, 10)
    processes = [psutil.Process(pid) for pid in pids(started)]
    began = time.monotonic()
    supervisor.end()
    assert time.monotonic() - began < 5
    assert not any(alive(process) for process in processes)


def test_nobody_waits_for_the_dead_whose_parent_does_not_ask_after_them() -> None:
    code = (
        "import subprocess, time; child = subprocess.Popen(['sleep', '60'])\n"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(python(code), stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    began = time.monotonic()
    kill_all([child], 30)
    assert time.monotonic() - began < 15
    assert child.status() == psutil.STATUS_ZOMBIE
    parent.kill()
    parent.communicate()


def test_no_child_outlives_a_supervisor_that_was_killed(tmp_path: Path) -> None:
    (tmp_path / "sleeper.py").write_text(
        "import os, sys, time, pathlib\n"
        "if sys.argv[1:] and os.fork() == 0:\n"
        "    pass\n"
        "open(os.environ['PIDS'], 'a').write(f'{os.getpid()}\\n')\n"
        "time.sleep(60)\n"
    )
    started = tmp_path / "pids"
    code = (
        "import sys, time\n"
        "from licensing.serving.supervisor import Child, Supervisor\n"
        "from pathlib import Path\n"
        f"supervisor = Supervisor(print, Path({str(tmp_path)!r}))\n"
        "run = (sys.executable, '-m', 'licensing.serving.child', 'sleeper', 'fork')\n"
        f"supervisor.start(Child('sleeper', run, {{'PYTHONPATH': {f'{ROOT}:{tmp_path}'!r},"
        f" 'PIDS': {str(started)!r}}}))\n"
        "time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    wait_until(lambda: len(pids(started)) == 2, 10)
    family = [psutil.Process(pid) for pid in pids(started)]
    process.kill()
    process.wait()
    wait_until(lambda: not any(alive(member) for member in family), 10)


def test_nobody_who_cannot_look_takes_the_supervisor_for_dead() -> None:
    code = (
        "import os, psutil, resource\n"
        "from licensing.serving.process_tree import is_alive\n"
        "supervisor, files = psutil.Process(os.getppid()), []\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))\n"
        "try:\n"
        "    while True: files.append(open(os.devnull))\n"
        "except OSError:\n"
        "    print(is_alive(supervisor))\n"
    )
    looked = subprocess.run(python(code), cwd=ROOT, capture_output=True, text=True, check=True)
    assert looked.stdout == "True\n"


def run_until(supervisor: Supervisor, is_so: Callable[[], bool]) -> None:
    """Let the supervisor run as `serve` does, until something is so."""

    def stop() -> None:
        wait_until(is_so, 20)
        supervisor.ask_to_stop()

    watcher = threading.Thread(target=stop)
    watcher.start()
    supervisor.run()
    watcher.join()


def test_what_a_child_prints_is_kept_in_a_file(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(Child("mail sink", python("import sys; print('to whoever reads', file=sys.stderr)")))
    output = tmp_path / "logs" / "mail-sink.out"
    wait_until(lambda: output.read_text() == "to whoever reads\n", 10)


def test_that_file_is_put_aside_when_it_has_grown(supervisor: Supervisor, tmp_path: Path) -> None:
    output = tmp_path / "logs" / "loud.out"
    output.parent.mkdir()
    output.write_bytes(b"x" * (supervising.LARGEST_OUTPUT_BYTES + 1))
    supervisor.start(Child("loud", python("print('anew')")))
    wait_until(lambda: output.read_text() == "anew\n", 10)
    assert output.with_suffix(".out.1").stat().st_size > supervising.LARGEST_OUTPUT_BYTES
