#!/usr/bin/env python3
"""The same as asker with PyMongo and threads.

usage: asker_pymongo.py URI, until its input ends
"""

import os
import sys
import threading
import time

import pymongo
from pymongo.errors import PyMongoError

OF_EACH, PAUSE_S = 30, 0.02
lock = threading.Lock()


def ask(users, of_primary):
    while True:
        try:
            users.find_one()
            if of_primary:
                with lock:
                    print("answer", flush=True)
        except PyMongoError:
            pass
        time.sleep(PAUSE_S)


client = pymongo.MongoClient(sys.argv[1], timeoutMS=1000)
for preference in (pymongo.ReadPreference.PRIMARY, pymongo.ReadPreference.SECONDARY):
    collection = client.pool.get_collection("users", read_preference=preference)
    for _ in range(OF_EACH):
        threading.Thread(target=ask, args=(collection, preference == pymongo.ReadPreference.PRIMARY), daemon=True).start()
while sys.stdin.read(64):
    pass
os._exit(0)
