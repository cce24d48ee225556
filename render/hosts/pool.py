"""A pool of worker processes that survives what plug-ins do: crash, hang, leak and be killed.

Why not a library: ``multiprocessing.Pool`` loses the job of a worker that dies, ``concurrent.futures`` gives up
altogether, and ``pebble`` 5.2 shares one pipe between all workers, so a worker that is killed while it writes an audio
result breaks the stream for the others (measured: 1,000 audio results under random kills end in "All workers
expired"). Here each worker has a pipe of its own, and one thread of the parent owns all of them.

Results travel pickled through the pipe: 0.7 MB of audio costs 0.2 to 1 ms, small beside a render of 20 ms, so shared
memory would not pay for itself.

Workers are started with ``spawn``, which imports the parent's main module anew: keep it light. They never see Ctrl-C
(the parent decides what it means) and die with the parent, however it dies.
"""

from __future__ import annotations

import atexit
import multiprocessing
import pickle
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from types import TracebackType
from typing import Any, Generic, TypeVar

from render.errors import HostError, OutOfRange
from render.hosts.processes import signals_blocked
from render.hosts.worker import LOOK_SECONDS, Losses, Start, Task, Worker, outcome, start_worker

Job = TypeVar("Job")
Result = TypeVar("Result")

JOBS_PER_WORKER = 2
"""One that runs and one that waits in the worker's pipe, so that no worker is idle while the parent is busy."""

_EARLY_BYTES = 32_768
"""A longer job is sent only to an idle worker: one that is busy does not read, and a full pipe would block the pool."""


class Pool(Generic[Job, Result]):
    """Worker processes that turn jobs into results.

    Ask/tell with no idle worker: keep ``slots`` jobs in flight and wait for the oldest, or for the first to end with
    ``concurrent.futures.wait(futures, return_when=FIRST_COMPLETED)``.

    Args:
        make_worker: runs once in the main thread of each worker and returns the function that does the jobs there; a
            module-level function or a ``functools.partial`` of one.
        workers: number of processes, at least 1.
        prepare: runs before ``make_worker``, which gets its result. So workers can start before it is known what they
            will do: then ``make_worker`` is None, and ``begin`` is called later.
        seconds_per_job: a job that takes longer has its worker killed.
        seconds_to_start: the same for ``prepare`` and ``make_worker`` and the imports before them. A start that sleeps
            or dies is given up after seconds (``render.hosts.worker.Start``).

    The workers start at once and in parallel; the constructor does not wait for them (``wait_ready`` does). An
    exception in the two functions is final for that worker; when none is left, all jobs fail with that message.

    Example:
        >>> from functools import partial
        >>> from operator import methodcaller
        >>> with Pool(partial(methodcaller, "upper"), workers=2) as pool:
        ...     list(pool.map(["saw", "pulse"]))
        ['SAW', 'PULSE']
    """

    def __init__(
        self,
        make_worker: Callable[..., Callable[[Job], Result]] | None,
        workers: int,
        *,
        prepare: Callable[[], Any] | None = None,
        seconds_per_job: float = 60.0,
        seconds_to_start: float = 120.0,
    ) -> None:
        if workers < 1:
            raise OutOfRange("number of workers", workers, "1 or more")
        self.workers = workers
        self._prepare = pickle.dumps(prepare)
        self._make_worker = pickle.dumps(make_worker) if make_worker is not None else None
        self._seconds_per_job = seconds_per_job
        self._seconds_to_start = seconds_to_start
        self._context = multiprocessing.get_context("spawn")
        self._lock = threading.Lock()  # guards _queue, _error and writing to _wake
        self._queue: deque[Task] = deque()
        self._error: str | None = None
        self._running: list[Worker] = []  # touched by the thread only, like the two below
        self._missing = workers
        self._lost_starts = Losses()
        self._ready = threading.Event()
        self._closing = False
        self._woken, self._wake = self._context.Pipe(duplex=False)
        self._thread = threading.Thread(target=self._run, name="render-pool", daemon=True)
        with signals_blocked():  # before the thread blocks them: the tracker's start would unblock some again
            resource_tracker.ensure_running()
        self._thread.start()
        # Before multiprocessing's own hook, which would end the workers one by one while the thread replaces them.
        atexit.register(self.close)

    @property
    def slots(self) -> int:
        """How many jobs to keep in flight so that no worker waits for the parent."""
        return JOBS_PER_WORKER * self.workers

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of the workers that are ready."""
        return tuple(w.process.pid for w in list(self._running) if w.ready and w.process.pid is not None)

    def begin(self, make_worker: Callable[..., Callable[[Job], Result]]) -> None:
        """Give what was not known when the pool was made; raises ``HostError`` as ``submit`` does."""
        payload = pickle.dumps(make_worker)
        with self._lock:
            self._check()
            self._make_worker = payload
            self._wake.send_bytes(b"")

    def wait_ready(self) -> None:
        """Wait until a worker is ready; raises ``HostError`` if none can be."""
        self._ready.wait()
        self._check()

    def submit(self, job: Job) -> Future[Result]:
        """Queue a job.

        Returns:
            The job's future. Its exception is a ``HostError`` if the job raised, or took two workers down.

        Raises:
            HostError: if the pool is closed or no worker can be started.
        """
        task = Task(pickle.dumps(job), Future())
        with self._lock:
            self._check()
            self._queue.append(task)
            if len(self._queue) == 1:  # else the thread is awake already, and a full pipe would block both
                self._wake.send_bytes(b"")
        return task.future

    def map(self, jobs: Iterable[Job]) -> Iterator[Result | HostError]:
        """Results in the order of the jobs, which are read only a few ahead; a job that failed gives its error."""
        pending: deque[Future[Result]] = deque()
        try:
            for job in jobs:
                pending.append(self.submit(job))
                if len(pending) > 2 * self.slots:
                    yield outcome(pending.popleft())
            while pending:
                yield outcome(pending.popleft())
        finally:
            for future in pending:
                future.cancel()

    def close(self) -> None:
        """Kill the workers; jobs that are not done fail. Closing twice is allowed."""
        atexit.unregister(self.close)
        with self._lock:
            self._closing = True
            if self._thread.is_alive():
                self._wake.send_bytes(b"")
        self._thread.join()

    def __enter__(self) -> Pool[Job, Result]:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _check(self) -> None:
        if self._error is not None:
            raise HostError(self._error)

    # All methods below run in the pool's thread.

    def _run(self) -> None:
        with signals_blocked():  # inherited: they cannot hit a worker that is still importing
            self._serve()

    def _serve(self) -> None:
        error = "the pool broke down"
        try:
            while not self._closing:
                self._begin_workers()
                self._hand_out()
                now = time.monotonic()
                patience = min(now + LOOK_SECONDS if w.starting else w.deadline for w in self._running) - now
                awake = wait(
                    [self._woken, *(w.connection for w in self._running)],
                    timeout=None if patience == float("inf") else max(patience, 0.0),
                )
                if self._woken in awake:
                    while self._woken.poll():
                        self._woken.recv_bytes()
                for worker in list(self._running):
                    if worker.connection in awake:
                        self._collect(worker)
                    elif worker.starting and (problem := worker.start.problem(worker.process.pid or 0)) is not None:
                        self._drop(worker, problem)
                    elif worker.ready and worker.deadline < time.monotonic():
                        self._lose(worker, f"it took longer than {self._seconds_per_job:g} s")
            error = "the pool is closed"
        except HostError as failure:
            error = str(failure)
        finally:
            self._shut(error)

    def _begin_workers(self) -> None:
        while self._missing:
            self._running.append(start_worker(self._context, self._seconds_to_start))
            self._missing -= 1
        for worker in self._running:
            if worker.prepared and not worker.assigned and self._make_worker is not None:
                worker.assigned, worker.start = True, Start(self._seconds_to_start)
                worker.send(self._make_worker)

    def _hand_out(self) -> None:
        for n_waiting in range(JOBS_PER_WORKER):  # idle workers first
            for worker in self._running:
                if worker.ready and len(worker.tasks) == n_waiting:
                    task = self._next_task(None if n_waiting == 0 else _EARLY_BYTES)
                    if task is None:
                        continue
                    if not worker.tasks:
                        worker.deadline = time.monotonic() + self._seconds_per_job
                    worker.tasks.append(task)
                    worker.send(task.payload)

    def _next_task(self, max_bytes: int | None) -> Task | None:
        with self._lock:
            while self._queue:
                if max_bytes is not None and len(self._queue[0].payload) > max_bytes:
                    return None
                task = self._queue.popleft()
                if task.future.running() or task.future.set_running_or_notify_cancel():
                    return task
        return None

    def _collect(self, worker: Worker) -> None:
        try:
            succeeded, value, trace = worker.receive()
        except (EOFError, OSError):
            worker.process.join(1.0)
            self._lose(worker, worker.death(), killed=worker.was_killed())
            return
        if worker.ready:
            worker.tasks.popleft().finish(succeeded, value, trace)
            worker.deadline = time.monotonic() + self._seconds_per_job if worker.tasks else float("inf")
        elif succeeded and not worker.started:
            worker.started = True
            worker.send(self._prepare)
        elif succeeded and not worker.prepared:
            worker.prepared, worker.deadline = True, float("inf")
        elif succeeded:
            worker.ready, worker.deadline = True, float("inf")
            self._lost_starts = Losses()
            self._ready.set()
        else:
            self._drop(worker, value)

    def _drop(self, worker: Worker, reason: str) -> None:
        """Go on without a worker that cannot start; the last one ends the pool."""
        self._remove(worker)
        if not self._running:
            raise HostError(reason)

    def _lose(self, worker: Worker, reason: str, *, killed: bool = False) -> None:
        """Replace a worker and queue its jobs again; only the first of them had begun."""
        self._remove(worker)
        self._missing += 1
        if not worker.ready and self._lost_starts.count(killed=killed):
            raise HostError(f"workers do not start: {reason}")
        if worker.tasks and worker.tasks[0].losses.count(killed=killed):
            worker.tasks.popleft().future.set_exception(HostError(f"a render failed repeatedly: {reason}"))
        with self._lock:
            self._queue.extendleft(reversed(worker.tasks))

    def _remove(self, worker: Worker) -> None:
        worker.end()
        self._running.remove(worker)

    def _shut(self, error: str) -> None:
        with self._lock:
            self._error = error
            left = list(self._queue)
            self._queue.clear()
        for worker in self._running:
            left += worker.tasks
            worker.process.kill()
        for worker in list(self._running):
            self._remove(worker)
        for task in left:
            if task.future.running() or task.future.set_running_or_notify_cancel():
                task.future.set_exception(HostError(error))
        self._ready.set()
