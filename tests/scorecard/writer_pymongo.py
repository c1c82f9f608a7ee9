#!/usr/bin/env python3
"""The same as writer_mouv with threads and PyMongo, each operation under timeoutMS.

usage: writer_pymongo.py URI DATABASE TIMEOUT_MS [any]     any: each has from 1 ms to that, at random
"""

import random
import sys
import threading
import time

import pymongo
from pymongo import errors

WRITERS_OF_A_KIND = 5
ACKNOWLEDGED, REFUSED, UNKNOWN = 2, 1, 3
lock = threading.Lock()
stopped = threading.Event()
slowest = 0.0
ids = {"document": 0, "pair": 0}


def outcome_of(error):
    """Nothing is stored where the server said so, and where there was none to ask."""
    if error is None:
        return ACKNOWLEDGED
    if error.has_error_label("RetryableWriteError") or error.has_error_label("UnknownTransactionCommitResult"):
        return UNKNOWN
    if isinstance(error, errors.ServerSelectionTimeoutError):
        return REFUSED
    if isinstance(error, (errors.WTimeoutError, errors.WriteConcernError, errors.ConnectionFailure)):
        return UNKNOWN
    if error.timeout:
        return UNKNOWN
    return REFUSED if isinstance(error, errors.OperationFailure) else UNKNOWN


def attempt(limit_s, write, counted=True):
    """What the write came to, and why."""
    global slowest
    began, error = time.monotonic(), None
    try:
        with pymongo.timeout(limit_s()):
            write()
    except errors.PyMongoError as raised:
        error = raised
    if counted:
        with lock:
            slowest = max(slowest, time.monotonic() - began)
    return outcome_of(error), "" if error is None else str(error).replace("\n", " ")[:100]


def tell(line, outcome):
    with lock:
        print(line, flush=True)
    time.sleep(0.002 if outcome == ACKNOWLEDGED else 0.02)


def next_id(kind):
    with lock:
        ids[kind] += 1
        return ids[kind] - 1


def insert(database, limit_s, _):
    number = next_id("document")
    outcome, _ = attempt(limit_s, lambda: database.documents.insert_one({"_id": number}))
    tell(f"document {number} {outcome}", outcome)


class Increment:
    def __init__(self):
        self.number = 0

    def __call__(self, database, limit_s, counter):
        change = {"$inc": {"n": 1}, "$push": {"numbers": self.number}}
        outcome, why = attempt(limit_s, lambda: database.counters.update_one({"_id": counter}, change))
        tell(f"increment {counter} {self.number} {outcome} {why}", outcome)
        self.number += 1


def commit(database, limit_s, _):
    number = next_id("pair")

    def halves(session):
        database.firsts.insert_one({"_id": number}, session=session)
        database.seconds.insert_one({"_id": number}, session=session)

    with database.client.start_session() as session:
        outcome, _ = attempt(limit_s, lambda: session.with_transaction(halves), counted=False)
    tell(f"pair {number} {outcome}", outcome)


def repeat(write, *arguments):
    while not stopped.is_set():
        write(*arguments)


def main(uri, name, timeout_ms, *rest):
    limit_s = (lambda: random.randint(1, timeout_ms) / 1000) if rest else (lambda: timeout_ms / 1000)
    database = pymongo.MongoClient(uri)[name]
    kinds = [insert] * WRITERS_OF_A_KIND + [Increment() for _ in range(WRITERS_OF_A_KIND)] + [commit] * WRITERS_OF_A_KIND
    threads = [threading.Thread(target=repeat, args=(kind, database, limit_s, i)) for i, kind in enumerate(kinds)]
    for thread in threads:
        thread.start()
    while sys.stdin.read(64):
        pass
    stopped.set()
    for thread in threads:
        thread.join()
    print(f"slowest {slowest * 1000:.0f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), *sys.argv[4:])
