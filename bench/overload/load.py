"""The same in PyMongo: a thread each, timeoutMS as the limit.

usage: load.py find|insert|varying RATE URI; works in mouv_bench.overload
"""

import json
import os
import random
import sys
import threading
import time

import pymongo

LIMIT_S, WARM_S, COUNTED_S = 0.25, 2, 4


def request(docs, kind, began, outcome):
    at = time.monotonic()
    try:
        if kind == "insert":
            docs.insert_one({})
        elif kind == "varying":
            docs.find_one({"$where": f"sleep({random.randint(10, 90)}) || true"})
        else:
            docs.find_one({})
        good = time.monotonic() - at <= LIMIT_S + 0.005
    except pymongo.errors.PyMongoError:
        good = False
    if WARM_S <= at - began < WARM_S + COUNTED_S:
        outcome.append(good)


def main(kind, rate, uri):
    docs = pymongo.MongoClient(uri, timeoutMS=int(LIMIT_S * 1000)).mouv_bench.overload
    began, begun, outcome = time.monotonic(), 0, []
    while time.monotonic() - began < WARM_S + COUNTED_S:
        while begun < (time.monotonic() - began) * int(rate):
            threading.Thread(target=request, args=(docs, kind, began, outcome), daemon=True).start()
            begun += 1
        time.sleep(0.002)
    time.sleep(2 * LIMIT_S)
    good = sum(outcome)
    print(json.dumps({"good": good / COUNTED_S, "bad": (len(outcome) - good) / COUNTED_S}), flush=True)
    os._exit(0)  # with what still runs


main(*sys.argv[1:])
