"""clients/python/minimal.py against the real programs: it submits, waits, serves, and loses nothing when a part is
killed. Usage: python_client_test.py PROGRAM-FOLDER SOURCE-FOLDER [unittest options]"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAMS, SOURCE = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
CLIENT = SOURCE / "clients/python/minimal.py"
TIMES = ["--heartbeat", "250ms", "--liveness", "1500ms"]

# A worker whose task notes each execution as a line in a file, so that they can be counted.
NOTING_WORKER = """
import signal, sys
sys.path.insert(0, sys.argv[1])
import minimal
def note(number):
    with open(sys.argv[3], "a") as notes:
        notes.write(f"{number}\\n")
    return number * number
worker = minimal.Worker(sys.argv[2], {"c.note": note})
signal.signal(signal.SIGTERM, lambda *_: setattr(worker, "stopping", True))
worker.serve()
"""


class Cluster(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.broker_at, self.collector_at = (f"ipc://{self.folder}/{name}" for name in ("broker", "collector"))
        self.running, self.notes = {}, self.folder / "notes"
        self.addCleanup(self.end_all)
        self.start_broker()
        self.start_collector()

    def start(self, name, *command):
        with open(self.folder / f"{name}.log", "ab") as log:
            self.running[name] = subprocess.Popen(
                [str(part) for part in command], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def start_broker(self):
        self.start("broker", PROGRAMS / "baozi-broker", "--listen", self.broker_at, "--store", "sqlite:b.db", *TIMES)

    def start_collector(self):
        self.start("collector", PROGRAMS / "baozi-collector", "--listen", self.collector_at, "--broker",
                   self.broker_at, "--store", "sqlite:c.db", *TIMES)

    def start_worker(self, name="worker"):
        self.start(name, sys.executable, "-c", NOTING_WORKER, CLIENT.parent, self.broker_at, self.notes)

    def start_producer(self, count):
        self.start("producer", sys.executable, CLIENT, self.broker_at, "submit", "c.note",
                   *(f"[{number}]" for number in range(count)))

    def kill(self, name):
        process = self.running.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait(10)

    def end_all(self):
        for process in self.running.values():
            process.kill()
        for process in self.running.values():
            process.wait(10)

    def log(self, name):
        return (self.folder / f"{name}.log").read_text()

    def executions(self):
        return self.notes.read_text().split() if self.notes.exists() else []

    def wait_until(self, condition, what, seconds=40):
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                logs = "\n".join(f"== {path.name}\n{path.read_text()[-2000:]}" for path in self.folder.glob("*.log"))
                self.fail(f"in vain waited until {what}\n{logs}")
            time.sleep(0.005)  # the pace of asking, not a guess

    def expect_results(self, count):
        producer = self.running["producer"]
        self.wait_until(lambda: producer.poll() is not None, "the producer ended")
        self.assertEqual(self.log("producer").split("\n")[:-1][-count:],
                         [f"SUCCESS {number * number}" for number in range(count)])


class MinimalClient(Cluster):
    def submit(self, *arguments):
        done = subprocess.run([sys.executable, str(CLIENT), self.broker_at, "submit", *arguments],
                              capture_output=True, text=True, timeout=40)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.splitlines()

    def test_submits_serves_and_shows_what_went_wrong(self):
        self.start("worker", sys.executable, CLIENT, self.broker_at, "serve")
        self.assertEqual(self.submit("c.add", "[1, 2]", '["a", "b"]'), ["SUCCESS 3", "SUCCESS ab"])
        self.assertEqual(self.submit("c.mul", "[6, 7]"), ["SUCCESS 42"])
        self.assertIn("FAILURE ['TypeError'", self.submit("c.add", '[1, "b"]')[0])
        self.assertIn("FAILURE ['NotRegistered'", self.submit("c.sub", "[1, 2]")[0])
        worker = self.running["worker"]
        worker.terminate()  # it says GOODBYE and ends
        self.assertEqual(worker.wait(20), 0, self.log("worker"))

    def test_answers_what_operators_ask_and_goes_on_serving(self):
        self.start("worker", sys.executable, CLIENT, self.broker_at, "serve")
        self.assertEqual(self.submit("c.add", "[1, 2]"), ["SUCCESS 3"])

        def ask(*words):
            done = subprocess.run([PROGRAMS / "baozi", *words, "--json", "--broker", self.broker_at],
                                  capture_output=True, text=True, timeout=40)
            return done.returncode, list(json.loads(done.stdout).values())
        self.assertEqual(ask("inspect", "ping"), (0, [{"ok": "pong"}]))
        self.assertEqual(ask("inspect", "registered"), (0, [{"ok": ["c.add", "c.mul"]}]))
        self.assertEqual(ask("control", "pool_grow", "2"), (1, [{"error": "unknown command 'worker.pool_grow'"}]))
        self.assertEqual(self.submit("c.add", "[1, 3]"), ["SUCCESS 4"])

    def test_more_tasks_than_a_batch_of_credit(self):
        self.start_worker("w1")
        self.start_worker("w2")
        self.start_producer(500)
        self.expect_results(500)
        self.assertEqual(sorted(map(int, self.executions())), list(range(500)))

    def test_a_broker_that_was_killed_repeats_nothing_and_loses_nothing(self):
        self.start_worker()
        self.start_producer(400)
        self.wait_until(lambda: len(self.executions()) >= 100, "a hundred tasks ran")
        self.kill("broker")
        self.start_broker()
        self.expect_results(400)
        self.assertEqual(sorted(map(int, self.executions())), list(range(400)))

    def test_a_collector_that_was_killed_loses_no_result(self):
        self.start_worker()
        self.start_producer(400)
        self.wait_until(lambda: len(self.executions()) >= 100, "a hundred tasks ran")
        self.kill("collector")
        self.start_collector()
        self.expect_results(400)
        self.assertEqual(sorted(map(int, self.executions())), list(range(400)))

    def test_a_worker_that_was_killed_is_replaced(self):
        self.start_worker("w1")
        self.start_producer(400)
        self.wait_until(lambda: len(self.executions()) >= 100, "a hundred tasks ran")
        self.kill("w1")
        self.start_worker("w2")
        self.expect_results(400)
        self.assertEqual(set(map(int, self.executions())), set(range(400)))
        # What it had unsettled when it died may have run twice: results and DONE under way, one task in hand.
        self.assertLess(len(self.executions()), 500)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)
