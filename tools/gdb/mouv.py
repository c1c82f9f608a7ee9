"""gdb commands for programs that use mouv: the tasks there are, and the stack of each.

    (gdb) source tools/gdb/mouv.py
    (gdb) info tasks
    (gdb) mouv bt 3

They only read: memory, and through a frame unwinder that stands in for the saved registers of a
parked task. So they work on a live process and on a core alike, and run nothing in the program.
"""

import contextlib
import os
import re

import gdb
import gdb.unwinder

SHOWN = 1000  # tasks, unless all are asked for


# --- What a parked stack looks like (src/context/switch_*.S) --------------------------------------

LAYOUTS = {
    # register: offset from the saved stack pointer; `sp` is what it becomes
    "i386:x86-64": {
        "pc": "rip",
        "sp": ("rsp", 64),
        "saved": {"r15": 8, "r14": 16, "r13": 24, "r12": 32, "rbx": 40, "rbp": 48, "rip": 56},
    },
    "aarch64": {
        "pc": "pc",
        "sp": ("sp", 176),
        "saved": {
            **{f"x{19 + i}": 8 * i for i in range(12)},
            "pc": 88,
        },
    },
}


def layout():
    name = gdb.selected_inferior().architecture().name()
    if name not in LAYOUTS:
        raise gdb.GdbError(f"mouv: stacks of {name} are not known here")
    return LAYOUTS[name]


def parked_registers(context):
    """Names and values with which a mouv__context_t that was switched out goes on."""
    if not has_field(context.type, "sp"):
        raise gdb.GdbError("mouv: this library switches stacks with ucontext, which is not supported")
    known = layout()
    low = int(context["sp"])
    word = gdb.lookup_type("unsigned long")
    registers = {
        name: gdb.Value(low + offset).cast(word.pointer()).dereference()
        for name, offset in known["saved"].items()
    }
    name, size = known["sp"]
    registers[name] = gdb.Value(low + size).cast(word)
    for value in registers.values():
        value.fetch_lazy()
    return registers


class Elsewhere(gdb.unwinder.Unwinder):
    """While `registers` is set, frame 0 of the selected thread has a parked stack as its caller."""

    def __init__(self):
        super().__init__("mouv parked task")
        self.registers = None
        self.here = None

    def __call__(self, pending):
        if self.registers is None:
            return None
        known = layout()
        stack, pc = known["sp"][0], known["pc"]
        if (int(pending.read_register(stack)), int(pending.read_register(pc))) != self.here:
            return None
        # an id that is "inner" to the parked frames, else gdb takes them for a corrupt stack
        inner = self.registers[stack] - known["sp"][1]
        info = pending.create_unwind_info(FrameId(inner, pending.read_register(pc)))
        for name, value in self.registers.items():
            info.add_saved_register(name, value)
        return info

    @contextlib.contextmanager
    def shows(self, registers):
        """Inside, frame 1 is the innermost frame of the parked stack."""
        known = layout()
        frame = gdb.newest_frame()
        self.here = tuple(int(frame.read_register(n)) for n in (known["sp"][0], known["pc"]))
        self.registers = registers
        gdb.invalidate_cached_frames()
        try:
            yield
        finally:
            self.registers = None
            gdb.invalidate_cached_frames()


class FrameId:
    def __init__(self, sp, pc):
        self.sp = sp
        self.pc = pc


# --- Threads and frames ---------------------------------------------------------------------------


@contextlib.contextmanager
def selection_kept():
    """Whatever is selected inside, afterwards thread and frame are as before."""
    thread = gdb.selected_thread()
    if thread is None:
        raise gdb.GdbError("mouv: there is no process and no core")
    level = gdb.selected_frame().level()
    try:
        yield thread
    finally:
        thread.switch()
        frame = gdb.newest_frame()
        for _ in range(level):
            frame = frame.older() or frame
        frame.select()


def users_frame(frame):
    """The first frame from here on that is not in mouv's own sources or inline functions, or None."""
    suspend = gdb.lookup_symbol("mouv__task_suspend")[0]
    path = suspend.symtab.fullname() if suspend else ""
    own = path.removesuffix("/async/task/task.c") if path.endswith("/async/task/task.c") else ""
    while frame is not None:
        symtab = frame.find_sal().symtab
        path = symtab.fullname() if symtab is not None else ""
        if path and not path.endswith("/mouv/place.h") and not (own and path.startswith(own + "/")):
            return frame
        frame = frame.older()
    return None


# --- The program's runtimes and tasks -------------------------------------------------------------


def has_field(kind, name):
    return any(field.name == name for field in kind.strip_typedefs().fields())


def items(head, kind, member):
    """What is in a mouv__list_t of `kind`, linked by `member`; see src/context/list.h."""
    offset = next(f.bitpos for f in kind.strip_typedefs().fields() if f.name == member) // 8
    first = link = head["first"]
    while int(link):
        yield gdb.Value(int(link) - offset).cast(kind.pointer()).dereference()
        link = link["next"]
        if int(link) == int(first):
            break


def text(pointer, default=""):
    return pointer.string(errors="replace") if int(pointer) else default


def place(file, line):
    return f"{os.path.basename(text(file))}:{int(line)}" if int(file) else ""


# mouv__task_state_t
STATES = {
    "MOUV__TASK_NEW": "not started",
    "MOUV__TASK_READY": "ready",
    "MOUV__TASK_RUNNING": "running",
    "MOUV__TASK_AWAITING": "waiting",
    "MOUV__TASK_SLEEPING": "sleeping",
    "MOUV__TASK_ENDED": "ended",
}


class Task:
    def __init__(self, runtime, value):
        self.runtime = runtime
        self.value = value
        self.number = int(value["number"])
        self.function = text(value["fn_name"], "?")
        self.made_at = place(value["file"], value["line"])

    @property
    def name(self):
        return text(self.value["future"]["name"], f"Task-{self.number}")

    @property
    def running(self):
        return int(self.runtime.value["current"]) == int(self.value.address)

    @property
    def has_stack(self):
        return int(self.value["stack"]) != 0

    def state(self):
        """What it does, and what for if it waits for a future."""
        state = "running" if self.running else STATES.get(str(self.value["state"]), "?")
        what = ""
        if state == "waiting":
            what = describe(self.value["awaiting"], self.value)
        return state + (", cancelled" if self.value["cancelled"] else ""), what

    def where(self):
        """The line of the program that suspends, as it told, else as its stack tells."""
        told = place(self.value["place_file"], self.value["place_line"])
        if told or not self.has_stack or self.running:
            return told
        with self.runtime.selected(), self.shown():
            frame = users_frame(gdb.newest_frame().older())
            sal = frame.find_sal() if frame is not None else None
            return f"{os.path.basename(sal.symtab.filename)}:{sal.line}" if sal else ""

    def shown(self):
        return elsewhere.shows(parked_registers(self.value["context"]))


class Loop:
    """The loop's own stack, which is parked while a task runs."""

    name, function = "loop", "the event loop"

    def __init__(self, runtime):
        self.runtime = runtime
        self.has_stack = True
        self.running = int(runtime.value["current"]) == 0

    def shown(self):
        return elsewhere.shows(parked_registers(self.runtime.value["context"]))


class Runtime:
    def __init__(self, thread, value):
        self.thread = thread
        self.value = value

    def tasks(self):
        for task in items(self.value["tasks"], gdb.lookup_type("struct mouv__task"), "link"):
            yield Task(self, task)

    @contextlib.contextmanager
    def selected(self):
        """Inside, the runtime's thread is the selected one."""
        with selection_kept():
            self.thread.switch()
            yield


def describe(future, task):
    """`Task-2 (fetch)`, `gather`, `operation find shop.users`."""
    kind = text(future["ops"]["kind"])
    if int(future["ops"]) == int(task["future"]["ops"]):
        other = future.cast(task.type.pointer())
        name = text(future["name"], f"Task-{int(other['number'])}")
        return f"{name} ({text(other['fn_name'], '?')})"
    name = text(future["name"])
    return f"{kind} {name}" if name and name != kind else kind


def runtime_of(thread):
    """The runtime of the selected thread, or None."""
    try:
        pointer = gdb.parse_and_eval("mouv__thread_runtime")
    except gdb.error as error:
        if "No symbol" in str(error):
            raise gdb.GdbError("mouv: no mouv here, or one without debug information") from None
        raise gdb.GdbError(f"mouv: thread {thread.num}: {error}") from None
    if pointer.type.code != gdb.TYPE_CODE_PTR or not pointer.type.target().strip_typedefs().fields():
        raise gdb.GdbError("mouv: libmouv was built without debug information")
    return Runtime(thread, pointer.dereference()) if int(pointer) else None


def runtimes():
    """Of all threads, that of the selected one first."""
    found = []
    with selection_kept() as selected:
        threads = gdb.selected_inferior().threads()
        for thread in sorted(threads, key=lambda t: (t.num != selected.num, t.num)):
            thread.switch()
            runtime = runtime_of(thread)
            if runtime is not None:
                found.append(runtime)
    if not found:
        raise gdb.GdbError("mouv: no thread has a runtime")
    return found


def find_tasks(words):
    """The tasks that numbers, names or `all` stand for."""
    known = [task for runtime in runtimes() for task in runtime.tasks()]
    if words == ["all"]:
        return known
    found = []
    for word in words:
        match = [t for t in known if word in (t.name, str(t.number), f"Task-{t.number}")]
        if word == "loop":
            match = [Loop(runtime) for runtime in runtimes()]
        if not match:
            raise gdb.GdbError(f"mouv: no task '{word}' (see: info tasks)")
        found.append(match[0])
    return found


# --- Commands -------------------------------------------------------------------------------------

COLUMNS = ("", "Id", "Name", "Function", "Made at", "State", "Awaits", "Where")


def print_table(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def row_of(task):
    state, what = task.state()
    return (
        "*" if task.running else "",
        str(task.number),
        task.name,
        task.function,
        task.made_at,
        state,
        what,
        task.where(),
    )


def print_tasks(runtime, limit):
    rows, more = [COLUMNS], 0
    for task in runtime.tasks():
        if len(rows) > limit:
            more += 1
            continue
        try:
            rows.append(row_of(task))
        except gdb.MemoryError as error:
            rows.append(("!", str(task.number), "?", "?", "", str(error), "", ""))
    print_table(rows)
    if more:
        print(f"... and {more} more: info tasks all")


def list_tasks(argument):
    if argument not in ("", "all"):
        raise gdb.GdbError("usage: info tasks [all]")
    found = runtimes()
    for runtime in found:
        if len(found) > 1:
            print(f"Thread {runtime.thread.num}:")
        print_tasks(runtime, float("inf") if argument else SHOWN)


def backtrace(task, arguments):
    """bt of a task; frame 0, which stands in for the parked registers, is left out."""
    with task.runtime.selected():
        if task.running:
            return gdb.execute(f"bt {arguments}", to_string=True)
        if not task.has_stack:
            return "It has not started and has no stack.\n"
        count = re.match(r"(-?\w+ )*(\d+)$", arguments)
        if count:  # one frame more than is shown
            arguments = arguments[: count.start(2)] + str(int(count[2]) + 1)
        with task.shown():
            out = gdb.execute(f"bt {arguments}", to_string=True)
    frames = re.split(r"^(?=#\d+ )", out, flags=re.M)
    shown = [re.sub(r"^#(\d+) ( ?)", lower, frame) for frame in frames if not frame.startswith("#0 ")]
    return "".join(shown)


def lower(match):
    return f"#{int(match[1]) - 1}".ljust(len(match[0]))


def title(task):
    if isinstance(task, Loop):
        return "The event loop"
    return f"{task.name} {task.function} ({task.made_at}), {task.state()[0]}"


class InfoTasks(gdb.Command):
    """The tasks of mouv: who they are, what they wait for and where.
usage: info tasks [all]"""

    def __init__(self, name):
        super().__init__(name, gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        list_tasks(argument.strip())


class Mouv(gdb.Command):
    """Commands for programs that use mouv: tasks, bt, apply."""

    def __init__(self):
        super().__init__("mouv", gdb.COMMAND_STACK, prefix=True)


class Backtrace(gdb.Command):
    """The stack of a task, parked or running; "loop" is the event loop's own.
usage: mouv bt TASK [arguments of bt]
TASK is a number or a name of "info tasks"."""

    def __init__(self):
        super().__init__("mouv bt", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        words = argument.split(None, 1)
        if not words:
            raise gdb.GdbError("usage: mouv bt TASK [arguments of bt]")
        print(backtrace(find_tasks(words[:1])[0], "".join(words[1:])), end="")


class Apply(gdb.Command):
    """A command for several tasks, each with its stack in place of the thread's.
usage: mouv apply all|TASK... COMMAND
The frame that is selected is the task's innermost outside of mouv:
"mouv apply 3 info locals" shows the variables of the function that waits."""

    def __init__(self):
        super().__init__("mouv apply", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        words = argument.split()
        count = 1
        while count < len(words) and re.fullmatch(r"\d+|Task-\d+", words[count]):
            count += 1
        if len(words) <= count:
            raise gdb.GdbError("usage: mouv apply all|TASK... COMMAND")
        command = argument.split(None, count)[count]
        for task in find_tasks(words[:count]):
            print(f"\n{title(task)}:")
            try:
                print(self.run(task, command), end="")
            except gdb.error as error:
                print(error)

    def run(self, task, command):
        verb, _, arguments = command.partition(" ")
        if verb in ("bt", "backtrace", "where"):
            return backtrace(task, arguments)
        if not task.has_stack:
            return "It has not started and has no stack.\n"
        with task.runtime.selected():
            if task.running:
                return run_in(gdb.newest_frame(), command)
            with task.shown():
                return run_in(gdb.newest_frame().older(), command)


def run_in(frame, command):
    (users_frame(frame) or frame).select()
    return gdb.execute(command, to_string=True)


elsewhere = Elsewhere()
gdb.unwinder.register_unwinder(None, elsewhere, replace=True)
InfoTasks("info tasks")
Mouv()
InfoTasks("mouv tasks")
Backtrace()
Apply()
