#!/usr/bin/python3
"""A whole BZP/1 client: a producer that waits for its results, and a worker. Written from docs/protocol.md alone
(the sections named here are its), with python3-zmq and python3-msgpack.
    minimal.py tcp://127.0.0.1:7170 submit c.add '[1, 2]' '[3, 4]'    two tasks, their results
    minimal.py tcp://127.0.0.1:7170 serve                             runs c.add and c.mul until SIGTERM"""
import json, os, random, signal, socket, sys, time, traceback, uuid
import msgpack, zmq  # Debian: python3-msgpack, python3-zmq

HELLO, WELCOME, PING, GOODBYE, ERROR, COLLECTORS, SUBMIT, SUBMITTED = 1, 2, 3, 5, 6, 7, 10, 11
CREDIT, DELIVER, DONE, DONE_OK, RESULT, STORED, WATCH, CONTROL, REPLY = 20, 21, 22, 23, 30, 31, 32, 40, 41
SUCCESS, FAILURE, IGNORED = 4, 5, 7
STATES = "PENDING RECEIVED STARTED RETRY SUCCESS FAILURE REVOKED IGNORED".split()
pack, unpack = msgpack.packb, lambda data: msgpack.unpackb(data, strict_map_key=False)

class Link:
    """The connecting side of a session (section 5)."""
    def __init__(self, node, endpoint):
        self.node, self.endpoint, self.socket, self.wait = node, endpoint, None, 0
        self.reset()
    def reset(self):
        """Ends the session: a new socket, so that no frame of the old one comes later, and HELLO after a while."""
        if self.socket:
            self.node.poller.unregister(self.socket), self.socket.close(0)
        self.socket = self.node.context.socket(zmq.DEALER)  # never with a routing id
        self.socket.maxmsgsize = 8 << 20
        self.socket.connect(self.endpoint)
        self.node.poller.register(self.socket, zmq.POLLIN)
        self.session, self.nonce, self.hello_at = 0, 0, time.monotonic() + self.wait * random.uniform(0.5, 1)
        self.wait = min(max(self.wait * 2, 0.1), 10)
    def send(self, kind, *fields):
        self.sent, self.last_sent = self.sent + 1, time.monotonic()
        self.socket.send(pack([1, kind, self.session, self.sent, *fields]))
    def send_entry(self, kind, number, entry):
        """An entry of DONE or RESULT: numbered from 1 in each session, kept in `entries` until it is answered."""
        self.last_entry += 1
        self.entries[self.last_entry] = number
        self.send(kind, self.last_entry, [entry])
    def tick(self):
        now, node = time.monotonic(), self.node
        if now >= (self.last_heard + self.liveness if self.session else self.hello_at + 2):
            self.reset()  # silence, or no WELCOME
        elif self.session and max(now - self.last_sent, min(now - self.last_heard, 2 * (now - self.last_sent))) >= self.heartbeat:
            self.send(PING)
        elif not self.nonce and now >= self.hello_at:
            self.nonce = time.monotonic_ns()
            self.socket.send(pack([1, HELLO, 0, 0, self.nonce, node.role, node.name, node.incarnation, *node.hello(self)]))
    def receive(self):
        version, kind, session, seq, *fields = unpack(self.socket.recv())
        if kind == WELCOME and not self.session and fields[0] == self.nonce:
            self.session, self.sent, self.received, self.wait = session, 0, 0, 0
            self.last_entry, self.entries, self.held = 0, {}, set()
            self.last_sent = self.last_heard = time.monotonic()
            self.heartbeat, self.liveness = fields[4] / 1e6, fields[5] / 1e6
            self.node.on_collectors(fields[8])
            self.node.on_open(self, fields[9] if len(fields) > 9 else None)
        elif session == self.session and kind == ERROR:
            print("error from", self.endpoint, fields[0], fields[1], file=sys.stderr)
            if not self.session or fields[0] in (4, 5):  # HELLO was refused; no_session, gap
                self.reset()
        elif session == self.session and self.session and seq > self.received:  # else of an ended session, or again
            if seq != self.received + 1:
                return self.reset()  # one is missing
            self.received, self.last_heard = seq, time.monotonic()
            if kind == GOODBYE: self.reset()
            elif kind == COLLECTORS: self.node.on_collectors(*fields)
            else: self.node.on_message(self, kind, *fields)

class Node:
    def __init__(self, broker):
        # One context of the process: one of its own would wait, when it is collected, for sockets that are not yet.
        self.context, self.poller, self.collectors = zmq.Context.instance(), zmq.Poller(), {}
        self.name, self.incarnation = f"python@{socket.gethostname()}:{os.getpid()}", random.getrandbits(64)
        self.broker = Link(self, broker)
    def on_collectors(self, listed):
        self.collectors |= {name: Link(self, e[0]) for name, e in listed if e and name not in self.collectors}
    def turn(self):
        readable = dict(self.poller.poll(50))
        for link in [self.broker, *self.collectors.values()]:
            if link.socket in readable: link.receive()
            link.tick()

class Producer(Node):
    """Sections 6 and 8, with one batch under way at a time."""
    role, number, batch, sent, not_before, waiting = 1, 1, [], False, 0, set()
    def __init__(self, broker):
        self.origin, self.results = os.urandom(16), {}
        super().__init__(broker)
    def hello(self, link): return [{1: self.origin}]
    def call(self, name, argument_lists, seconds=30):
        """Submits one task for each list of arguments; their (state, value), in order."""
        self.batch = [[uuid.uuid4().bytes, name, None, {}, pack([args, {}])] for args in argument_lists]
        ids = [task[0] for task in self.batch]
        self.waiting, deadline = set(ids), time.monotonic() + seconds
        while self.waiting and time.monotonic() < deadline:
            if self.batch and not self.sent and self.broker.session and time.monotonic() >= self.not_before:
                self.sent = True
                self.broker.send(SUBMIT, self.number, self.origin, None, 1, self.batch)
            self.turn()
        return [self.results.get(i, ("unknown" if self.sent else "PENDING", None)) for i in ids]
    def on_open(self, link, resume):
        if link is not self.broker:  # what was pushed while we were away was not kept
            return self.waiting and link.send(WATCH, 0, list(self.waiting))
        known, accepted, committed = resume
        if self.sent and not known:  # it has forgotten us: nobody can tell what became of the batch
            self.end({task[0]: ("unknown", None) for task in self.batch})
            self.batch = []
        self.sent = self.sent and self.number <= accepted  # taken: it only waits for its commit
        self.on_message(link, SUBMITTED, committed)
        self.number = self.number if self.sent else accepted + 1
    def end(self, results):
        self.results |= results
        self.waiting -= results.keys()
    def on_message(self, link, kind, *fields):
        if kind == SUBMITTED:
            if self.sent and fields[0] >= self.number:  # committed
                self.batch, self.sent, self.number = [], False, self.number + 1
            for number, code, reason, expected, retry_after, tasks in (*fields[1:], [])[0]:
                self.sent = False  # nothing of it was kept: the same number goes to what is left
                self.not_before = time.monotonic() + max(retry_after / 1e6, 0.02)
                self.end({self.batch[index][0]: ("rejected", text) for index, _, text in tasks})
                self.batch = [task for task in self.batch if task[0] in self.waiting]
        elif kind == RESULT:
            records = [entry[3] for group in fields[1] for entry in group[2]]
            self.end({record[0]: (STATES[record[2]], unpack(record[3])) for record in records})

class Worker(Node):
    """Sections 7 and 8, one task at a time in this thread: one longer than the liveness is reported in a new session."""
    role, stopping = 2, False
    def __init__(self, broker, tasks):
        self.tasks, self.unsettled = tasks, {}
        super().__init__(broker)
    def hello(self, link):
        holds = [[n, d["key"], d["position"], 3 if d["stored"] else 2, d["record"][0]] for n, d in self.unsettled.items()]
        return [{3: 1}, holds] if link is self.broker else [{}]
    def on_open(self, link, resume):
        if link is self.broker:
            self.returned = [0, 0]
            self.credit()
        for number in self.unsettled:  # whatever this node has not answered yet
            self.settle(number, link)
    def credit(self):
        self.broker.send(CREDIT, 0 if self.stopping else 1, 1 << 20, *self.returned)
    def settle(self, number, opened=None):
        """Takes the result to its collector, and once it is stored, DONE to the broker."""
        d = self.unsettled[number]
        if not d["home"]:  # any collector, but the same one until STORED
            d["home"] = next((name for name, link in self.collectors.items() if link.session), None)
        link = self.broker if d["stored"] else self.collectors.get(d["home"])
        if link and link.session and opened in (None, link):
            link.send_entry(DONE, number, [number, d["state"], d["flags"], d["follow_ups"]]) if d["stored"] else \
                link.send_entry(RESULT, number, [d["origin"], self.name, [[number, d["generation"], 0, d["record"], []]]])
    def run(self, origin, home, number, key, position, count, retries, flags, task):
        started, state = time.time_ns() // 1000, SUCCESS
        try:
            args, kwargs = unpack(task[4])
            body = pack(self.tasks[task[1]](*args, **kwargs))
        except Exception as error:
            kind = type(error).__name__ if task[1] in self.tasks else "NotRegistered"
            state, body = FAILURE, pack([kind, str(error), traceback.format_exc()])
        silent = state == SUCCESS and bool(task[3].get(13))  # ignore_result: no RESULT, DONE at once
        record = [task[0], task[1], state, body, started, time.time_ns() // 1000, {1: retries} if retries else {}]
        self.unsettled[number] = dict(origin=origin, home=home, key=key, position=position, record=record, stored=silent,
                                      generation=task[3].get(18, 0), state=IGNORED if silent else state, flags=0, follow_ups=[])
        self.settle(number)
    def on_message(self, link, kind, *fields):
        if kind == DELIVER:
            for origin, home, delivery in [(g[0], g[1], d) for g in fields[0] for d in g[2]]:
                self.returned = [self.returned[0] + 1, self.returned[1] + len(pack(delivery[6]))]
                if delivery[0] not in self.unsettled:
                    self.run(origin, home, *delivery[:7])
            self.credit()
        elif kind == STORED:
            losses = {loss[0]: loss[1:] for loss in (*fields[1:], [])[0]}
            for entry in [e for e in link.entries if e <= fields[0]]:
                number = link.entries.pop(entry)
                d, (code, winner, follow_ups, text) = self.unsettled[number], losses.get(entry, (0, None, [], ""))
                if code == 1:  # another was first: DONE carries the winner's outcome
                    d.update(state=winner[2], flags=int(winner[6].get(2, False)), follow_ups=follow_ups)
                elif code == 2:  # refused for good: a failure that says so
                    d["state"], d["record"][2:4] = FAILURE, [FAILURE, pack(["ResultRefused", text, ""])]
                d["stored"] = code != 2
                self.settle(number)
        elif kind == CONTROL:  # somebody asks this worker (section 9)
            known = {"inspect.ping": "pong", "inspect.registered": sorted(self.tasks)}
            link.send(REPLY, fields[0], 0 if fields[1] in known else 10, known.get(fields[1], f"unknown command '{fields[1]}'"))
        elif kind == DONE_OK:
            for entry, code in (*fields[1:], [])[0]:
                (link.held.add if code == 2 else link.held.discard)(entry)
            for entry in [e for e in link.entries if e <= fields[0] and e not in link.held]:
                del self.unsettled[link.entries.pop(entry)]
    def serve(self):
        while not self.stopping or self.unsettled:
            self.turn()
        self.broker.session and self.broker.send(GOODBYE, "stopped")
        self.context.destroy(linger=1000)

def main(broker, role, *arguments):
    if role == "serve":
        worker = Worker(broker, {"c.add": lambda a, b: a + b, "c.mul": lambda a, b: a * b})
        signal.signal(signal.SIGTERM, lambda *_: setattr(worker, "stopping", True))
        return worker.serve()
    for outcome in Producer(broker).call(arguments[0], [json.loads(text) for text in arguments[1:]]): print(*outcome)
if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if sys.argv[2:3] in (["serve"], ["submit"]) else __doc__)
