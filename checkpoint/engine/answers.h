// What ranks tell rank 0 of their part of a collective: a text, or why there is none.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace holdfast {

/// JSON of texts that came from anywhere: what is no UTF-8 becomes U+FFFD instead of another failure.
std::string dump_any(const nlohmann::json& value);
/// A rank's answer when its part has failed.
std::string failure_answer(const std::string& what);
/// "rank 1: ..." for each failure among the answers, "ranks 0, 2: ..." where they say the same, the failure alone where all do. Empty:
/// there is none.
std::string failures_in(const std::vector<std::string>& answers);

/// Does one rank's part of a collective and returns why it failed, empty if it did not: the others wait to hear. Code that is not of this
/// project may throw anything; who calls it makes a std::exception of that.
template <class Step>
std::string failure_of(const Step& step) {
  try {
    step();
    return {};
  } catch (const std::exception& error) {
    return *error.what() ? error.what() : "an error without a text";
  }
}

}  // namespace holdfast
