"""docs/reliability.md, from what the rows came to. The results of all rows are kept beside this file, so that one row
can be run again by itself."""

import datetime
import json
from pathlib import Path

import machine

RESULTS = Path(__file__).resolve().parent / "results.json"
PAGE = machine.ROOT / "docs" / "reliability.md"

HEAD = """\
# Reliability: a scorecard

What a sceptic would ask of a client, what was done to find out, and what came of it: for mouv on each of its two
executors, and for libmongoc and PyMongo where the question applies to them. `scripts/scorecard` makes this page, and
nobody edits it; a row that is short, or that could not be run, says so.

    scripts/scorecard               # all rows, about a minute for each client; sanitizers are built first
    scripts/scorecard crash         # one of them, by its name in the table
    scripts/scorecard --long soak   # ten times as long
    scripts/scorecard --list

**Writes in a ledger.** Most rows run fifteen writers that keep books: inserts, increments of a counter that leave their
number in it, transactions over two collections. Each has a deadline of a second unless the row says another
(mouv: `mouv_await_for()`; PyMongo: `timeoutMS`; libmongoc has no such thing, so `socketTimeoutMS` and
`serverSelectionTimeoutMS` have it). In the end what each writer was told is compared with what is stored. *Lost*: acknowledged, and not
there. *Doubled*: there twice. *Against its word*: the client said that it was not stored, and it is. *Torn*: half of a
transaction. *Unknown* is no error: the client says that it does not know, which is the truth when no answer came; fewer is better.
A row of writes is short if one is lost, doubled, torn or against its word, if the load does not go on by itself within 40 s of a fault,
or if a call takes more than 2.5 s beyond its deadline (on a busy machine; the figure is told).
"""


def results():
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def keep(row, outcomes, long):
    """Also where other clients of the row were run before."""
    all_of_them = results()
    kept = all_of_them.setdefault(row.name, {"clients": {}})
    kept.update(date=datetime.date.today().isoformat(), versions=machine.versions(),
                seconds=row.seconds * (10 if long else 1))
    kept["clients"].update({client: [outcome.verdict, outcome.figure] for client, outcome in outcomes.items()})
    RESULTS.write_text(json.dumps(all_of_them, indent=1) + "\n")


def cell(kept, row, client):
    if client not in row.clients:
        return row.why_not.get(client, "does not apply")
    if client not in kept.get("clients", {}):
        return "**not run**"
    verdict, figure = kept["clients"][client]
    text = figure.replace("|", "\\|").replace("\n", " ")
    return text if verdict == "holds" else f"**{verdict}**: {text}"


def table(rows, clients, everything):
    yield "| row | what is done | " + " | ".join(clients.values()) + " | date |"
    yield "|" + "---|" * (len(clients) + 3)
    for row in rows:
        kept = everything.get(row.name, {})
        cells = [cell(kept, row, client) for client in clients]
        yield f"| `{row.name}` | **{row.title}.** {row.what} | " + " | ".join(cells) + f" | {kept.get('date', '')} |"


def dates(rows, everything):
    """One line for each set of versions."""
    by_versions = {}
    for row in rows:
        if row.name in everything:
            kept = everything[row.name]
            by_versions.setdefault(kept["versions"], []).append(f"`{row.name}` ({kept['seconds']} s)")
    for text, names in by_versions.items():
        yield f"- {text}: {', '.join(names)}"


def write(rows, clients):
    rows, everything = list(rows), results()
    lines = [HEAD, *table(rows, clients, everything), "", "## Versions", "",
             "Of each row: how long it struck, or the tests' own time where it is one of CTest.", "", *dates(rows, everything)]
    PAGE.write_text("\n".join(lines) + "\n")
