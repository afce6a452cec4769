// How much of what an earlier attempt has written is kept when a run goes on: all up to the restored state.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace holdfast {

inline constexpr std::string_view kValidationKind = "validation";

/// Of the restored state; both are 0 where the run begins. A step may have several validations, as updates that are not made are no steps.
struct KeptMetrics {
  std::int64_t step = 0;
  std::int64_t validations = 0;  // that it knows of that step: any more were written by an attempt that was lost
};

/// Asked of everything that was written, in its order.
class MetricsCut {
 public:
  explicit MetricsCut(const KeptMetrics& kept) : kept_(kept) {}
  /// `name`: a validation writes each once.
  bool keeps(std::int64_t step, std::string_view kind, const std::string& name = {}) {
    if (step != kept_.step || kind != kValidationKind) return step <= kept_.step;
    return ++validations_[name] <= kept_.validations;
  }

 private:
  KeptMetrics kept_;
  std::map<std::string, std::int64_t> validations_;  // of that step, so far
};

}  // namespace holdfast
