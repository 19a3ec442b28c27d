#!/usr/bin/env python3
"""What the acceptance decides by itself: how a budget is shared, what comes back, how much memory a case needs."""
import argparse
import ctypes
import json
import os
import pathlib
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest

import acceptance
import raw_counters

CONTEXT = {"model": "GPU of the test", "device": "cuda:0", "driver": None}


def arguments(part=None, first=False, budget=None):
    return argparse.Namespace(part=part, first=first, budget=budget)


class Budgets(unittest.TestCase):
    def tearDown(self):
        acceptance.Clock.budget_ends = None
        acceptance.Clock.stop()

    def test_shares_use_up_what_is_left_and_no_more(self):
        for args in (arguments(budget=500), arguments(first=True, budget=150), arguments()):
            plan, left = acceptance.plan_of(args), 100.0
            for _, share in plan:
                self.assertGreater(share, 0)
                left -= left * share
            self.assertAlmostEqual(left, 0)

    def test_every_part_is_in_one_of_the_visits(self):
        visited = {letter for visit in (acceptance.FIRST_VISIT, acceptance.SECOND_VISIT) for letter, _ in visit}
        self.assertEqual(visited, set(acceptance.PARTS))
        self.assertEqual([letter for letter, _ in acceptance.plan_of(arguments())], sorted(acceptance.PARTS))
        self.assertEqual(acceptance.plan_of(arguments(part="h", budget=60)), [("h", 1.0)])

    def test_a_part_ends_with_its_share(self):
        acceptance.Clock.set_budget(time.monotonic() - acceptance.Clock.began + 112)  # 100 s from now
        acceptance.Clock.start(0.25)
        self.assertAlmostEqual(acceptance.Clock.left(), 25, delta=1)
        acceptance.Clock.start(1)
        self.assertAlmostEqual(acceptance.Clock.left(), 100, delta=1)

    def test_running_out_of_a_budget_is_no_failure(self):
        acceptance.Clock.set_budget(0)
        acceptance.Clock.start()
        part = acceptance.Part("a", "late")
        with part.piece("all of it"):
            acceptance.Clock.left()
        self.assertEqual(part.status, "skipped")
        acceptance.Clock.budget_ends = None
        with part.piece("all of it"):
            raise acceptance.Clock.over("the part's time was over")
        self.assertEqual(part.status, "failed")


class HardEnds(unittest.TestCase):
    def setUp(self):
        acceptance.Clock.set_budget(time.monotonic() - acceptance.Clock.began + 1000)
        self.addCleanup(setattr, acceptance.Clock, "budget_ends", None)
        self.addCleanup(acceptance.Clock.stop)

    def test_a_part_that_does_not_look_at_the_clock_is_broken_off(self):
        self.addCleanup(setattr, acceptance, "GRACE_SECONDS", acceptance.GRACE_SECONDS)
        acceptance.GRACE_SECONDS = 0.01
        acceptance.Clock.set_budget(0)
        part = acceptance.Part("z", "endless")
        with part.piece("all of it"):
            acceptance.Clock.start()
            with part.piece("one piece"):
                time.sleep(3600)
            with part.piece("the next one"):
                time.sleep(3600)
        acceptance.Clock.stop()
        self.assertEqual([piece["what"] for piece in part.skipped], ["one piece", "the next one"])
        self.assertIn("broken off", part.skipped[0]["reason"])

    def test_what_ends_a_daemon_is_not_broken_off(self):
        acceptance.Clock.start()
        with acceptance.Clock.shield():
            with acceptance.Clock.shield():
                acceptance.Clock.break_off()
            acceptance.Clock.break_off()
        with self.assertRaises(acceptance.TimeOver):
            acceptance.Clock.break_off()
        acceptance.Clock.stop()
        acceptance.Clock.break_off()


class Plans(unittest.TestCase):
    VISITS = (("first", acceptance.FIRST_VISIT, 150), ("second", acceptance.SECOND_VISIT, 500))

    def test_what_a_part_is_thought_to_take_is_within_its_share(self):
        for name, parts, budget in self.VISITS:
            self.assertEqual({letter for letter, _ in parts}, set(acceptance.COSTS[name]))
            self.assertLessEqual(sum(seconds for _, seconds in parts), budget - acceptance.SECONDS_TO_END, name)
            for letter, seconds in parts:
                self.assertLessEqual(acceptance.cost_of(name, letter), seconds, f"{letter} of the {name} visit")

    def test_the_page_tells_of_each_part_and_what_does_not_fit(self):
        page = acceptance.plan_page(arguments())
        self.assertEqual(page.count(" visit: "), 2)
        self.assertNotIn("it will be ended", page)
        short = acceptance.plan_page(arguments(budget=250))
        self.assertEqual(short.count(" visit: "), 1)
        self.assertEqual(short.count("it will be ended"), len([letter for letter, seconds in acceptance.SECOND_VISIT
                         if acceptance.cost_of("second", letter) > seconds * 238 / 484]))
        self.assertNotIn("second visit", acceptance.plan_page(arguments(first=True, budget=150)))

    def test_the_page_needs_no_programs(self):
        done = subprocess.run([str(acceptance.HERE / "acceptance.sh"), "--plan", "--bin", "/nowhere"], check=True,
                              stdout=subprocess.PIPE, text=True)
        self.assertEqual(done.stdout.strip(), acceptance.plan_page(arguments()))

    def test_graphs_of_a_short_visit_are_those_that_others_do_not_try(self):
        cases = acceptance.SHORT_GRAPH_CASES
        self.assertTrue(all(case in acceptance.GRAPH_CASES for case in cases))
        self.assertTrue(any(batch * context > 3072 for _, batch, context, _ in cases))
        self.assertTrue(any("bf16" in flags and "sdpa" in flags for _, _, _, flags in cases))
        self.assertEqual({pass_type for pass_type, *_ in cases}, set(acceptance.PASSES))

    def test_the_context_of_fit_leaves_room_for_few_sequences(self):
        contexts = [acceptance.context_for_few(gib * 2 ** 30) for gib in (1, 8, 24, 80, 141, 288)]
        self.assertEqual(contexts, sorted(contexts))
        self.assertEqual(contexts[0] % 64, 0)
        for gib, context in zip((8, 24, 80, 141, 288), contexts[1:]):
            of_a_sequence = 12 * 12 * 3 * 4 * context ** 2
            self.assertLessEqual(8 * of_a_sequence, gib * 2 ** 30)
            self.assertGreater(9.5 * of_a_sequence, gib * 2 ** 30, "no more than nine by the scores alone")


class WhatComesBack(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.out = self.folder / "out"

    def results(self, name="work"):
        (self.folder / name).mkdir()
        return acceptance.Results(self.out, self.folder / name)

    def record(self, letter):
        part = acceptance.Part(letter, f"Part {letter}")
        part.check("something holds", True)
        part.rows.append({"letter": letter})
        return part.as_json(CONTEXT)

    def test_two_files_hold_everything(self):
        results = self.results()
        state = self.folder / "work" / "main" / "state" / "torchlap"
        (state / "logs").mkdir(parents=True)
        (self.folder / "work" / "main" / "torchlapd.log").write_text("listens on\n")
        (state / "logs" / "1.1.log").write_text("x" * (acceptance.MOST_LOG_BYTES + 10))
        with sqlite3.connect(state / "torchlap.db") as database:
            database.execute("CREATE TABLE run (id INTEGER)")
        database.close()
        results.keep("nvidia-smi-q.txt", "Driver Version\n")
        results.add(self.record("j"))
        results.write(CONTEXT)
        self.assertEqual(sorted(file.name for file in self.out.iterdir()), ["results.tar.gz", "summary.md"])
        self.assertIn("## j: Part j", (self.out / "summary.md").read_text())
        with tarfile.open(self.out / "results.tar.gz") as archive:
            sizes = {member.name: member.size for member in archive if member.isfile()}
        self.assertEqual(set(sizes), {"results/j.json", "results/nvidia-smi-q.txt",
                                      "results/services/main/torchlapd.log", "results/services/main/torchlap.db",
                                      "results/services/main/logs/1.1.log"})
        self.assertEqual(sizes["results/services/main/logs/1.1.log"], acceptance.MOST_LOG_BYTES)

    def test_parts_of_an_earlier_call_stay(self):
        first = self.results("first")
        first.add(self.record("b"))
        first.write(CONTEXT)
        second = self.results("second")
        self.assertEqual(second.rows_of("b"), [{"letter": "b"}])
        self.assertEqual(second.rows_of("c"), [])
        second.add(self.record("k"))
        second.write(CONTEXT)
        page = (self.out / "summary.md").read_text()
        self.assertIn("## b: Part b", page)
        self.assertIn("## k: Part k", page)


class Memory(unittest.TestCase):
    def test_a_large_batch_needs_more_than_the_device_has(self):
        preset = {"parameters": 10 ** 9, "layers": 36, "heads": 20}
        batches = [acceptance.batch_that_runs_out(preset, 1024, gib * 2 ** 30) for gib in (16, 80, 141, 288)]
        self.assertEqual(batches, sorted(batches))
        for gib, batch in zip((16, 80, 141, 288), batches):
            needs = 8 * 10 ** 9 + batch * 36 * 3 * 20 * 1024 ** 2 * 4
            self.assertGreaterEqual(needs, 1.5 * gib * 2 ** 30)
        self.assertEqual(batches[0], 8)


class Losses(unittest.TestCase):
    def compared(self, pass_type, eager, graph):
        part = acceptance.Part("e", "graphs")
        names = ("first_loss", "last_loss")
        acceptance.compare_losses(part, "case", pass_type, dict(zip(names, eager)), dict(zip(names, graph)))
        return part.status

    def test_training_may_part_after_many_steps(self):
        self.assertEqual(self.compared("train-step", (9.2, 4.0), (9.2, 3.6)), "passed")
        self.assertEqual(self.compared("train-step", (9.2, 4.0), (9.3, 3.6)), "failed")
        self.assertEqual(self.compared("train-step", (9.2, 4.0), (9.2, 9.4)), "failed")

    def test_without_an_optimizer_losses_are_the_same(self):
        self.assertEqual(self.compared("forward-backward", (9.2, 9.2), (9.2, 9.2)), "passed")
        self.assertEqual(self.compared("forward-backward", (9.2, 9.2), (9.2, 9.0)), "failed")
        self.assertEqual(self.compared("forward", (None, None), (None, None)), "skipped")


class Counters(unittest.TestCase):
    def test_answers_of_all_kinds_are_shown(self):
        part = acceptance.Part("l", "counters")
        acceptance.show_counter(part, "sm_mhz", [{"result": 0, "value": 1980}, {"result": 3, "value": None}])
        acceptance.show_counter(part, "violation", [{"result": 0, "value": {"violation_ns": 5}}])
        acceptance.show_counter(part, "uses", [{"result": 0, "value": [{"pid": 7}, {"pid": 8}]}])
        acceptance.show_counter(part, "none", [{"result": 3, "value": None}])
        self.assertEqual([line[1] for line in part.table], ["0, 3", "0", "0", "3"])
        self.assertIn("2 entries of pids [7, 8]", part.table[2][2])

    @unittest.skipUnless(os.environ.get("TORCHLAP_TEST_NVML"), "TORCHLAP_TEST_NVML names no library")
    def test_they_are_told_as_the_driver_gives_them(self):
        with tempfile.NamedTemporaryFile("w") as gpu:
            gpu.write("gpu GPU-1111 40960 NVIDIA H100\nsm-mhz 1980 1755\nthrottle 0x0 0x48\nused-mib 512\n"
                      "process 4211 11468 compute\nuse 4211 0 80\nviolation-thermal-ns 5000\n")
            gpu.flush()
            done = subprocess.run([sys.executable, str(acceptance.HERE / "raw_counters.py"), "GPU-1111", "--seconds",
                                   "0.5", "--every", "0.01", "--library", os.environ["TORCHLAP_TEST_NVML"]],
                                  env=dict(os.environ, TORCHLAP_FAKE_NVML=gpu.name), stdout=subprocess.PIPE, text=True,
                                  check=True)
        looks = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertGreater(len(looks), 2)
        self.assertEqual([look["sm_mhz"]["value"] for look in looks[:3]], [1980, 1755, 1755])
        self.assertEqual(looks[-1]["clock_reasons"], {"result": 0, "value": 0x48})
        self.assertEqual(looks[0]["celsius"], {"result": 3, "value": None})
        self.assertEqual(looks[0]["violation_thermal"]["value"]["violation_ns"], 5000)
        self.assertEqual(looks[0]["compute_processes"]["value"][0]["pid"], 4211)
        uses = [look["process_utilisation"] for look in looks]
        self.assertEqual(uses[0]["since_us"], 0)
        self.assertIn((4211, 80), [(entry["pid"], entry["sm"]) for use in uses for entry in use["value"]])
        # Each look asks for what came after the newest sample.
        newest = 0
        for use in uses:
            self.assertEqual(use["since_us"], newest)
            newest = max([newest] + [entry["stamp_us"] for entry in use["value"]])


# Of the clocks, not of the GPU.
TIMES = ("monotonic_ns", "unix_ns", "took_ns")
GOLDEN = acceptance.HERE.parent / "golden/nvml/recording.jsonl"


def shape(value):
    """Names and types, without what a GPU may not tell."""
    if isinstance(value, dict):
        return {name: shape(entry) for name, entry in value.items() if entry is not None}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value)


def answers(look, names):
    """What a look has of these; the driver's entries come in any order."""
    found = {name: value for name, value in look.items() if name in names and name not in TIMES}
    uses = found["process_utilisation"]
    found["process_utilisation"] = {**uses, "value": sorted(map(json.dumps, uses["value"]))}
    return found


@unittest.skipUnless(os.environ.get("TORCHLAP_TEST_NVML"), "TORCHLAP_TEST_NVML names no library")
class Recordings(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        for name in ("TORCHLAP_FAKE_NVML", "TORCHLAP_FAKE_NVML_NOW_US"):
            self.addCleanup(os.environ.pop, name, None)

    def machine(self, text):
        file = pathlib.Path(self.folder.name) / "machine"
        file.write_text("gpu GPU-1111 40960 NVIDIA H100\n" + text)
        os.environ["TORCHLAP_FAKE_NVML"] = str(file)

    def record(self):
        done = subprocess.run([sys.executable, str(acceptance.HERE / "raw_counters.py"), "GPU-1111", "--seconds", "0.3",
                               "--every", "0.02", "--library", os.environ["TORCHLAP_TEST_NVML"]], stdout=subprocess.PIPE,
                              text=True, check=True)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def replay(self, file, looks):
        """A recording of the recording, looked at when it was made."""
        self.machine(f"recording {file}\n")
        begin_us = looks[0]["unix_ns"] // 1000
        os.environ["TORCHLAP_FAKE_NVML_NOW_US"] = str(begin_us)
        library = ctypes.CDLL(os.environ["TORCHLAP_TEST_NVML"])
        gpu = raw_counters.Gpu(library, "GPU-1111")
        self.addCleanup(library.nvmlShutdown)
        for look in looks:
            now_us = begin_us + (look["monotonic_ns"] - looks[0]["monotonic_ns"]) // 1000
            os.environ["TORCHLAP_FAKE_NVML_NOW_US"] = str(now_us)
            yield gpu.look()

    def same(self, file, looks):
        again = list(self.replay(file, looks))
        # What a recording of before did not ask is not told.
        for name in set(again[0]) - set(looks[0]):
            self.assertEqual(again[0][name], {"result": 13, "value": None}, name)
        self.assertEqual([answers(look, looks[0]) for look in again], [answers(look, looks[0]) for look in looks])

    def test_what_was_recorded_of_a_gpu_is_told_again(self):
        self.machine("sm-mhz 1980 1755 1980 1410\nmemory-mhz 2619\nperformance-state 0\npower-mw 300000 400000\n"
                     "power-instant-mw 310000 510000\n"
                     "throttle 0x0 0x4 0x48\nused-mib 512 700\nreserved-mib 300\nutilisation 0 100\n"
                     "energy-mj 1000 2000 3000 4000\nenforced-limit-mw 700000\ntemperature 40 50 60\n"
                     "violation-thermal-ns 0 5000\nprocess 4211 11468 compute 2\nprocess 900 na graphics\n"
                     "use 4211 0 80 70\ngarbage 4102444800000000 77 40\n"
                     f"garbage {time.time_ns() // 1000 + 10 ** 7} 4212 205\n")
        looks = self.record()
        self.assertGreater(len(looks), 4)
        self.assertEqual([look["sm_mhz"]["value"] for look in looks[:5]], [1980, 1755, 1980, 1410, 1410])
        self.assertEqual([look["power_instant_mw"]["value"] for look in looks[:3]], [310000, 510000, 510000])
        # Neither a share above 100 % nor a stamp of a later year ends the recording.
        told = [entry["pid"] for look in looks[-2:] for entry in look["process_utilisation"]["value"]]
        self.assertLessEqual({4211, 4212, 77}, set(told))
        file = pathlib.Path(self.folder.name) / "gpu.jsonl"
        file.write_text("".join(json.dumps(look) + "\n" for look in looks))
        self.same(file, looks)

    def test_the_made_up_recording_is_one(self):
        looks = [json.loads(line) for line in GOLDEN.read_text().splitlines()]
        self.machine("sm-mhz 1\nmemory-mhz 1\nperformance-state 0\npower-mw 1\nthrottle 0\nused-mib 1\n"
                     "utilisation 1\nenergy-mj 1\nenforced-limit-mw 1\ntemperature 1\nslowdown-at 1\n"
                     "process 1 1 both\nuse 1 80\n")
        of_program = self.record()[0]
        later = {*raw_counters.FIELDS, "mps_processes"}
        self.assertEqual(list(looks[0]), [name for name in of_program if name not in later])
        for look in looks:
            for name, value in look.items():
                if name in TIMES or value["value"] in (None, []) or name.startswith("violation"):
                    continue
                self.assertEqual(shape(value), shape(of_program[name]), name)
        self.same(GOLDEN, looks)

    def test_what_a_driver_does_not_have_is_not_told(self):
        self.machine("sm-mhz 1980\n")
        looks = self.record()
        looks[0]["power_mw"] = {"result": None, "value": None}
        looks[0]["energy_mj"] = {"result": 15, "value": None}
        file = pathlib.Path(self.folder.name) / "gpu.jsonl"
        file.write_text(json.dumps(looks[0]))
        again = next(self.replay(file, looks[:1]))
        self.assertEqual(again["power_mw"], {"result": 13, "value": None})
        self.assertEqual(again["energy_mj"], {"result": 15, "value": None})
        self.assertEqual(again["sm_mhz"], {"result": 0, "value": 1980})


if __name__ == "__main__":
    unittest.main()
