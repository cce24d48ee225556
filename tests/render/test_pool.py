"""The pool loses nothing, keeps order, replaces what dies and leaves nothing behind."""

from __future__ import annotations

import functools
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, wait
from pathlib import Path

import pytest

from render.errors import HostError, OutOfRange
from render.hosts.pool import Pool
from render.hosts.worker import Start
from tests.pool_workers import AUDIO_BYTES, Job, make_nothing, make_prepared, make_worker, not_prepared, prepared

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool[Job, object]]:
    with Pool(functools.partial(make_worker, str(tmp_path / "marker")), 2, seconds_per_job=1.0) as pool:
        yield pool


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


class TestResults:
    def test_come_in_the_order_of_the_jobs(self, pool: Pool[Job, object]) -> None:
        jobs = [("sleep", 0.03 if k % 7 == 0 else 0.001) for k in range(60)]
        assert list(pool.map(jobs)) == [seconds for _, seconds in jobs]

    def test_are_the_same_from_one_worker_as_from_three(self) -> None:
        jobs = [("audio", float(k)) for k in range(12)]
        results = []
        for workers in (1, 3):
            with Pool(make_worker, workers) as pool:
                results.append(list(pool.map(jobs)))
        assert results[0] == results[1]

    def test_can_be_taken_as_they_end(self, pool: Pool[Job, object]) -> None:
        assert wait_until(lambda: len(pool.pids) == 2)
        slow, quick = pool.submit(("sleep", 0.5)), pool.submit(("echo", 1.0))
        done, _ = wait([slow, quick], return_when=FIRST_COMPLETED)
        assert done == {quick}
        assert slow.result() == 0.5

    def test_map_reads_only_a_few_jobs_ahead(self, pool: Pool[Job, object]) -> None:
        taken = 0

        def jobs() -> Iterator[Job]:
            nonlocal taken
            for k in range(1000):
                taken += 1
                yield ("echo", float(k))

        results = pool.map(jobs())
        assert [next(results) for _ in range(5)] == [0.0, 1.0, 2.0, 3.0, 4.0]
        assert taken < 20

    def test_a_job_larger_than_any_pipe_goes_through(self, pool: Pool[Job, object]) -> None:
        big: Job = ("echo " + "x" * 3_000_000, 0.0)
        assert list(pool.map([big, big, big, ("echo", 1.0)])) == [3_000_005] * 3 + [1.0]

    def test_both_workers_are_used(self, pool: Pool[Job, object]) -> None:
        assert wait_until(lambda: len(pool.pids) == 2)
        futures = [pool.submit(("sleep", 0.1)) for _ in range(2)]
        start = time.monotonic()
        wait(futures)
        assert time.monotonic() - start < 0.18

    def test_more_jobs_than_any_pipe_holds_can_be_submitted(self, pool: Pool[Job, object]) -> None:
        futures = [pool.submit(("echo", float(k))) for k in range(8_000)]  # a pipe holds 64 KiB
        assert sum(float(str(future.result())) for future in futures) == sum(range(8_000))


class TestFailures:
    def test_an_exception_is_reported_in_its_place(self, pool: Pool[Job, object]) -> None:
        first, failed, bug, last = pool.map([("echo", 1.0), ("raise", 0.0), ("bug", 0.0), ("echo", 2.0)])
        assert (first, last) == (1.0, 2.0)
        assert isinstance(failed, HostError)
        assert str(failed) == "unknown fruit 'pear'; known: apple"
        assert isinstance(bug, HostError)
        assert str(bug) == "TypeError: a bug"
        assert "in work" in bug.__notes__[0]

    def test_a_result_that_cannot_travel_is_reported(self, pool: Pool[Job, object]) -> None:
        with pytest.raises(HostError, match="pickle"):
            pool.submit(("unpicklable", 0.0)).result()

    @pytest.mark.parametrize("job", ["exit once", "kill once"])
    def test_a_job_is_retried_when_its_worker_dies(self, pool: Pool[Job, object], job: str) -> None:
        assert list(pool.map([("echo", 1.0), (job, 0.0), ("echo", 2.0)])) == [1.0, "survived", 2.0]

    @pytest.mark.parametrize(
        ("job", "reason"), [("exit", "exit code 3"), ("segfault", "SIGSEGV"), ("hang", "longer than 1 s")]
    )
    def test_a_job_that_takes_two_workers_down_is_reported(
        self, pool: Pool[Job, object], job: str, reason: str
    ) -> None:
        results = list(pool.map([("echo", 0.0), (job, 0.0), *(("echo", float(k)) for k in range(1, 9))]))
        failed = results.pop(1)
        assert isinstance(failed, HostError)
        assert reason in str(failed)
        assert results == [float(k) for k in range(9)]

    @pytest.mark.parametrize(("kind", "reason"), [("raise", "no plug-in at '/nowhere'"), ("exit", "exit code 7")])
    def test_a_worker_that_cannot_be_made_is_one_clear_error(self, kind: str, reason: str) -> None:
        with Pool(functools.partial(make_nothing, kind), 2) as pool:
            future = pool.submit(("echo", 1.0)) if kind == "exit" else None
            with pytest.raises(HostError, match=reason):
                pool.wait_ready()
            with pytest.raises(HostError, match=reason):
                pool.submit(("echo", 1.0))
            if future is not None:
                with pytest.raises(HostError, match=reason):
                    future.result()

    def test_a_worker_that_never_starts_is_given_up(self) -> None:
        with (
            Pool(functools.partial(make_nothing, "hang"), 1, seconds_to_start=0.2) as pool,
            pytest.raises(HostError, match=r"longer than 0\.2 s"),
        ):
            pool.wait_ready()

    @pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell what a process does")
    @pytest.mark.parametrize("kind", ["hang", "poll", "deaf"])
    def test_a_worker_that_sleeps_instead_of_starting_is_given_up_soon(
        self, kind: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("render.hosts.worker.IDLE_SECONDS", 0.7)
        began = time.monotonic()
        with (
            Pool(functools.partial(make_nothing, kind), 2) as pool,
            pytest.raises(HostError, match=r"^starting a worker made no progress for 0\.7 s$"),
        ):
            pool.wait_ready()
        assert time.monotonic() - began < 8.0

    @pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell what a process does")
    def test_a_worker_that_never_imports_its_program_is_given_up_soon(self, tmp_path: Path) -> None:
        (tmp_path / "program.py").write_text(
            "import sys, time\nimport render.hosts.worker as worker\nfrom render.hosts.pool import Pool\n"
            "from render.errors import HostError\nworker.IDLE_SECONDS = 0.7\n"
            "if __name__ == '__main__':\n    try:\n        Pool(len, 2).submit('').result()\n"
            "    except HostError as error:\n        sys.exit(str(error))\nelse:\n    time.sleep(100)\n"
        )
        done = subprocess.run(
            [sys.executable, tmp_path / "program.py"],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert (done.returncode, done.stderr) == (1, "starting a worker made no progress for 0.7 s\n")

    @pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell what a process does")
    @pytest.mark.parametrize("kind", ["slow", "halves"])
    def test_a_start_that_works_or_naps_may_take_longer(self, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("render.hosts.worker.IDLE_SECONDS", 0.7)
        with Pool(functools.partial(make_nothing, kind), 1) as pool:
            assert pool.submit(("echo", 1.0)).result() == 1.0

    @pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell what a process does")
    def test_a_start_that_never_ends_working_is_given_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("render.hosts.worker.BUSY_SECONDS", 1.0)
        with (
            Pool(functools.partial(make_nothing, "spin"), 1) as pool,
            pytest.raises(HostError, match=r"took more than 1 s of processor time"),
        ):
            pool.wait_ready()

    def test_the_time_while_nobody_looked_is_not_the_start_s(self, monkeypatch: pytest.MonkeyPatch) -> None:
        now = 100.0
        monkeypatch.setattr("render.hosts.worker.time.monotonic", lambda: now)
        monkeypatch.setattr("render.hosts.worker.at_work", lambda pid: (0.1, True) if pid else None)
        start = Start(10.0, 100.0)
        for _ in range(20):
            now += 1000.0  # the clock jumps, or everything was stopped
            assert start.problem(1) is None
        assert start.problem(0) is None
        for _ in range(20):
            now += 0.5
            problem = start.problem(0)
        assert problem == "starting a worker took longer than 10 s"

    def test_a_hundred_random_kills_lose_nothing(self) -> None:
        """Workers that are starting are spared: dying there is another test."""
        n_jobs, n_kills = 2000, 100
        choose = random.Random(1)
        seen: set[int] = set()
        with Pool(make_worker, 3) as pool:
            results = []
            for result in pool.map(("audio", float(k)) for k in range(n_jobs)):
                results.append(result[0] if isinstance(result, bytes) and len(result) == AUDIO_BYTES else result)
                seen.update(pool.pids)
                # Kill one whenever it is due and somebody is there; then the pool goes on with whoever is left.
                if len(results) % (n_jobs // n_kills) == 0:
                    assert wait_until(lambda: len(pool.pids) > 0)
                    os.kill(choose.choice(pool.pids), signal.SIGKILL)
        assert [errors for errors in results if isinstance(errors, HostError)] == []
        assert results == [k % 256 for k in range(n_jobs)]
        assert len(seen) >= n_kills
        assert not any(alive(pid) for pid in seen)


class TestPreparing:
    def test_workers_that_started_early_wait_for_what_they_will_do(self) -> None:
        pool: Pool[Job, object]
        with Pool(None, 2, prepare=prepared) as pool:
            time.sleep(0.5)
            assert pool.pids == ()
            pool.begin(functools.partial(make_prepared, 3))
            assert list(pool.map([("add", float(k)) for k in range(8)])) == [k + 3.0 for k in range(8)]
            (pid,) = pool.map([("pid", 0.0)])
            assert isinstance(pid, int)
            os.kill(pid, signal.SIGKILL)  # another one takes its place, which is prepared like it
            assert list(pool.map([("add", float(k)) for k in range(8)])) == [k + 3.0 for k in range(8)]

    def test_one_that_cannot_be_prepared_is_one_clear_error(self) -> None:
        pool: Pool[Job, object]
        with Pool(None, 2, prepare=not_prepared) as pool:
            with pytest.raises(HostError, match="no plug-in at '/nowhere'"):
                pool.wait_ready()
            with pytest.raises(HostError, match="no plug-in at '/nowhere'"):
                pool.begin(functools.partial(make_prepared, 3))

    def test_a_pool_that_never_begins_can_be_closed(self) -> None:
        pool: Pool[Job, object]
        with Pool(None, 1, prepare=prepared) as pool:
            future = pool.submit(("add", 1.0))
        with pytest.raises(HostError, match="closed"):
            future.result(timeout=1)


class TestProcesses:
    def test_import_no_torch_and_use_one_thread(self, pool: Pool[Job, object]) -> None:
        modules, threads = pool.map([("modules", 0.0), ("threads", 0.0)])
        assert isinstance(modules, list)
        assert not {"torch", "dawdreamer", "nevergrad"} & set(modules)
        assert threads == "1"

    def test_end_when_the_pool_closes_even_in_the_middle_of_a_job(self, tmp_path: Path) -> None:
        with Pool(make_worker, 2) as pool:
            futures = [pool.submit(("hang", 0.0)) for _ in range(5)]
            assert wait_until(lambda: len(pool.pids) == 2)
            pids = pool.pids
        assert not any(alive(pid) for pid in pids)
        for future in futures:
            with pytest.raises(HostError, match="closed"):
                future.result(timeout=1)
        with pytest.raises(HostError, match="closed"):
            pool.submit(("echo", 1.0))
        pool.close()

    def test_need_a_number(self) -> None:
        with pytest.raises(OutOfRange, match="number of workers"):
            Pool(make_worker, 0)

    def test_that_end_while_importing_are_an_error_however_much_they_were_to_be_sent(self) -> None:
        script = textwrap.dedent("""
            from functools import partial
            from render.errors import HostError
            from render.hosts.pool import Pool
            try:
                with Pool(partial(len, bytes(1_000_000)), 1) as pool:
                    pool.wait_ready()
            except HostError as error:
                print(error)
        """)
        # A program that is read from standard input cannot be imported by its workers.
        done = subprocess.run(
            [sys.executable, "-"],
            input=script,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "workers do not start: a worker ended with exit code 1" in done.stdout

    @pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc and kills a process group")
    @pytest.mark.parametrize("how", ["kill -9", "ctrl-c", "ctrl-c while starting", "end without closing"])
    def test_leave_no_orphans(self, how: str) -> None:
        script = textwrap.dedent("""
            import signal, sys, time
            from render.hosts.pool import Pool
            from tests.pool_workers import make_worker
            if __name__ == "__main__":
                signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
                how = sys.argv[1]
                pool = Pool(make_worker, 2)
                try:
                    if how != "ctrl-c while starting":
                        while len(pool.pids) < 2:
                            time.sleep(0.01)
                        futures = [pool.submit(("hang", 0.0)) for _ in range(4)]
                    print(*pool.pids, flush=True)
                    if how != "end without closing":
                        time.sleep(60)
                except KeyboardInterrupt:
                    print("interrupted", flush=True)
                    if how == "ctrl-c while starting":  # the workers heard nothing of it
                        print(pool.submit(("echo", 5.0)).result(), flush=True)
                    pool.close()
        """)
        parent = subprocess.Popen(
            [sys.executable, "-c", script, how],
            cwd=ROOT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        if how == "kill -9":
            parent.kill()
        elif how != "end without closing":
            os.killpg(parent.pid, signal.SIGINT)  # what a terminal does
        out, err = parent.communicate(timeout=20)
        assert wait_until(lambda: not any(alive(pid) for pid in pids), seconds=2.0)
        assert err == ""
        assert out.split() == {"ctrl-c": ["interrupted"], "ctrl-c while starting": ["interrupted", "5.0"]}.get(how, [])
