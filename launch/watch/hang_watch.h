// Who hangs, told from those who wait: a pure function of what the shims say of their ranks and of the time that is passed in. It
// knows no socket and kills nobody.
//
// A rank is blamed from the moment on when the others can only wait for it: of the ranks that have completed the fewest
// collectives those that are not inside the next one; or all of them, when they are all inside it and it does not end. A rank that
// is blamed for longer than the deadline of its section hangs.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/section.h"
#include "options/run_options.h"

namespace holdfast {

/// What a shim says of its rank's heartbeat.
struct RankPulse {
  Section section = Section::setup;
  std::int64_t step = 0;
  std::int64_t global_step = 0;
  std::uint64_t beats = 0;        // any change is a sign of life
  std::uint64_t collectives = 0;  // begun
  bool is_inside_collective = false;
};

struct Hang {
  struct Culprit {
    int rank = -1;
    std::string host = {};  // filled in by who knows it; empty: unknown
    RankPulse pulse = {};
    bool has_joined = true;  // false: nothing was ever heard of it in this attempt
    double silent_seconds = 0;
  };
  std::vector<Culprit> culprits;  // by rank; at least one
  std::vector<int> waiters;       // the ranks that wait for them
  double deadline_seconds = 0;    // of the first culprit's section
};

/// "no sign of life for 5.2 s (deadline 5.0 s), outside any collective; ranks 0, 2 wait for it in collective 66"
std::string describe(const Hang& hang);
/// The fields of the journal's line; docs/journal.md.
nlohmann::json to_json(const Hang& hang);

class HangWatch {
 public:
  explicit HangWatch(const HangOptions& options) : options_(options) {}

  /// An attempt of so many ranks starts. What was learnt of how long things take stays; where attempt after attempt hangs, each gets
  /// twice the time of the one before, so that a deadline that is too short does not end them all.
  void begin(int world_size, double now);
  /// What a shim says of `rank`.
  void take(int rank, const RankPulse& pulse, double now);
  /// Nothing more is expected of it.
  void ended(int rank);
  /// The caller itself did not run for a while, and knows nothing of that time: all blame begins anew.
  void forgive(double now);
  /// The hang that is there, if there is one.
  std::optional<Hang> check(double now);

 private:
  enum class Kind { setup, restore, data, step, checkpoint, validation };
  static constexpr std::size_t kKinds = 6;
  struct Life {
    RankPulse pulse;
    bool has_joined = false;
    double heard_at = 0;
    bool has_stepped = false;  // in this attempt: its first step may take what set-up may take
    std::optional<double> blamed_since;
    std::int64_t first_global_step = 0;
  };
  static Kind kind_of(Section section);
  Kind kind_of(const Life& life) const;
  double floor_of(Kind kind) const;
  double deadline_of(const Life& life) const;
  void blame(double now);

  HangOptions options_;
  int world_size_ = 0;
  std::map<int, Life> lives_;             // by rank; those that have ended are left out
  std::array<double, kKinds> longest_{};  // that somebody was blamed for and then went on, seconds
  std::array<int, kKinds> hangs_{};       // of attempts in a row that hung
  bool has_hung_ = false;                 // this attempt
};

}  // namespace holdfast
