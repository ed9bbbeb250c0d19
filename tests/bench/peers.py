#!/usr/bin/env python3
"""Training on a file, rankd beside Vowpal Wabbit: CPU seconds of whole commands on the same lists,
in turn, medians. Needs the wheel vowpalwabbit; skipped with one line where it is missing.

    peers.py <folder of the build>
"""
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile

LISTS, ITEMS, ROUNDS = 2500, 20, 3
RATE = LISTS * ITEMS
FIELDS = "abcdefghijklmnopqrst"
SHARED = 10  # fields of the list
CONFIG = {"kind": "fm", "dim": 16, "features": {"bits": 18}}
WABBIT = "import sys, vowpalwabbit; vowpalwabbit.Workspace(sys.argv[1]).finish()"


def words(features):
    return "".join(f" |{FIELDS[int(field)]} {index}" for field, index, _ in features)


def convert(data, points, lists):
    """libffm's form as Vowpal Wabbit's: an example a line, and an example of many lines a list."""
    last = None
    with open(data) as rows, open(points, "w") as point, open(lists, "w") as multi:
        for row in rows:
            label, qid, *rest = row.split()
            features = [feature.split(":") for feature in rest]
            point.write(("1" if label == "1" else "-1") + words(features) + "\n")
            if qid != last:
                multi.write(("\n" if last else "") + "shared" + words(features[:SHARED]) + "\n")
                last = qid
            multi.write(f"1:{1 - int(label)}" + words(features[SHARED:]) + "\n")
        multi.write("\n")


def cpu(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def train(build, folder, data, loss):
    config = os.path.join(folder, f"{loss}.json")
    with open(config, "w") as out:
        json.dump({**CONFIG, "loss": {"name": loss}}, out)
    database = os.path.join(folder, "rankd.db")
    for name in (database, database + "-wal", database + "-shm"):
        if os.path.exists(name):
            os.remove(name)
    return cpu([os.path.join(build, "rankd"), "train", "--db", database, "--model", "m",
                "--config", config, "--data", data])


def wabbit(data, options):
    return cpu([sys.executable, "-c", WABBIT, f"-d {data} --quiet --no_stdin -b 18 {options}"])


def compare(name, ours, theirs):
    turns = [(ours(), theirs()) for _ in range(ROUNDS)]
    this, peer = (RATE / statistics.median(side) for side in zip(*turns))
    print(f"{name:62} | {this:12.1f} | {peer:12.1f} | {this / peer:7.2f}", flush=True)


def main():
    build = sys.argv[1]
    try:
        import vowpalwabbit  # noqa: F401
    except ImportError:
        print("skipped: there is no Vowpal Wabbit here (pip install vowpalwabbit)")
        return
    with tempfile.TemporaryDirectory() as folder:
        data, points, lists = (os.path.join(folder, n) for n in ("data.ffm", "points.vw", "lists.vw"))
        subprocess.run([os.path.join(build, "bench/bench_train"), str(LISTS), data], check=True)
        convert(data, points, lists)
        print("\ntraining on a file, examples per second of CPU of the whole command")
        print(f"{'this / peer':62} | {'this':>12} | {'peer':>12} | {'ratio':>7}")
        compare("rankd, pointwise, K = 16 / vw --lrqfa of 16",
                lambda: train(build, folder, data, "bce_with_logits"),
                lambda: wabbit(points, f"--loss_function logistic --lrqfa {FIELDS}16"))
        compare("rankd, pairwise, K = 16 / vw --wap_ldf --lrqfa of 16",
                lambda: train(build, folder, data, "pairwise_logistic"),
                lambda: wabbit(lists, f"--wap_ldf m --lrqfa {FIELDS}16"))


if __name__ == "__main__":
    main()
