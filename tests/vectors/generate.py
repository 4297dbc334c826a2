#!/usr/bin/python3
"""Writes the test vectors of BZP/1 beside itself, one JSON file for each message, and the fuzzers' seeds.

Every frame is built here from docs/protocol.md with Debian's python3-msgpack, and with nothing of baozi's:
so the codec's tests compare two independent readings of the text. The files are checked in; a client in any
language can read them:

  {"message": "SUBMIT", "type": 10, "vectors": [
    {"name": "minimal", "hex": "95010a…", "session": 7, "seq": 1, "meaning": {"number": 1, …}}, …]}

`meaning` names the fields as docs/protocol.md does. Binary values are hex text, ids are their text form,
`null` is what is absent. A decoder passes when it finds the meaning, an encoder when it makes the same bytes.
exchange.json is one task's way through the network, frame by frame. tolerated.json holds frames that a decoder takes as well, though no encoder of ours writes them; refused.json
frames that it must refuse, with the error's name.
"""

import json
import pathlib
import struct
import sys
import uuid

import msgpack

HERE = pathlib.Path(__file__).resolve().parent

TYPES = {
    "HELLO": 1, "WELCOME": 2, "PING": 3, "PONG": 4, "GOODBYE": 5, "ERROR": 6, "COLLECTORS": 7,
    "SUBMIT": 10, "SUBMITTED": 11,
    "CREDIT": 20, "DELIVER": 21, "DONE": 22, "DONE_OK": 23, "NACK": 24, "QUEUES": 25, "TASKS": 26,
    "RESULT": 30, "STORED": 31, "WATCH": 32, "STATE": 33, "FETCH": 34, "FETCHED": 35, "FORGET": 36,
    "CONTROL": 40, "REPLY": 41, "REVOKE": 50,
    "EVENTS": 60, "EVENTS_OK": 61, "FOLLOW": 62, "FOLLOWED": 63,
}

ORIGIN = bytes.fromhex("018bcfe568007a1b8c2d3e4f50617283")
U1 = uuid.UUID("018bcfe5-6800-7000-8000-000000000001")
U2 = uuid.UUID("018bcfe5-6800-7000-8000-000000000002")
U3 = uuid.UUID("018bcfe5-6800-7fff-bfff-ffffffffffff")
T0 = 1_700_000_000_000_000  # 2023-11-14 22:13:20 UTC in microseconds


def pack(value):
    return msgpack.packb(value, use_bin_type=True)


class Both:
    """A value as msgpack packs it, beside what it means."""

    def __init__(self, wire, meaning):
        self.wire = wire
        self.meaning = meaning


def split(value):
    """(wire, meaning) of a value that may hold Boths at any depth."""
    if isinstance(value, Both):
        return value.wire, value.meaning
    if isinstance(value, (list, tuple)):
        pairs = [split(item) for item in value]
        return [w for w, _ in pairs], [m for _, m in pairs]
    if isinstance(value, bytes):
        return value, value.hex()
    return value, value


def record_of(fields, optional=()):
    """Fields by name, in their order: an array on the wire, an object in the meaning."""
    wire, meaning = [], {}
    for name, value in fields.items():
        w, m = split(value)
        meaning[name] = m
        if name in optional and value is None:
            continue
        wire.append(w)
    return Both(wire, meaning)


def ident(value):
    if isinstance(value, uuid.UUID):
        return Both(value.bytes, str(value))
    return Both(value, value)


def body(*args, **kwargs):
    return pack([list(args), kwargs])


def options_meaning(options):
    def shown(value):
        if isinstance(value, bytes):
            return {"bin": value.hex()}
        if isinstance(value, (list, tuple)):
            return [shown(item) for item in value]
        if isinstance(value, dict):
            return {str(k): shown(v) for k, v in value.items()}
        return value

    return {str(key): shown(value) for key, value in options.items()}


def task(task_id, name, queue=None, options=None, content=None):
    options = options or {}
    return record_of({
        "id": ident(task_id), "name": name, "queue": queue,
        "options": Both(options, options_meaning(options)),
        "body": body() if content is None else content,
    })


def result_record(task_id, name, state, content, started, finished, retries=0, exhausted=False):
    meta = {}
    if retries:
        meta[1] = retries
    if exhausted:
        meta[2] = True
    both = record_of({
        "id": ident(task_id), "name": name, "state": state, "body": content,
        "started": started, "finished": finished,
    })
    both.wire.append(meta)
    both.meaning["retries"] = retries
    both.meaning["exhausted"] = exhausted
    return both


def failure(kind, message, traceback=""):
    return pack([kind, message, traceback])


def hello(nonce, role, name, incarnation, holds=None, **facts):
    keys = {"origin": 1, "queues": 2, "concurrency": 3, "software": 4, "host": 5, "pid": 6,
            "endpoints": 7, "durable_results": 8, "labels": 10, "early": 11, "limits": 12}
    empty = {"origin": None, "queues": [], "concurrency": 0, "software": "", "host": "", "pid": 0,
             "endpoints": [], "durable_results": False, "labels": [], "early": [], "limits": []}
    wire = {keys[k]: v for k, v in sorted(facts.items(), key=lambda item: keys[item[0]])}
    meaning = {k: split(facts.get(k, empty[k]))[1] for k in keys}
    both = record_of({"nonce": nonce, "role": role, "name": name, "incarnation": incarnation})
    both.wire.append(wire)
    both.meaning["facts"] = meaning
    held = [record_of({"number": n, "key": k, "position": p, "phase": ph, "id": ident(i)})
            for n, k, p, ph, i in holds or []]
    wire_holds, both.meaning["holds"] = split(held)
    if held:
        both.wire.append(wire_holds)
    return both


def collector(name, *endpoints):
    return record_of({"name": name, "endpoints": list(endpoints)})


def welcome(nonce, name, incarnation, epoch, collectors=(), resume=None, heartbeat=2_500_000,
            liveness=10_000_000, frame_max=8 << 20, task_max=1 << 20):
    if resume is not None:
        resume = record_of(dict(zip(("known", "accepted", "committed"), resume)))
    return record_of({
        "nonce": nonce, "name": name, "incarnation": incarnation, "epoch": epoch,
        "heartbeat": heartbeat, "liveness": liveness, "frame_bytes_max": frame_max,
        "task_bytes_max": task_max, "collectors": list(collectors), "resume": resume,
    }, optional=("resume",))


def error(code, text, about=None, versions=None):
    both = record_of({"code": code, "text": text})
    both.meaning["about"] = about or 0
    both.meaning["versions"] = versions
    if about or versions:
        both.wire.append(about or 0)
    if versions:
        both.wire.append(versions)
    return both


def listed(fields, last):
    """A message whose last list is left out when it is empty."""
    both = record_of(fields)
    if not both.wire[-1]:
        both.wire.pop()
    assert last in both.meaning
    return both


def submit(number, tasks, home=None, flags=0):
    return record_of({"number": number, "origin": ORIGIN, "home": home, "flags": flags, "tasks": tasks})


def refusal(number, code, reason, expected=0, retry_after=0, tasks=()):
    return record_of({
        "number": number, "code": code, "reason": reason, "expected": expected,
        "retry_after": retry_after,
        "tasks": [record_of({"index": i, "reason": r, "text": t}) for i, r, t in tasks],
    })


def delivery(number, key, position, packed, count=1, retries=0, flags=0, since=None):
    both = record_of({"number": number, "key": key, "position": position, "count": count,
                      "retries": retries, "flags": flags, "task": packed})
    both.meaning["since"] = since or 0
    if since:
        both.wire.append(since)
    return both


def delivery_group(deliveries, origin=ORIGIN, home=None):
    return record_of({"origin": origin, "home": home, "deliveries": deliveries})


def settlement(number, state, flags=0, follow_ups=(), record=None):
    return record_of({"number": number, "state": state, "flags": flags,
                      "follow_ups": list(follow_ups), "record": record}, optional=("record",))


def nack(number, kind, delay=0, reason="", flags=None):
    both = record_of({"number": number, "kind": kind, "delay": delay, "reason": reason})
    both.meaning["flags"] = flags or 0
    if flags:
        both.wire.append(flags)
    return both


def result_entry(number, record, generation=0, flags=0, follow_ups=()):
    return record_of({"number": number, "generation": generation, "flags": flags, "record": record,
                      "follow_ups": list(follow_ups)})


def result_group(entries, origin=ORIGIN, worker=None):
    return record_of({"origin": origin, "worker": worker, "entries": entries})


def loss(entry, code, record=None, follow_ups=(), text=""):
    return record_of({"entry": entry, "code": code, "record": record,
                      "follow_ups": list(follow_ups), "text": text})


def state_entry(task_id, word, meta=None):
    return record_of({"id": ident(task_id), "state": word, "meta": Both(meta, pack(meta).hex())})


def fetched(task_id, state=0, generation=0, number=0, incarnation=0, worker=None, record=None,
            follow_ups=()):
    return record_of({"id": ident(task_id), "state": state, "generation": generation,
                      "number": number, "incarnation": incarnation, "worker": worker,
                      "record": record, "follow_ups": list(follow_ups)})


def event(kind, when, task_id=None, name=None, **fields):
    return record_of({"type": kind, "time": when, "id": None if task_id is None else ident(task_id),
                      "name": name, "fields": Both(fields, options_meaning(fields))})


def followed(request, following, groups, lost=0, flags=0):
    return record_of({"request": request, "next": following, "lost": lost, "flags": flags, "groups": [
        record_of({"node": node, "entries": [record_of({"offset": o, "event": e}) for o, e in entries]})
        for node, entries in groups]})


def packed(value):
    """A value that travels as it is; its meaning is its bytes."""
    return Both(value, pack(value).hex())


N1 = (3 << 44) | (1 << 22) | 5  # a delivery number: epoch 3, generation 1, slot 5
N2 = (3 << 44) | (1 << 22) | 6
INC = 0xFEDCBA9876543210
ADD1 = task(U1, "c.add", content=body(1, 2))
ADD2 = task(U2, "c.add", "math", {3: 9}, body(3, 4))
EVERY_OPTION = {
    1: T0 + 60_000_000, 2: T0 + 3_600_000_000, 3: 7, 4: [3, 0, 200_000, 200_000, 0.5],
    5: 30_000_000, 6: 25_000_000, 7: U1.bytes, 8: U2.bytes, 9: "a group", 13: True,
    15: "customer 7", 16: ["once only", 60_000_000, 1], 17: {"x-trace": "abc"}, 18: 2, 19: True, 20: 10, 22: ["gpu=1", "ssd"],
    25: 0, 26: True, 27: "card ***", 28: ["account 7", 2], 29: "tenant 7",
}
FULL_TASK = task("order/42 — été", "shop.charge", "billing", EVERY_OPTION, body("€", card=None))
OK3 = result_record(U1, "c.add", 4, pack(3), T0, T0 + 50)
FAILED = result_record(U2, "c.add", 5, failure("ValueError", "no", "at add()\n"), T0, T0 + 70, 3, True)
REVOKED = result_record("order/42", "shop.charge", 6, failure("Expired", "expired before it ran"), 0, T0)

# name, session, seq, fields
VECTORS = {
    "HELLO": [
        ("minimal", 0, 0, hello(1, 1, "p", 1)),
        ("producer", 0, 0, hello(123_456_789, 1, "app@host:4711", INC, origin=ORIGIN,
                                 software="baozi 0.1.0", host="host", pid=4711)),
        ("worker with holds", 0, 0, hello(
            987_654_321, 2, "w1@host", INC, queues=["default", "math"], concurrency=8,
            software="baozi 0.1.0", host="host", pid=65_536, early=["shop.charge"],
            limits=[["c.fetch", 4, 100_000], ["c.add", 0, 1]],
            holds=[(N1, 17, 0, 1, U1), (N2, 18, 70_000, 2, "order/42"), (N2 + 1, 19, 70_001, 3, U2)])),
        ("worker with labels", 0, 0, hello(7, 2, "w1@host", INC, concurrency=1, labels=["gpu=1", "ssd"])),
        ("collector", 0, 0, hello(5, 3, "c1@host", 2**63, endpoints=["tcp://10.0.0.7:7171", "ipc:///run/c1"])),
        ("broker at another one", 0, 0, hello(8, 7, "b2@host", INC, origin=ORIGIN, software="baozi 0.1.0",
                                              host="host", pid=4712)),
        ("producer at a collector", 0, 0, hello(6, 1, "app@host:4711", INC, origin=ORIGIN,
                                                durable_results=True)),
    ],
    "WELCOME": [
        ("minimal", 1, 0, welcome(1, "b", 1, 0, heartbeat=1000, liveness=1000, frame_max=65_536, task_max=4096)),
        ("to a producer", 70_000, 0, welcome(123_456_789, "b1@host", INC, 3, [
            collector("c1@host", "tcp://10.0.0.7:7171", "ipc:///run/c1"),
            collector("c2@host", "tcp://10.0.0.8:7171")], (True, 12, 11))),
        ("to an unknown producer", 2**32, 0, welcome(2, "b1@host", 7, 1, [], (False, 0, 0))),
        ("to a worker", 9, 0, welcome(987_654_321, "b1@host", INC, 3, [collector("c1@host", "tcp://10.0.0.7:7171")])),
    ],
    "PING": [("only", 9, 1, record_of({})), ("later", 2**40, 2**33, record_of({}))],
    "PONG": [("only", 9, 1, record_of({})), ("later", 2**40, 2**33, record_of({}))],
    "GOODBYE": [
        ("minimal", 9, 4, record_of({"reason": ""})),
        ("typical", 9, 300, record_of({"reason": "draining"})),
    ],
    "ERROR": [
        ("minimal", 0, 0, error(1, "not msgpack")),
        ("no session", 9, 0, error(4, "say HELLO", 17)),
        ("unknown version", 0, 0, error(2, "this node speaks version 1", None, [1, 1])),
    ],
    "COLLECTORS": [
        ("none", 9, 2, record_of({"collectors": []})),
        ("two", 9, 3, record_of({"collectors": [collector("c1@host", "tcp://10.0.0.7:7171"),
                                                 collector("c2@host", "tcp://[::1]:7171", "ipc:///run/c2")]})),
    ],
    "SUBMIT": [
        ("minimal", 7, 1, submit(1, [task("a", "f")])),
        ("typical", 7, 2, submit(2, [ADD1, ADD2], "c1@host", 1)),
        ("full", 70_000, 65_536, submit(2**32, [FULL_TASK, ADD1], "c1@host", 1)),
        ("ids", 7, 3, submit(3, [task(U3, "f"), task("x" * 255, "n" * 255, "q" * 32)])),
        ("ids that count until an instant", 7, 4, submit(4, [
            task(U1, "shop.report", None, {21: T0 + 86_400_000_000}),
            task("report of 2026-11-26", "shop.report", None, {21: T0 + 1})], "c1@host")),
    ],
    "SUBMITTED": [
        ("minimal", 7, 1, listed({"upto": 1, "refusals": []}, "refusals")),
        ("full queue", 7, 2, listed({"upto": 1, "refusals": [
            refusal(2, 1, 1, 0, 100_000), refusal(3, 3, 0, 2)]}, "refusals")),
        ("rejected", 7, 3, listed({"upto": 70_000, "refusals": [
            refusal(70_001, 2, 4, 0, 0, [(0, 4, "priority above 9"), (17, 3, "task of 1048577 bytes")])]},
            "refusals")),
        ("a duplicate, and one that is too late", 7, 4, listed({"upto": 3, "refusals": [
            refusal(4, 2, 0, 0, 0, [(0, 7, str(U1)), (1, 8, "its once_until had passed 5m before")])]}, "refusals")),
    ],
    "CREDIT": [
        ("minimal", 8, 1, record_of({"count": 0, "bytes": 0, "returned": 0, "returned_bytes": 0})),
        ("typical", 8, 2, record_of({"count": 1000, "bytes": 64 << 20, "returned": 70_000,
                                      "returned_bytes": 2**33})),
    ],
    "DELIVER": [
        ("minimal", 8, 1, record_of({"groups": [delivery_group([delivery(1, 0, 0, task("a", "f"))], None)]})),
        ("typical", 8, 2, record_of({"groups": [
            delivery_group([delivery(N1, 17, 70_000, ADD1), delivery(N2, 18, 0, ADD2)], ORIGIN, "c1@host")]})),
        ("full", 8, 3, record_of({"groups": [
            delivery_group([delivery(N1, -1, 2**33, FULL_TASK, 3, 2, 3, T0 + 7)], ORIGIN, "c1@host"),
            delivery_group([delivery(N2, -(2**40), 0, ADD1)], None, None)]})),
    ],
    "DONE": [
        ("minimal", 8, 1, record_of({"first": 1, "entries": [settlement(1, 4)]})),
        ("typical", 8, 2, record_of({"first": 2, "entries": [settlement(N1, 4), settlement(N2, 7)]})),
        ("full", 8, 3, record_of({"first": 70_000, "entries": [
            settlement(N1, 4, 0, [ADD2]), settlement(N2, 5, 1, [], FAILED),
            settlement(N2 + 1, 4, 0, [ADD1, FULL_TASK], OK3)]})),
    ],
    "DONE_OK": [
        ("minimal", 8, 1, listed({"upto": 1, "exceptions": []}, "exceptions")),
        ("full", 8, 2, listed({"upto": 70_000, "exceptions": [
            record_of({"entry": 69_999, "code": 1}), record_of({"entry": 70_000, "code": 2}),
            record_of({"entry": 12, "code": 0})]}, "exceptions")),
    ],
    "NACK": [
        ("minimal", 8, 1, record_of({"first": 1, "entries": [nack(1, 1)]})),
        ("full", 8, 2, record_of({"first": 3, "entries": [
            nack(N1, 2, 200_000, "ConnectionError: refused"), nack(N2, 3, 0, "unknown task: c.sub"),
            nack(N2 + 1, 1, 0, "draining"), nack(N2 + 2, 2, 5_000_000, "not yet", 1),
            nack(N2 + 3, 4, 0, "killed by signal 11")]})),
    ],
    "RESULT": [
        ("minimal", 9, 1, record_of({"first": 1, "groups": [
            result_group([result_entry(1, result_record("a", "f", 4, pack(None), 0, 0))], None)]})),
        ("typical", 9, 2, record_of({"first": 2, "groups": [
            result_group([result_entry(N1, OK3), result_entry(N2, FAILED)], ORIGIN, "w1@host")]})),
        ("pushed", 10, 3, record_of({"first": 0, "groups": [
            result_group([result_entry(N1, OK3, 0, 1)], ORIGIN, "w1@host")]})),
        ("full", 9, 4, record_of({"first": 70_000, "groups": [
            result_group([result_entry(N1, OK3, 1, 0, [ADD2, FULL_TASK])], ORIGIN, "w1@host"),
            result_group([result_entry(0, REVOKED)], None, None)]})),
    ],
    "STORED": [
        ("minimal", 9, 1, listed({"upto": 1, "losses": []}, "losses")),
        ("full", 9, 2, listed({"upto": 70_000, "losses": [
            loss(69_998, 1, FAILED, [ADD1]),
            loss(69_999, 2, None, [], "record of 1048577 bytes, at most 1048576")]}, "losses")),
    ],
    "WATCH": [
        ("minimal", 10, 1, record_of({"flags": 0, "ids": [ident(U1)]})),
        ("full", 10, 2, record_of({"flags": 1, "ids": [ident(U1), ident("order/42"), ident(U3)]})),
    ],
    "STATE": [
        ("minimal", 9, 1, record_of({"groups": [
            record_of({"origin": None, "worker": None, "entries": [state_entry("a", "STARTED")]})]})),
        ("full", 9, 2, record_of({"groups": [
            record_of({"origin": ORIGIN, "worker": "w1@host", "entries": [
                state_entry(U1, "PROGRESS", {"done": 0.5}), state_entry(U2, "RETRY", [1, "refused"])]})]})),
    ],
    "FETCH": [
        ("minimal", 10, 1, record_of({"request": 1, "ids": [ident(U1)]})),
        ("full", 10, 2, record_of({"request": 2**40, "ids": [ident("order/42"), ident(U2)]})),
    ],
    "FETCHED": [
        ("pending", 10, 1, record_of({"request": 1, "entries": [fetched(U1)]})),
        ("full", 10, 2, record_of({"request": 2**40, "entries": [
            fetched("order/42", 6, 0, 0, INC, None, REVOKED),
            fetched(U2, 5, 1, N2, INC, "w1@host", FAILED, [ADD1])]})),
    ],
    "FORGET": [
        ("minimal", 10, 1, record_of({"request": 1, "ids": [ident(U1)]})),
        ("full", 10, 2, record_of({"request": 300, "ids": [ident(U1), ident("order/42")]})),
    ],
    "CONTROL": [
        ("minimal", 11, 1, record_of({"request": 1, "command": "status", "arguments": packed({})})),
        ("full", 11, 2, record_of({"request": 2, "command": "purge", "arguments": packed(
            {"queue": "math", "limit": 1000})})),
        ("to the workers", 11, 3, record_of({"request": 3, "command": "worker.pool_grow", "arguments": packed(
            {"n": 2, "destination": ["w1@host", "gpu*"], "timeout_us": 1_000_000, "once": "5f2c"})})),
        ("full queues", 11, 4, record_of({"request": 0, "command": "queues.full", "arguments": packed(
            {"queues": ["default", "", "math"]})})),
    ],
    "REPLY": [
        ("minimal", 11, 1, record_of({"request": 1, "code": 0, "payload": packed(None)})),
        ("revoke", 11, 2, record_of({"request": 2, "code": 0, "payload": packed(
            [[U1.bytes, 1, 6], ["order/42", 3, 4], [U2.bytes, 0, 0]])})),
        ("refused", 11, 3, record_of({"request": 3, "code": 10, "payload": packed("no such queue: maths")})),
        ("of the workers", 11, 4, record_of({"request": 4, "code": 0, "payload": packed({
            "workers": [{"name": "w1@host", "code": 0, "answer": "pong"},
                        {"name": "w2@host", "code": 10, "error": "unknown command 'inspect.x'"},
                        {"name": "w3@host", "silent": "it did not answer in time"}],
            "missing": ["gpu*"]})})),
    ],
    "REVOKE": [
        ("minimal", 11, 1, record_of({"request": 1, "flags": 0, "ids": [ident(U1)], "signal": None}, ("signal",))),
        ("to a worker", 8, 9, record_of(
            {"request": 0, "flags": 1, "ids": [ident(U1), ident("order/42")], "signal": "SIGTERM"})),
    ],
    "QUEUES": [
        ("none", 8, 5, record_of({"names": [], "excluded": []})),
        ("full", 8, 6, record_of({"names": [None, "math", "direct:w1@host"], "excluded": ["slow"]})),
    ],
    "TASKS": [
        ("none", 8, 7, record_of({"early": [], "limits": []})),
        ("full", 8, 8, record_of({"early": ["shop.charge"], "limits": [
            ["c.add", 2, 0], ["c.fetch", 0, 100_000], ["c.no_longer", 0, 0]]})),
    ],
    "EVENTS": [
        ("minimal", 9, 1, record_of({"first": 1, "lost": 0, "events": [event(20, T0)]})),
        ("full", 9, 2, record_of({"first": 70_000, "lost": 17, "events": [
            event(2, T0, U1, "c.add", queue="math", args=[1, 2], kwargs={}, retries=0),
            event(3, T0 + 10, U1, "c.add"),
            event(5, T0 + 70, "order/42", "shop.charge", exception="ValueError: no",
                  traceback="at add()\n", runtime_us=60),
            event(21, T0 + 80, freq_us=2_000_000, active=1, processed=70_000, loadavg=[0.5, 0.25, 0.0]),
            event(3_000, -1, None, None, later="unknown types are passed on")]})),
    ],
    "EVENTS_OK": [
        ("minimal", 9, 1, record_of({"upto": 1})),
        ("large", 9, 2, record_of({"upto": 2**40})),
    ],
    "FOLLOW": [
        ("from now", 10, 1, record_of({"request": 1, "from": None, "count": 100, "bytes": 65_536,
                                       "types": [], "names": []})),
        ("full", 10, 2, record_of({"request": 2**40, "from": T0, "count": 10_000, "bytes": 4 << 20,
                                   "types": [5, 7, 3_000], "names": ["c.add", "shop.*"]})),
    ],
    "FOLLOWED": [
        ("nothing yet", 10, 1, followed(1, T0, [])),
        ("full", 10, 2, followed(2, T0 + 9, [
            ("w1@host", [(T0 + 3, event(2, T0, U1, "c.add", retries=1)), (T0 + 5, event(3, T0 + 10, U1, "c.add"))]),
            ("b1@host", [(T0 + 8, event(40, T0 + 20, count=12))])], 3, 1)),
    ],
}


def frame(name, session, seq, fields):
    return pack([1, TYPES[name], session, seq] + fields.wire)


def vector_file(name, cases):
    return {
        "message": name,
        "type": TYPES[name],
        "vectors": [{"name": case, "hex": frame(name, session, seq, fields).hex(), "session": session,
                     "seq": seq, "meaning": fields.meaning} for case, session, seq, fields in cases],
    }


def raw_frame(kind, *fields, version=1, session=7, seq=1):
    return pack([version, kind, session, seq, *fields])


def exchange():
    """One task from a producer to a worker and its result back: every frame of docs/protocol.md, section 14."""
    call = task(U1, "c.add", content=body(1, 2))
    result = result_record(U1, "c.add", 4, pack(3), T0, T0 + 50)
    home = [collector("c1", "tcp://127.0.0.1:7171")]
    number = (1 << 44) | (1 << 22)
    steps = [
        ("worker", "broker", "HELLO", 0, 0, hello(1, 2, "w1", 0x1111, concurrency=1)),
        ("broker", "worker", "WELCOME", 41, 0, welcome(1, "b1", 0x2222, 1, home)),
        ("worker", "broker", "CREDIT", 41, 1, record_of({"count": 2, "bytes": 1 << 20, "returned": 0, "returned_bytes": 0})),
        ("worker", "collector", "HELLO", 0, 0, hello(1, 2, "w1", 0x1111)),
        ("collector", "worker", "WELCOME", 7, 0, welcome(1, "c1", 0x3333, 1)),
        ("producer", "broker", "HELLO", 0, 0, hello(1, 1, "p1", 0x4444, origin=ORIGIN)),
        ("broker", "producer", "WELCOME", 42, 0, welcome(1, "b1", 0x2222, 1, home, (False, 0, 0))),
        ("producer", "collector", "HELLO", 0, 0, hello(1, 1, "p1", 0x4444, origin=ORIGIN)),
        ("collector", "producer", "WELCOME", 8, 0, welcome(1, "c1", 0x3333, 1)),
        ("producer", "broker", "SUBMIT", 42, 1, submit(1, [call], "c1", 0)),
        ("broker", "worker", "DELIVER", 41, 1, record_of({"groups": [
            delivery_group([delivery(number, 100, 2, call)], ORIGIN, "c1")]})),
        ("broker", "producer", "SUBMITTED", 42, 1, listed({"upto": 1, "refusals": []}, "refusals")),
        ("worker", "collector", "RESULT", 7, 1, record_of({"first": 1, "groups": [
            result_group([result_entry(number, result)], ORIGIN, "w1")]})),
        ("worker", "broker", "CREDIT", 41, 2, record_of({"count": 2, "bytes": 1 << 20, "returned": 1,
                                                          "returned_bytes": len(pack(call.wire))})),
        ("collector", "producer", "RESULT", 8, 1, record_of({"first": 0, "groups": [
            result_group([result_entry(number, result)], ORIGIN, "w1")]})),
        ("collector", "worker", "STORED", 7, 1, listed({"upto": 1, "losses": []}, "losses")),
        ("worker", "broker", "DONE", 41, 3, record_of({"first": 1, "entries": [settlement(number, 4)]})),
        ("broker", "worker", "DONE_OK", 41, 2, listed({"upto": 1, "exceptions": []}, "exceptions")),
        ("worker", "broker", "PING", 41, 4, record_of({})),
        ("broker", "worker", "PONG", 41, 3, record_of({})),
    ]
    return [{"from": sender, "to": receiver, "message": name,
             "hex": frame(name, session, seq, fields).hex(), "session": session, "seq": seq,
             "meaning": fields.meaning} for sender, receiver, name, session, seq, fields in steps]


def tolerated():
    """Frames that decode to the meaning of a vector though their bytes are not those of our encoder."""
    typical = VECTORS["SUBMIT"][1]
    wide = bytearray(frame("CREDIT", 8, 1, VECTORS["CREDIT"][0][3]))
    wide[1:2] = b"\xcf" + struct.pack(">Q", 1)  # version 1, in nine bytes
    newer_task = Both(ADD1.wire + ["new"], None)
    trailing = record_of({"number": 2, "origin": ORIGIN, "home": "c1@host", "flags": 1,
                          "tasks": [newer_task, ADD2]})
    facts = hello(1, 1, "p", 1)
    facts.wire[4] = {99: ["a later fact", {"deep": [1]}]}
    return [
        {"name": "a number in more bytes than it needs", "like": ["CREDIT", "minimal"], "hex": wide.hex()},
        {"name": "an unknown field after the last", "like": ["CREDIT", "typical"],
         "hex": raw_frame(20, 1000, 64 << 20, 70_000, 2**33, "more", {1: 2}, session=8, seq=2).hex()},
        {"name": "an unknown field after a task's last", "like": ["SUBMIT", "typical"],
         "hex": frame("SUBMIT", 7, 2, trailing).hex()},
        {"name": "an unknown fact", "like": ["HELLO", "minimal"], "hex": frame("HELLO", 0, 0, facts).hex()},
        {"name": "an empty list written out", "like": ["SUBMITTED", "minimal"],
         "hex": raw_frame(11, 1, []).hex()},
        {"name": "a resume of nil", "like": ["WELCOME", "minimal"],
         "hex": pack([1, 2, 1, 0, 1, "b", 1, 0, 1000, 1000, 65_536, 4096, [], None]).hex()},
        {"name": "the typical batch itself", "like": ["SUBMIT", "typical"],
         "hex": frame("SUBMIT", *typical[1:]).hex()},
    ]


def refused():
    """Frames that must be refused, with the error that says so."""
    def case(why, want, data):
        return {"name": why, "error": want, "hex": data.hex()}

    good = [1, 10, 7, 1, 1, ORIGIN, None, 0]
    return [
        case("nothing", "malformed", b""),
        case("a map for a frame", "malformed", pack({1: 2})),
        case("three fields", "malformed", pack([1, 3, 0])),
        case("a later version", "unknown_version", raw_frame(3, version=2)),
        case("a type of later", "unknown_type", raw_frame(250)),
        case("bytes after the frame", "malformed", raw_frame(3) + b"\xc0"),
        case("a name of 256 bytes", "too_large", pack(good + [[["a", "n" * 256, None, {}, b""]]])),
        case("a name with a control character", "malformed", pack(good + [[["a", "n\nm", None, {}, b""]]])),
        case("no tasks", "malformed", pack(good + [[]])),
        case("65 options", "too_large",
             pack(good + [[["a", "n", None, {key: 0 for key in range(100, 165)}, b""]]])),
        case("priority 10", "malformed", pack(good + [[["a", "n", None, {3: 10}, b""]]])),
        case("a once_until that is no time", "malformed", pack(good + [[["a", "n", None, {21: "soon"}, b""]]])),
        case("a label without a key", "malformed", pack(good + [[["a", "n", None, {22: ["=1"]}, b""]]])),
        case("17 labels", "too_large", pack(good + [[["a", "n", None, {22: ["a"] * 17}, b""]]])),
        case("an id of 15 bytes", "malformed", pack(good + [[[b"x" * 15, "n", None, {}, b""]]])),
    ]


def seeds():
    """The same frames as files for the fuzzers: alone, and in talks of several."""
    frames = {f"{name.lower()}-{i}": frame(name, *case[1:])
              for name, cases in VECTORS.items() for i, case in enumerate(cases)}
    for i, row in enumerate(tolerated()):
        frames[f"tolerated-{i}"] = bytes.fromhex(row["hex"])
    for i, row in enumerate(refused()):
        frames[f"refused-{i}"] = bytes.fromhex(row["hex"])
    frames["task"] = pack(FULL_TASK.wire)
    frames["record"] = pack(FAILED.wire)
    frames["tasks"] = pack([ADD1.wire, FULL_TASK.wire])

    def step(peer, data):
        return bytes([peer, len(data)]) + data

    def ping(session, seq):
        return frame("PING", session, seq, record_of({}))

    hi = [frame("HELLO", 0, 0, hello(nonce, 2, "w1", 1)) for nonce in (1, 2)]
    talks = {
        "greeting": [step(0, hi[0]), step(0, ping(1, 1)), step(0, ping(1, 2))],
        "welcome": [step(0, frame("WELCOME", 9, 0, welcome(1, "b", 1, 1))),
                    step(4, frame("SUBMITTED", 9, 1, listed({"upto": 1, "refusals": []}, "refusals")))],
        "reconnect": [step(0, hi[0]), step(1, hi[1]), step(0, ping(1, 1)), step(1, ping(2, 1))],
        "gap": [step(0, hi[0]), step(0, ping(1, 5))],
        "sleep": [step(0, hi[0]), step(4 * 50, ping(1, 1)), step(0, ping(1, 2))],
        "unknown": [step(0, hi[0]), step(0, raw_frame(251, session=1, seq=1)), step(0, ping(1, 2))],
    }
    return {"wire": frames, "session": {name: b"".join(steps) for name, steps in talks.items()}}


def main():
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    files = {name.lower() + ".json": vector_file(name, cases) for name, cases in VECTORS.items()}
    assert set(VECTORS) == set(TYPES)
    files["tolerated.json"] = {"frames": tolerated()}
    files["exchange.json"] = {"frames": exchange()}
    files["refused.json"] = {"frames": refused()}
    for name, content in files.items():
        text = json.dumps(content, indent=1, ensure_ascii=False)
        (out / name).write_text(text + "\n", encoding="utf-8")
    corpus = out.parent / "fuzz" / "corpus" if out == HERE else out / "corpus"
    for folder, inputs in seeds().items():
        (corpus / folder).mkdir(parents=True, exist_ok=True)
        for name, data in inputs.items():
            (corpus / folder / name).write_bytes(data)
    print(f"{len(files)} files in {out}, seeds in {corpus}")


if __name__ == "__main__":
    main()
