#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Check the models of models.txt, and that each comes out as it says there.

Prints TAP. A model that is expected to fail and holds is as wrong as the
reverse: a proof whose broken variants also pass proves nothing. Needs spin and
a C compiler ($CC, else cc) for the Promela models, herd7 ($HERD7) for litmus
tests, cbmc ($CBMC) for the C harnesses; what is missing is skipped, by name.

usage: run_models.py [-j N] [-k WORD] [-v]
"""
import argparse
import concurrent.futures
import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
LIMIT_S = 300  # for one run, on a loaded machine; past it the result is an error


class Failed(Exception):
    """A tool did not come to a verdict."""


def find_tool(variable, name):
    words = shlex.split(os.environ.get(variable, name))
    return words if words and shutil.which(words[0]) else None


SPIN_VERDICTS = {
    "invalid end": "deadlock",
    "assertion violated": "assertion",
    "acceptance cycle": "cycle",
}

TOOLS = {
    "spin": find_tool("SPIN", "spin"),
    "cc": find_tool("CC", "cc"),
    "herd7": find_tool("HERD7", "herd7"),
    "cbmc": find_tool("CBMC", "cbmc"),
}


def run(command, cwd, may_fail=False):
    try:
        done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        raise Failed(f"no result after {LIMIT_S} s: {shlex.join(command)}") from None
    if done.returncode != 0 and not may_fail:
        raise Failed(f"{shlex.join(command)}: exit {done.returncode}\n{done.stdout}")
    return done.stdout


def check_spin(path, options, scratch):
    """holds, or deadlock, assertion, cycle: what spin found first."""
    acceptance = any("LTL" in option for option in options)
    defines = [option for option in options if option.startswith("-D")]
    build = [option[5:] for option in options if option.startswith("-pan=")]
    run(TOOLS["spin"] + ["-a"] + defines + [path], scratch)
    run(TOOLS["cc"] + ["-O1", "-w", "-DMEMLIM=1500", "-DVECTORSZ=2048", "-o", "pan", "pan.c"] +
        build + ([] if acceptance else ["-DSAFETY"]), scratch)
    out = run(["./pan", "-m400000", "-w20", "-n"] + (["-a", "-f"] if acceptance else []), scratch,
              may_fail=True)
    found = re.search(r"^State-vector.*errors: (\d+)", out, re.M)
    if not found or "search depth too small" in out or "out of memory" in out:
        raise Failed(out)
    if found.group(1) == "0":
        return "holds", out
    found = re.search(r"^pan:1: " + f"({'|'.join(SPIN_VERDICTS)})", out, re.M)
    if not found:
        raise Failed(out)
    return SPIN_VERDICTS[found.group(1)], out


def check_herd(path, options, scratch):
    """Whether the forbidden end of the litmus test is reachable. A test without ends is void."""
    cat = next(option[5:] for option in options if option.startswith("-cat="))
    defines = [option for option in options if option.startswith("-D")]
    test = os.path.join(scratch, "test.litmus")
    with open(test, "w", encoding="ascii") as file:
        text = run(TOOLS["cc"] + ["-E", "-P", "-undef", "-x", "c"] + defines + [path], scratch)
        file.write(text.lstrip())
    out = run(TOOLS["herd7"] + ["-model", cat + ".cat", test], scratch)
    found = re.search(r"^Observation \S+ (\w+) (\d+) (\d+)", out, re.M)
    if not found or found.group(2) == found.group(3) == "0":
        raise Failed(f"no execution passes the filter\n{text}\n{out}")
    return ("holds" if found.group(1) == "Never" else "violated"), out


def check_cbmc(path, options, scratch):
    """holds; violated: an assertion of the harness fails, and none of cbmc's own."""
    includes = ["-I", os.path.join(ROOT, "include"), "-I", ROOT, "-D_GNU_SOURCE"]
    out = run(TOOLS["cbmc"] + includes + options + [path], scratch, may_fail=True)
    if "VERIFICATION SUCCESSFUL" in out:
        return "holds", out
    failed = re.findall(r"^\[([\w.$]+)\] .*: FAILURE$", out, re.M)
    if "VERIFICATION FAILED" not in out or not failed:
        raise Failed(out)
    if not all(".assertion." in name for name in failed):
        return "violated: " + " ".join(failed), out
    return "violated", out


CHECKS = {
    "spin": (check_spin, ["spin", "cc"]),
    "herd7": (check_herd, ["herd7", "cc"]),
    "cbmc": (check_cbmc, ["cbmc"]),
}


def spread(options):
    """-DAT=0..5 stands for six runs."""
    choices = []
    for option in options:
        found = re.fullmatch(r"(.*=)(\d+)\.\.(\d+)", option)
        if found:
            first, last = int(found.group(2)), int(found.group(3))
            choices.append([f"{found.group(1)}{i}" for i in range(first, last + 1)])
        else:
            choices.append([option])
    return [list(choice) for choice in itertools.product(*choices)]


def check(row):
    """Returns (verdict, what was seen, seconds). Of several runs, one that fails is the verdict."""
    tool, model, _, options = row
    verdict, seen = "holds", []
    start = time.monotonic()
    try:
        for choice in spread(options):
            with tempfile.TemporaryDirectory(prefix="model-") as scratch:
                one, out = CHECKS[tool][0](os.path.join(HERE, model), choice, scratch)
            if one != "holds":
                verdict = one
                seen.append(" ".join(choice) + "\n" + out)
            elif not seen:
                seen = [out] if len(spread(options)) == 1 else []
    except Failed as failure:
        verdict, seen = "error", [str(failure)]
    return verdict, "\n".join(seen), time.monotonic() - start


def read_table(word):
    rows = []
    with open(os.path.join(HERE, "models.txt"), encoding="ascii") as file:
        for line in file:
            columns = line.split("#")[0].split()
            if columns and word in " ".join(columns):
                tool, model, expected = columns[:3]
                rows.append((tool, model, expected, columns[3:]))
    return rows


def main():
    parser = argparse.ArgumentParser(description="check the models of models.txt")
    parser.add_argument("-j", type=int, default=2, help="runs at a time")
    parser.add_argument("-k", default="", help="only rows of the table that contain this")
    parser.add_argument("-v", action="store_true", help="show what the tools print")
    arguments = parser.parse_args()
    rows = read_table(arguments.k)
    wrong, start = 0, time.monotonic()

    print(f"1..{len(rows)}", flush=True)
    missing = {tool: [name for name in CHECKS[tool][1] if not TOOLS[name]] for tool in CHECKS}
    with concurrent.futures.ThreadPoolExecutor(arguments.j) as pool:
        jobs = [None if missing[row[0]] else pool.submit(check, row) for row in rows]
        for number, (row, job) in enumerate(zip(rows, jobs), 1):
            tool, model, expected, options = row
            name = " ".join([tool, model, *options, "-", expected])
            if not job:
                reason = " and ".join(missing[tool])
                print(f"ok {number} - {name} # SKIP {reason} not found", flush=True)
                continue
            verdict, out, seconds = job.result()
            good = verdict == expected
            wrong += not good
            print(f"{'ok' if good else 'not ok'} {number} - {name}", flush=True)
            print(f"# {seconds:.2f} s" + ("" if good else f"; it came out as: {verdict}"))
            if not good or arguments.v:
                print("\n".join("# " + line for line in out.splitlines()[:400]), flush=True)
    print(f"# {len(rows)} models, {time.monotonic() - start:.1f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
