"""The same cases in PyMongo's asynchronous API, or with --motor in Motor.

usage: client.py [--motor] CASE IN_FLIGHT OPERATIONS URI
"""

import asyncio
import json
import resource
import sys
import time

IDS, BATCH, GATHERED = 1000, 10000, 100


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


class Measure:
    def __init__(self):
        self.latencies = []
        self.cpu, self.wall = cpu_seconds(), time.perf_counter()

    async def of(self, awaitable):
        began = time.perf_counter()
        result = await awaitable
        self.latencies.append(time.perf_counter() - began)
        return result

    def print(self, operations):
        wall, cpu = time.perf_counter() - self.wall, cpu_seconds() - self.cpu
        ordered = sorted(self.latencies)
        percentile = lambda part: ordered[int(part * (len(ordered) - 1))] * 1e3
        print(json.dumps({"per_second": operations / wall, "cpu_us": cpu * 1e6 / operations,
                          "p50_ms": percentile(0.50), "p99_ms": percentile(0.99)}))


async def find_ones(docs, count, measure):
    for i in range(count):
        if await measure.of(docs.find_one({"_id": i % IDS})) is None:
            sys.exit("find_one: no document")


async def in_flight(docs, tasks, operations, measure):
    await asyncio.gather(*(find_ones(docs, operations // tasks, measure) for _ in range(tasks)))


async def run_find_one(database, tasks, operations):
    await in_flight(database.docs, tasks, tasks * 2, Measure())
    measure = Measure()
    await in_flight(database.docs, tasks, operations, measure)
    measure.print(operations // tasks * tasks)


async def run_gather(database, tasks, operations):
    async def gathered():
        await asyncio.gather(*(database.docs.find_one({"_id": i}) for i in range(GATHERED)))

    await gathered()
    measure, rounds = Measure(), operations // GATHERED
    for _ in range(rounds):
        await measure.of(gathered())
    measure.print(rounds * GATHERED)


async def run_find(database, tasks, operations):
    async def find_all():
        count = 0
        async for _ in database.docs.find():
            count += 1
        return count

    await find_all()
    measure, count = Measure(), 0
    for _ in range(operations):
        count += await measure.of(find_all())
    measure.print(count)


async def run_insert_many(database, tasks, operations):
    inserted = database.inserted_by_python
    await inserted.drop()
    measure = Measure()
    for _ in range(operations):
        documents = [{"_id": i, "name": "somebody", "age": i % 90, "city": "Porto", "score": i / 7}
                     for i in range(BATCH)]
        await measure.of(inserted.insert_many(documents))
        await inserted.drop()
    measure.print(operations * BATCH)


def client(motor, uri):
    if motor:
        from motor.motor_asyncio import AsyncIOMotorClient
        return AsyncIOMotorClient(uri)
    from pymongo import AsyncMongoClient
    return AsyncMongoClient(uri)


async def main(arguments):
    motor = arguments[:1] == ["--motor"]
    case, tasks, operations, uri = arguments[motor:]
    cases = {"find_one": run_find_one, "gather": run_gather, "find": run_find,
             "insert_many": run_insert_many}
    await cases[case](client(motor, uri).mouv_bench, int(tasks), int(operations))


asyncio.run(main(sys.argv[1:]))
