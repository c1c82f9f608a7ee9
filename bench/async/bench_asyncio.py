#!/usr/bin/env python3
"""The same work in asyncio: `bench_asyncio.py [--uvloop] CASE` prints the best of several rounds."""

import asyncio
import gc
import resource
import sys
import time

SPAWNS, YIELDS, GATHERED, ROUND_TRIPS, STORM, HOPS = 10000, 10000, 10000, 5000, 100000, 1000


async def nothing():
    return 0


def each(began, count):
    return (time.perf_counter_ns() - began) / count


async def spawn_await():
    began = time.perf_counter_ns()
    for _ in range(SPAWNS):
        await asyncio.create_task(nothing())
    return each(began, SPAWNS)


async def call():
    began = time.perf_counter_ns()
    for _ in range(10 * SPAWNS):
        await nothing()
    return each(began, 10 * SPAWNS)


async def yield_():
    async def often():
        for _ in range(YIELDS):
            await asyncio.sleep(0)

    began = time.perf_counter_ns()
    await asyncio.gather(often(), often())
    return each(began, 2 * YIELDS)


async def gather():
    began = time.perf_counter_ns()
    await asyncio.gather(*[nothing() for _ in range(GATHERED)])
    return each(began, GATHERED)


async def queue():
    there, back = asyncio.Queue(1), asyncio.Queue(1)

    async def echo():
        for _ in range(ROUND_TRIPS):
            await back.put(await there.get())

    other = asyncio.create_task(echo())
    began = time.perf_counter_ns()
    for _ in range(ROUND_TRIPS):
        await there.put(1)
        await back.get()
    took = each(began, ROUND_TRIPS)
    await other
    return took


def hop():
    return None


async def offload():
    loop = asyncio.get_running_loop()
    began = time.perf_counter_ns()
    for _ in range(HOPS):
        await loop.run_in_executor(None, hop)
    return each(began, HOPS)


async def offload_100():
    loop = asyncio.get_running_loop()
    began = time.perf_counter_ns()
    for _ in range(HOPS // 100):
        await asyncio.gather(*[loop.run_in_executor(None, hop) for _ in range(100)])
    return each(began, HOPS)


def resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


async def storm(what):
    gc.collect()
    before, began = resident_bytes(), time.perf_counter_ns()
    tasks = [asyncio.create_task(asyncio.sleep(1)) for _ in range(STORM)]
    await asyncio.sleep(0)
    took, size = each(began, STORM), (resident_bytes() - before) / STORM
    await asyncio.wait(tasks)
    return took if what == "start" else size


CASES = {
    "spawn_await": (spawn_await, 5),
    "call": (call, 5),
    "yield": (yield_, 5),
    "gather": (gather, 5),
    "queue": (queue, 5),
    "offload": (offload, 3),
    "offload_100": (offload_100, 3),
    "storm_bytes": (lambda: storm("bytes"), 1),
    "storm_start": (lambda: storm("start"), 1),
}


async def best(case):
    make, rounds = CASES[case]
    return min([await make() for _ in range(rounds)])


def main(words):
    if words[:1] == ["--uvloop"]:
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
        words = words[1:]
    print(f"{asyncio.run(best(words[0])):.1f}")


if __name__ == "__main__":
    main(sys.argv[1:])
