#include "server/measure/cell_comparison.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "proto/words.h"

namespace torchlap::measure {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Side = ComparedRuns::Side;
using Cells = std::vector<v1::ComparedCell>;

class CellComparison : public testing::Test {
 protected:
  // A clean run of the first launch of a job of its own, 10 s after the one before it.
  v1::Run Run(double median_ms) {
    v1::Run run;
    run.set_job_id(++jobs_);
    run.set_number(1);
    run.set_run_id(std::to_string(run.job_id()) + ".1");
    run.set_started_at_ns(static_cast<int64_t>(jobs_) * 10'000'000'000);
    run.set_outcome(v1::OUTCOME_OK);
    run.set_validity(v1::VALIDITY_CLEAN);
    run.set_purpose(v1::PURPOSE_MEASURE);
    run.set_device("cpu0");
    run.set_device_uuid("CPU-0");
    run.set_device_model("Some CPU");
    run.mutable_plan()->set_timing(v1::TIMING_SEPARATE);
    run.mutable_plan()->set_warmup_steps(5);
    v1::TransformerLm* model = run.mutable_workload()->mutable_transformer_lm();
    model->set_edition("cs336-2025");
    model->set_preset("small");
    model->set_d_model(768);
    model->set_d_ff(3072);
    model->set_layers(12);
    model->set_heads(12);
    model->set_batch_size(4);
    model->set_context_length(256);
    model->set_pass_type(v1::PASS_TYPE_FORWARD_BACKWARD);
    model->set_precision(v1::PRECISION_FP32);
    model->set_attention(v1::ATTENTION_EXPLICIT);
    run.mutable_step()->set_median_ns(median_ms * 1e6);
    return run;
  }
  v1::Run Failed(v1::Outcome outcome = v1::OUTCOME_OUT_OF_MEMORY) {
    v1::Run run = Run(0);
    run.clear_step();
    run.clear_validity();
    run.set_outcome(outcome);
    return run;
  }
  // Another run of the launch of `run`.
  v1::Run Again(const v1::Run& run, double median_ms) {
    v1::Run next = run;
    next.set_number(run.number() + 1);
    next.set_run_id(std::to_string(run.job_id()) + "." + std::to_string(next.number()));
    next.set_started_at_ns(run.started_at_ns() + 1'000'000'000);
    next.set_outcome(v1::OUTCOME_OK);
    next.set_validity(v1::VALIDITY_CLEAN);
    next.mutable_step()->set_median_ns(median_ms * 1e6);
    return next;
  }
  static v1::TransformerLm* Model(v1::Run* run) {
    return run->mutable_workload()->mutable_transformer_lm();
  }
  // Launches that scatter little around a median.
  std::vector<v1::Run> Launches(double median_ms) {
    return {Run(median_ms), Run(median_ms * 1.002), Run(median_ms * 0.998)};
  }
  std::vector<v1::Run> With(std::vector<v1::Run> runs, v1::Precision precision) {
    for (v1::Run& run : runs) Model(&run)->set_precision(precision);
    return runs;
  }

  static void AddAll(Side side, const std::vector<v1::Run>& runs, ComparedRuns* collected) {
    for (const v1::Run& run : runs) ASSERT_TRUE(collected->Add(side, run).ok()) << run.run_id();
  }
  Cells Compared(const std::vector<v1::Run>& a, const std::vector<v1::Run>& b) {
    ComparedRuns collected{CompareAxis()};
    AddAll(Side::kA, a, &collected);
    AddAll(Side::kB, b, &collected);
    return Of(collected);
  }
  Cells ComparedBy(const std::string& by, const std::vector<v1::Run>& runs) {
    ComparedRuns collected(*ParseCompareAxis(by));
    AddAll(Side::kA, runs, &collected);
    return Of(collected);
  }
  Cells Of(const ComparedRuns& collected) {
    auto cells = collected.Compare(environments_, setting_);
    EXPECT_TRUE(cells.ok()) << cells.status();
    return cells.ok() ? *std::move(cells) : Cells();
  }
  absl::Status ErrorBy(const std::string& by, const std::vector<v1::Run>& runs) {
    ComparedRuns collected(*ParseCompareAxis(by));
    AddAll(Side::kA, runs, &collected);
    return collected.Compare(environments_, setting_).status();
  }
  // `slower` of the step, or why there is no verdict.
  static std::string Outcome(const v1::ComparedCell& cell) {
    return std::string(cell.phases().empty() ? Word(cell.incomparable())
                                             : Word(cell.phases(0).verdict()));
  }
  static std::vector<std::string> Outcomes(const Cells& cells) {
    std::vector<std::string> outcomes;
    for (const v1::ComparedCell& cell : cells) outcomes.push_back(Outcome(cell));
    return outcomes;
  }
  static std::vector<std::string> Changes(const v1::ComparedCell& cell) {
    std::vector<std::string> texts;
    for (const v1::EnvironmentChange& change : cell.also_differs()) {
      texts.push_back(change.name() + ": " + change.before() + " > " + change.after());
    }
    return texts;
  }
  void Under(const std::string& hash, const std::string& driver, std::vector<v1::Run>* runs) {
    environments_[hash].set_driver_version(driver);
    for (v1::Run& run : *runs) run.set_environment_hash(hash);
  }

  uint64_t jobs_ = 0;
  std::map<std::string, v1::Environment> environments_;
  CellSetting setting_;
};

std::vector<v1::Run> operator+(std::vector<v1::Run> runs, const std::vector<v1::Run>& more) {
  runs.insert(runs.end(), more.begin(), more.end());
  return runs;
}

TEST_F(CellComparison, ComparesLaunchesOfWhatComputesTheSame) {
  const std::vector<v1::Run> a = Launches(100);
  const Cells cells = Compared(a, Launches(110));
  ASSERT_THAT(cells, SizeIs(1));
  const v1::ComparedCell& cell = cells[0];
  EXPECT_EQ(cell.subject().run_id(), "3.1") << "the newest of A";
  EXPECT_EQ(cell.incomparable(), v1::INCOMPARABLE_UNSPECIFIED);
  EXPECT_EQ(cell.a().launches(), 3U);
  EXPECT_THAT(cell.a().run_ids(), ElementsAre("1.1", "2.1", "3.1"));
  EXPECT_THAT(cell.b().run_ids(), ElementsAre("4.1", "5.1", "6.1"));
  EXPECT_EQ(cell.a().value(), "");
  ASSERT_THAT(cell.phases(), SizeIs(1));
  const v1::ComparedPhase& step = cell.phases(0);
  EXPECT_EQ(step.phase(), v1::PHASE_UNSPECIFIED);
  EXPECT_EQ(step.verdict(), v1::COMPARE_VERDICT_SLOWER);
  EXPECT_NEAR(step.ratio(), 1.1, 1e-12);
  EXPECT_NEAR(step.b_ns() / step.a_ns(), 1.1, 1e-12);
  EXPECT_NEAR(step.a_ns(), std::cbrt(1e8 * 1.002e8 * 0.998e8), 1);
  EXPECT_GT(step.low(), 1.09);
  EXPECT_LT(step.high(), 1.11);
  EXPECT_DOUBLE_EQ(step.p(), 0.1) << "2 of C(6, 3) deals";
  EXPECT_EQ(step.min_effect(), 0.01);
  EXPECT_EQ(step.min_effect_launches(), 0U);
}

TEST_F(CellComparison, HasAVerdictOfEachPhaseThatBothSidesTimed) {
  std::vector<v1::Run> a = Launches(100);
  std::vector<v1::Run> b = Launches(100);
  double off = 0.999;
  for (size_t i = 0; i < 3; ++i, off += 0.001) {
    a[i].mutable_forward()->set_median_ns(3e7 * off);
    b[i].mutable_forward()->set_median_ns(2e7 * off);
    a[i].mutable_backward()->set_median_ns(6e7 * off);
    b[i].mutable_backward()->set_median_ns(7e7 * off);
    a[i].mutable_loss()->set_median_ns(1e6);
  }
  const Cells cells = Compared(a, b);
  ASSERT_THAT(cells, SizeIs(1));
  std::vector<std::string> phases;
  for (const v1::ComparedPhase& phase : cells[0].phases()) {
    phases.push_back(std::string(Word(phase.phase())) + " " + std::string(Word(phase.verdict())));
  }
  EXPECT_THAT(phases, ElementsAre(" same", "forward faster", "backward slower"));
}

TEST_F(CellComparison, OneLaunchASideHasNoInterval) {
  const Cells cells = Compared({Run(100)}, {Run(200)});
  ASSERT_THAT(cells, SizeIs(1));
  const v1::ComparedPhase& step = cells[0].phases(0);
  EXPECT_EQ(step.verdict(), v1::COMPARE_VERDICT_INCONCLUSIVE);
  EXPECT_NEAR(step.ratio(), 2, 1e-12);
  EXPECT_FALSE(step.has_low() || step.has_high() || step.has_p() || step.has_p_adjusted());
}

TEST_F(CellComparison, WhatOneSideHasAloneIsARowToo) {
  const std::vector<v1::Run> fp32 = Launches(100);
  const std::vector<v1::Run> bf16 = With(Launches(50), v1::PRECISION_BF16);
  const Cells cells = Compared(fp32, bf16);
  EXPECT_THAT(Outcomes(cells), ElementsAre("only in A", "only in B"));
  EXPECT_EQ(cells[0].subject().run_id(), "3.1");
  EXPECT_EQ(cells[1].subject().run_id(), "6.1");
  EXPECT_EQ(cells[1].a().launches(), 0U);
  EXPECT_EQ(cells[1].b().launches(), 3U);
  EXPECT_THAT(cells[1].phases(), IsEmpty());
}

TEST_F(CellComparison, RowsAreInTheOrderOfAThenOfWhatBHas) {
  v1::Run large = Run(1);
  Model(&large)->set_layers(24);
  v1::Run long_context = Run(1);
  Model(&long_context)->set_context_length(512);
  const v1::Run plain = Run(1);
  const Cells cells = Compared({large, plain}, {long_context, Again(plain, 2), Again(large, 2)});
  std::vector<std::string> subjects;
  for (const v1::ComparedCell& cell : cells) subjects.push_back(cell.subject().run_id());
  EXPECT_THAT(subjects, ElementsAre("1.1", "3.1", "2.1"));
}

TEST_F(CellComparison, NamesOfPresetsAndSeedsAreNotWhatIsComputed) {
  std::vector<v1::Run> declared = Launches(100);
  for (v1::Run& run : declared) {
    Model(&run)->clear_preset();
    Model(&run)->clear_edition();
    run.mutable_plan()->set_seed(7);
  }
  EXPECT_THAT(Outcomes(Compared(Launches(100), declared)), ElementsAre("same"));
}

TEST_F(CellComparison, AnotherTimingOrDeviceModelIsNotComparable) {
  std::vector<v1::Run> combined = Launches(100);
  for (v1::Run& run : combined) run.mutable_plan()->set_timing(v1::TIMING_COMBINED);
  EXPECT_THAT(Outcomes(Compared(Launches(100), combined)), ElementsAre("other timing"));
  std::vector<v1::Run> elsewhere = Launches(100);
  for (v1::Run& run : elsewhere) {
    run.set_device_model("Another CPU");
    run.set_device("cpu1");
  }
  const Cells cells = Compared(Launches(100), elsewhere);
  EXPECT_THAT(Outcomes(cells), ElementsAre("other device model"));
  EXPECT_THAT(Changes(cells[0]), IsEmpty()) << "the row says so";
}

TEST_F(CellComparison, EachTimingMeetsItsLikeWhereThereIsOne) {
  std::vector<v1::Run> combined = Launches(50);
  for (v1::Run& run : combined) run.mutable_plan()->set_timing(v1::TIMING_COMBINED);
  EXPECT_THAT(Outcomes(Compared(combined + Launches(100), Launches(100) + combined)),
              ElementsAre("same", "same"));
  // The one of them that B has no like of is not the other's.
  EXPECT_THAT(Outcomes(Compared(combined + Launches(100), Launches(100))),
              ElementsAre("other timing", "same"));
  EXPECT_THAT(Outcomes(Compared(Launches(100), combined + Launches(100))),
              ElementsAre("same", "other timing"));
}

TEST_F(CellComparison, AnotherWarmupIsToldBesideTheVerdict) {
  std::vector<v1::Run> warmer = Launches(100);
  for (v1::Run& run : warmer) run.mutable_plan()->set_warmup_steps(20);
  const Cells cells = Compared(Launches(100), warmer);
  EXPECT_THAT(Outcomes(cells), ElementsAre("same"));
  EXPECT_THAT(Changes(cells[0]), ElementsAre("warm-up: 5 > 20"));
  EXPECT_THAT(Compared(Launches(100) + warmer, warmer), SizeIs(2)) << "and no pooling over it";
}

TEST_F(CellComparison, OtherNumbersOfStepsAreToldBesideTheVerdict) {
  std::vector<v1::Run> longer = Launches(100);
  for (v1::Run& run : longer) run.mutable_plan()->set_measure_steps(60);
  const Cells cells = Compared(Launches(100), longer);
  ASSERT_THAT(cells, SizeIs(1));
  EXPECT_THAT(Changes(cells[0]), ElementsAre("steps: 10 > 60")) << "10 is what unset means";
  EXPECT_EQ(Outcome(cells[0]), "same");
  for (v1::Run& run : longer) run.mutable_plan()->set_target_precision(0.01);
  EXPECT_THAT(Changes(Compared(Launches(100), longer)[0]), ElementsAre("steps: 10 > 60 or more"));
}

TEST_F(CellComparison, ByHostTheDeviceIsNoOtherDifference) {
  const std::vector<v1::Run> here = Launches(100);  // the oldest are A
  std::vector<v1::Run> there = Launches(100);
  for (v1::Run& run : there) {
    run.set_host("b");
    run.set_device_uuid("CPU-0@a b");
    run.mutable_plan()->set_measure_steps(60);
  }
  const Cells cells = ComparedBy("host", here + there);
  ASSERT_THAT(cells, SizeIs(1));
  EXPECT_THAT(Changes(cells[0]), ElementsAre("steps: 10 > 60"));
}

TEST_F(CellComparison, TheLastOkRunOfALaunchCounts) {
  v1::Run bad = Run(900);
  bad.set_validity(v1::VALIDITY_CONTAMINATED);
  v1::Run good = Again(bad, 100);
  v1::Run failed = Again(good, 1);
  failed.set_outcome(v1::OUTCOME_CRASHED);
  failed.clear_step();
  const Cells cells = Compared({bad, good, failed}, {Run(100)});
  ASSERT_THAT(cells, SizeIs(1));
  EXPECT_THAT(cells[0].a().run_ids(), ElementsAre("1.2"));
  EXPECT_EQ(cells[0].a().contaminated_launches(), 0U) << "its launch has a clean run";
  EXPECT_EQ(cells[0].a().failed_runs(), 1U);
  EXPECT_DOUBLE_EQ(cells[0].phases(0).ratio(), 1);
}

TEST_F(CellComparison, ContaminatedLaunchesAreLeftOutAndCounted) {
  std::vector<v1::Run> a = Launches(100) + std::vector<v1::Run>{Run(400)};
  a.back().set_validity(v1::VALIDITY_CONTAMINATED);
  std::vector<v1::Run> b = Launches(100);
  const Cells cells = Compared(a, b);
  EXPECT_THAT(Outcomes(cells), ElementsAre("same"));
  EXPECT_EQ(cells[0].a().launches(), 3U);
  EXPECT_EQ(cells[0].a().contaminated_launches(), 1U);
  for (v1::Run& run : b) run.set_validity(v1::VALIDITY_CONTAMINATED);
  EXPECT_THAT(Outcomes(Compared(a, b)), ElementsAre("contaminated"));
  setting_.include_contaminated = true;
  const Cells all = Compared(a, b);
  EXPECT_EQ(all[0].a().launches(), 4U);
  EXPECT_EQ(all[0].b().launches(), 3U);
  EXPECT_EQ(all[0].a().contaminated_launches(), 0U);
}

TEST_F(CellComparison, ASideThatOnlyFailedSaysSo) {
  EXPECT_THAT(Outcomes(Compared({Failed()}, Launches(100))), ElementsAre("A failed"));
  const Cells cells = Compared(Launches(100), {Failed(), Failed()});
  EXPECT_THAT(Outcomes(cells), ElementsAre("B failed"));
  EXPECT_EQ(cells[0].b().failed_runs(), 2U);
}

TEST_F(CellComparison, SizesThatALadderLeftBehindAreNoRows) {
  v1::Run failed = Failed();
  Model(&failed)->set_batch_size(8);
  v1::Run smaller = Again(failed, 100);
  Model(&smaller)->set_batch_size(4);
  EXPECT_THAT(Outcomes(Compared({failed, smaller}, Launches(100))), ElementsAre("inconclusive"));
  // But where the other side was measured.
  std::vector<v1::Run> at_8 = Launches(100);
  for (v1::Run& run : at_8) Model(&run)->set_batch_size(8);
  EXPECT_THAT(Outcomes(Compared({failed, smaller}, at_8)), ElementsAre("A failed", "only in A"));
  EXPECT_THAT(Outcomes(Compared({failed}, Launches(100))), ElementsAre("only in A", "only in B"))
      << "and where the job stopped there";
}

TEST_F(CellComparison, TracedRunsAreNoLaunches) {
  v1::Run traced = Run(900);
  traced.set_purpose(v1::PURPOSE_TRACE);
  const Cells cells = Compared(Launches(100) + std::vector<v1::Run>{traced}, Launches(100));
  ASSERT_THAT(cells, SizeIs(1));
  EXPECT_EQ(cells[0].a().launches(), 3U);
}

TEST_F(CellComparison, TellsWhatElseDiffers) {
  std::vector<v1::Run> a = Launches(100);
  std::vector<v1::Run> b = Launches(100);
  Under("old", "570", &a);
  Under("new", "575", &b);
  b[0].set_environment_hash("old");
  b[1].set_device("cpu1");
  EXPECT_THAT(Changes(Compared(a, b)[0]),
              ElementsAre("device: cpu0 > cpu0,cpu1", "driver: 570 > 570,575"));
  for (v1::Run& run : b) run.set_device("cpu0");
  b[1].set_device_uuid("CPU-1");
  b[0].set_environment_hash("");
  EXPECT_THAT(Changes(Compared(a, b)[0]),
              ElementsAre("device uuid: CPU-0 > CPU-0,CPU-1", "driver: 570 > 575"));
  EXPECT_THAT(Changes(Compared(a, a)[0]), IsEmpty());
}

TEST_F(CellComparison, ByAnAxisEachOtherValueMeetsTheReference) {
  const std::vector<v1::Run> runs = With(Launches(100), v1::PRECISION_FP32) +
                                    With(Launches(50), v1::PRECISION_BF16) +
                                    With(Launches(100.1), v1::PRECISION_TF32);
  const Cells cells = ComparedBy("precision", runs);
  EXPECT_THAT(Outcomes(cells), ElementsAre("faster", "same"));
  EXPECT_EQ(cells[0].a().value(), "fp32");
  EXPECT_EQ(cells[0].b().value(), "bf16");
  EXPECT_EQ(cells[1].a().value(), "fp32");
  EXPECT_EQ(cells[1].b().value(), "tf32");
  setting_.reference = "bf16";
  const Cells turned = ComparedBy("precision", runs);
  EXPECT_THAT(Outcomes(turned), ElementsAre("slower", "slower"));
  EXPECT_EQ(turned[0].a().value(), "bf16");
}

TEST_F(CellComparison, TheReferenceIsWhatIsUsualOrElseWhatIsOldest) {
  const std::vector<v1::Run> bf16 = With(Launches(50), v1::PRECISION_BF16);
  EXPECT_EQ(ComparedBy("precision", bf16 + With(Launches(100), v1::PRECISION_FP32))[0].a().value(),
            "fp32");
  EXPECT_EQ(ComparedBy("precision", bf16 + With(Launches(100), v1::PRECISION_FP16))[0].a().value(),
            "bf16");
}

TEST_F(CellComparison, ByAnAxisWhatElseIsComputedStaysApart) {
  std::vector<v1::Run> longer = Launches(300) + With(Launches(100), v1::PRECISION_BF16);
  for (v1::Run& run : longer) Model(&run)->set_context_length(512);
  std::vector<v1::Run> only = With(Launches(7), v1::PRECISION_BF16);
  for (v1::Run& run : only) Model(&run)->set_context_length(128);
  const Cells cells = ComparedBy(
      "precision", Launches(100) + With(Launches(50), v1::PRECISION_BF16) + longer + only);
  EXPECT_THAT(Outcomes(cells), ElementsAre("faster", "faster", "only in B"));
  EXPECT_NEAR(cells[0].phases(0).ratio(), 0.5, 1e-9);
  EXPECT_NEAR(cells[1].phases(0).ratio(), 1.0 / 3, 1e-9);
  EXPECT_EQ(cells[2].b().value(), "bf16");
}

TEST_F(CellComparison, AnAxisIsAnyOfItsWords) {
  struct Case {
    std::string by;
    std::string reference;
    std::string other;
    std::function<void(v1::Run*)> change;
  };
  const std::vector<Case> cases = {
      {"attention", "explicit", "sdpa",
       [](v1::Run* run) { Model(run)->set_attention(v1::ATTENTION_SDPA); }},
      {"batch", "4", "8", [](v1::Run* run) { Model(run)->set_batch_size(8); }},
      {"context", "256", "512", [](v1::Run* run) { Model(run)->set_context_length(512); }},
      {"size", "small", "cs336-2026/xl",
       [](v1::Run* run) {
         Model(run)->set_edition("cs336-2026");
         Model(run)->set_preset("xl");
         Model(run)->set_layers(32);
       }},
      {"size", "small", "L32 h12 d768 f3072",
       [](v1::Run* run) {
         Model(run)->clear_preset();
         Model(run)->set_layers(32);
       }},
      {"timing", "separate", "combined",
       [](v1::Run* run) { run->mutable_plan()->set_timing(v1::TIMING_COMBINED); }},
      {"threads", "1", "2", [](v1::Run* run) { run->set_threads(2); }},
      {"device", "cpu0", "cpu1",
       [](v1::Run* run) {
         run->set_device("cpu1");
         run->set_device_model("Another CPU");
       }},
      {"device-model", "Some CPU", "Another CPU",
       [](v1::Run* run) { run->set_device_model("Another CPU"); }},
      {"label:branch", "main", "mine",
       [](v1::Run* run) { (*run->mutable_labels())["branch"] = "mine"; }},
      {"driver", "570", "575", [](v1::Run* run) { run->set_environment_hash("new"); }},
  };
  environments_["old"].set_driver_version("570");
  environments_["new"].set_driver_version("575");
  for (const Case& axis : cases) {
    SCOPED_TRACE(axis.by);
    std::vector<v1::Run> runs = Launches(100);  // the older ones
    runs = runs + Launches(120);
    for (size_t i = 0; i < runs.size(); ++i) {
      runs[i].set_threads(1);
      runs[i].set_environment_hash("old");
      (*runs[i].mutable_labels())["branch"] = "main";
      if (i >= 3) axis.change(&runs[i]);
    }
    const Cells cells = ComparedBy(axis.by, runs);
    EXPECT_THAT(Outcomes(cells), ElementsAre("slower"));
    ASSERT_THAT(cells, SizeIs(1));
    EXPECT_EQ(cells[0].a().value(), axis.reference);
    EXPECT_EQ(cells[0].b().value(), axis.other);
    EXPECT_THAT(Changes(cells[0]), IsEmpty()) << "the axis itself is no other difference";
  }
}

TEST_F(CellComparison, RunsWithoutAValueOfTheAxisAreLeftOut) {
  std::vector<v1::Run> runs = Launches(100) + Launches(100) + Launches(100);
  for (size_t i = 3; i < runs.size(); ++i) {
    Model(&runs[i])->set_pass_type(v1::PASS_TYPE_TRAIN_STEP);
    Model(&runs[i])->set_optimizer(i < 6 ? v1::OPTIMIZER_COURSE : v1::OPTIMIZER_FUSED);
  }
  EXPECT_THAT(Outcomes(ComparedBy("optimizer", runs)), ElementsAre("same"));
}

TEST_F(CellComparison, AnAxisNeedsTwoValuesAndAReferenceAmongThem) {
  const absl::Status one = ErrorBy("precision", Launches(100));
  EXPECT_TRUE(absl::IsInvalidArgument(one));
  EXPECT_THAT(std::string(one.message()), HasSubstr("all runs have fp32"));
  EXPECT_TRUE(absl::IsInvalidArgument(ErrorBy("driver", Launches(100))));
  setting_.reference = "fp16";
  const absl::Status other =
      ErrorBy("precision", Launches(100) + With(Launches(50), v1::PRECISION_BF16));
  EXPECT_TRUE(absl::IsInvalidArgument(other));
  EXPECT_EQ(other.message(), "reference is fp16, must be one of fp32, bf16");
}

TEST_F(CellComparison, OneHostAloneSaysHowAnotherComes) {
  std::vector<v1::Run> runs = Launches(100);
  EXPECT_EQ(ErrorBy("host", runs),
            absl::InvalidArgumentError(
                "all runs are of this machine, import another's: torchlap import FILE"));
  for (v1::Run& run : runs) run.set_host("b");
  EXPECT_EQ(
      ErrorBy("host", runs),
      absl::InvalidArgumentError("all runs are of b, import another's: torchlap import FILE"));
}

TEST_F(CellComparison, OneLabelAloneSaysHowManyRunsHaveNone) {
  std::vector<v1::Run> runs = Launches(100);
  for (v1::Run& run : runs) (*run.mutable_labels())["suite"] = "night";
  EXPECT_EQ(ErrorBy("label:suite", runs),
            absl::InvalidArgumentError(
                "all runs have night, must have two values of what they are compared by"));
  EXPECT_EQ(ErrorBy("label:suite", runs + Launches(100)),
            absl::InvalidArgumentError("only night is there, 3 runs have no label suite"));
  EXPECT_EQ(ErrorBy("label:suite", runs + std::vector{Run(100)}),
            absl::InvalidArgumentError("only night is there, 1 run has no label suite"));
}

TEST_F(CellComparison, PValuesAreAdjustedOverTheWholeTable) {
  const std::vector<v1::Run> alone = Launches(100);
  const std::vector<v1::Run> against = Launches(101);
  const double p = Compared(alone, against)[0].phases(0).p_adjusted();
  std::vector<v1::Run> more = Launches(100);
  for (v1::Run& run : more) Model(&run)->set_context_length(512);
  const Cells cells = Compared(alone + more, against + more);
  EXPECT_NEAR(cells[0].phases(0).p_adjusted(), 2 * p, 1e-12);
  EXPECT_EQ(cells[1].phases(0).p_adjusted(), 1);
}

TEST_F(CellComparison, StepsAreAdjustedAmongStepsHoweverManyPhasesWereTimed) {
  std::vector<v1::Run> a = Launches(100);
  std::vector<v1::Run> b = Launches(101);
  const double alone = Compared(a, b)[0].phases(0).p_adjusted();
  for (std::vector<v1::Run>* side : {&a, &b}) {
    for (v1::Run& run : *side) {
      run.mutable_forward()->set_median_ns(run.step().median_ns());
      run.mutable_backward()->set_median_ns(run.step().median_ns());
    }
  }
  const Cells cells = Compared(a, b);
  ASSERT_THAT(cells[0].phases(), SizeIs(3));
  EXPECT_EQ(cells[0].phases(0).p_adjusted(), alone);
  EXPECT_NEAR(cells[0].phases(1).p_adjusted(), 3 * alone, 1e-12) << "two phases and a step";
  EXPECT_NEAR(cells[0].phases(2).p_adjusted(), 3 * alone, 1e-12);
}

TEST_F(CellComparison, LaunchesWithOtherThreadsAreNotPooled) {
  const auto with = [](std::vector<v1::Run> runs, uint32_t threads) {
    for (v1::Run& run : runs) run.set_threads(threads);
    return runs;
  };
  const std::vector<v1::Run> a = with(Launches(100), 8) + with(Launches(400), 1);
  const Cells cells = Compared(a, with(Launches(200), 1) + with(Launches(100), 8));
  EXPECT_THAT(Outcomes(cells), ElementsAre("same", "faster"));
  EXPECT_NEAR(cells[1].phases(0).ratio(), 0.5, 1e-9);
  EXPECT_THAT(Outcomes(Compared(with(Launches(100), 8), with(Launches(400), 1))),
              ElementsAre("slower"))
      << "alone they meet, as with another driver";
}

TEST_F(CellComparison, ARunThatFailedBeforeItsThreadsWereKnownIsOfTheSameCell) {
  std::vector<v1::Run> a = {Failed(v1::OUTCOME_CRASHED)};
  for (const v1::Run& run : Launches(100)) {
    a.push_back(run);
    a.back().set_threads(8);
  }
  a.push_back(Failed(v1::OUTCOME_CRASHED));
  std::vector<v1::Run> b = Launches(100);
  for (v1::Run& run : b) run.set_threads(8);
  const Cells cells = Compared(a, b);
  EXPECT_THAT(Outcomes(cells), ElementsAre("same"));
  EXPECT_EQ(cells[0].a().failed_runs(), 2U);
}

// Else a change of the past would hide one of today.
TEST_F(CellComparison, AStepInThePastIsNoPartOfTheLearnedEffect) {
  setting_.past = [](const std::string&, int64_t) {
    MediansByPhase past;
    for (int i = 0; i < 20; ++i) {
      past[v1::PHASE_UNSPECIFIED].push_back((i < 10 ? 1e8 : 1.4e8) * (i % 2 == 0 ? 0.99 : 1.01));
    }
    return absl::StatusOr<MediansByPhase>(past);
  };
  const Cells cells = Compared(Launches(100), Launches(110));
  EXPECT_NEAR(cells[0].phases(0).min_effect(), 0.02, 0.002);
  EXPECT_THAT(Outcomes(cells), ElementsAre("slower"));
}

TEST_F(CellComparison, LearnsTheLeastEffectFromLaunchesBeforeThoseOfB) {
  std::string asked_run;
  int64_t asked_before_ns = 0;
  MediansByPhase past;
  for (int i = -2; i <= 2; ++i) past[v1::PHASE_UNSPECIFIED].push_back(1e8 * std::exp(i * 0.05));
  past[v1::PHASE_FORWARD] = {1, 2, 3, 4};
  setting_.past = [&](const std::string& run_id, int64_t before_ns) {
    asked_run = run_id;
    asked_before_ns = before_ns;
    return absl::StatusOr<MediansByPhase>(past);
  };
  std::vector<v1::Run> a = Launches(100);
  std::vector<v1::Run> b = Launches(104);
  for (std::vector<v1::Run>* side : {&a, &b}) {
    for (v1::Run& run : *side) run.mutable_forward()->set_median_ns(1e7);
  }
  const Cells cells = Compared(a, b);
  ASSERT_THAT(cells[0].phases(), SizeIs(2));
  EXPECT_EQ(asked_run, "3.1");
  EXPECT_EQ(asked_before_ns, b[0].started_at_ns());
  EXPECT_NEAR(cells[0].phases(0).min_effect(), 2 * std::sqrt(2.5) * 0.05, 1e-9);
  EXPECT_EQ(cells[0].phases(0).min_effect_launches(), 5U);
  EXPECT_EQ(cells[0].phases(0).verdict(), v1::COMPARE_VERDICT_SAME);
  EXPECT_EQ(cells[0].phases(1).min_effect(), 0.01) << "too few are known";
  EXPECT_EQ(cells[0].phases(1).min_effect_launches(), 0U);
  setting_.past = [](const std::string&, int64_t) {
    return absl::StatusOr<MediansByPhase>(absl::DataLossError("damaged"));
  };
  ComparedRuns collected{CompareAxis()};
  AddAll(Side::kA, a, &collected);
  AddAll(Side::kB, b, &collected);
  EXPECT_TRUE(absl::IsDataLoss(collected.Compare({}, setting_).status()));
}

TEST_F(CellComparison, TakesTheFalseAlarmRate) {
  std::vector<v1::Run> a = {Run(100), Run(103), Run(97), Run(100)};
  std::vector<v1::Run> b = {Run(105), Run(108), Run(102), Run(105)};
  EXPECT_THAT(Outcomes(Compared(a, b)), ElementsAre("slower"));
  setting_.compare.false_alarm_rate = 0.001;
  EXPECT_THAT(Outcomes(Compared(a, b)), ElementsAre("inconclusive"));
}

TEST_F(CellComparison, RefusesMoreThanAThousandCells) {
  std::vector<v1::Run> runs;
  for (uint32_t i = 0; i < 1001; ++i) {
    runs.push_back(Run(1));
    Model(&runs.back())->set_context_length(i + 1);
  }
  ComparedRuns collected{CompareAxis()};
  AddAll(Side::kA, runs, &collected);
  const absl::Status status = collected.Compare({}, setting_).status();
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("1001 cells, must have at most 1000"));
  runs.pop_back();
  EXPECT_THAT(Compared(runs, {}), SizeIs(1000));
}

TEST_F(CellComparison, AThousandCellsFitIntoAMessage) {
  std::vector<v1::Run> runs;
  for (uint32_t cell = 0; cell < 1000; ++cell) {
    for (uint32_t launch = 0; launch < 2; ++launch) {
      v1::Run& run = runs.emplace_back(Run(1));
      Model(&run)->set_context_length(cell + 1);
      run.mutable_assessment()->add_evidence()->set_process(std::string(4000, 'x'));
      run.mutable_forward()->set_median_ns(1);
      run.mutable_backward()->set_median_ns(1);
      for (int i = 0; i < 20; ++i) {
        (*run.mutable_labels())[std::to_string(i) + std::string(90, 'k')] = std::string(90, 'v');
      }
    }
  }
  v1::CompareRunsResponse response;
  for (v1::ComparedCell& cell : Compared(runs, runs)) *response.add_cells() = std::move(cell);
  EXPECT_EQ(response.cells_size(), 1000);
  EXPECT_LT(response.ByteSizeLong(), size_t{2} << 20);
}

TEST(ParseCompareAxis, NamesWhatIsAnAxis) {
  const absl::Status status = ParseCompareAxis("colour").status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("by is colour, must be precision, "));
  EXPECT_TRUE(absl::IsInvalidArgument(ParseCompareAxis("label:").status()));
  EXPECT_EQ(ParseCompareAxis("label:a:b")->label, "a:b");
}

}  // namespace
}  // namespace torchlap::measure
