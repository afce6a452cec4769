// A run directory as a run of some hours would leave it, written by what writes real ones: the journal, the supervisor's account of an
// attempt's ranks. Time is made up.
#pragma once

#include <fmt/format.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "checkpoint/format/layout.h"
#include "launch/journal.h"
#include "launch/shim/exit_record.h"
#include "launch/watch/attempt_times.h"
#include "tests/unit/base/fake_clock.h"

namespace holdfast {

class MadeUpRun {
 public:
  MadeUpRun(Path root, int ranks) : layout_{std::move(root)}, ranks_(ranks) {
    clock_.now = 1'795'000'000;
    make_directories(*make_posix_file_system(), layout_.root);
  }

  const RunLayout& layout() const { return layout_; }

  /// `deaths` attempts that lose a rank after `steps` steps of `step_seconds` each, then one that ends; of each but the last, 5 steps are
  /// computed again. `slow_rank`: takes one and a half times as long; -1: none does.
  void write(int deaths, std::int64_t steps, double step_seconds, int slow_rank = -1) {
    Journal journal(layout_.journal(), clock_);
    std::ofstream metrics(layout_.metrics()), saves(layout_.saves());
    journal.write("run_started", {{"ranks", ranks_}});
    std::int64_t step = 0;
    for (int attempt = 1; attempt <= deaths + 1; ++attempt) {
      const std::int64_t from = step;
      AttemptTimes times;
      times.begin(clock_.now);
      journal.write("attempt_started", {{"attempt", attempt}, {"world_size", ranks_}});
      clock_.now += 3;
      journal.write("resumed", {{"attempt", attempt}, {"step", attempt == 1 ? -1 : from}});
      for (; step < from + steps; ++step) {
        clock_.now += step_seconds;
        if (step % 20 == 0) write_metrics(metrics, step, step_seconds);
        if (step % 500 == 499) write_save(saves, step, attempt);
      }
      for (int rank = 0; rank < ranks_; ++rank) {
        times.heard(rank, fmt::format("node-{:02d}", rank / 8), rank_times(rank, steps, step_seconds, from, rank == slow_rank), clock_.now);
        times.ended(rank, clock_.now);
      }
      clock_.now += 0.4;
      end_attempt(journal, times, attempt, attempt <= deaths, step);
      if (attempt <= deaths) step -= 5;
    }
    journal.write("done", {{"exit_code", 0}});
  }

 private:
  void write_metrics(std::ofstream& file, std::int64_t step, double step_seconds) const {
    const auto x = static_cast<double>(step);
    const double loss = 2.3 * std::exp(-x / 4000) + 0.4 + 0.08 * std::sin(x) + (step == 2000 ? 1.5 : 0),
                 rate = (1 + 0.05 * std::sin(x / 7)) / step_seconds;
    file << nlohmann::json{{"kind", "train"},
                           {"step", step},
                           {"loss", loss},
                           {"wall_clock", {{"unix_seconds", clock_.now}, {"steps_per_second", rate}, {"samples_per_second", 512 * rate}}}}
                .dump()
         << "\n";
  }

  void write_save(std::ofstream& file, std::int64_t step, int attempt) const {
    file << nlohmann::json{{"step", step},
                           {"is_durable", true},
                           {"is_resumable", true},
                           {"seconds", 1.2 + 0.5 * std::sin(static_cast<double>(step))},
                           {"bytes", 1.5 * 1073741824},
                           {"attempt", attempt},
                           {"unix_seconds", clock_.now}}
                .dump()
         << "\n";
  }

  static TimeRecord rank_times(int rank, std::int64_t steps, double step_seconds, std::int64_t from, bool is_slow) {
    TimeRecord record{.open_cause = TimeCause::collectives, .open_seconds = 0.1, .completed_step = from + steps};
    const auto put = [&](TimeCause cause, double seconds) {
      record.seconds[static_cast<std::size_t>(cause)] += seconds;
      record.age_seconds += seconds;
    };
    const double all = static_cast<double>(steps) * step_seconds, own = all * (is_slow ? 0.9 : 0.6 + 0.03 * std::sin(rank));
    put(TimeCause::startup, 1), put(TimeCause::restore, 1);
    put(TimeCause::steps, own * 0.95), put(TimeCause::data, own * 0.05);
    put(TimeCause::collectives, (all - own) * 0.8), put(TimeCause::checkpoint, (all - own) * 0.1),
        put(TimeCause::validation, (all - own) * 0.1);
    record.busy_seconds = own;
    return record;
  }

  void end_attempt(Journal& journal, AttemptTimes& times, int attempt, bool is_death, std::int64_t step) {
    const ExitRecord cause{.rank = ranks_ - 1,
                           .host = fmt::format("node-{:02d}", (ranks_ - 1) / 8),
                           .signal = 9,
                           .section = "backward",
                           .step = step + 1,
                           .last_lines = {"12:00:00 [rank 1] warning: <script>alert('no')</script> & the end"}};
    if (is_death) {
      nlohmann::json lost = to_json(cause);
      lost["attempt"] = attempt;
      journal.write("rank_lost", std::move(lost));
    }
    journal.write("attempt_ended", {{"attempt", attempt},
                                    {"is_done", !is_death},
                                    {"durable_step", is_death ? step - 5 : step},
                                    {"reached_step", step},
                                    {"recomputed_steps", is_death ? 5 : 0},
                                    {"cause", is_death ? to_json(cause) : nlohmann::json()},
                                    {"decision", is_death ? "restart" : "done"},
                                    {"reason", is_death ? describe(cause) : "finished"},
                                    {"times", times.take(clock_.now)}});
    if (is_death) journal.write("restart", {{"after_attempt", attempt}, {"delay_seconds", 0}});
  }

  RunLayout layout_;
  int ranks_;
  FakeClock clock_;
};

}  // namespace holdfast
