#!/usr/bin/env python3
"""The same as reader with PyMongo.

usage: reader_pymongo.py URI
"""

import sys

import pymongo
from bson.errors import InvalidBSON
from pymongo.errors import PyMongoError

users = pymongo.MongoClient(sys.argv[1], timeoutMS=2000).app.users
while True:
    try:
        users.find_one()
        print("answer", flush=True)
    except (PyMongoError, InvalidBSON):
        print("error", flush=True)
